"""The sections of the page below the answers; each is a function of the studies."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from lib.measures.catalogue import Column
from lib.report.answers import UNUSABLE
from lib.report.columns import MISSING, column_of, counted, directed, interval, percent, whole, written
from lib.report.content import Cell, Chart, Heading, Part, Row, Section, Table, heading_of, loss_cell, number
from lib.report.costs import measured_costs
from lib.report.kinds import KINDS
from lib.report.losses import hyperparameters, maps_of
from lib.report.studies import CLEAN, EVIDENCE, PHANTOMS, File, Setting, StudyTables, file_of, read_table
from lib.report.svg import Line, Mark, curves, forest, key, ranks

SHARE = Column("share", "share", largest=1)
MAIN_COLUMNS = tuple(dict.fromkeys(name for kind in KINDS for name in (*kind.columns, *kind.also, kind.beside) if name))


def results(studies: Sequence[StudyTables]) -> Section:
    """All losses by all measures."""
    present = [name for study in studies for name in study.summary.columns[study.summary.notna().any()]]
    columns = sorted(
        {column.name: column for column in directed(dict.fromkeys(present))}.values(),
        key=lambda column: MAIN_COLUMNS.index(column.name) if column.name in MAIN_COLUMNS else len(MAIN_COLUMNS),
    )
    headings = [Heading("Loss"), Heading("Data set", wide=True), *map(Heading, ("Study", "Runs"))]
    headings += [Heading("Cases", number=True)]
    losses = [(study, row) for study in studies for row in study.summary.to_dict("records")]
    for column in columns:
        units = dict.fromkeys(study.unit(column, row["dataset"]) for study, row in losses)
        shown = replace(column, unit=" or ".join(filter(None, units)))
        headings.append(heading_of(shown, extra=column.name not in MAIN_COLUMNS))
    losses.sort(key=lambda pair: EVIDENCE.index(pair[0].evidence(pair[1]["dataset"])))
    rows = [_result(study, row, columns) for study, row in losses]
    filters = {"dataset": "Data set", "network": "Network", "noise": "Noise", "study": "Study"}
    table = Table("Means over seeds and test cases, a row for each loss in each setting", headings, rows, filters)
    return Section(
        "results",
        "All losses, all measures",
        [
            "Press a heading to sort. ↑: higher is better, ↓: lower is better. A dash: not measured.",
            "A mean without an interval shows no difference: see the differences below.",
        ],
        [Part(tables=[table])],
        [study.file("summary") for study in studies],
    )


def _result(study: StudyTables, row: dict, columns: Sequence) -> Row:
    cells = [
        loss_cell(study, row["loss"]),
        Cell(title_of(study, row["dataset"]), more=[study.place(row)]),
        Cell(study.name),
        Cell(str(row["status"]), kind="bad" if any(word in str(row["status"]) for word in UNUSABLE) else ""),
        number(float(row.get("test_cases", math.nan))),
    ]
    cells[-1] = Cell(whole(cells[-1].value), cells[-1].value)
    cells += [number(float(row.get(column.name, math.nan)), column) for column in columns]
    keys = {"dataset": title_of(study, row["dataset"]), "network": row["network"], "noise": row["noise"]}
    return Row(cells, keys | {"study": study.name})


def differences(studies: Sequence[StudyTables]) -> Section:
    """Forest plots and ranks by the number by which each study judges, a part for each setting."""
    parts = [part for study in studies for part in _differences_of(study)]
    return Section(
        "differences",
        "Differences and ranks",
        [
            "First chart: difference of each loss to its reference with the 95 % interval of the mean, paired by case"
            " and seed. ▲ better, ▼ worse, ■ equivalent (within the grey band), ○ not shown, after adjustment for the"
            " number of losses.",
            "Second chart: rank of each loss with the interval that holds 95 % of its ranks when seeds and cases are"
            " drawn again; the number says how often it comes first.",
        ],
        _folded(parts),
        [study.file(name) for study in studies for name in ("comparisons", "ranks")],
        "No setting has several losses.",
    )


def _differences_of(study: StudyTables) -> Iterator[Part]:
    column = column_of(study.about.primary)
    ranked = study.judged(study.table("ranks"))
    compared = study.judged(study.table("comparisons"))
    for place, (setting, rows) in enumerate(study.settings(ranked)):
        of_column = rows[rows["column"] == column.name].sort_values(["rank", "p_first"], ascending=[True, False])
        if of_column.empty:
            continue
        tested = _within_setting(study.of_setting(compared, setting))
        tested = tested[tested["column"] == column.name]
        name, unit = f"{study.name}-{place}", study.unit(column, setting["dataset"])
        charts = []
        if len(tested):
            references = ", ".join(map(study.label, dict.fromkeys(tested["reference"])))
            drawing = forest(
                _difference_marks(study, of_column["loss"], tested),
                f"forest-{name}",
                f"Differences in {column.label} to {references}",
                f"difference ({unit})" if unit else "difference",
                column.margin,
            )
            charts.append(Chart(drawing, f"{column.label}: difference to {references}"))
        marks = [
            Mark(study.label(row["loss"]), row["rank"], row["low"], row["high"], "plain", percent(row["p_first"]))
            for row in of_column.to_dict("records")
        ]
        drawing = ranks(marks, f"ranks-{name}", f"Ranks by {column.label}")
        charts.append(Chart(drawing, f"{column.label}: rank, and how often a loss comes first"))
        yield Part(
            f"{title_of(study, setting['dataset'])}: {study.place(setting)}",
            f"differences-{name}",
            [_counts(study, of_column.iloc[0])],
            charts,
        )


def _within_setting(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of losses with each other, not those of variants."""
    if "reference_variant" not in comparisons:
        return comparisons
    return comparisons[comparisons["reference_variant"] == comparisons["variant"]]


def _difference_marks(study: StudyTables, losses: Sequence[str], tested: pd.DataFrame) -> list[Mark]:
    by_loss = {row["loss"]: row for row in tested.to_dict("records")}
    references = set(tested["reference"])
    marks = []
    for loss in losses:
        label = study.label(loss)
        if row := by_loss.get(loss):
            note = f"to {study.label(row['reference'])}" if len(references) > 1 else ""
            marks.append(Mark(label, row["difference"], row["low"], row["high"], row["verdict"], note))
        elif loss in references:
            marks.append(Mark(f"{label} (reference)", 0, kind="reference"))
    return marks


def _counts(study: StudyTables, row: pd.Series) -> str:
    cases = "all test cases together" if row["cases"] == 1 else counted(row["cases"], "case")
    single = " A single seed says nothing about the next training." if row["seeds"] < 2 else ""
    return f"{study.name}: {cases}, {counted(row['seeds'], 'seed')}.{single}"


def agreement(studies: Sequence[StudyTables]) -> Section:
    """Kendall's tau between rankings, of the studies that have the table."""
    with_table = [study for study in studies if len(study.table("rank_agreement"))]
    names = ["Compared", "Data set", "Setting", "Measure", "Losses", "Kendall's tau", "Study"]
    headings = [Heading(name, number=name in ("Losses", "Kendall's tau")) for name in names]
    rows = [row for study in with_table for row in _agreements_of(study)]
    table = Table("Agreement of rankings", headings, rows, {"kind": "Between", "study": "Study"})
    return Section(
        "agreement",
        "Does the ranking stay the same elsewhere?",
        [
            "Kendall's tau between two rankings of the same losses: 1 is the same order, 0 none, −1 the reverse."
            " Where it is low, the best loss depends on network, data or measure more than on the loss.",
        ],
        [Part(texts=_medians(rows), tables=[table])] if rows else [],
        [study.file("rank_agreement") for study in with_table],
        "Not measured in this call.",
    )


def _agreements_of(study: StudyTables) -> Iterator[Row]:
    shown = {*MAIN_COLUMNS, study.about.primary}
    table = study.table("rank_agreement")
    for row in table.astype(object).where(table.notna(), "").to_dict("records"):
        compared = {row["one"], row["other"]} if row["kind"] == "measure" else {row["column"]}
        if compared <= shown:
            tau = _float(row["tau"])
            cells = [
                Cell(f"{row['kind']}: {_compared(row, 'one')}, {_compared(row, 'other')}"),
                Cell(title_of(study, row["dataset"]) if row["dataset"] else MISSING),
                Cell(study.place(row) or MISSING),
                Cell(column_of(row["column"]).label if row["column"] else MISSING),
                Cell(whole(_float(row["losses"])), _float(row["losses"])),
                Cell(written(tau, SHARE, signed=True), tau),
                Cell(study.name),
            ]
            yield Row(cells, {"kind": row["kind"], "study": study.name})


def _compared(row: Mapping[str, str], side: str) -> str:
    return column_of(row[side]).label if row["kind"] == "measure" else row[side]


def _medians(rows: Sequence[Row]) -> list[str]:
    kinds: dict[str, list[float]] = {}
    for row in rows:
        kinds.setdefault(row.keys["kind"], []).append(row.cells[5].value)
    medians = [
        f"{kind} {written(float(pd.Series(taus).median()), SHARE, signed=True)} ({counted(len(taus), 'pair')})"
        for kind, taus in kinds.items()
    ]
    return [f"Median tau by what differs: {', '.join(medians)}."]


def noise_response(studies: Sequence[StudyTables]) -> Section:
    """The primary number over the noise of the training masks, a chart for each data set, network and variant."""
    parts, files = [], []
    for study in studies:
        found = [*_responses_of(study)]
        parts += found
        files += [study.file("summary")] if found else []
    return Section(
        "noise",
        "Wrong training masks: dose and response",
        [
            "Across: mean Dice of the training masks with the clean ones (1: no faults). Up: the result on clean test"
            " masks, mean over seeds; bars are one standard deviation over seeds.",
        ],
        _folded(parts),
        files,
        "No study of this call has noise in the training masks.",
    )


def _responses_of(study: StudyTables) -> Iterator[Part]:
    column = column_of(study.about.primary)
    if not {column.name, "masks_dice"} <= set(study.summary):
        return
    apart = ["dataset", "variant", "resampling", "network", "optimizer", "scheduler"]
    for place, (_, rows) in enumerate(study.summary.groupby(apart, sort=False)):
        if len(set(rows["noise"])) > 1:
            setting = {**rows.iloc[0].to_dict(), "noise": CLEAN}
            of_loss = rows.groupby("loss", sort=False)
            lines = [Line(study.label(loss), _points(part, column.name)) for loss, part in of_loss]
            title = f"{column.label} over the noise in the training masks"
            drawing = curves(lines, f"noise-{study.name}-{place}", title, "Dice of the training masks", column.axis)
            name = f"{title_of(study, setting['dataset'])}: {study.place(setting)}"
            chart = Chart(drawing, f"{column.label}, a line for each loss", key(lines))
            yield Part(name, f"noise-{study.name}-{place}-part", [], [chart])


def _points(rows: pd.DataFrame, column: str) -> list[tuple[float, float, float]]:
    spread = rows.get(f"{column}_sd", pd.Series(math.nan, rows.index))
    points = zip(rows["masks_dice"], rows[column], spread, strict=True)
    return sorted(point for point in points if math.isfinite(point[1]))


def recall_by_size(studies: Sequence[StudyTables]) -> Section:
    """Share of the lesions found, by diameter."""
    parts, files = [], []
    for study in studies:
        bins = [name for name in study.summary if re.fullmatch(r"recall_\d+_(\d+|inf)", name)]
        if bins:
            files.append(study.file("summary"))
            for setting, rows in study.settings(study.summary):
                if rows[bins].notna().any(axis=None):
                    parts.append(Part(tables=[_recall_table(study, setting, rows, bins)]))
    return Section(
        "recall",
        "Lesions found, by their size",
        ["Share of the true lesions that a predicted voxel touches, by diameter in voxels; mean over seeds."],
        parts,
        files,
        "Not measured in this call: no study measures FROC.",
    )


def _recall_table(study: StudyTables, setting: Setting, rows: pd.DataFrame, bins: Sequence[str]) -> Table:
    headings = [Heading("Loss"), *(Heading(_bin(name), number=True) for name in bins)]
    content = [
        Row(
            [
                loss_cell(study, row["loss"]),
                *(Cell(written(row[name], SHARE), row[name], bar=row[name]) for name in bins),
            ]
        )
        for row in rows.to_dict("records")
    ]
    return Table(f"{title_of(study, setting['dataset'])}: {study.place(setting)}", headings, content)


def _bin(name: str) -> str:
    low, high = name.split("_")[1:]
    return f"{low} or more" if high == "inf" else f"{low} to {high}"


def proportions(studies: Sequence[StudyTables]) -> Section:
    """Predicted minus true share of the voxels."""
    parts, files = [], []
    for study in studies:
        if "proportion_bias" in study.summary:
            files.append(study.file("summary"))
            for place, (setting, rows) in enumerate(study.settings(study.summary)):
                if rows["proportion_bias"].notna().any() and len(rows) > 1:
                    parts.append(_proportion_part(study, place, setting, rows))
    return Section(
        "proportions",
        "Too much or too little: bias of proportions",
        [
            "Predicted minus true share of the voxels, in percentage points, mean over cases, structures and seeds."
            " Below 0 a loss marks too little. Bars are one standard deviation over seeds.",
        ],
        _folded(parts),
        files,
        "Not measured in this call.",
    )


def _proportion_part(study: StudyTables, place: int, setting: Setting, rows: pd.DataFrame) -> Part:
    marks = []
    for row in rows.to_dict("records"):
        value, sd = 100 * row["proportion_bias"], 100 * row.get("proportion_bias_sd", math.nan)
        marks.append(Mark(study.label(row["loss"]), value, value - sd, value + sd))
    name = f"bias-{study.name}-{place}"
    drawing = forest(marks, name, "Bias of the predicted share", "predicted minus true share (percentage points)")
    share = f"{100 * rows['proportion'].mean():.3g} %"
    heading = f"{title_of(study, setting['dataset'])}: {study.place(setting)}"
    return Part(heading, f"{name}-part", [f"True share: {share} of the voxels."], [Chart(drawing, "Bias by loss")])


def costs(studies: Sequence[StudyTables]) -> Section:
    """Time and memory of a step, and what has to be prepared and chosen for a loss."""
    parts, files = [], []
    measured = [(study, measured_costs(study)) for study in studies]
    rows = [_cost(study, row) for study, table in measured for row in table.to_dict("records")]
    files += [study.file("cost") for study, table in measured if len(table)]
    numbers = ["Step, cross-entropy = 1", "Step (ms)", "Host memory (MB)", "GPU memory (MB)"]
    headings = [Heading("Loss"), Heading("Data set", wide=True), Heading("Setting")]
    headings += [*(Heading(name, number=True) for name in numbers), Heading("Measured on")]
    if rows:
        parts.append(Part("Time and memory", "cost-measured", tables=[Table("A training step", headings, rows)]))
    if needs := _needs(studies):
        headings = [
            Heading("Loss"),
            Heading("Maps to prepare"),
            Heading("Numbers to choose", number=True),
            Heading("Which", wide=True),
            Heading("Study"),
        ]
        note = "Maps are made once for each case. Learning rates are not counted among the numbers to choose."
        parts.append(Part("Preparation and choices", "cost-choices", [note], tables=[Table("Needs", headings, needs)]))
    return Section(
        "cost",
        "Cost",
        [
            "A step is forward, loss, backward and optimizer; the same network and batch for all losses of a setting. A"
            " dash: cross-entropy, or the memory of a GPU, was not measured there.",
        ],
        parts,
        files,
        "Not measured in this call.",
    )


def _cost(study: StudyTables, row: dict) -> Row:
    device = f"{row['device']}, {counted(row['threads'], 'thread')}" if pd.notna(row["device"]) else MISSING
    return Row(
        [
            loss_cell(study, row["loss"]),
            Cell(title_of(study, row["dataset"])),
            Cell(study.place(row)),
            number(row["in_ce"]),
            number(1000 * row["seconds_per_step"]),
            number(row["host_memory_mb"]),
            number(row["device_memory_mb"]),
            Cell(device),
        ]
    )


def _needs(studies: Sequence[StudyTables]) -> list[Row]:
    rows = []
    for study in studies:
        for name, loss in study.about.losses.items():
            chosen = hyperparameters(loss)
            cells = [
                loss_cell(study, name),
                Cell(", ".join(maps_of(loss)) or "none"),
                Cell(str(len(chosen)), len(chosen)),
            ]
            rows.append(Row([*cells, Cell("; ".join(chosen) or "none"), Cell(study.name)]))
    return rows


def ledger(studies: Sequence[StudyTables], joined: Mapping[str, Path], base: Path | None) -> Section:
    """Published numbers and claims, with what was reached.

    Args:
        joined: ``ledger`` and ``claims`` of all studies, with a column ``study``, instead of those of each study.
        base: the folder of the page.
    """
    tables, files = {}, []
    for name in ("ledger", "claims"):
        if name in joined:
            tables[name] = read_table(joined[name])
            files.append(file_of(joined[name], len(tables[name]), base, joined[name].name))
        else:
            of_studies = [study.table(name).assign(study=study.name) for study in studies]
            tables[name] = pd.concat(of_studies, ignore_index=True)
            files += [study.file(name) for study in studies]
    parts = []
    for name, heading, table_of in (("ledger", "Numbers", _ledger_table), ("claims", "Claims", _claims_table)):
        if len(tables[name]):
            counts = tables[name]["verdict"].value_counts()
            said = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
            rows = tables[name].astype(object).where(tables[name].notna(), "").to_dict("records")
            table = table_of(rows, {study.name: study for study in studies})
            parts.append(Part(heading, f"ledger-{name}", [f"{len(rows)}: {said}."], tables=[table]))
    return Section(
        "ledger",
        "What was published, and what was reached",
        [
            "A published number is reproduced where it lies in the 95 % prediction interval of our trainings. Reduced:"
            " smaller networks, data or schedules than published; such a number says nothing about the published one.",
        ],
        parts,
        files,
        "No study of this call has published numbers.",
    )


_ABSENT = StudyTables("", {})
"""In place of a study that is not in the call."""


def _ledger_table(rows: Sequence[Mapping[str, Any]], studies: Mapping[str, StudyTables]) -> Table:
    headings = [Heading("Published loss"), Heading("Data set", wide=True), Heading("Measure"), Heading("Noise")]
    headings += [Heading("Published", True), Heading("Ours", True), Heading("95 % prediction interval")]
    headings += [*map(Heading, ("Verdict", "Attempt")), Heading("Remark", wide=True), Heading("Source", wide=True)]
    headings += [Heading("Study")]
    filters = {"verdict": "Verdict", "study": "Study"}
    return Table("Published numbers", headings, [_ledger_row(row, studies) for row in rows], filters)


def _ledger_row(row: Mapping[str, Any], studies: Mapping[str, StudyTables]) -> Row:
    column = column_of(row["metric"])
    published, ours, low, high = (_float(row.get(name)) for name in ("published", "ours", "low", "high"))
    remarks = [str(row[name]) for name in ("remark", "reason") if row.get(name)]
    cells = [
        loss_cell(studies.get(row["study"], _ABSENT), row["published_loss"]),
        Cell(str(row.get("title") or row["dataset"])),
        Cell(column.axis),
        Cell(str(row["noise"]) or CLEAN),
        number(published, column),
        number(ours, column),
        Cell(interval(low, high, column, signed=False), low),
        Cell(row["verdict"], kind=_verdict_class(row["verdict"])),
        Cell(str(row.get("attempt") or MISSING)),
        Cell("; ".join(remarks) or MISSING),
        Cell(str(row["source"])),
        Cell(str(row["study"])),
    ]
    return Row(cells, {"verdict": row["verdict"], "study": str(row["study"])})


def _claims_table(rows: Sequence[Mapping[str, Any]], studies: Mapping[str, StudyTables]) -> Table:
    headings = [Heading("Claim", wide=True), Heading("Data set"), Heading("Noise"), Heading("Ours: difference", True)]
    headings += [Heading("95 % interval"), Heading("Seeds", True), *map(Heading, ("Verdict", "Attempt"))]
    headings += [Heading("P(claim false) by the published numbers", True), Heading("Source", wide=True)]
    filters = {"verdict": "Verdict", "study": "Study"}
    return Table("Published claims", headings, [_claims_row(row, studies) for row in rows], filters)


def _claims_row(row: Mapping[str, Any], studies: Mapping[str, StudyTables]) -> Row:
    column = column_of(row["column"])
    difference, low, high, seeds = (_float(row.get(name)) for name in ("difference", "low", "high", "seeds"))
    false = _float(row.get("p_false"))
    loss, than = map(studies.get(row["study"], _ABSENT).label, (row["loss"], row["than"]))
    cells = [
        Cell(f"{row['claim']}: {loss} {_relation(row['relation'])} {than}"),
        Cell(str(row["dataset"])),
        Cell(str(row["noise"])),
        number(difference, column, signed=True),
        Cell(interval(low, high, column), low),
        Cell(whole(seeds), seeds),
        Cell(row["verdict"], kind=_verdict_class(row["verdict"])),
        Cell(str(row.get("attempt") or MISSING)),
        Cell(percent(false), false),
        Cell(str(row["source"])),
    ]
    return Row(cells, {"verdict": row["verdict"], "study": str(row["study"])})


def _relation(relation: str) -> str:
    return {"better": "is better than", "equivalent": "is equivalent to"}.get(relation, relation)


def _verdict_class(verdict: str) -> str:
    if verdict in ("reproduced", "holds"):
        return "good"
    return "open" if verdict.startswith("not ") and verdict != "not reproduced" else "bad"


def failures(studies: Sequence[StudyTables]) -> Section:
    """Runs by what they came to, for each loss on each data set."""
    found = {study.name: _statuses(study) for study in studies}
    order = [*UNUSABLE, "learnt"]
    statuses = sorted(
        {status for table in found.values() for status in table},
        key=lambda status: (order.index(status) if status in order else -1, status),
    )
    headings = [Heading("Loss"), Heading("Data set"), Heading("Study"), Heading("Runs", number=True)]
    headings += [Heading(status, number=True) for status in statuses]
    rows = []
    for study in studies:
        for (dataset, loss), row in found[study.name].iterrows():
            counts = [int(row.get(status, 0)) for status in statuses]
            cells = [loss_cell(study, loss), Cell(title_of(study, dataset)), Cell(study.name)]
            cells.append(Cell(str(sum(counts)), sum(counts)))
            for status, times in zip(statuses, counts, strict=True):
                cells.append(Cell(str(times), times, "bad" if times and status != "learnt" else ""))
            rows.append(Row(cells, {"study": study.name}))
    table = Table("Trainings by what they came to", headings, rows, {"study": "Study"})
    return Section(
        "failures",
        "Trainings that failed",
        [
            "Collapsed: no better than marking nothing, or everything. Below baseline: no better than a threshold"
            " without learning. Poor: Dice below 0.3, or more than ten wrong components for each true one. They count"
            " in all means.",
        ],
        [Part(tables=[table])] if rows else [],
        [study.file("runs") for study in studies],
    )


def _statuses(study: StudyTables) -> pd.DataFrame:
    runs = study.judged(study.table("runs"))
    return runs.pivot_table(index=["dataset", "loss"], columns="status", aggfunc="size", fill_value=0, sort=False)


def provenance(studies: Sequence[StudyTables], made_by: Sequence[str], more: Sequence[File]) -> Section:
    """Every table with its day and SHA-256, and what made the page."""
    files = list(dict.fromkeys([*(study.file(name) for study in studies for name in study.tables), *more]))
    rows = [
        Row(
            [
                Cell(file.link, kind="link"),
                Cell(file.day),
                Cell(f"{file.rows:,}", file.rows),
                Cell(f"{file.size:,}", file.size),
                Cell(file.sha256, kind="digest"),
            ]
        )
        for file in files
    ]
    headings = [Heading("File"), Heading("Day (UTC)"), Heading("Rows", number=True), Heading("Bytes", number=True)]
    headings += [Heading("SHA-256")]
    days = [file.day for file in files]
    return Section(
        "provenance",
        "Where the numbers come from",
        [
            "Every number of this page stands in one of these tables, or counts or averages their rows. Code, versions,"
            " machine and time of each training stand in provenance.json in its folder.",
            f"Page made by {', '.join(made_by)}, from tables of {' to '.join(dict.fromkeys([min(days), max(days)]))}.",
        ],
        [Part(tables=[Table("Tables", headings, rows)])],
    )


def _folded(parts: Sequence[Part]) -> list[Part]:
    """All but the first few parts folded, so that a page with many stays short."""
    return [part if place < 2 else Part(**{**vars(part), "folded": True}) for place, part in enumerate(parts)]


def title_of(study: StudyTables, dataset: str) -> str:
    """The title of a data set, which says so where it is made by a program."""
    title = study.title(dataset)
    unsaid = study.evidence(dataset) == PHANTOMS and "phantom" not in title.lower()
    return f"{title} (phantoms)" if unsaid else title


def _float(value: object) -> float:
    return float(value) if value not in ("", None) else math.nan
