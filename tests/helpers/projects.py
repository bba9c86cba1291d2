"""Copies of the project with a tiny study, and Snakemake called in them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml
from whole_workflow import copy_project

REGISTRY = "lib/datasets/__init__.py"
STUDY = "studies/inverse_weighting.yaml"
RUN = "results/inverse_weighting/phantom_lesions/base"


def snakemake(folder: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).parent / "snakemake", "--cores", "2", *arguments]
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}  # as where no environment is activated
    return subprocess.run(command, cwd=cwd or folder, capture_output=True, text=True, env=environment, timeout=900)


def jobs(done: subprocess.CompletedProcess) -> dict[str, int]:
    """Jobs of a dry run by rule, without `all` and the total."""
    assert done.returncode == 0, done.stdout + done.stderr
    table = re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in table if rule not in ("all", "total", "published")}


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    return jobs(snakemake(folder, "--dry-run", *arguments))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def copy_with_one_study(folder: Path, study: str) -> Path:
    copy_project(folder)
    for path in (folder / "studies").glob("*.yaml"):
        if path.stem != study:
            path.unlink()
    return folder


def copy_with_tiny_study(folder: Path) -> Path:
    copy_with_one_study(folder, "inverse_weighting")
    sizes = '"train": 20, "validation": 6, "test": 20'
    edit(folder / REGISTRY, sizes, '"train": 2, "validation": 1, "test": 2')
    edit(folder / REGISTRY, '"lesion_free_fraction": 0.15', '"lesion_free_fraction": 0.0')
    study = yaml.safe_load((folder / STUDY).read_text())
    study["demo"] |= {"losses": ["bce", "fl", "iwbce"], "seeds": [0]}
    study["demo"]["sampling"] = {"patch_size": [16, 16, 16], "batch_size": 2}
    study["demo"]["training"] |= {"epochs": 2, "steps_per_epoch": 3, "scheduler": "constant"}
    (folder / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))
    return folder


def flip_bits(path: Path) -> None:
    """As a disk does in time: nothing but a checksum shows it."""
    state, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def assert_fails_with(done: subprocess.CompletedProcess, *words: str) -> None:
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output
    for word in words:
        assert word in output, output
