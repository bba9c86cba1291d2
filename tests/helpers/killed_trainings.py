"""Trainings in processes of their own, which tests kill."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from tqdm import tqdm
from training_runs import make_trainer

from lib.store import StoredCase

torch.set_num_threads(1)  # as in the tests' own process: the same bits
tqdm.set_lock(threading.RLock())  # the default one outlives a process that is killed


def start(monkeypatch: pytest.MonkeyPatch, work: Callable[..., object], *inputs: object) -> BaseProcess:
    """A process that does ``work``, forked from one that has only imported what a training needs.

    A fork of the tests' own process would share the locks and thread pools that earlier tests left in it, and can wait
    for them for ever.
    """
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=work, args=inputs)
    process.start()
    return process


def train_longer(cases: list[StoredCase], checkpoint: Path, changes: dict) -> None:
    make_trainer(cases, checkpoint, **changes).train()


def die_while_saving(cases: list[StoredCase], checkpoint: Path, changes: dict, step: int, where: str) -> None:
    """Train, and be killed while the checkpoint of this step is written, at one of three moments."""
    trainer = make_trainer(cases, checkpoint, **changes)
    write, replace, save = Path.write_bytes, Path.replace, trainer._save

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def dying_write(path: Path, content: memoryview) -> None:
        if where == "half of it written":
            write(path, content[: len(content) // 2])
            die()
        write(path, content)

    def dying_replace(path: Path, target: Path) -> None:
        if where == "in its place":
            replace(path, target)
        die()

    def saving() -> None:
        if trainer.step == step:
            Path.write_bytes, Path.replace = dying_write, dying_replace
        save()

    trainer._save = saving
    trainer.train()
