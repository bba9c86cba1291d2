"""Recompute numbers and figures of the inverse-weighting publication from its record files, beside the printed ones."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(records: list[Path], printed: Path, table: Path, froc: Path, camera_ready: Path, focal_alpha: Path) -> None:
    from lib import ROOT
    from lib.comparison.published_records import STUDY, published_table, read_printed, read_published_records
    from lib.config.study import load_study, study_files
    from lib.files import write_text
    from lib.plotting.published_froc import camera_ready_figures, focal_alpha_figures, published_figures
    from lib.plotting.style import save_pages

    published = read_published_records(records)
    looks = load_study(study_files(ROOT)[STUDY], ROOT).looks
    write_text(table, published_table(published, read_printed(printed)).to_csv(index=False))
    save_pages(published_figures(published, looks), froc)
    save_pages(camera_ready_figures(published, looks), camera_ready)
    save_pages(focal_alpha_figures(published), focal_alpha)


if __name__ == "__main__":
    run(main)
