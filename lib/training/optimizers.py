"""The optimizer and the scheduler of a training, built from their entries."""

import torch
from torch import nn

from lib.config.schema import Training
from lib.training.catalogue import OPTIMIZERS, SCHEDULERS, OptimizerParameters
from lib.training.schedulers import Scheduler


def build_optimizer(parameters: OptimizerParameters, network: nn.Module, loss: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of the network's parameters and, in a group of their own, of the loss's if it has any."""
    groups = [{"params": list(network.parameters())}]
    if trainable := list(loss.parameters()):
        groups.append({"params": trainable, "lr": parameters.loss_learning_rate or parameters.learning_rate})
    options = parameters.model_dump(exclude={"name", "learning_rate", "loss_learning_rate"})
    return OPTIMIZERS.entry_of(parameters).build(groups, lr=parameters.learning_rate, **options)


def build_scheduler(training: Training) -> Scheduler:
    """The scheduler of the network's learning rate."""
    return SCHEDULERS.entry_of(training.scheduler).build(
        training.scheduler, training.optimizer.learning_rate, training.epochs, training.steps_per_epoch
    )
