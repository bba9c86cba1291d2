"""A user's own data through a whole study, and what runs again when they change."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from test_workflow import copy_with_tiny_study, planned, snakemake

MINE = ("--config", "datasets=mine", "losses=bce,iwbce")


def save_case(folder: Path, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = np.zeros((26, 24, 20), np.uint8)
    for corner in rng.integers(3, 14, (3, 3)):
        label[tuple(slice(start, start + 4) for start in corner)] = 1
    for kind, array in (("imagesTr", rng.normal(size=label.shape) + 3 * label), ("labelsTr", label)):
        path = folder / kind / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), np.diag([1, 1, 1.5, 1])), path)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose tiny study has run on six own cases, one of which has no mask."""
    folder = copy_with_tiny_study(tmp_path_factory.mktemp("own"))
    data = folder / "my data"
    for number in range(6):
        save_case(data, f"case {number}", number)
    (data / "labelsTr/case 5.nii.gz").unlink()
    told = {"name": "My lesions", "channel_names": {"0": "FLAIR"}, "labels": {"background": 0, "lesion": 1}}
    (data / "dataset.json").write_text(json.dumps(told))
    (folder / "splits.json").write_text(
        json.dumps({"train": ["case 0", "case 1"], "validation": ["case 2"], "test": ["case 3", "case 4"]})
    )
    configuration = folder / "workflow_config.yaml"
    own = "own_data: {mine: {folder: my data, splits: splits.json}}"
    configuration.write_text(configuration.read_text().replace("own_data: {} ", own))
    done = snakemake(folder, *MINE)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return folder


def test_own_data_end_in_the_figures_and_tables_of_the_study(project: Path) -> None:
    rows = (project / "results/inverse_weighting/summary.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == ["mine", "mine"]
    assert (project / "plots/froc_tuned.pdf").read_bytes().startswith(b"%PDF")
    cases = (project / "results/data/mine/cases.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in cases[1:]] == [f"case {number}" for number in range(5)]
    excluded = (project / "results/data/mine/excluded.csv").read_text().splitlines()
    assert excluded[1:] == ["case 5,no label among the raw files"]


def test_what_changes_runs_again_and_nothing_else(project: Path) -> None:
    assert planned(project, *MINE) == {}
    save_case(project / "my data", "case 3", seed=77)
    assert planned(project, "plots/data/mine.pdf", *MINE) == {"prepare": 1, "data_report": 1}
    assert snakemake(project, "plots/data/mine.pdf", *MINE).returncode == 0
    parts = json.loads((project / "splits.json").read_text())
    (project / "splits.json").write_text(
        json.dumps({**parts, "train": ["case 0"], "test": [*parts["test"], "case 1"]})
    )
    assert planned(project, "plots/data/mine.pdf", *MINE) == {"index": 1, "data_report": 1}
    save_case(project / "my data", "case 5", seed=78)
    done = snakemake(project, "plots/data/mine.pdf", *MINE)
    assert done.returncode == 0
    assert "case 5" not in json.loads((project / "data/prepared/mine/index.json").read_text())["cases"]
    assert "case 5,in no part of the splits file" in (project / "results/data/mine/excluded.csv").read_text()
