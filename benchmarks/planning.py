"""Plan large grids of which nothing is done yet (`snakemake --dry-run`); time and peak memory of the process.

A grid is a study with many seeds. Its cases are those of phantoms, or of a made-up index with as many cases as the
official data hold, or not known before the download: what depends on them is then left out of the plan.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import ROOT
from lib.datasets import DATASETS, SPLITS
from lib.datasets.index import Index, IndexedCase

PARTS = ("Snakefile", "workflow_config.yaml", "rules", "scripts", "lib", "studies", "published", "profiles")


@dataclass(frozen=True)
class Grid:
    """A study with ``seeds`` seeds; ``cases``: of its data sets in training, validation and test."""

    study: str
    scale: str
    seeds: int
    cases: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        known = "phantoms" if self.scale == "demo" else "cases known" if self.cases else "cases not known yet"
        return f"{self.study}, {self.scale} scale, {known}"


GRIDS = (
    Grid("inverse_weighting", "demo", 300),
    Grid("t_loss", "paper", 7),
    Grid("t_loss", "paper", 7, {"isic2017": (2000, 150, 600), "shenzhen": (396, 57, 113)}),
    *(
        Grid("inverse_weighting", "paper", seeds, {"luna16": (534, 177, 177), "lits": (91, 13, 27)})
        for seeds in (125, 208)
    ),
)


def copy_with_grid(grid: Grid, folder: Path) -> None:
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        copy(ROOT / part, folder / part)
    path = folder / f"studies/{grid.study}.yaml"
    study = yaml.safe_load(path.read_text())
    study[grid.scale]["seeds"] = list(range(grid.seeds))
    path.write_text(yaml.safe_dump(study))
    for name, sizes in grid.cases.items():
        write_index(name, sizes, folder / f"data/prepared/{name}/index.json", folder / "raw" / name)


def write_index(dataset: str, sizes: tuple[int, int, int], path: Path, raw: Path) -> None:
    raw.mkdir(parents=True)
    numbers = iter(range(sum(sizes)))
    parts = {
        part: tuple(f"case_{next(numbers):04d}" for _ in range(size)) for part, size in zip(SPLITS, sizes, strict=True)
    }
    cases = {case: IndexedCase(case, {"image": [str(raw)]}) for ids in parts.values() for case in ids}
    Index(cases, dict.fromkeys(DATASETS[dataset].splits, parts)).write(path)


def planned(grid: Grid) -> tuple[int, int, float, float]:
    """Runs, jobs, seconds, and GB of memory at most."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_with_grid(grid, folder)
        raw = {dataset: str(folder / "raw" / dataset) for dataset in grid.cases}
        chosen = [f"studies=[{grid.study}]", f"scale={grid.scale}", f"raw={json.dumps(raw)}"]
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", "--config", *chosen]
        with (folder / "plan.txt").open("w") as output:
            start = time.perf_counter()
            process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
        text = (folder / "plan.txt").read_text()
        if status:
            sys.exit(text[-2000:])
        runs, jobs = (int(re.search(rf"^{row} +(\d+)$", text, re.M)[1]) for row in ("train", "total"))
        return runs, jobs, seconds, used.ru_maxrss / 2**20


def main() -> None:
    print("| grid | runs | jobs | s | peak memory, GB |")
    print("|---|--:|--:|--:|--:|")
    for grid in GRIDS:
        runs, jobs, seconds, memory = planned(grid)
        print(f"| {grid.title} | {runs:,} | {jobs:,} | {seconds:.0f} | {memory:.2f} |", flush=True)


if __name__ == "__main__":
    main()
