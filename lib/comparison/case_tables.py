"""The tables from which all others of a study follow: the cases of all its runs, and a row for each training."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import pandas as pd
from pydantic import BeforeValidator

from lib.comparison.results import ALL, KEYS, OF_FILE, EvaluatedRun, StudyResults, joined, read_csv
from lib.comparison.sets import CASES, TERMS, TRAININGS
from lib.comparison.statistics import by_setting, pairs_of_losses
from lib.comparison.summary import recorded
from lib.config.study_schema import Look, Primary, Published
from lib.datasets import DATASETS
from lib.errors import SeglossError
from lib.fields import Name, Section, Text
from lib.files import read_json, write_json, write_text
from lib.losses.catalogue import LOSSES
from lib.losses.specification import parts, resolved, shortest
from lib.measures.catalogue import DECIDED, MEASURES, MeasureParameters
from lib.registry import chosen_from
from lib.suggest import shortened
from lib.validation import validated

RUN = [*KEYS, "seed"]
TRAINING = [*RUN, "fold"]
PLACE = ["case", "structure", "cut"]
DEFAULTS = {
    **dict.fromkeys(KEYS, "unknown"),
    **{"dataset": "data", "variant": "base", "noise": "clean", "resampling": "native"},
    **{"structure": "structure", "cut": DECIDED, "fold": ""},
}
"""What tables of other tools may leave out."""
REQUIRED = ("loss", "seed", "case")
Measures = list[chosen_from(MEASURES)]


def _checked_loss(specification: Any) -> Any:
    try:
        resolved(specification)
    except SeglossError as error:
        raise ValueError(str(error)) from None
    return specification


class Terms(Section):
    """`comparison.json`: what else decides the comparisons of a study; as in its file, and all may be left out.

    ``study``: whose claims are judged. ``measures``: by default those that the tables have a column of; ``measures_of``
    a variant, where they differ. ``pictures``, ``own_data``: data sets whose lengths count pixels, and those of the
    user's. ``losses``: specifications, as in a study file, of those of the library.
    """

    study: Name | None = None
    note: str = ""
    measures: Measures | None = None
    measures_of: dict[str, Measures] = {}
    primary: Primary | None = None
    reference: Text | None = None
    references: dict[str, str] = {}
    base: Name | None = None
    bases: dict[str, str] = {}
    published: Published | None = None
    titles: dict[str, str] = {}
    pictures: list[str] = []
    own_data: list[str] = []
    looks: dict[str, Look] = {}
    losses: dict[str, Annotated[Any, BeforeValidator(_checked_loss)]] = {}

    @property
    def resolved_losses(self) -> dict[str, Any]:
        return {name: resolved(loss) for name, loss in self.losses.items()}


@dataclass(frozen=True)
class CaseTables:
    """What all comparisons of a study are made of.

    Attributes:
        trainings: a row for each training: ``TRAINING`` and what is known of it.
        tables: ``cases``, and those of measures with their own, by name: ``TRAINING``, ``PLACE`` and numbers. Of a
            run's trainings, its folds, one tests each case.
    """

    terms: Terms
    trainings: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]

    @classmethod
    def of_study(cls, results: StudyResults) -> Self:
        """From what the runs of a study have left in their folders."""
        runs = results.trainings
        trainings = [{**run.keys, "fold": run.fold, "base_loss": run.base_loss, **recorded(run)} for run in runs]
        names = dict.fromkeys(MEASURES.entry_of(measure).table for run in runs for measure in run.measures)
        return cls(_terms(results), pd.DataFrame(trainings), {name: _joined(runs, name) for name in names})

    @classmethod
    def read(cls, file: Path) -> Self:
        """From `cases.csv` and what lies beside it, or from a file of another name alone.

        Raises:
            SeglossError: any fault of the files, named with the row.
        """
        folder = file.parent if file.name == CASES else None
        terms = _read_terms(folder / TERMS) if folder and (folder / TERMS).is_file() else Terms()
        cases = _read_rows(file)
        _check_cases(file, cases)
        tables = {"cases": cases}
        own = {entry.table for entry in MEASURES.values()} - {"cases"}
        for name in sorted(own if folder else ()):
            if (folder / f"{name}.csv").is_file():
                tables[name] = _read_rows(folder / f"{name}.csv", may_be_empty=True)
        trainings = cases[TRAINING].drop_duplicates()
        if folder and (folder / TRAININGS).is_file():
            trainings = _read_trainings(folder / TRAININGS, trainings)
        terms = _completed(terms, tables, file)
        of_measures = {MEASURES.entry_of(measure).table for measure in _all_measures(terms)}
        found = cls(
            terms, trainings, {name: table for name, table in tables.items() if name in {"cases", *of_measures}}
        )
        _check_seeds(file, found.results())
        return found

    def results(self) -> StudyResults:
        """The study as comparisons see it: all runs from these tables."""
        terms = self.terms
        parts = {name: dict([*table.groupby(TRAINING, sort=False)]) for name, table in self.tables.items()}
        return StudyResults(
            runs=joined(self._training(row, parts) for row in self.trainings.to_dict("records")),
            name=terms.study or "",
            scale=self.trainings["scale"].iloc[0],
            primary_cut=terms.primary.cut,
            losses=terms.resolved_losses,
            **{name: getattr(terms, name) for name in (*OF_FILE, "note", "titles", "pictures", "own_data")},
        )

    def _training(self, row: Mapping[str, Any], parts: Mapping[str, Mapping[tuple, pd.DataFrame]]) -> EvaluatedRun:
        keys, place = {name: row[name] for name in RUN}, tuple(row[name] for name in TRAINING)
        of_run = {
            name: parts[name].get(place, table.iloc[:0]).drop(columns=TRAINING).reset_index(drop=True)
            for name, table in self.tables.items()
        }
        base_loss = row.get("base_loss")
        return EvaluatedRun(
            keys=keys,
            title=self.terms.titles.get(keys["dataset"], keys["dataset"]),
            folder=Path(),
            id="/".join(map(str, place)),
            measures=self.terms.measures_of.get(keys["variant"], self.terms.measures),
            cuts=tuple(dict.fromkeys(of_run["cases"]["cut"])),
            base_loss=base_loss if pd.notna(base_loss) else None,
            tables=of_run,
            recorded={name: value for name, value in row.items() if name not in (*TRAINING, "base_loss")},
            fold=row["fold"],
        )

    def write(self, folder: Path) -> list[Path]:
        """Write all to a folder, from which :meth:`read` has it again; the files."""
        tables = {"trainings": self.trainings, **self.tables}
        for name, table in tables.items():
            written = table if table["fold"].any() else table.drop(columns="fold")
            write_text(folder / f"{name}.csv", written.to_csv(index=False))
        write_json(folder / TERMS, self.terms.model_dump(mode="json", exclude_none=True))
        return [*(folder / f"{name}.csv" for name in tables), folder / TERMS]


def _terms(results: StudyResults) -> Terms:
    measures = {run.keys["variant"]: [*run.measures] for run in reversed(results.runs)}
    common = [*results.runs[0].measures]
    used = {run.keys["dataset"] for run in results.runs}
    of_file = {name: getattr(results, name) for name in OF_FILE}
    return Terms(
        **of_file | {"primary": results.primary.model_copy(update={"cut": results.primary_cut})},
        study=results.name or None,
        note=results.note,
        pictures=[*results.pictures],
        own_data=[*results.own_data],
        measures=common,
        measures_of={variant: own for variant, own in measures.items() if own != common},
        titles={name: title for name, title in results.titles.items() if name in used or name in DATASETS},
        losses={name: shortest(loss) for name, loss in results.losses.items() if _of_library(loss)},
    )


def _of_library(loss: Mapping[str, Any]) -> bool:
    return all(part["name"] in LOSSES for part in parts(loss))


def _joined(runs: Sequence[EvaluatedRun], name: str) -> pd.DataFrame:
    """A table of all runs, their keys in front."""
    having = [run for run in runs if any(MEASURES.entry_of(measure).table == name for measure in run.measures)]
    parts = [(run, run.cases if name == "cases" else run.details(name)) for run in having]
    keyed = [
        pd.concat([pd.DataFrame([{**run.keys, "fold": run.fold}] * len(part)), part], axis=1)
        for run, part in parts
        if len(part)
    ]
    return _with_front(pd.concat(keyed, ignore_index=True) if keyed else pd.DataFrame(), [*TRAINING, *PLACE])


def _with_front(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    return table.reindex(columns=[*names, *(name for name in table if name not in names)])


# Tables from anywhere


def _read_terms(path: Path) -> Terms:
    return validated(Terms, read_json(path, remedy="correct it"), str(path))


def _read_rows(path: Path, required: Sequence[str] = REQUIRED, may_be_empty: bool = False) -> pd.DataFrame:
    """Rows with the keys of their training and, of cases, their place, completed by ``DEFAULTS``."""
    try:
        table = read_csv(path, ["base_loss"])
    except OSError as error:
        raise SeglossError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, pd.errors.ParserWarning) as error:
        raise SeglossError(f"{path}: no table ({error}); save it as CSV, with commas, in UTF-8") from error
    for name in required:
        if name not in table:
            found = shortened(", ".join(map(str, table)))
            raise SeglossError(
                f"{path}: no column {name!r}; {', '.join(required)} were expected, found {found}; add it"
            )
    if table.empty and not may_be_empty:
        raise SeglossError(f"{path}: no row; rows with {', '.join(required)} were expected")
    names = [*TRAINING, *(PLACE if "case" in required else [])]
    for name in names:
        if name not in required:
            table[name] = table[name].fillna(DEFAULTS[name]) if name in table else DEFAULTS[name]
        elif (empty := table[name].isna()).any():
            raise SeglossError(f"{path}: row {_row(empty)}: {name} is empty; name it")
    _check_numbers(path, table, ["seed"])
    if (broken := (table["seed"] % 1 != 0) | (table["seed"] < 0)).any():
        raise SeglossError(f"{path}: row {_row(broken)}: seed: a whole number from 0 was expected")
    table["seed"] = table["seed"].astype(int)
    return _with_front(table, names)


def _row(faulty: pd.Series) -> int:
    """The number of the first faulty row; that with the names of the columns is none."""
    return int(np.flatnonzero(faulty)[0]) + 1


def _check_numbers(path: Path, table: pd.DataFrame, names: Iterable[str]) -> None:
    for name in names:
        numbers = pd.to_numeric(table[name], errors="coerce")
        broken = (numbers.isna() & table[name].notna()) | np.isinf(numbers)
        if broken.any():
            found = shortened(str(table[name][broken].iloc[0]))
            raise SeglossError(
                f"{path}: row {_row(broken)}: {name}: {found} is not a number; correct it, or leave the cell empty"
            )


def _check_cases(path: Path, cases: pd.DataFrame) -> None:
    known = [column.name for entry in MEASURES.values() for column in entry.columns]
    numbers = [name for name in cases if name not in (*TRAINING, *PLACE)]
    for name in numbers:
        if name not in (*known, "threshold"):
            raise SeglossError(
                f"{path}: unknown column {name!r}; remove or rename it; known: {', '.join([*TRAINING, *PLACE, *known])}"
            )
    if not {*numbers} & {*known}:
        raise SeglossError(f"{path}: no column of a measure, such as dice; one was expected of: {', '.join(known)}")
    _check_numbers(path, cases, numbers)
    if (reserved := cases["structure"] == ALL).any():
        raise SeglossError(
            f"{path}: row {_row(reserved)}: structure: {ALL!r} stands for all structures together; give each a row"
        )
    _check_unique(path, cases, [*RUN, *PLACE])
    if "threshold" not in cases:
        cases["threshold"] = np.nan


def _check_unique(path: Path, table: pd.DataFrame, names: Sequence[str]) -> None:
    if (twice := table.duplicated(names)).any():
        row = table[twice].iloc[0]
        shown = ", ".join(
            f"{name} {row[name]}" for name in ("loss", "seed", "fold", *PLACE) if name in names and row[name] != ""
        )
        raise SeglossError(f"{path}: row {_row(twice)}: a second row of {shown}; one row for each was expected")


def _read_trainings(path: Path, runs: pd.DataFrame) -> pd.DataFrame:
    trainings = _read_rows(path, ("loss", "seed"))
    _check_numbers(path, trainings, [name for name in trainings if name not in (*TRAINING, "base_loss")])
    _check_unique(path, trainings, TRAINING)
    there = pd.MultiIndex.from_frame(runs[TRAINING])
    if (without := ~pd.MultiIndex.from_frame(trainings[TRAINING]).isin(there)).any():
        raise SeglossError(f"{path}: row {_row(pd.Series(without))}: {CASES} has no case of this run; add them")
    if len(trainings) < len(runs):
        raise SeglossError(
            f"{path}: {len(trainings)} runs, but {CASES} has cases of {len(runs)}; a row for each was expected"
        )
    return trainings


def _completed(terms: Terms, tables: Mapping[str, pd.DataFrame], file: Path) -> Terms:
    """With the measures that the tables have, and a column by which the study judges."""
    cases = tables["cases"]
    measures = terms.measures or [MEASURES.parse(name) for name in MEASURES if _has(name, tables)]
    terms = terms.model_copy(update={"measures": measures})
    _check_tables(file, _all_measures(terms), tables)
    primary = terms.primary or Primary()
    columns = [column.name for one in measures for column in MEASURES.entry_of(one).columns if column.better]
    if terms.primary is None and primary.column not in cases:
        primary = Primary(column=next((name for name in columns if name in cases), primary.column))
    cut = primary.cut or cases["cut"].iloc[0]
    if cut not in set(cases["cut"]):
        raise SeglossError(f"{file}: no row of the cut {cut!r}, by which {TERMS} judges; add them or name another")
    return terms.model_copy(update={"primary": primary.model_copy(update={"cut": cut})})


def _all_measures(terms: Terms) -> list[MeasureParameters]:
    return [*chain(terms.measures, *terms.measures_of.values())]


def _has(measure: str, tables: Mapping[str, pd.DataFrame]) -> bool:
    entry = MEASURES[measure]
    if entry.table != "cases":
        return entry.table in tables
    return any(column.name in tables["cases"] for column in entry.columns)


def _check_tables(file: Path, measures: Iterable[MeasureParameters], tables: Mapping[str, pd.DataFrame]) -> None:
    for measure in measures:
        if (table := MEASURES.entry_of(measure).table) not in tables:
            raise SeglossError(f"{file.parent}: {table}.csv is missing, of which {measure.name} is computed; add it")


def _check_seeds(file: Path, results: StudyResults) -> None:
    for compared, reference in pairs_of_losses(by_setting(results.runs), results.reference, results.references):
        if not compared.keys() & reference.keys():
            one, other = (next(iter(of_seeds.values())).keys for of_seeds in (compared, reference))
            seeds, others = (", ".join(map(str, sorted(of_seeds))) for of_seeds in (compared, reference))
            raise SeglossError(
                f"{file}: data set {one['dataset']}: loss {one['loss']!r} (seeds {seeds}) shares no seed with its"
                f" reference {other['loss']!r} (seeds {others}); losses are compared seed by seed: add runs of the same"
                f' seeds, or name another reference in {TERMS}: {{"reference": ...}}'
            )
