"""The real chain for every data set, through Snakemake: download over loopback, verify, unpack, index, prepare, map."""

import functools
import hashlib
import http.server
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import official_ct
import official_mr_2d
import pytest
import yaml
from adapters_mr_2d import TREES
from projects import snakemake
from whole_workflow import copy_project

from lib.arrays import open_array
from lib.config.schema import WorkflowConfig
from lib.datasets import DATASETS
from lib.datasets.index import Index, read_index
from lib.datasets.sources import load_source
from lib.files import read_json
from lib.store import StoredCase

CHAINED = [name for name, dataset in DATASETS.items() if dataset.sources and "_corrected" not in name]
WRITERS = {
    "luna16": official_ct.write_luna16,
    "lits": official_ct.write_lits,
    "msd_liver": functools.partial(official_ct.write_decathlon, task="Task03_Liver"),
    "msd_pancreas": functools.partial(official_ct.write_decathlon, task="Task07_Pancreas"),
    "msd_hippocampus": functools.partial(official_ct.write_decathlon, task="Task04_Hippocampus"),
    "abdomenct1k": official_ct.write_abdomenct1k,
    "amos22": official_ct.write_amos22,
}
FOLDERS = {"leftImg8bit": "leftImg8bit_trainvaltest.zip", "gtFine": "gtFine_trainvaltest.zip"}
"""Which of several archives holds a folder, where it does not have the archive's name."""


def imitate(dataset: str, mirror: Path) -> None:
    """Write the official archives of ``dataset`` below ``mirror``, as ``<source>/<file>``."""
    source_of = {file.path: name for name in DATASETS[dataset].sources for file in load_source(name).files}
    scratch = mirror / "scratch"
    scratch.mkdir()
    written = WRITERS[dataset](scratch) if dataset in WRITERS else packed(TREES[dataset], [*source_of], scratch)
    assert {path.name for path in written} == source_of.keys()
    for path in written:
        place = mirror / source_of[path.name] / path.name
        place.parent.mkdir(exist_ok=True)
        path.replace(place)
    shutil.rmtree(scratch)


def packed(tree: official_mr_2d.Tree, archives: list[str], folder: Path) -> list[Path]:
    """Pack each member into the archive that officially holds it."""
    members: dict[str, dict[str, bytes]] = {name: {} for name in archives}
    for path, content in tree.items():
        members[archive_of(path, archives)][path] = content
    return [official_ct.zipped(folder / name, content) for name, content in members.items()]


def archive_of(member: str, archives: list[str]) -> str:
    """The archive with the name of one of the member's folders; the last one, if there is none."""
    named = (FOLDERS.get(folder, f"{folder}.zip") for folder in Path(member).parts)
    return next((name for name in named if name in archives), archives[-1])


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A server on loopback that holds imitations of all official files."""
    folder = tmp_path_factory.mktemp("mirror")
    done: set[tuple[str, ...]] = set()
    for dataset in CHAINED:
        if DATASETS[dataset].sources not in done:
            imitate(dataset, folder)
            done.add(DATASETS[dataset].sources)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


@pytest.fixture(scope="module")
def project(mirror: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose registry knows the checksums of the imitations where it knows official ones."""
    folder = copy_project(tmp_path_factory.mktemp("project"))
    for path in (folder / "lib/datasets/sources").glob("*.yaml"):
        if path.stem in {source for name in CHAINED for source in DATASETS[name].sources}:
            described = yaml.safe_load(path.read_text())
            for file in described["files"]:
                _know(file, mirror[0] / path.stem / file["path"])
            path.write_text(yaml.safe_dump(described))
    return folder


def _know(file: dict, imitation: Path) -> None:
    content = imitation.read_bytes()
    known = {
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content).hexdigest(),
    }
    file |= {key: known[key] for key in known if key in file}


@pytest.fixture(scope="module")
def indexed(project: Path, mirror: tuple[Path, str]) -> dict[str, Index]:
    targets = [f"data/prepared/{name}/index.json" for name in CHAINED]
    done = snakemake(project, *targets, "--config", f"mirror={mirror[1]}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return {name: read_index(project / target) for name, target in zip(CHAINED, targets, strict=True)}


def bundle_of(index: Index, chosen: str) -> str:
    bundles = index.bundles(WorkflowConfig().cases_per_job)
    return next(bundle for bundle, cases in bundles.items() if chosen in cases)


def test_every_official_set_goes_from_its_server_to_a_case_and_its_map(
    project: Path, indexed: dict[str, Index], mirror: tuple[Path, str]
) -> None:
    chosen = {name: next(iter(index.cases)) for name, index in indexed.items()}
    targets = [
        f"data/bundles/{name}/signed_distance/{bundle_of(index, chosen[name])}.json" for name, index in indexed.items()
    ]
    done = snakemake(project, *targets, "--config", f"mirror={mirror[1]}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for name, case in chosen.items():
        stored = StoredCase(project / "data/prepared" / name / case)
        dataset = DATASETS[name]
        assert not stored.excluded, (name, stored.excluded)
        assert stored.description["channels"] == len(dataset.channels)
        assert len(stored.shape) == dataset.dimensions
        numbers = {*map(dataset.labels.number, dataset.labels.names), 0, 255}
        assert set(map(int, stored.description["class_voxels"])) <= numbers
        distance = open_array(stored.folder / "signed_distance.b2nd")
        leading = () if dataset.labels.binary else (len(dataset.labels.names),)
        assert distance.shape == (*leading, *stored.shape)
        assert np.isfinite(distance[...]).all()


def test_downloads_are_held_to_what_came_first(project: Path, indexed: dict[str, Index]) -> None:
    for name in ("luna16", "isic2017", "lits"):
        for source in DATASETS[name].sources:
            for file in load_source(source).files:
                record = read_json(project / f"data/checksums/{source}/{file.path}.json")
                content = (project / f"data/raw/{source}/{file.path}").read_bytes()
                assert record["sha256"] == hashlib.sha256(content).hexdigest()
                assert record["size"] == len(content)


def test_the_report_names_every_case_and_every_reason(
    project: Path, indexed: dict[str, Index], mirror: tuple[Path, str]
) -> None:
    targets = ["plots/data/abdomenct1k.pdf", "plots/data/kvasir_seg.pdf"]
    done = snakemake(project, *targets, "--config", f"mirror={mirror[1]}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    table = (project / "results/data/abdomenct1k/cases.csv").read_text()
    reasons = (project / "results/data/abdomenct1k/excluded.csv").read_text()
    assert "Case_00011,no label among the raw files" in reasons
    assert re.search(r"Case_00012,.the mask holds label 5; known are 0, 1, 2, 3, 4", reasons)
    names = {line.partition(",")[0] for line in (table + reasons).splitlines()}
    index = indexed["abdomenct1k"]
    assert names - {"case"} == {*index.cases, *index.excluded}
    for target in targets:
        assert (project / target).read_bytes().startswith(b"%PDF")


def test_prepared_cases_outlive_the_archives(
    project: Path, indexed: dict[str, Index], mirror: tuple[Path, str]
) -> None:
    targets = ["plots/data/abdomenct1k.pdf", "plots/data/kvasir_seg.pdf"]
    for kept_for_now in ("raw", "extracted"):
        for source in ("abdomenct1k", "kvasir_seg"):
            shutil.rmtree(project / "data" / kept_for_now / source)
    done = snakemake(project, *targets, "--config", f"mirror={mirror[1]}")
    assert "Nothing to be done" in done.stdout + done.stderr
