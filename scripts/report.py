"""Make the page of the whole comparison from the tables of studies."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, tables: list[Path], page: Path, joined: list[Path] | None = None) -> None:
    from lib.config.load import load
    from lib.files import write_text
    from lib.report.made_by import made_by
    from lib.report.page import report
    from lib.report.studies import About

    loaded = load(configuration)
    studies: dict[str, list[Path]] = {}
    for table in tables:
        studies.setdefault(table.parent.name, []).append(table)
    about = {name: About.of_study(loaded, name) for name in studies}
    write_text(page, report(studies, about, page.parent, joined or (), made_by()))


if __name__ == "__main__":
    run(main)
