"""The page `docs/losses.md`, made from the catalogue: ``python -m lib.losses.page`` writes it. Never imports torch."""

from collections.abc import Iterator
from itertools import groupby, starmap

import yaml

from lib import ROOT
from lib.docstrings import as_yaml, described, parameters
from lib.files import write_text
from lib.losses.catalogue import LOSSES, LossEntry
from lib.losses.parameters import Chosen, InverseWeights
from lib.losses.specification import named_sums

PAGE = ROOT / "docs/losses.md"

INTRODUCTION = """\
# Losses

Made from `lib/losses/catalogue.py` by `envs/run python -m lib.losses.page`; do not edit.

```python
from lib.losses import build_loss

loss = build_loss("dice_ce", include_background=False, ignore_index=255)
value = loss(logits, target)  # a scalar
loss = build_loss({"name": "boundary"})  # in a study file: {name: boundary}
value = loss(logits, target, {"published_distance": maps})
```

`logits` are (batch, channels, *spatial) in 2D or 3D, before softmax or sigmoid. One channel is a binary problem; more
are softmax classes, channel 0 the background; with `sigmoid: true` every channel is a problem of its own (multi-label,
or one class against the rest). `target` holds class labels (batch, 1, *spatial), or one-hot or multi-hot values of the
shape of `logits`. `maps` are (batch, 1 or channels, *spatial). Every loss works in 2D and 3D, computes half precision
in float32, is finite for logits up to 1e9 and every target, and raises one line for what does not fit.

In the formulas p is the probability of a class, p_t that of a voxel's true class, y is 1 in the class and 0 outside.

## Options

Every loss takes these; those with *no classes* in the overview take neither `include_background` nor `classes`.

| option | default | meaning |
|---|---|---|
"""

OPTIONS = {
    "include_background": "`false` leaves channel 0 out; one channel has no background. A pixel-wise loss leaves out"
    " the voxels whose true class it is, but as a term of a sum it sees all voxels unless it has the option itself, as"
    " in MONAI and nnU-Net",
    "classes": "the channels (pixel-wise losses: the true classes) that count, instead of `include_background`",
    "sigmoid": "every channel is a binary problem of its own",
    "to_onehot_y": "`true`: `target` must hold labels; `false`: it must have the shape of `logits`; `null`: its shape"
    " decides",
    "ignore_index": "value of `target` at voxels that do not count, neither in values and gradients nor in sizes and"
    " means; a fully ignored image adds 0 and stays in a mean over images (`dice_bias`: log 2)",
    "reduction": "of what *mean over* names below: `mean`, `sum` or `none`",
}

OVERVIEW = """\
## Overview

*Empty* and *full* say whether a target without foreground, or of foreground only, leaves a gradient (one channel,
default parameters); where it does not, a false positive (or a hole) costs nothing there. *iw*: takes the modifier
`inverse_weights`. *MONAI* names the equal loss there, which a test compares. `{distance}` is the map that the parameter
`distance` names.

| loss | family | problems | maps | empty | full | choice | iw | MONAI |
|---|---|---|---|---|---|---|---|---|
"""

MODIFIERS = """\
## Inverse weights

`inverse_weights: {}` beside a loss marked *iw* multiplies every voxel by a weight from the map `components`; sums over
voxels become weighted sums, means are still divided by the number of voxels. Parameters: {weights}. Formulas, with N
voxels, K lesions visible in the patch, C_0 the background: `published` N / ((K + 1) |C_j|), clipped (the code's last
state); `unclipped` the same without the clip (the README's formula); `lesions_only` n_pos / (n_cc |C_j|) for lesions
and 1 for the background, n_cc the largest label (the code when the published records were made). Source: Shirokikh et
al., MICCAI 2020.

## Sums, schedules, deep supervision, your own loss

```yaml
losses:
  dice_ce_l1:
    sum:
      - {name: dice, batch: true}
      - {name: cross_entropy, weight: 0.5}
      - {name: proportion_l1, weight: {schedule: steps, start: 0.01, factor: 5, every: 0.1, stop: 100}}
    ignore_index: 255                       # handed to every term; a choice of classes only to losses on regions
  rebalanced:
    sum:
      - {name: generalized_dice, weight: {schedule: linear, start: 1, stop: 0.01}}
      - {name: boundary, include_background: false, weight: {schedule: linear, start: 0, stop: 0.99}}
    deep_supervision: {}                    # weights 1, 1/2, 1/4, ... in sum 1, or weights: [...]
  mine: {name: my_losses.MyLoss, gamma: 3, maps: [components]}
```

* `linear`: from `start` to `stop`, reached when the share `over` (1) of the training is done.
* `steps`: `start` times `factor` after every share `every` of the training, up to the cap `stop`.
* A schedule is a function of the epoch alone. Outside the workflow call
  `lib.losses.base.set_progress(loss, epoch, epochs)` at the beginning of every epoch.
* `deep_supervision` expects a list of outputs, full resolution first. Labels and label maps are taken at the voxel
  nearest to each coarse voxel's centre, distances are interpolated linearly.
* A dotted path names a `torch.nn.Module`; the other keys go to its constructor. It is called with `(logits, target)`,
  and with `maps=...` if its `forward` has such a parameter; the target is of the type of the logits. `maps` in the
  specification lists the maps that it reads. Its module lies beside the Snakefile or in the environment.

## Sums that have a name

| name | terms | source |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    weights = ", ".join(parameters(InverseWeights))
    return "\n".join(
        [
            INTRODUCTION + "\n".join(_option_rows()) + "\n",
            OVERVIEW + "\n".join(starmap(_overview_row, LOSSES.items())) + "\n",
            *_families(),
            MODIFIERS.replace("{weights}", weights) + "\n".join(_sum_rows()) + "\n",
        ]
    )


def _option_rows() -> Iterator[str]:
    for name, field in Chosen.model_fields.items():
        yield f"| `{name}` | `{as_yaml(field.default)}` | {OPTIONS[name]} |"


def _overview_row(name: str, entry: LossEntry) -> str:
    cells = [
        f"[`{name}`](#{name})",
        entry.family,
        ", ".join(entry.problems),
        ", ".join(f"`{map_name}`" for map_name in entry.maps),
        *("gradient" if found else "no gradient" for found in (entry.empty, entry.full)),
        "" if issubclass(entry.parameters, Chosen) else "no classes",
        "yes" if entry.weightable else "",
        entry.monai,
    ]
    return f"| {' | '.join(cells)} |"


def _families() -> Iterator[str]:
    for family, entries in groupby(LOSSES.items(), lambda item: item[1].family):
        yield f"## {family[0].upper()}{family[1:]}\n"
        for name, entry in entries:
            yield f"### {name}\n\n{described(entry.implementation)}\n"
            yield f"* Formula: {entry.formula}"
            yield f"* Mean over: {entry.per}"
            yield f"* Parameters: {', '.join(parameters(entry.parameters, *Chosen.model_fields)) or 'none of its own'}"
            yield f"* Source: {entry.source}\n"


def _sum_rows() -> Iterator[str]:
    for name, entry in named_sums().items():
        content = {key: value for key, value in entry.items() if key != "source"}
        terms = yaml.safe_dump(
            content.get("sum", content), default_flow_style=True, sort_keys=False, width=10_000
        )
        yield f"| `{name}` | `{terms.strip()}` | {entry['source']} |"


if __name__ == "__main__":
    write_text(PAGE, page())
