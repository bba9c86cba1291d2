"""Measure what a band-pass threshold without any learning reaches on a data set's test cases."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(prepared: Path, cases: list[Path], output: Path) -> None:
    from lib.files import write_json
    from lib.maps import foreground
    from lib.measures.baseline import band_pass, baseline_dice
    from lib.store import StoredCase, open_cases

    def read(case: StoredCase) -> tuple:
        return band_pass(case.array("image")[...], case.description["spacing"]), foreground(case.array("label")[...])

    dice = baseline_dice(*([*map(read, open_cases(prepared, part))] for part in cases))
    write_json(output, {"band_pass_dice": dice})


if __name__ == "__main__":
    run(main)
