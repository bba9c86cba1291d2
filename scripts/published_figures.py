"""Draw the inverse-weighting publication's FROC figures again, from its record files."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(records: list[Path], froc: Path, camera_ready: Path, focal_alpha: Path) -> None:
    from lib.comparison.published_records import read_published_records
    from lib.plotting.froc import draw_camera_ready, draw_focal_alpha, draw_published_froc

    published = read_published_records(records)
    draw_published_froc(published, froc)
    draw_camera_ready(published, camera_ready)
    draw_focal_alpha(published, focal_alpha)


if __name__ == "__main__":
    run(main)
