"""Time whole training steps with and without the boundary loss's stored map, and what making the map takes.

Steps of the same network on the same patches, in turns in this process on one thread: patches read from the store,
forward, loss, backward, optimizer. Printed is the median of the ratios to the step with the GDL alone. Beside the
stored map stands what a step costs if the map is made in it, of the patch: as boundary losses elsewhere do.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from distance_maps import lesions

from lib.arrays import write_array
from lib.losses import build_loss
from lib.maps import signed_distance
from lib.networks import build_network
from lib.store import Case, StoredCase, write_case
from lib.training.sampling import PatchSampler

SPACING = (1.0, 1.0, 3.0)
SHAPE = (160, 160, 48)
REPEATS = 9
GDL = {"name": "generalized_dice"}
BOUNDARY = {
    "name": "boundary",
    "distance": "signed_distance",
    "include_background": False,
    "weight": {"schedule": "linear", "start": 0, "stop": 0.99},
}
HAUSDORFF = {"name": "hausdorff_dt", "include_background": False, "weight": 0.1}
NETWORKS = {
    "boundary_unet_2d, 8 slices of 64x64": ({"name": "boundary_unet_2d"}, [64, 64], 8),
    "boundary_unet of a quarter of the width, 2 patches of 48x48x16": (
        {"name": "boundary_unet", "channels": [16, 32, 64, 128]},
        [48, 48, 16],
        2,
    ),
    "residual_unet, 2 patches of 64x64x32": ({"name": "residual_unet"}, [64, 64, 32], 2),
    "space_to_depth_unet, 8 patches of 32x32x8": (
        {"name": "space_to_depth_unet"},
        [32, 32, 8],
        8,
    ),
}


def stored_case(folder: Path) -> StoredCase:
    label = lesions(SHAPE)
    image = np.random.default_rng(0).normal(size=(1, *SHAPE)) + label
    write_case(folder / "case", "case", Case(image, label, SPACING, patient="case"))
    write_array(folder / "case/signed_distance.b2nd", signed_distance(label, SPACING))
    return StoredCase(folder / "case")


def map_of_patch(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The maps of the patches, made on the spot."""
    made = [signed_distance(label[0].numpy(), SPACING[: label.ndim - 1]) for label in batch["label"]]
    return torch.from_numpy(np.stack(made)[:, None])


def steps_of(case: StoredCase, network: dict, patch: list[int], batch_size: int) -> dict[str, Callable[[int], None]]:
    """By name, one whole training step of the same network from the same beginning."""
    sampling = {
        **{"patch_size": patch, "batch_size": batch_size, "cases": "by_lesions", "augmentation": []},
        **{"foreground_fraction": 0.0, "place": "anywhere"},
    }
    stored, without = (PatchSampler([case], sampling, maps, 0, REPEATS + 1) for maps in (["signed_distance"], []))
    torch.manual_seed(0)
    net = build_network(network, 1, out_channels=2)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step(number: int, sampler: PatchSampler, terms: list, made_here: bool = False) -> None:
        batch = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in sampler[number].items()}
        if made_here:
            batch["signed_distance"] = map_of_patch(batch)
        image, label = batch.pop("image"), batch.pop("label")
        optimizer.zero_grad(set_to_none=True)
        build_loss({"sum": terms})(net(image), label, batch).backward()
        optimizer.step()

    return {
        "GDL": lambda number: step(number, without, [GDL]),
        "GDL + boundary, stored map": lambda number: step(number, stored, [GDL, BOUNDARY]),
        "GDL + boundary, map made in the step": lambda number: step(number, without, [GDL, BOUNDARY], True),
        "GDL + Hausdorff": lambda number: step(number, without, [GDL, HAUSDORFF]),
    }


def seconds(function: Callable[[int], None], number: int) -> float:
    start = time.perf_counter()
    function(number)
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)
    print("| network and patches | loss | s a step | times the step of the GDL |")
    print("|---|---|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        case = stored_case(Path(folder))
        for name, setting in NETWORKS.items():
            steps = steps_of(case, *setting)
            times: dict[str, list[float]] = {loss: [] for loss in steps}
            for number in range(REPEATS + 1):
                for loss, step in steps.items():
                    times[loss].append(seconds(step, number))
            for loss, taken in times.items():
                ratios = [a / b for a, b in zip(taken[1:], times["GDL"][1:], strict=True)]
                print(f"| {name} | {loss} | {statistics.median(taken[1:]):.3f} | {statistics.median(ratios):.3f} |")


if __name__ == "__main__":
    main()
