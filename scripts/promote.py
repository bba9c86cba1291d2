"""Choose the trials of a search that go on to the next rung."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(results: list[Path], keep: int, measure: str, output: Path) -> None:
    from lib.files import write_json
    from lib.search.rungs import promoted
    from lib.search.trials import read_results

    write_json(output, promoted(read_results(results), keep, measure))


if __name__ == "__main__":
    run(main)
