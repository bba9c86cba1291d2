"""Say what the training cases of a split have in common: spacing, shape, intensities, shares of classes."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(prepared: Path, cases: Path, labels: dict, output: Path) -> None:
    from lib.datasets.fingerprint import fingerprint
    from lib.files import write_json
    from lib.labels import Labels
    from lib.store import open_cases

    write_json(output, fingerprint(open_cases(prepared, cases), Labels(**labels)))


if __name__ == "__main__":
    run(main)
