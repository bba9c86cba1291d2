"""What the runs of a study have left: their tables, and what figures and comparisons need to know of the study."""

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pandas as pd

from lib.config.load import load
from lib.config.run import Configuration, Run
from lib.config.schema import FACTORS
from lib.config.search import RunSearch
from lib.config.study_schema import Look, Primary, Published
from lib.errors import SeglossError
from lib.files import read_json
from lib.labels import BINARY, Labels
from lib.measures.catalogue import Column, MeasureParameters, columns_of
from lib.paths import Paths
from lib.search.rungs import Rung
from lib.search.settings import Search
from lib.search.space import axes
from lib.store import StoredCase, open_cases

SETTING = ["scale", "dataset", "variant", *FACTORS]
KEYS = [*SETTING, "loss"]


@dataclass(frozen=True)
class EvaluatedRun:
    """One run: its keys (scale, data set, variant, factors, loss, seed), its data set's title and its folder.

    Comparisons see one run for each seed: of a data set with folds it is what its trainings have left together, and has
    no folder, :func:`joined`.

    Attributes:
        noise_table: states what was done to its training masks, None where they are clean.
        levels: of the factors that the study crosses.
        part: lists its test cases, below ``prepared``.
        baseline: holds the Dice of a threshold without learning, None where the study does not ask.
        base_loss: of the base that it is compared with where that is another one, as a search has chosen its own.
        tables: ``cases`` and those of measures with their own, by name; None where they lie in ``folder``.
        recorded: what `trainings.csv` says of it; None where its folder says it.
        fold: its split, where the data set has folds; empty for a run that joins them, as for one without.
        folds: the trainings that it joins.
    """

    keys: Mapping[str, Any]
    title: str
    folder: Path
    noise_table: Path | None = None
    levels: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    labels: Labels = BINARY
    measures: Sequence[MeasureParameters] = ()
    cuts: Sequence[str] = ()
    prepared: Path = Path()
    part: Path = Path()
    baseline: Path | None = None
    base_loss: str | None = None
    tables: Mapping[str, pd.DataFrame] | None = None
    recorded: Mapping[str, Any] | None = None
    fold: str = ""
    folds: Sequence["EvaluatedRun"] = ()

    @classmethod
    def of(cls, run: Run, paths: Paths) -> Self:
        noise = Path(paths.noise_table(run.dataset, run.split, run.noise.name)) if run.noise.alpha else None
        baseline = Path(paths.baseline(run.dataset, run.split)) if run.file.baseline else None
        return cls(
            keys=run.keys,
            title=run.title,
            folder=Path(paths.run(run.id)),
            noise_table=noise,
            levels=run.levels,
            id=run.id,
            labels=run.labels,
            measures=run.measures,
            cuts=run.cuts,
            prepared=Path(paths.prepared(run.dataset)),
            part=Path(paths.tested(run)),
            baseline=baseline,
            base_loss=run.search.base.loss if run.search else None,
            fold=run.fold,
        )

    @property
    def trainings(self) -> Sequence["EvaluatedRun"]:
        return self.folds or (self,)

    @property
    def group(self) -> tuple[str, ...]:
        """What one page of a figure is about: scale, data set, variant and the level of each factor."""
        return tuple(self.keys[name] for name in SETTING)

    @property
    def variant(self) -> str:
        """The variant with the levels of what the study crosses, and the fold, for titles."""
        return ", ".join(filter(None, [self.keys["variant"], *self.levels.values(), self.fold]))

    def parameters_of(self, measure: str) -> dict[str, Any]:
        chosen = next(parameters for parameters in self.measures if parameters.name == measure)
        return chosen.for_dataset(self.keys["dataset"])

    @cached_property
    def cases(self) -> pd.DataFrame:
        """The table of its test cases."""
        if self.folds:
            return pd.concat([fold.cases for fold in self.folds], ignore_index=True)
        if self.tables is not None:
            return self.tables["cases"]
        return read_table(self.folder / "cases.csv", ("case", "structure", "cut"))

    @cached_property
    def cases_of_structures(self) -> pd.DataFrame:
        """The same without structures that no test case has, where voxels were counted."""
        if "present" not in self.cases:
            return self.cases
        return self.cases[self.cases.groupby("structure")["present"].transform("sum") > 0]

    @cached_property
    def means_of_cases(self) -> dict[str, pd.DataFrame]:
        """By cut the means over structures, a row for each case, in the order of their names."""
        cuts = self.cases_of_structures.groupby("cut")
        return {cut: cases.groupby("case").mean(numeric_only=True) for cut, cases in cuts}

    @cached_property
    def case_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.cases["case"]))

    def details(self, table: str) -> pd.DataFrame:
        """The rows of a table that a measure has of its own; there may be none."""
        if self.folds:
            return pd.concat([fold.details(table) for fold in self.folds], ignore_index=True)
        if self.tables is not None:
            return self.tables[table]
        columns = ("case", "structure", "cut")
        path = self.folder / f"{table}.csv"
        if path.is_file() and path.read_text().strip() == "":  # nothing to record in any case
            return pd.DataFrame(columns=columns)
        return read_table(path, columns)

    def history(self) -> pd.DataFrame:
        return read_table(self.folder / "history.csv", ["epoch"])

    def masks_dice(self) -> float:
        """Mean Dice of the training masks, all of them, with the clean ones: the dose of the noise; 1 without any."""
        return float(pd.read_csv(self.noise_table)["dice"].mean()) if self.noise_table else 1.0

    def baseline_dice(self) -> float | None:
        return read_json(self.baseline)["band_pass_dice"] if self.baseline else None

    def test_cases(self) -> list[StoredCase]:
        return open_cases(self.prepared, self.part)


def read_csv(path: Path, names: Iterable[str] = ()) -> pd.DataFrame:
    """A table in which names are text, such as ``007`` or ``NA``, and only empty cells are missing."""
    text = dict.fromkeys((*KEYS, "fold", "case", "structure", "cut", *names), str)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # surplus cells of the first row
        return pd.read_csv(path, index_col=False, dtype=text, keep_default_na=False, na_values=["", "nan"])


def read_table(path: Path, columns: Collection[str], names: Iterable[str] = ()) -> pd.DataFrame:
    """A table that a job of the workflow wrote, as :func:`read_csv` gives it.

    Raises:
        SeglossError: it is damaged: no row, a column is missing, surplus cells, or its last line was cut off.
    """
    try:
        table = read_csv(path, names)
    except OSError as error:
        raise SeglossError(f"{path}: cannot be read ({error.strerror}); run the workflow again") from error
    except (ValueError, pd.errors.ParserWarning) as error:
        raise SeglossError(f"{path}: damaged ({error}); delete it and run again") from error
    if table.empty or not set(columns) <= set(table) or not path.read_text().endswith("\n"):
        raise SeglossError(f"{path}: damaged, rows with {', '.join(columns)} were expected; delete it and run again")
    return table


@dataclass(frozen=True)
class FoundSearch:
    """What a search has found on a data set, or on a fold of it.

    Attributes:
        title: of the data set, and the fold.
        folder: of its tables.
        base: the runs whose settings it changes, with the study's seeds; none where they are not run.
    """

    name: str
    title: str
    folder: Path
    settings: Search
    rungs: Sequence[Rung]
    base: Sequence[EvaluatedRun] = ()

    @classmethod
    def of(cls, search: RunSearch, runs: Iterable[EvaluatedRun], paths: Paths) -> Self:
        alike, fold = search.base.keys.items() - {("seed", search.base.seed)}, search.base.fold
        return cls(
            name=search.name,
            title=", ".join(filter(None, [search.base.title, fold])),
            folder=Path(paths.found(search.id, "trials.csv")).parent,
            settings=search.search,
            rungs=search.rungs,
            base=[run for run in runs if alike <= run.keys.items() and run.fold == fold],
        )

    def trials(self) -> pd.DataFrame:
        """A row for each trial and rung; parameters are text, empty where a trial has not the parameter."""
        names = [name for name, _, _ in axes(self.settings.space)]
        table = read_table(self.folder / "trials.csv", ("number", "rung", "state", *names), names)
        return table.fillna(dict.fromkeys(names, ""))

    def importance(self) -> pd.DataFrame:
        """How much each parameter decided; without a row where the trials are too few."""
        return read_csv(self.folder / "importance.csv")

    def of_base(self, epochs: int) -> list[float]:
        """What the runs of the base reach on the validation cases after some epochs, as far as they measured it."""
        histories = [run.history().set_index("epoch") for run in self.base]
        found = [history.get(f"validation_{self.settings.measure}", pd.Series()).get(epochs) for history in histories]
        return [value for value in found if pd.notna(value)]


OF_FILE = ("primary", "reference", "references", "base", "bases", "published", "looks")
"""What comparisons and figures know as the study's file has it."""


@dataclass(frozen=True)
class StudyResults:
    """The runs of a study, and what its file says about them.

    Attributes:
        runs: one for each seed (:func:`joined`).
        name: of the study.
        note: what the scale is evidence of.
        scale: that the study is run at.
        folder: of the study's tables.
        losses: resolved, by name.
        epochs: of the trainings, the different numbers.
        titles: of data sets.
        pictures: data sets of them, whose lengths count pixels of the files.
        own_data: data sets of the user's.
        examples: trainings whose predictions are worth a look.
        first_seed: those of the first seed.
        costed: those whose costs were measured.
    """

    runs: Sequence[EvaluatedRun]
    name: str = ""
    note: str = ""
    scale: str = ""
    folder: Path = Path()
    primary: Primary = field(default_factory=Primary)
    primary_cut: str = ""
    reference: str | None = None
    references: Mapping[str, str] = field(default_factory=dict)
    base: str | None = None
    bases: Mapping[str, str] = field(default_factory=dict)
    published: Published | None = None
    looks: Mapping[str, Look] = field(default_factory=dict)
    losses: Mapping[str, Any] = field(default_factory=dict)
    epochs: Sequence[int] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    pictures: Collection[str] = ()
    own_data: Collection[str] = ()
    examples: Sequence[EvaluatedRun] = ()
    first_seed: Sequence[EvaluatedRun] = ()
    costed: Sequence[EvaluatedRun] = ()
    searches: Sequence[FoundSearch] = ()

    @classmethod
    def of_study(cls, values: Mapping[str, Any], study: str) -> Self:
        """From the values of the workflow's configuration."""
        configuration: Configuration = load(values)
        paths, file = Paths(configuration.workflow.folders), configuration.studies[study]
        runs = configuration.runs_of(study)
        evaluated = {run.id: EvaluatedRun.of(run, paths) for run in runs}
        used = {run.dataset: configuration.datasets[run.dataset] for run in runs}
        return cls(
            runs=joined(evaluated.values()),
            name=study,
            note=configuration.note(study),
            scale=configuration.workflow.scale,
            folder=Path(paths.result(study)),
            primary_cut=file.primary_cut,
            **{name: getattr(file, name) for name in OF_FILE},
            losses=configuration.resolved_losses(study),
            epochs=sorted({run.settings.training.epochs for run in runs}),
            titles={name: dataset.title for name, dataset in configuration.datasets.items()},
            pictures=[name for name, dataset in used.items() if dataset.dimensions == 2],
            own_data=[name for name, dataset in used.items() if dataset.is_own],
            examples=[evaluated[run.id] for run in configuration.examples_of(study)],
            first_seed=[evaluated[run.id] for run in configuration.first_seed_of(study)],
            costed=[evaluated[run.id] for run in configuration.costed_of(study)],
            searches=[FoundSearch.of(search, evaluated.values(), paths) for search in configuration.searches_of(study)],
        )

    @property
    def trainings(self) -> list[EvaluatedRun]:
        """Those of all runs, each fold by itself."""
        return [training for run in self.runs for training in run.trainings]

    @cached_property
    def columns(self) -> dict[str, Column]:
        return columns_of(self.runs[0].measures) if self.runs else {}

    def table(self, name: str) -> pd.DataFrame:
        """A table of the study, ``runs``, ``summary``, ``comparisons``, ``ledger`` or ``cost``."""
        return read_csv(self.folder / f"{name}.csv")

    def overall(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of ``runs`` or ``summary`` by which the study judges: of all structures, of the primary cut."""
        return table[(table["structure"] == ALL) & (table["cut"] == self.primary_cut)]


ALL = "all"
"""What stands for all structures together."""


def grouped(runs: Iterable[EvaluatedRun]) -> list[list[EvaluatedRun]]:
    """The runs of each data set, variant and level of the factors; trainings also by fold."""
    groups: dict[tuple[str, ...], list[EvaluatedRun]] = {}
    for run in runs:
        groups.setdefault((*run.group, run.fold), []).append(run)
    return list(groups.values())


def joined(trainings: Iterable[EvaluatedRun]) -> list[EvaluatedRun]:
    """The runs as comparisons see them: the folds of a seed together, tested on all their cases."""
    runs: dict[object, list[EvaluatedRun]] = {}
    for run in trainings:
        runs.setdefault(tuple(run.keys.values()) if run.fold else run.id, []).append(run)
    return [_of_folds(of_run) if of_run[0].fold else of_run[0] for of_run in runs.values()]


def _of_folds(folds: Sequence[EvaluatedRun]) -> EvaluatedRun:
    first = folds[0]
    return EvaluatedRun(
        keys=first.keys,
        title=first.title,
        folder=Path(),
        levels=first.levels,
        id="/".join(map(str, first.keys.values())),
        labels=first.labels,
        measures=first.measures,
        cuts=tuple(dict.fromkeys(cut for fold in folds for cut in fold.cuts)),
        base_loss=first.base_loss,
        folds=folds,
    )
