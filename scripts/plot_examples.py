"""Draw test cases with their clean masks and what each loss predicts."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(runs: dict, note: str, output: Path) -> None:
    from lib.plotting.examples import draw_examples

    draw_examples(output, {Path(folder): told for folder, told in runs.items()}, note)


if __name__ == "__main__":
    run(main)
