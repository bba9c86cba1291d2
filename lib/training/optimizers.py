"""The optimizer and the scheduler of a training, built from their entries."""

import inspect
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from lib.config.schema import Training
from lib.training.catalogue import OPTIMIZERS, SCHEDULERS, OptimizerParameters
from lib.training.schedulers import Scheduler


def build_optimizer(
    parameters: OptimizerParameters, network: nn.Module, loss: nn.Module, compiled: bool = False
) -> torch.optim.Optimizer:
    """The optimizer of the network's parameters and, in a group of their own, of the loss's if it has any.

    Args:
        compiled: the training uses torch.compile.
    """
    if not compiled:
        _leave_compiler_alone()
    groups = [{"params": list(network.parameters())}]
    if trainable := list(loss.parameters()):
        groups.append({"params": trainable, "lr": parameters.loss_learning_rate or parameters.learning_rate})
    options = parameters.model_dump(exclude={"name", "learning_rate", "loss_learning_rate"})
    optimizer = OPTIMIZERS.entry_of(parameters).build(groups, lr=parameters.learning_rate, **options)
    if not compiled:
        optimizer.step = partial(_step, optimizer, inspect.unwrap(type(optimizer).step))
    return optimizer


def _leave_compiler_alone() -> None:
    """Optimizers import the compiler of torch, 1.4 s, to keep it from methods of theirs; without it they need not."""
    for method in vars(torch.optim.Optimizer).values():
        if plain := getattr(method, "__wrapped__", None):
            plain.__dynamo_disable = plain  # where torch keeps what it made of the method


def _step(optimizer: torch.optim.Optimizer, step: Callable[..., None]) -> None:
    """As the step that torch wraps for its compiler."""
    with torch.set_grad_enabled(optimizer.defaults.get("differentiable", False)):
        step(optimizer)


def build_scheduler(training: Training) -> Scheduler:
    """The scheduler of the network's learning rate."""
    return SCHEDULERS.entry_of(training.scheduler).build(
        training.scheduler, training.optimizer.learning_rate, training.epochs, training.steps_per_epoch
    )
