"""Draw a contact sheet of a noisy set: clean mask, noisy mask and their difference for each kind of noise."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(prepared: Path, cases: Path, noisy: Path, table: Path, title: str, noise: str, output: Path) -> None:
    import pandas as pd

    from lib.plotting.noise_sheet import draw_noise_sheet
    from lib.store import open_noisy_cases

    shown, changes = open_noisy_cases(prepared, cases, noisy), pd.read_csv(table, dtype={"case": str})
    draw_noise_sheet(output, f"{title}: {noise}", shown, changes)


if __name__ == "__main__":
    run(main)
