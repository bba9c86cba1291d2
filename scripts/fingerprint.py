"""Say what the training cases of a split have in common: spacing, shape, intensities, shares of classes."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(prepared: Path, cases: Path, labels: dict, output: Path) -> None:
    from lib.datasets.fingerprint import fingerprint
    from lib.files import read_json, write_json
    from lib.labels import Labels
    from lib.store import StoredCase

    stored = [StoredCase(prepared / name, description) for name, description in read_json(cases).items()]
    used = [case for case in stored if not case.excluded]  # none, perhaps, which the report of the data shows
    write_json(output, fingerprint(used, Labels(**labels)))


if __name__ == "__main__":
    run(main)
