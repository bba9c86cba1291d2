"""Compute tables, figures and the page of per-case tables again; verdicts that lie beside them must be the same."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(cases: Path, published: Path, output: Path, plots: Path) -> list[Path]:
    from dataclasses import replace

    from lib.comparison.case_tables import CaseTables
    from lib.comparison.costs import archived_costs
    from lib.comparison.sets import CASES, COSTS, case_sets, costs_of_set
    from lib.comparison.study_tables import write_study
    from lib.files import write_text
    from lib.plotting.of_tables import draw_figures
    from lib.report.made_by import made_by
    from lib.report.page import report
    from lib.report.studies import About, tables_in

    written, about = [], {}
    for name, file in case_sets(cases, output).items():
        tables = CaseTables.read(file)
        archived = file.parent if file.name == CASES else None
        written += write_study(tables, output / name, published, archived)
        if costs := costs_of_set(file):
            again = archived_costs(costs, replace(tables.results(), folder=output / name))
            write_text(output / name / COSTS, again.to_csv(index=False, float_format="%.6g"))
            written.append(output / name / COSTS)
        draw_figures(tables, output / name, plots / name)
        written.append(plots / name)
        about[name] = About.of_terms(tables.terms, name)
    page = output / "report.html"
    studies = {name: tables_in(output / name) for name in about}
    write_text(page, report(studies, about, output, made_by=made_by()))
    return [*written, page]


if __name__ == "__main__":
    run(main)
