"""What other code than the present one has made: paper scale keeps it, and tells of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.config import Run
from lib.errors import SeglossError
from lib.files import read_json
from lib.losses.specification import resolved
from lib.paths import Paths
from lib.provenance import code_version
from lib.training.code import training_code

COLUMNS = ("what", "dataset", "variant", "loss", "seed", "made_with", "present_code")


def present_code(run: Run) -> str:
    """Hash of the code that would train the run now."""
    return training_code(run.settings.network.name, resolved(run.loss_specification))


@dataclass(frozen=True)
class Made:
    """A training, or data that trainings use; ``files`` tell what code made it, ``code`` is the present one."""

    what: str
    dataset: str
    variant: str
    loss: str
    seed: int | str
    files: str
    code: str


def made_things(runs: Iterable[Run], adapters: Mapping[str, str], paths: Paths) -> Iterator[Made]:
    """Everything that takes long to make for ``runs``; ``adapters``: the module of each data set's adapter."""
    yield from dict.fromkeys(data for run in runs for data in _data_of(run, adapters[run.dataset], paths))
    for run in runs:
        provenance = paths.run(run.id, "provenance.json")
        yield Made("training", run.dataset, run.variant, run.loss, run.seed, provenance, present_code(run))


def _data_of(run: Run, adapter: str, paths: Paths) -> Iterator[Made]:
    def data(what: str, files: str, *modules: str, noise: str = "") -> Made:
        return Made(what, run.dataset, noise, "", "", files, code_version(*modules))

    yield data("cases", paths.bundle(run.dataset, "*"), "scripts.index", "scripts.prepare", adapter)
    if run.noise.alpha:
        folder, noise = paths.noisy(run.dataset, run.split, run.noise.name), run.noise.name
        yield data("noisy masks", f"{folder}/masks/made.json", "scripts.make_noise", noise=noise)
        for name in run.maps:
            yield data(f"map {name}", f"{folder}/maps/{name}.json", "scripts.make_noisy_maps", noise=noise)
    else:
        for name in run.maps:
            yield data(f"map {name}", paths.bundle_maps(run.dataset, "*", name), "scripts.make_maps")


def code_changes(runs: Iterable[Run], adapters: Mapping[str, str], paths: Paths) -> list[dict[str, Any]]:
    """A row of ``COLUMNS`` for all that is made and in which other code had a part.

    Raises:
        SeglossError: what tells the code is damaged.
    """
    rows = []
    for made in made_things(runs, adapters, paths):
        files = Path(made.files)
        codes = list(
            dict.fromkeys(code for path in sorted(files.parent.glob(files.name)) for code in _codes(path))
        )
        if codes not in ([], [made.code]):
            told = (made.what, made.dataset, made.variant, made.loss, made.seed, " ".join(codes), made.code)
            rows.append(dict(zip(COLUMNS, told, strict=True)))
    return rows


def _codes(path: Path) -> list[str]:
    told = read_json(path, "delete it and run again")
    match told:
        case {"parts": list(parts)}:
            codes = [part.get("code") if isinstance(part, dict) else None for part in parts]
        case {"code": code}:
            codes = [code]
        case _:
            codes = []
    if not codes or not all(isinstance(code, str) for code in codes):
        raise SeglossError(f"{path}: does not tell the code that made it; delete it and run again")
    return codes
