"""What the page reads of a study: its tables, and what its configuration says of it."""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from lib.comparison.case_tables import Terms
from lib.comparison.results import ALL, KEYS, SETTING, read_csv
from lib.config.run import Configuration
from lib.config.study_schema import Look
from lib.datasets import Dataset
from lib.errors import SeglossError
from lib.files import sha256
from lib.looks import loss_label
from lib.measures.catalogue import Column
from lib.report.sources import NEEDED, OPTIONAL

CLEAN = "clean"
EVIDENCE = OWN, REAL, PHANTOMS = ("your data", "real data", "phantoms")
"""What a data set is to the reader, the best first."""
ORDINARY = ("base", "native")
"""Names of variants and of resampling that say nothing."""
Setting = Mapping[str, str]
"""Scale, data set, variant and the level of each factor."""


@dataclass(frozen=True)
class About:
    """What tables do not say of a study; the page can be made without it.

    Attributes:
        note: what the scale and the data are evidence of.
        primary: the column by which the study judges.
        titles: of data sets.
        evidence: of data sets, one of ``EVIDENCE``; those that are not named are phantoms where their name begins so.
        pictures: data sets of them, whose lengths count pixels of the files.
        losses: resolved specifications.
        looks: labels of losses.
    """

    title: str = ""
    note: str = ""
    primary: str = "dice"
    titles: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, str] = field(default_factory=dict)
    pictures: Collection[str] = ()
    losses: Mapping[str, Any] = field(default_factory=dict)
    looks: Mapping[str, Look] = field(default_factory=dict)

    @classmethod
    def of_study(cls, configuration: Configuration, study: str) -> "About":
        """From the workflow's configuration."""
        used = {run.dataset: configuration.datasets[run.dataset] for run in configuration.runs_of(study)}
        return cls(
            title=configuration.studies[study].title,
            note=configuration.note(study),
            primary=configuration.studies[study].primary.column,
            titles={name: dataset.title for name, dataset in used.items()},
            evidence={name: _evidence(dataset) for name, dataset in used.items()},
            pictures={name for name, dataset in used.items() if dataset.dimensions == 2},
            losses=configuration.resolved_losses(study),
            looks=configuration.studies[study].looks,
        )

    @classmethod
    def of_terms(cls, terms: Terms, name: str) -> "About":
        """From what lies beside the per-case tables of a set of this name."""
        return cls(
            title=terms.study or name,
            note=terms.note,
            primary=terms.primary.column,
            titles=terms.titles,
            evidence=dict.fromkeys(terms.own_data, OWN),
            pictures=terms.pictures,
            losses=terms.resolved_losses,
            looks=terms.looks,
        )


def _evidence(dataset: Dataset) -> str:
    if dataset.is_own:
        return OWN
    return PHANTOMS if dataset.known_index else REAL


@dataclass(frozen=True)
class File:
    """A table that the page was made from: link from the page, day (UTC), rows, bytes and SHA-256."""

    link: str
    day: str
    rows: int
    size: int
    sha256: str


IMPROVING = 0.005
"""Mean rise of the Dice of validation cases above which trainings count as not finished."""


@dataclass(frozen=True)
class StudyTables:
    """The tables of a study by their names; ``base``: the folder of the page, from which it links to them."""

    name: str
    paths: Mapping[str, Path]
    base: Path | None = None
    about: About = About()

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Those that the page reads, with all columns of a setting and the loss.

        Raises:
            SeglossError: a table that every study has is missing, or one is damaged.
        """
        if missing := [f"{name}.csv" for name in NEEDED if name not in self.paths]:
            raise SeglossError(f"study {self.name}: {', '.join(missing)} missing, which the page is made from")
        return {name: read_table(self.paths[name]) for name in (*NEEDED, *OPTIONAL) if name in self.paths}

    def table(self, name: str) -> pd.DataFrame:
        """A table; without rows where it is not there."""
        return self.tables.get(name, _EMPTY)

    def file(self, name: str) -> File:
        return file_of(self.paths[name], len(self.tables[name]), self.base, f"{self.name}/{name}.csv")

    @cached_property
    def cut(self) -> str:
        """How the masks by which the study judges come from predictions."""
        of_ranks, of_runs = self.table("ranks").get("cut", ()), self.table("runs").get("cut", ())
        return next(iter([*of_ranks, *of_runs]), "")

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row for each loss in each setting, all structures together."""
        return self.judged(self.table("summary"))

    def judged(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows by which the study judges: of the primary cut, all structures together."""
        rows = table[table["cut"] == self.cut] if "cut" in table else table
        return rows[rows["structure"] == ALL] if "structure" in rows else rows

    def settings(self, table: pd.DataFrame) -> Iterator[tuple[Setting, pd.DataFrame]]:
        """The rows of each setting, in the order of the table."""
        for values, rows in table.groupby(SETTING, sort=False):
            yield dict(zip(SETTING, values, strict=True)), rows

    def of_setting(self, table: pd.DataFrame, setting: Setting) -> pd.DataFrame:
        return table[(table[SETTING] == [setting[name] for name in SETTING]).all(axis=1)]

    @cached_property
    def _varied(self) -> list[str]:
        """What differs between settings of the study, besides scale, data set, network and noise."""
        named = [name for name in SETTING if name not in ("scale", "dataset", "network", "noise")]
        return [name for name in named if len(set(self.summary[name])) > 1]

    def place(self, setting: Setting) -> str:
        """Network, noise and what else the study varies, such as ``enet, slices, sgd``."""
        noise = f"noise {setting['noise']}" if setting["noise"] not in ("", CLEAN) else ""
        varied = [setting[name] for name in self._varied if setting[name] not in ORDINARY]
        return ", ".join(dict.fromkeys(filter(None, [setting["network"], noise, *varied])))

    def label(self, loss: str) -> str:
        return loss_label(loss, self.about.looks)

    def title(self, dataset: str) -> str:
        return self.about.titles.get(dataset, dataset)

    def unit(self, column: Column, dataset: str) -> str:
        return "pixels" if column.unit == "mm" and dataset in self.about.pictures else column.unit

    def evidence(self, dataset: str) -> str:
        return self.about.evidence.get(dataset, PHANTOMS if dataset.startswith("phantom") else REAL)

    @property
    def described(self) -> str:
        """Its title and note, as far as they say more than its name."""
        title = self.about.title.removesuffix(".") if self.about.title != self.name else ""
        sentence = title if title.endswith("?") or not title else f"{title}."
        return " ".join(filter(None, [sentence, self.about.note, self.lengths]))

    @property
    def lengths(self) -> str:
        """How long trainings were, and whether they still improved at the end; empty where nothing says it."""
        runs = self.judged(self.table("runs")).reindex(columns=["steps", "late_gain"])
        steps, gains = runs["steps"].dropna().astype(int), runs["late_gain"].dropna()
        if steps.empty:
            return ""
        lengths = " to ".join(dict.fromkeys(map(str, (steps.min(), steps.max())))) + " steps"
        if gains.empty:
            return f"Trainings of {lengths}."
        rise = f"from their third to the last quarter the Dice of validation changed by {gains.mean():+.3f} on average"
        unfinished = ": longer ones may change the order" if gains.mean() > IMPROVING else ""
        return f"Trainings of {lengths}; {rise}{unfinished}."


def tables_in(folder: Path) -> list[Path]:
    """The tables that a page is made from, those of a folder that are there."""
    return [path for name in (*NEEDED, *OPTIONAL) if (path := folder / f"{name}.csv").is_file()]


_EMPTY = pd.DataFrame(columns=KEYS)


def file_of(path: Path, rows: int, base: Path | None, link: str) -> File:
    """A table as the page names it; ``link``: where no ``base`` is known."""
    found = Path(os.path.relpath(path, base)).as_posix() if base else link
    status = path.stat()
    day = datetime.fromtimestamp(status.st_mtime, UTC).date().isoformat()
    return File(found, day, rows, status.st_size, sha256(path))


def read_table(path: Path) -> pd.DataFrame:
    """A table with all columns of a setting and the loss, which may have no row.

    Raises:
        SeglossError: it is damaged.
    """
    try:
        table = read_csv(path)
    except pd.errors.EmptyDataError:
        return _EMPTY
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise SeglossError(f"{path}: damaged ({error}); delete it and run again") from error
    lacking = {name: "" for name in KEYS if name not in table}  # of a table from before a factor was one
    return table.assign(**lacking).fillna(dict.fromkeys(KEYS, ""))
