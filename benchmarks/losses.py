"""Time forward + backward of every loss on (2, 2, 128, 128, 128), one thread, in units of plain cross-entropy.

Each loss is timed next to ``F.cross_entropy`` in turns and its ratio is the median over the turns; so are MONAI's loss
of the same name and the formula as the publication's code evaluates it (written out here from its description), where
there are such.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import monai.losses
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.losses import build_loss
from lib.losses.catalogue import LOSSES
from lib.losses.specification import required_maps
from lib.maps import connected_components, published_distance, voronoi_cells

SHAPE = (128, 128, 128)
N_LESIONS, RADIUS = 12, 8
REPEATS = 9
SLOW = {"hausdorff_dt": 1}
SUMS = ["dice_ce", "ce_l1", "ce_kl", "sce", "nce_rce", "gdl_boundary", "blob_dice_ce", "dice_ce_cc_dice_ce"]
WEIGHTED = {"name": "cross_entropy", "inverse_weights": {}}
Loss = Callable[[Tensor, Tensor, dict[str, Tensor]], Tensor]


def lesion_patch(rng: np.random.Generator) -> np.ndarray:
    label = np.zeros(SHAPE, np.uint8)
    axes = np.ogrid[tuple(slice(length) for length in SHAPE)]
    for centre in rng.uniform(RADIUS, np.array(SHAPE) - RADIUS, (N_LESIONS, 3)):
        label[sum((axis - place) ** 2 for axis, place in zip(axes, centre, strict=True)) <= RADIUS**2] = 1
    return label


def inputs() -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    rng = np.random.default_rng(0)
    labels = [lesion_patch(rng) for _ in range(2)]
    distances = [np.stack([published_distance(label == channel, (1, 1, 1)) for channel in (0, 1)]) for label in labels]
    maps = {
        "components": np.stack(list(map(connected_components, labels)))[:, None].astype(np.int32),
        "voronoi": np.stack([voronoi_cells(label, (1, 1, 1)) for label in labels])[:, None].astype(np.int32),
        "published_distance": np.stack(distances),
        "signed_distance": np.stack(distances),
    }
    logits = torch.from_numpy(rng.standard_normal((2, 2, *SHAPE), dtype=np.float32))
    target = torch.from_numpy(np.stack(labels)[:, None]).long()
    return logits, target, {name: torch.from_numpy(values) for name, values in maps.items()}


def cross_entropy(logits: Tensor, target: Tensor, maps: dict[str, Tensor]) -> Tensor:
    return F.cross_entropy(logits, target[:, 0])


def by_monai(name: str, **options: object) -> Loss:
    loss = getattr(monai.losses, name)(to_onehot_y=True, **options)
    return lambda logits, target, maps: loss(logits, target)


def proportions(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    one_hot = F.one_hot(target[:, 0], 2).movedim(-1, 1)
    axes, n = (2, 3, 4), target[0, 0].numel()
    actual = (one_hot.sum(axes).float() + 1e-10) / (n + 1e-10)
    return actual, (F.log_softmax(logits, 1).exp().sum(axes) + 1e-10) / (n + 1e-10)


def written_ce_l1(logits: Tensor, target: Tensor, maps: dict[str, Tensor]) -> Tensor:
    actual, predicted = proportions(logits, target)
    return cross_entropy(logits, target, maps) + (predicted - actual).abs().mean()


def written_ce_kl(logits: Tensor, target: Tensor, maps: dict[str, Tensor]) -> Tensor:
    actual, predicted = proportions(logits, target)
    return cross_entropy(logits, target, maps) + (actual * (actual / predicted).log()).sum(1).mean()


def written_boundary(logits: Tensor, target: Tensor, maps: dict[str, Tensor]) -> Tensor:
    return torch.einsum("bcxyz,bcxyz->bcxyz", logits.softmax(1), maps["published_distance"]).mean()


def written_generalized_dice(logits: Tensor, target: Tensor, maps: dict[str, Tensor]) -> Tensor:
    p, y = logits.softmax(1), F.one_hot(target[:, 0], 2).movedim(-1, 1).float()
    sizes = torch.einsum("bcxyz->bc", y)
    weight = 1 / (sizes + 1e-10) ** 2
    both = (weight * torch.einsum("bcxyz,bcxyz->bc", p, y)).sum(1) + 1e-10
    return (1 - 2 * both / ((weight * (torch.einsum("bcxyz->bc", p) + sizes)).sum(1) + 1e-10)).mean()


def written_t_loss(logits: Tensor, target: Tensor, maps: dict[str, Tensor]) -> Tensor:
    p, y = logits.softmax(1)[:, 1], target[:, 0].float()
    n, nu, precision = torch.tensor(float(p[0].numel())), torch.tensor(1.0), torch.ones(p.shape[1:])
    s = nu.exp() + 1e-8
    error = (precision.exp() * (p - y) ** 2).sum((1, 2, 3))
    constant = torch.lgamma(s / 2) - torch.lgamma((s + n) / 2) - precision.sum() / 2
    return (constant + n / 2 * (np.log(np.pi) + nu) + (s + n) / 2 * (1 + error / s).log()).mean()


def written_inverse_weights(logits: Tensor, target: Tensor, maps: dict[str, Tensor]) -> Tensor:
    weight = torch.ones_like(target, dtype=torch.float32)
    for sample, components in zip(weight, maps["components"], strict=True):
        labels = torch.unique(components)
        for label in labels:
            mask = components == label
            sample[mask] = mask.numel() / (len(labels) * mask.sum())
    values = F.binary_cross_entropy_with_logits(logits[:, 1:] - logits[:, :1], target.float(), reduction="none")
    return (weight.clip(1, 2e5) * values).mean()


def written_blob(logits: Tensor, target: Tensor, maps: dict[str, Tensor]) -> Tensor:
    p, losses = logits.softmax(1)[:, 1], []
    for probability, components in zip(p, maps["components"][:, 0], strict=True):
        labels = torch.unique(components)
        for label in labels[labels > 0]:
            own = components == label
            masked = probability * (own | (components == 0))
            losses.append(1 - 2 * (masked * own).sum() / (masked.sum() + own.sum()))
    return torch.stack(losses).mean()


MONAI: dict[str, Loss] = {
    "focal": by_monai("FocalLoss", use_softmax=True),
    "dice": by_monai("DiceLoss", softmax=True),
    "dice_ce": by_monai("DiceCELoss", softmax=True),
    "generalized_dice": by_monai("GeneralizedDiceLoss", softmax=True),
    "tversky": by_monai("TverskyLoss", softmax=True),
    "boundary": by_monai("BoundaryLoss", softmax=True, include_background=True),
    "hausdorff_dt": by_monai("HausdorffDTLoss", softmax=True, include_background=True),
}
NACL = monai.losses.NACLLoss(2, 3)
MONAI["nacl"] = lambda logits, target, maps: NACL(logits, target[:, 0])
WRITTEN: dict[str, Loss] = {
    "ce_l1": written_ce_l1,
    "ce_kl": written_ce_kl,
    "boundary": written_boundary,
    "generalized_dice": written_generalized_dice,
    "t_loss": written_t_loss,
    "cross_entropy, inverse_weights": written_inverse_weights,
    "blob": written_blob,
}


def seconds(loss: Loss, logits: Tensor, target: Tensor, maps: dict[str, Tensor]) -> float:
    leaf = logits.detach().requires_grad_()
    start = time.perf_counter()
    loss(leaf, target, maps).backward()
    return time.perf_counter() - start


def ratio(loss: Loss, data: tuple, repeats: int) -> float:
    seconds(loss, *data)  # the first call allocates
    return float(np.median([seconds(loss, *data) / seconds(cross_entropy, *data) for _ in range(repeats)]))


def main() -> None:
    torch.set_num_threads(1)
    data = inputs()
    losses = {name: (LOSSES[name].family, name) for name in LOSSES}
    losses["cross_entropy, inverse_weights"] = ("instance-aware", WEIGHTED)
    losses |= {name: ("sum", name) for name in SUMS}
    chosen = sys.argv[1:]
    print("| loss | family | segloss | MONAI | formula as published |")
    print("|---|---|--:|--:|--:|")
    for name, (family, specification) in losses.items():
        if chosen and name not in chosen:
            continue
        built = build_loss(specification)
        needed = required_maps(specification)
        own_data = (*data[:2], {key: data[2][key] for key in needed})
        repeats = SLOW.get(name, REPEATS)
        columns = [f"{ratio(built, own_data, repeats):.2f}"]
        for others in (MONAI, WRITTEN):
            columns.append(f"{ratio(others[name], data, SLOW.get(name, 3)):.2f}" if name in others else "")
        print(f"| {name} | {family} | {' | '.join(columns)} |", flush=True)


main()
