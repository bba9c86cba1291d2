"""Draw a study's Dice against the noise in its training masks, one line per loss, beside published numbers."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    per_run: Path,
    titles: dict,
    note: str,
    output: Path,
    published: Path | None = None,
    published_names: dict | None = None,
) -> None:
    import pandas as pd
    from lib.plotting.noise_response import draw_dice_by_noise

    table = pd.read_csv(published) if published else None
    draw_dice_by_noise(output, pd.read_csv(per_run), titles, note, table, published_names or {})


if __name__ == "__main__":
    run(main)
