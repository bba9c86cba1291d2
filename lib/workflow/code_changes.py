"""What other code than the present one has made: paper scale keeps it and lists it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.config.run import Configuration, Run
from lib.datasets.index import Index, read_index
from lib.errors import SeglossError
from lib.files import read_json
from lib.paths import Paths
from lib.provenance import code_version
from lib.training.code import training_code

COLUMNS = ("what", "dataset", "variant", "loss", "seed", "made_with", "present_code")


def present_code(run: Run) -> str:
    """Hash of the code that would train the run now; where a search decides its settings, with any of them."""
    return training_code(*(one.training_settings for one in (run.search.possible if run.search else [run])))


@dataclass(frozen=True)
class Artifact:
    """A training, or data that trainings use; ``files`` hold the hash of its code, ``code`` is that of now."""

    what: str
    dataset: str
    variant: str
    loss: str
    seed: int | str
    files: tuple[str, ...]
    code: str


def artifacts(runs: Collection[Run], configuration: Configuration, indexes: Mapping[str, Index]) -> Iterator[Artifact]:
    """Everything that takes long to make for ``runs``, of the data sets whose indexes are given."""
    paths = Paths(configuration.workflow.folders)
    runs = [run for run in runs if not run.source]
    of_same_data = {(run.dataset, run.trained_on, run.split, run.noise.name, tuple(run.maps)): run for run in runs}
    yield from dict.fromkeys(
        data
        for run in of_same_data.values()
        if run.dataset in indexes
        for data in _data_of(run, configuration, indexes[run.dataset], paths)
    )
    for run in runs:
        provenance = (paths.run(run.id, "provenance.json"),)
        yield Artifact("training", run.dataset, run.folder, run.loss, run.seed, provenance, present_code(run))


def indexes_on_disk(configuration: Configuration) -> dict[str, Index]:
    """The index of each data set whose cases are known."""
    found = {}
    for name, dataset in configuration.datasets.items():
        path = Path(Paths(configuration.workflow.folders).index(name))
        if dataset.known_index or path.is_file():
            found[name] = dataset.known_index or read_index(path)
    return found


def _data_of(run: Run, configuration: Configuration, index: Index, paths: Paths) -> Iterator[Artifact]:
    def data(what: str, files: Iterable[str], *modules: str, noise: str = "", of: str = run.trained_on) -> Artifact:
        return Artifact(what, of, noise, "", "", tuple(files), code_version(*modules))

    size = configuration.workflow.cases_per_job
    for name in dict.fromkeys([run.dataset, run.measured_on, run.trained_on]):  # with the same index
        bundles = [paths.bundle(name, bundle) for bundle in index.bundles(size)]
        yield data("cases", bundles, "scripts.index", "scripts.prepare", configuration.datasets[name].adapter, of=name)
    if run.noise.alpha:
        folder, noise = paths.noisy(run.dataset, run.split, run.noise.name), run.noise.name
        yield data("noisy masks", [f"{folder}/made.json"], "scripts.make_noise", noise=noise)
        for name in run.maps:
            yield data(f"map {name}", [f"{folder}/maps/{name}.json"], "scripts.make_noisy_maps", noise=noise)
    else:
        trained_on = index.bundles_of_part(size, run.split, "train")
        for name in run.maps:
            files = [paths.bundle_maps(run.trained_on, bundle, name) for bundle in trained_on]
            yield data(f"map {name}", files, "scripts.make_maps")


def code_changes(made: Iterable[Artifact]) -> list[dict[str, Any]]:
    """A row of ``COLUMNS`` for each artifact that is there and in which other code than the present had a part.

    Raises:
        SeglossError: a file that holds the hash of the code is damaged.
    """
    rows = []
    for artifact in made:
        files = filter(Path.is_file, map(Path, artifact.files))
        codes = list(dict.fromkeys(code for path in files for code in _codes(path)))
        if codes not in ([], [artifact.code]):
            of_it = (artifact.what, artifact.dataset, artifact.variant, artifact.loss, artifact.seed)
            rows.append(dict(zip(COLUMNS, (*of_it, " ".join(codes), artifact.code), strict=True)))
    return rows


def _codes(path: Path) -> list[str]:
    match read_json(path, "delete it and run again"):
        case {"parts": list(parts)}:
            codes = [part.get("code") if isinstance(part, dict) else None for part in parts]
        case {"code": code}:
            codes = [code]
        case _:
            codes = []
    if not codes or not all(isinstance(code, str) for code in codes):
        raise SeglossError(f"{path}: does not state the code that made it; delete it and run again")
    return codes
