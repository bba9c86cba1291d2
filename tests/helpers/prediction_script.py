"""`scripts/predict.py` with a network whose outcome is known."""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from lib import ROOT
from lib.networks import build_network
from lib.store import Case, write_case
from lib.training.settings import InferenceSettings

NETWORK = {"name": "space_to_depth_unet", "channels": [4, 4]}
DESCRIBED = {"adapter": "lib.datasets.phantoms.livers", "parameters": {}, "run": "r"}


class Bright(torch.nn.Module):
    """Marks what is brighter than 1/2."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 20 * (x - 0.5)


def predict_bright(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cases: Mapping[str, Case], first: Path | None = None, **settings: Any
) -> dict[str, Any]:
    """Predict a case of each part of the split, of its name, below ``folder``; what `model.json` holds."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / "scripts")])
    from scripts.predict import main

    torch.save({"network": build_network(NETWORK, 1, 1).state_dict()}, folder / "weights.pt")
    (folder / "lists").mkdir(exist_ok=True)
    for part, case in cases.items():
        write_case(folder / part, part, case)
        listed = {part: json.loads((folder / part / "case.json").read_text())}
        (folder / "lists" / f"{part}.json").write_text(json.dumps(listed))
    size = next(iter(cases.values())).label.shape
    chosen = InferenceSettings(
        network={"network": NETWORK, "out_channels": 1},
        network_class="",
        inference={"patch_size": size, "stride": size},
        **{"reads": dict.fromkeys(cases, ("labels",)), **settings},
    )
    shutil.rmtree(folder / "predictions", ignore_errors=True)
    with monkeypatch.context() as replaced:
        replaced.setattr("lib.networks.build_network", lambda *_: Bright())
        replaced.setattr("lib.training.checkpoints.load_weights", lambda *_: None)
        main(
            settings=chosen.model_dump(mode="json"),
            described={**DESCRIBED, **({"first": "f"} if first else {})},
            weights=folder / "weights.pt",
            prepared=folder,
            cases=[folder / "lists" / f"{part}.json" for part in cases],
            device="cpu",
            threads=1,
            gpu_percent=0,
            predictions=folder / "predictions",
            checksums=folder / "predictions.json",
            model=folder / "model.json",
            first=first,
        )
    return json.loads((folder / "model.json").read_text())
