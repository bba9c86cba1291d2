"""The page `results/report.html`: which loss to use, on what evidence, from the tables of studies alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from lib.report import sections
from lib.report.answers import (
    Answer,
    answers,
    best_evidence_first,
    cheapest_tied,
    evidence,
    first_place,
    lead,
    limits,
    rank_interval,
    value,
)
from lib.report.columns import MISSING, counted, listed, percent, written
from lib.report.content import Cell, Heading, Part, Row, Section, Table, loss_cell
from lib.report.in_short import MOST_NAMES, InShort, in_short
from lib.report.kinds import KINDS, Kind
from lib.report.sources import FOLDER, SCRIPT, STYLE, TEMPLATE
from lib.report.studies import EVIDENCE, About, StudyTables

MOST_LINES = 4
NOT_MEASURED = "Not measured: no study of this call compares losses by these numbers on such data."


def report(
    tables: Mapping[str, Sequence[Path]],
    about: Mapping[str, About] | None = None,
    base: Path | None = None,
    joined: Sequence[Path] = (),
    made_by: Sequence[str] = ("segloss",),
) -> str:
    """The page as HTML, equal for equal tables of the same days.

    Args:
        tables: study -> its tables (``runs.csv``, ``summary.csv``, ...), as :func:`lib.report.studies.tables_in` finds
            them in a folder.
        about: what tables do not say of the studies, as far as it is known.
        base: the folder that the page will lie in, from which it links to the tables; without it links are such as
            ``<study>/runs.csv``.
        joined: ``ledger.csv`` and ``claims.csv`` of all studies, which then stand for those of the studies.
        made_by: the software, as :func:`lib.report.made_by.made_by` names it.

    Raises:
        SeglossError: a table is missing or damaged.
    """
    known = about or {}
    studies = [
        StudyTables(name, {path.stem: path for path in paths}, base, known.get(name, About()))
        for name, paths in tables.items()
    ]
    found = {kind: [answer for study in studies for answer in answers(study, kind)] for kind in KINDS}
    published = sections.ledger(studies, {path.stem: path for path in joined}, base)
    content = [
        sections.results(studies),
        sections.differences(studies),
        sections.agreement(studies),
        sections.noise_response(studies),
        sections.recall_by_size(studies),
        sections.proportions(studies),
        sections.costs(studies),
        published,
        sections.failures(studies),
        sections.provenance(studies, made_by, published.files),
    ]
    return _render(
        studies=studies,
        data=_datasets(studies),
        cards=_cards(found),
        most_lines=MOST_LINES,
        not_measured=NOT_MEASURED,
        made_by=made_by,
        answers=_answers(found, studies),
        sections=content,
    )


def _render(**content: Any) -> str:
    loader = jinja2.FileSystemLoader(FOLDER)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    style, script = (Markup((FOLDER / name).read_text(encoding="utf-8")) for name in (STYLE, SCRIPT))
    return environment.get_template(TEMPLATE).render(style=style, script=script, **content)


def _datasets(studies: Sequence[StudyTables]) -> dict[str, list[str]]:
    """Titles of the data sets by what they are to the reader."""
    used = {(study.evidence(name), study.title(name)) for study in studies for name in study.summary["dataset"]}
    return {kind: sorted(title for evidence, title in used if evidence == kind) for kind in EVIDENCE}


def _cards(found: Mapping[Kind, Sequence[Answer]]) -> list[tuple[Kind, list[InShort]]]:
    """What was measured first."""
    return sorted(((kind, in_short(of_kind)) for kind, of_kind in found.items()), key=lambda card: not card[1])


def _answers(found: Mapping[Kind, Sequence[Answer]], studies: Sequence[StudyTables]) -> Section:
    return Section(
        "answers",
        "Every comparison",
        [
            "P(first): how often the loss comes first when seeds and cases are drawn again; no proof with few seeds."
            " Runner-up: the second, with its difference to the first, the 95 % interval, and how many seeds or cases"
            " would decide between the two, were mean and spread to stay.",
        ],
        [_part(kind, best_evidence_first(of_kind)) for kind, of_kind in found.items() if of_kind],
        [study.file(name) for study in studies for name in ("ranks", "summary")],
        NOT_MEASURED,
    )


def _part(kind: Kind, found: Sequence[Answer]) -> Part:
    headings = [Heading("Data set", wide=True), Heading("First"), Heading("P(first)", True)]
    headings += [Heading("Tied with it", wide=True), Heading("Runner-up", wide=True)]
    headings += [Heading("Step (CE = 1)"), Heading("Evidence, and what it cannot show", wide=True)]
    table = Table(f"{kind.name}: first loss", headings, [*map(_row, found)])
    text = f"{kind.question} Judged where: {kind.when}."
    return Part(kind.name, kind.id, [text], tables=[table], folded=True)


def _row(answer: Answer) -> Row:
    study, dataset = answer.study, answer.setting["dataset"]
    remarks = [value(answer), answer.beside, f"runs: {answer.trouble}" if answer.trouble else ""]
    cost, second = answer.costs[answer.first], answer.runner_up
    return Row(
        [
            Cell(sections.title_of(study, dataset), more=[study.place(answer.setting), f"by {answer.column.label}"]),
            loss_cell(study, answer.first, "first", [*filter(None, remarks)]),
            Cell(percent(answer.p_first), answer.p_first, more=[rank_interval(answer)]),
            Cell(_tied(answer), more=[listed(answer.labels(answer.tied), MOST_NAMES)] if answer.compared else ()),
            Cell(
                study.label(second.loss) if second else MISSING,
                more=[*filter(None, [lead(answer), first_place(answer)])],
            ),
            Cell(written(cost), cost, more=[*filter(None, [cheapest_tied(answer)])]),
            Cell(evidence(answer), more=[answer.evidence, *limits(answer)]),
        ]
    )


def _tied(answer: Answer) -> str:
    if not answer.compared:
        return "not compared with it"
    return f"{len(answer.tied) or 'none'} of {counted(answer.others, 'other')}"
