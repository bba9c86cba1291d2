"""Measure what a band-pass threshold without any learning reaches on a data set's test cases."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(validation: list[Path], test: list[Path], output: Path) -> None:
    from lib.evaluation.reference import band_pass, reference_dice
    from lib.files import write_json
    from lib.store import StoredCase

    def read(folder: Path) -> tuple:
        case = StoredCase(folder)
        return band_pass(case.array("image")[...], case.description["spacing"]), case.array("label")[...]

    dice = reference_dice([*map(read, validation)], [*map(read, test)])
    write_json(output, {"band_pass_dice": dice})


if __name__ == "__main__":
    run(main)
