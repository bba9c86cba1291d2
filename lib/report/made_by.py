"""The software that makes a page."""

import importlib.metadata
import os
import platform
import subprocess

import yaml

from lib import ROOT
from lib.report.columns import listed


def made_by() -> list[str]:
    """Version and commit of this project, what was changed since, and the packages, for a reader.

    Without Git, or outside a repository of its own, the commit is not known.
    """
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    commit = _git("log", "-1", "--format=%h of %cs") or "not known"
    changed = listed(_git("diff", "--name-only", "HEAD").splitlines())
    return [
        f"segloss {citation['version']}",
        f"commit {commit}{f' with changes in {changed}' if changed else ''}",
        f"Python {platform.python_version()}",
        *(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "snakemake", "pandas")),
    ]


def _git(*arguments: str) -> str:
    """What Git says of the project's folder; empty where it knows nothing."""
    alone = {"GIT_CEILING_DIRECTORIES": str(ROOT.parent)}  # no repository around it
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, env=os.environ | alone, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
