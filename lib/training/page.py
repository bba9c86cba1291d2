"""The page `docs/training.md`, made from the entries: ``python -m lib.training.page`` writes it. No torch."""

from collections.abc import Iterator

from lib import ROOT
from lib.docstrings import described, parameters
from lib.files import write_text
from lib.networks.catalogue import NETWORKS, NetworkEntry, NetworkParameters
from lib.registry import Entry, Parameters
from lib.training.catalogue import (
    AUGMENTATIONS,
    OPTIMIZERS,
    SCHEDULERS,
    OptimizerParameters,
    SchedulerParameters,
)

PAGE = ROOT / "docs/training.md"

INTRODUCTION = """\
# Networks, optimizers, schedulers, augmentation

Made from `lib/networks/catalogue.py` and `lib/training/catalogue.py` by `envs/run python -m lib.training.page`; do not
edit. A study file chooses each by name, or by name with parameters; what is left out has its default, and an option
that the choice does not have is refused:

```yaml
network: {name: residual_unet, channels: [16, 32, 64]}
sampling:
  augmentation: [mirror, {name: gamma, range: [0.8, 1.2]}]
training:
  epochs: 100
  steps_per_epoch: 250
  optimizer: {name: sgd, learning_rate: 0.01, momentum: 0.99, nesterov: true, weight_decay: 0.00003}
  scheduler: {name: poly, warmup_steps: 500}
  gradient_clipping: 12       # the largest norm of the gradients of the network's weights; left out: any
  monitor: {part: validation, measure: dice, keep_best: true}   # after every epoch
  test_epochs: 10             # the last ones, after which the test cases are measured too; it decides nothing
```

`monitor` measures the cases of a part of the split after every epoch: the schedulers `plateau` and `halving` follow it,
and with `keep_best` the network of the best epoch is the outcome (never chosen on test cases). An interrupted training
ends with the same bits as one that was not, with every optimizer and scheduler.

## Your own

A module beside the Snakefile adds entries, and `workflow_config.yaml` names it, `plugins: [my_networks]`:

```python
# my_networks.py
from lib.fields import Positive, PositiveInt
from lib.networks.catalogue import NETWORKS, NetworkEntry, NetworkParameters
from lib.registry import Entry
from lib.training import catalogue as training


class MyNetwork(NetworkParameters):  # what a study file may give; the class is called with these,
    width: PositiveInt = 8  # in_channels and out_channels


class NAdam(training.OptimizerParameters):
    momentum_decay: Positive = 0.004


class MyDecay(training.SchedulerParameters):  # the class is a lib.training.schedulers.Scheduler
    half_life: PositiveInt


NETWORKS.add("mine", NetworkEntry("my_modules:MyNetwork", MyNetwork, dimensions=2))
training.OPTIMIZERS.add("nadam", Entry("torch.optim:NAdam", NAdam))
training.SCHEDULERS.add("decay", training.SchedulerEntry("my_schedules:MyDecay", MyDecay))
```

Steps of augmentation are added to `AUGMENTATIONS` in the same way. The module itself must not import torch, as the
planning of jobs reads it: classes that do stand in another one. When their code changes, what was trained with them is
trained again (at paper scale it is kept and reported). Losses need no entry: a study file names their class.
"""
COMMON = {
    "networks": "Each maps (batch, channels, *spatial) to logits of the same size.",
    "optimizers": "Their options have the names that `torch.optim` gives them. `loss_learning_rate` is that of the\n"
    "loss's own parameters, such as T-Loss's nu, which no scheduler changes; without one they have the network's.",
    "schedulers": "In the first `warmup_steps` the learning rate rises linearly from `warmup_start` times its value.\n"
    "What a scheduler does by steps begins behind them; epochs are counted from the start of the training.",
    "augmentation": "Steps are taken in the order of the list, each with its `probability`; image, label and maps move"
    " alike.",
}


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            INTRODUCTION,
            *_section("networks", NetworkParameters, NETWORKS),
            *_section("optimizers", OptimizerParameters, OPTIMIZERS),
            *_section("schedulers", SchedulerParameters, SCHEDULERS),
            *_section("augmentation", Parameters, AUGMENTATIONS),
        ]
    )


def _section(title: str, common: type[Parameters], entries: dict[str, Entry]) -> Iterator[str]:
    yield f"## {title.capitalize()}\n"
    yield f"{COMMON[title]}\n"
    if of_all := ", ".join(parameters(common, "name")):
        yield f"Every one takes {of_all}.\n"
    for name, entry in entries.items():
        dimensions = f" ({entry.dimensions}D)" if isinstance(entry, NetworkEntry) else ""
        own = ", ".join(parameters(entry.parameters, *_as_all(common, entry)))
        yield f"### {name}{dimensions}\n"
        if entry.module.startswith("lib."):
            yield f"{described(entry.implementation)}\n"
        yield f"* Parameters: {own or 'none of its own'}"
        yield f"* Source: {entry.source or '`' + entry.implementation.replace(':', '.') + '`'}\n"


def _as_all(common: type[Parameters], entry: Entry) -> Iterator[str]:
    """Parameters that every entry takes, with the same default."""
    for name, field in common.model_fields.items():
        if entry.parameters.model_fields[name].default == field.default:
            yield name


if __name__ == "__main__":
    write_text(PAGE, page())
