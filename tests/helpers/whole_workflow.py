"""A project in which every rule has a job: three studies, with one or two losses each, of six small volumes."""

import json
import shutil
from base64 import urlsafe_b64decode
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path

import nibabel
import numpy as np
import yaml

from lib import ROOT
from lib.workflow.products import record_of

PARTS = (
    "Snakefile",
    "workflow_config.yaml",
    "rules",
    "scripts",
    "lib",
    "studies",
    "published",
    "profiles",
    "envs",
)
ABOUT = ("README.md", "LICENSE", "CITATION.cff")  # what a crate of the workflow holds too
SPLITS = {"train": ["a", "b"], "validation": ["c"], "test": ["d", "e"]}
SMALL = {
    "network": {"name": "space_to_depth_unet", "background_channel": True},
    "sampling": {
        "patch_size": [16, 16, 8],
        "batch_size": 2,
        "cases": "by_lesions",
        "foreground_fraction": 0.5,
    },
    "inference": {"patch_size": [32, 32, 24], "stride": [32, 32, 24]},
    "seeds": [0],
}
SEARCH = {
    "sampler": "random",
    "trials": 2,
    "rungs": {"epochs": [1], "factor": 2},
    "space": {"training.optimizer.learning_rate": {"float": [0.0001, 0.01], "log": True}},
}
CASES = "loss,seed,case,dice\n" + "".join(f"{loss},0,{case},0.{loss[-1]}\n" for loss in ("l5", "l7") for case in "ab")
EVERYTHING = (
    "all",
    "reanalyze",
    *(f"results/data/mine/holdout/{name}" for name in ("plan.yaml", "duplicates_of_mine.holdout.csv")),
)
"""Targets of `snakemake`: what there is without any, and what is made on request only."""
TRAINING = {"epochs": 2, "steps_per_epoch": 2, "scheduler": "constant"}


def copy_project(folder: Path) -> Path:
    """Copy the project into ``folder``, without the environment."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in (*PARTS, *ABOUT):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".venv*"))
        else:
            shutil.copy2(ROOT / part, folder / part)
    return folder


def save_case(folder: Path, name: str, seed: int, empty: bool = False) -> None:
    """Write an image of three bright cubes and its mask, in the layout of the Medical Segmentation Decathlon."""
    rng = np.random.default_rng(seed)
    label = np.zeros((26, 24, 20), np.uint8)
    for corner in () if empty else rng.integers(3, 14, (3, 3)):
        label[tuple(slice(start, start + 4) for start in corner)] = 1
    for kind, array in (("imagesTr", rng.normal(size=label.shape) + 3 * label), ("labelsTr", label)):
        path = folder / kind / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), np.diag([1, 1, 1.5, 1])), path)


def write_project(folder: Path, studies: tuple[str, ...] = ("inverse_weighting", "t_loss", "boundary")) -> Path:
    """Write the project with data and configuration; ``snakemake`` with ``EVERYTHING`` then does all there is."""
    copy_project(folder)
    for number, name in enumerate(chain.from_iterable(SPLITS.values())):
        save_case(folder / "my data", name, number)
    (folder / "splits.json").write_text(json.dumps(SPLITS))
    own = {"folder": "my data", "splits": "splits.json", "channels": ["MR"]}
    own |= {"images": ["imagesTr/{case}.nii.gz"], "label": "labelsTr/{case}.nii.gz"}
    own["labels"] = {"background": 0, "lesion": 1}
    configuration = yaml.safe_load((folder / "workflow_config.yaml").read_text())
    (folder / "my cases.csv").write_text(CASES)
    configuration |= {
        "cases": "my cases.csv",
        "studies": list(studies),
        "datasets": ["mine"],
        "own_data": {"mine": own},
        "cases_per_job": 1,
        "trackers": ["clearml"],
    }
    (folder / "workflow_config.yaml").write_text(yaml.safe_dump(configuration))
    for path in (folder / "studies").glob("*.yaml"):
        if (name := path.stem) not in studies:
            path.unlink()
            continue
        study = yaml.safe_load(path.read_text())
        demo = study["demo"] = {
            **study["demo"],
            **SMALL,
            "datasets": ["phantom_lesions"],
            "variants": {"base": {}},
        }
        demo["training"] = {**demo["training"], **TRAINING}
        if name == "inverse_weighting":
            demo["losses"] = ["iwbce"]
            demo["evaluation"] = {"froc": {"size_bins": [0, 2, 10]}}
            demo["searches"] = {"tuned": SEARCH}
        elif name == "t_loss":
            study["losses"]["iwbce"] = {"name": "cross_entropy", "inverse_weights": {}}
            demo |= {"losses": ["iwbce"], "factors": {"noise": [{"alpha": 0}, {"alpha": 1, "beta": 0.9}]}}
            demo["training"]["test_epochs"] = 1
            demo["sampling"]["foreground_fraction"] = 0
            study["figures"].append("cost")
        else:
            demo |= {"losses": ["gdl_boundary_rebalance"], "resampling": {"spacing": "median", "factor": 1.25}}
            demo["training"]["test_epochs"] = 1
        path.write_text(yaml.safe_dump(study, sort_keys=False))
    return folder


def records_of_jobs(project: Path) -> dict[str, dict]:
    """What Snakemake has kept of the job that made each output, whatever rules there are."""
    folder = project / ".snakemake/metadata"
    records = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = "".join(part.removeprefix("@") for part in path.relative_to(folder).parts)
        records[urlsafe_b64decode(name).decode()] = json.loads(path.read_text())
    return {output: record for output, record in records.items() if record["rule"] != "all"}


def outputs_by_rule(project: Path) -> dict[str, list[list[str]]]:
    """The outputs of each rule's jobs."""
    jobs: dict[str, dict[str, list[str]]] = {}
    for output, record in records_of_jobs(project).items():
        jobs.setdefault(record["rule"], {}).setdefault(" ".join(record["log"]), []).append(output)
    return {rule: list(of_rule.values()) for rule, of_rule in jobs.items()}


def levels_of_rules(project: Path) -> list[list[str]]:
    """The rules in groups, of which none holds a rule whose jobs need those of another in it.

    Where two rules need each other, as preparation and what resampled cases are prepared by, one way counts.
    """
    records = records_of_jobs(project)
    needed: dict[str, set[str]] = {record["rule"]: set() for record in records.values()}

    def needs(rule: str, other: str) -> bool:
        return other in needed[rule] or any(needs(one, other) for one in needed[rule])

    for record in records.values():
        rule = record["rule"]
        for maker in {records[name]["rule"] for name in record["input"] if name in records} - {rule}:
            if not needs(maker, rule):
                needed[rule].add(maker)
    sorter = TopologicalSorter(needed)
    sorter.prepare()
    levels = []
    while ready := sorter.get_ready():
        levels.append(sorted(ready))
        sorter.done(*ready)
    return levels


def recorded_output(project: Path, outputs: list[str]) -> str:
    """That of a job's outputs by which its record is named."""
    return next(name for name in outputs if record_of(project / name).exists())
