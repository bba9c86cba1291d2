"""T-Loss's learning-rate schedule: a step down whenever nu has come to rest."""

from typing import Any, SupportsFloat

import numpy as np

WINDOW = 5


class NuPlateau:
    """Counts how often nu has come to rest (Gonzalez-Jimenez et al., MICCAI 2023, the released code).

    nu is recorded every ``every`` steps. From ``patience`` records on they are smoothed by a running mean of 5, and
    where any two neighbours then differ by at most ``threshold``, one more decay is due and the records begin anew. In
    the form ``released`` the smoothed values replace the records, as in the code, so that they are smoothed again at
    each look and come to rest much earlier; ``corrected`` keeps the records.

    Args:
        options: ``every``, ``patience``, ``threshold``, ``form``.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.records: list[float] = []
        self.decays = 0

    def after(self, step: int, nu: SupportsFloat) -> None:
        """Take note of nu after ``step``, counted from 1."""
        if step % self.options["every"]:  # else nu is not even looked at, which would make a GPU wait
            return
        self.records.append(float(nu))
        if len(self.records) < self.options["patience"]:
            return
        smooth = np.convolve(self.records, np.full(WINDOW, 1 / WINDOW), mode="valid")
        if self.options["form"] == "released":
            self.records[: len(smooth)] = smooth.tolist()
        if (np.abs(np.diff(smooth)) <= self.options["threshold"]).any():
            self.records, self.decays = [], self.decays + 1

    def state(self) -> dict[str, Any]:
        return {"records": self.records, "decays": self.decays}

    def load_state(self, state: dict[str, Any]) -> None:
        self.records, self.decays = list(state["records"]), state["decays"]
