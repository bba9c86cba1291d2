"""Where a result comes from: the code that made it, and the conditions of its making."""

import ast
import hashlib
import importlib.metadata
import os
import platform
import resource
from functools import cache
from pathlib import Path
from typing import Any

from lib import ROOT

PACKAGES = ("torch", "numpy", "scipy", "blosc2", "connected-components-3d", "pandas")


SEEN_IN_SETTINGS = {
    *(f"lib.config.{name}" for name in ("cascade", "checks", "dependencies", "expand", "fit", "load", "own_data")),
    *(f"lib.config.{name}" for name in ("run", "schema", "search", "study", "study_schema")),
    "lib.datasets",
    "lib.fields",
    "lib.losses.catalogue",
    "lib.losses.parameters",
    "lib.losses.specification",
    *("lib.measures.catalogue", "lib.measures.settings"),
    *("lib.networks.catalogue", "lib.networks.parameters"),
    "lib.plotting.catalogue",
    "lib.prediction.catalogue",
    "lib.registry",
    "lib.training.catalogue",
    "lib.training.trackers",  # nothing depends on it
    "lib.validation",
}
"""Modules whose whole effect on a job stands among its settings: an entry more must not run every training again."""


@cache
def code_version(*modules: str) -> str:
    """Hash of the syntax trees of ``modules`` and of all modules of the project that they import.

    Comments, docstrings and layout do not count. Given to a rule among its ``params``, it makes Snakemake run
    a job again when, and only when, code that the job uses has changed.

    Modules of installed packages, as a plugin may name, are left out.

    Raises:
        ModuleNotFoundError: a module of the project does not exist.
    """
    pending, seen = [module for module in modules if _is_ours(module)], set()
    while pending:
        module = pending.pop()
        if module not in seen | SEEN_IN_SETTINGS:
            seen.add(module)
            pending.extend(_project_imports(module))
    digest = hashlib.sha256()
    for module in sorted(seen):
        digest.update(f"{module}\0{_code(module)}\0".encode())
    return digest.hexdigest()[:12]


def _is_ours(module: str) -> bool:
    """Whether its package, or the file that it is, lies in the project, be it there or not."""
    top = ROOT / module.split(".")[0]
    return top.is_dir() or top.with_suffix(".py").is_file()


def in_project(module: str) -> bool:
    """Whether the module's code lies in the project; other packages' versions stand in the provenance."""
    return _file(module) is not None


def _file(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@cache
def _tree(module: str) -> ast.Module:
    path = _file(module)
    if path is None:
        raise ModuleNotFoundError(f"no module {module!r} in {ROOT}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


@cache
def _code(module: str) -> str:
    return ast.dump(_tree(module))


@cache
def _project_imports(module: str) -> frozenset[str]:
    """Modules of the project that ``module`` imports, and the packages around them, whose code runs too."""
    names = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    packages = {".".join(parts[:n]) for parts in (name.split(".") for name in names) for n in range(1, len(parts) + 1)}
    return frozenset(name for name in packages if _file(name) and name != module)


def machine(device: str) -> dict[str, Any]:
    """Where a process computes: host, cluster job if it is one, processor, GPU if it uses one."""
    fields = {
        "host": platform.node(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "device": device,
    }
    if job := os.environ.get("SLURM_JOB_ID"):
        fields["slurm_job"] = job
    if device == "cuda":
        import torch

        fields["gpu"] = torch.cuda.get_device_name()
    return fields


def peak_memory(device: str) -> dict[str, int]:
    """The most memory that this process has held so far, in MB, on the host and on its GPU if it uses one."""
    fields = {"peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}
    if device == "cuda":
        import torch

        fields["gpu_peak_memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return fields


def provenance_record(settings: dict[str, Any], threads: int, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """What is stored with a trained model: settings, versions, time and memory.

    ``parts`` state code, machine, steps, time and memory of each process that trained it, one if it was never
    interrupted.
    """
    return {
        "settings": settings,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "threads": threads,
        "seconds": round(sum(part["seconds"] for part in parts), 2),
        "peak_memory_mb": max(part["peak_memory_mb"] for part in parts),
        "parts": parts,
    }
