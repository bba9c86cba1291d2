"""The page `results/report.html`: which loss to use, on what evidence, from the tables of studies alone."""

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from lib.report import sections
from lib.report.answers import (
    Answer,
    against_reference,
    answers,
    good_choices,
    in_short,
    losses_first,
    needed_text,
    of_real_data,
    outcome,
    rank_interval,
)
from lib.report.columns import MISSING, counted, listed, percent, written
from lib.report.content import Cell, Heading, Part, Row, Section, Table
from lib.report.kinds import KINDS, Kind
from lib.report.sources import FOLDER, SCRIPT, STYLE, TEMPLATE
from lib.report.studies import About, StudyTables

FEW_CASES, FEW_SEEDS = 30, 3
MOST_LINES = 6


def report(
    tables: Mapping[str, Sequence[Path]],
    about: Mapping[str, About] | None = None,
    base: Path | None = None,
    joined: Sequence[Path] = (),
) -> str:
    """The page as HTML, equal for equal tables.

    Args:
        tables: study -> its tables (``runs.csv``, ``summary.csv``, ...), as :func:`lib.report.studies.tables_in` finds
            them in a folder.
        about: what tables do not say of the studies, as far as it is known.
        base: the folder that the page will lie in, from which it links to the tables; without it links are such as
            ``<study>/runs.csv``.

        joined: ``ledger.csv`` and ``claims.csv`` of all studies, which then stand for those of the studies.

    Raises:
        SeglossError: a table is missing or damaged.
    """
    known = about or {}
    studies = [
        StudyTables(name, {path.stem: path for path in paths}, base, known.get(name, About()))
        for name, paths in tables.items()
    ]
    found = {kind: losses_first(answer for study in studies for answer in answers(study, kind)) for kind in KINDS}
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
        sections.provenance(studies, {name: version(name) for name in ("pandas", "Jinja2")}, published.files),
    ]
    return _render(
        studies=studies,
        data=_data(studies),
        kinds=[_card(kind, found[kind]) for kind in KINDS],
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


def _data(studies: Sequence[StudyTables]) -> dict[str, Any]:
    """What the data are, for the head of the page."""
    used = {(study.title(name), study.is_phantom(name)) for study in studies for name in study.summary["dataset"]}
    phantoms, real = (sorted(title for title, made in used if made is kind) for kind in (True, False))
    return {"phantoms": phantoms, "real": real, "notes": {study.name: study.about.note for study in studies}}


def _card(kind: Kind, found: Sequence[Answer]) -> tuple[Kind, list[str], list[dict[str, str]], int]:
    """Kind, sentences, a few lines, and how many were left out."""
    lines = leaders(found)
    return kind, _sentences(found), lines[:MOST_LINES], len(lines[MOST_LINES:])


def _sentences(found: Sequence[Answer]) -> list[str]:
    return [*filter(None, [in_short(found), good_choices(found)])]


def leaders(found: Sequence[Answer]) -> list[dict[str, str]]:
    """A line for each answer of real data, or of phantoms where there are no others."""
    return [
        {
            "where": f"{answer.title}, {answer.place}, {answer.column.label}",
            "first": answer.first + ("*" if answer.trouble else ""),
            "outcome": ", ".join([outcome(answer), *([] if math.isnan(answer.cost) else [f"step {_cost(answer)}"])]),
        }
        for answer in of_real_data(found)
    ]


def _answers(found: Mapping[Kind, Sequence[Answer]], studies: Sequence[StudyTables]) -> Section:
    parts = [_part(kind, of_kind) for kind, of_kind in found.items()]
    return Section(
        "answers",
        "The answer for each kind of task",
        [
            "First: the loss with the best mean over seeds and test cases. Tied: losses that are not shown to be worse,"
            " in a paired comparison with 95 % confidence, adjusted for their number. P(first): how often it comes"
            " first when seeds and cases are drawn again; it is no proof with few seeds.",
        ],
        parts,
        [study.file(name) for study in studies for name in ("ranks", "comparisons", "summary")],
    )


def _part(kind: Kind, found: Sequence[Answer]) -> Part:
    texts = [f"{kind.question} Judged where: {kind.when}.", *_sentences(found)]
    if not found:
        return Part(kind.name, kind.id, texts)
    headings = [Heading("Data set", wide=True), Heading("First"), Heading("P(first)", True)]
    headings += [Heading("Tied with it", wide=True), Heading("Against the reference", wide=True)]
    headings += [Heading("Evidence"), Heading("What was not shown", wide=True)]
    return Part(kind.name, kind.id, texts, tables=[Table(f"{kind.name}: first loss", headings, [*map(_row, found)])])


def _row(answer: Answer) -> Row:
    verdict, difference = against_reference(answer)
    shown = answer.reference.verdict if answer.reference else ""
    value = f"{answer.column.label}: {written(answer.value, answer.column)} {answer.column.unit}".strip()
    remarks = [value, answer.beside, f"runs: {answer.trouble}" if answer.trouble else ""]
    return Row(
        [
            Cell(sections.title_of(answer.title, answer.phantom), more=[answer.place, f"by {answer.column.label}"]),
            Cell(answer.first, kind="first", more=[*filter(None, remarks)]),
            Cell(percent(answer.p_first), answer.p_first, more=[rank_interval(answer)]),
            Cell(_tied(answer), more=[listed(answer.tied)] if answer.compared else ()),
            Cell(verdict, kind={"better": "good", "worse": "bad"}.get(shown, ""), more=[*filter(None, [difference])]),
            Cell(f"{counted(answer.cases, 'case')}, {counted(answer.seeds, 'seed')}", more=[f"step: {_cost(answer)}"]),
            Cell(limits(answer)),
        ]
    )


def _cost(answer: Answer) -> str:
    return "not measured" if math.isnan(answer.cost) else f"{written(answer.cost)} × cross-entropy"


def _tied(answer: Answer) -> str:
    if not answer.compared:
        return "not compared with it"
    return f"{len(answer.tied) or 'none'} of {counted(answer.others, 'other')}"


def limits(answer: Answer) -> str:
    """What so many cases and seeds cannot show, and how many would."""
    texts = []
    if answer.visible > 0:
        texts.append(f"differences below about {written(answer.visible, answer.column)} would not show")
    few = [
        *([f"only {counted(answer.cases, 'case')}"] if answer.cases < FEW_CASES else []),
        *([f"only {counted(answer.seeds, 'seed')}"] if answer.seeds < FEW_SEEDS else []),
    ]
    texts += [" and ".join(few)] if few else []
    texts += ["counted over all cases together, so that intervals are of seeds alone"] if answer.pooled else []
    texts += filter(None, [needed_text(answer)])
    return "; ".join(texts) or MISSING
