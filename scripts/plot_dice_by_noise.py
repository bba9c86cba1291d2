"""Draw a study's Dice against the noise in its training masks, one line per loss, beside published numbers."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    per_run: Path,
    titles: dict,
    note: str,
    published: Path,
    output: Path,
    table: str = "",
    published_names: dict | None = None,
) -> None:
    import pandas as pd

    from lib.plotting.noise_response import draw_dice_by_noise

    printed = pd.read_csv(published / f"{table}.csv") if table else None
    draw_dice_by_noise(output, pd.read_csv(per_run), titles, note, printed, published_names or {})


if __name__ == "__main__":
    run(main)
