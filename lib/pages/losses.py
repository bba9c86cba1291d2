"""What `docs/losses.md` has from the catalogue. Never imports torch."""

from collections.abc import Iterator
from itertools import groupby, starmap

import yaml

from lib import ROOT
from lib.losses.catalogue import LOSSES, LossEntry
from lib.losses.parameters import Chosen, InverseWeights
from lib.losses.specification import named_sums
from lib.pages.markdown import as_yaml, described, parameters

PAGE = ROOT / "docs/losses.md"

OVERVIEW = """\
| loss | family | problems | maps | empty | full | choice | iw | MONAI |
|---|---|---|---|---|---|---|---|---|"""
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


def parts() -> dict[str, str]:
    """What is made of the page."""
    weights = f"Parameters of `inverse_weights`: {', '.join(parameters(InverseWeights))}."
    return {
        "options": "\n".join(["| option | default | meaning |", "|---|---|---|", *_option_rows()]),
        "overview": "\n".join([OVERVIEW, *starmap(_overview_row, LOSSES.items())]),
        "losses": "\n".join(_families()),
        "inverse weights": weights,
        "sums": "\n".join(["| name | terms | source |", "|---|---|---|", *_sum_rows()]),
    }


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
        terms = yaml.safe_dump(content.get("sum", content), default_flow_style=True, sort_keys=False, width=10_000)
        yield f"| `{name}` | `{terms.strip()}` | {entry['source']} |"
