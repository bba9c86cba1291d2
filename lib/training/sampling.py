"""Patches for training, drawn as a pure function of seed and step.

No random state is carried from step to step, so a resumed run and any number of loading workers see the same
patches. The distribution is the one of Shirokikh et al. (MICCAI 2020).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lib.errors import SeglossError
from lib.store import StoredCase, cut

Batch = dict[str, np.ndarray]


class PatchSampler:
    """Maps a step number to a batch of patches: ``image`` (B, C, *patch), ``label`` and each map (B, 1, *patch).

    Maps of several classes are (B, K, *patch).

    A case is drawn with probability proportional to its number of lesions, so a case without any is never
    drawn. With probability ``foreground_fraction`` the patch is centred on a voxel of a component, both drawn
    uniformly; otherwise its place is uniform where the patch fits in the volume, and the volume's centre
    where it does not. Outside the volume the image is padded with the minimum of the part that was cut, label
    and maps with 0.
    """

    def __init__(
        self,
        cases: Sequence[StoredCase],
        sampling: dict[str, Any],
        maps: Sequence[str],
        seed: int,
        steps: int,
    ) -> None:
        lesions = np.array([case.n_lesions for case in cases], dtype=float)
        if not lesions.sum():
            raise SeglossError(
                f"none of the {len(cases)} training cases has a lesion: nothing to draw patches from"
            )
        self.cases = cases
        self.probabilities = lesions / lesions.sum()
        self.patch_size = tuple(sampling["patch_size"])
        self.batch_size = sampling["batch_size"]
        self.foreground_fraction = sampling["foreground_fraction"]
        self.maps = tuple(maps)
        self.seed = seed
        self.steps = steps
        self._lesion_voxels: dict[str, list[np.ndarray]] = {}

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        samples = [self._sample(rng) for _ in range(self.batch_size)]
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}

    def _sample(self, rng: np.random.Generator) -> Batch:
        case = self.cases[rng.choice(len(self.cases), p=self.probabilities)]
        start = self._start(case, rng)
        patch = {"image": cut(case.array("image"), start, self.patch_size, fill=None)}
        for name in ("label", *self.maps):
            values = cut(case.array(name), start, self.patch_size)
            if values.ndim == len(self.patch_size):
                values = values[None]
            patch[name] = (
                values.astype(np.int32) if values.dtype.kind == "u" and values.itemsize > 1 else values
            )
        return patch

    def _start(self, case: StoredCase, rng: np.random.Generator) -> np.ndarray:
        size, shape = np.array(self.patch_size), np.array(case.shape)
        if rng.random() < self.foreground_fraction and (lesions := self._lesions(case)):
            voxels = lesions[rng.integers(len(lesions))]
            centre = np.unravel_index(voxels[rng.integers(len(voxels))], case.shape)
            return np.array(centre) - size // 2
        if (size <= shape).all():
            return rng.integers(0, shape - size + 1)
        return shape // 2 - size // 2

    def _lesions(self, case: StoredCase) -> list[np.ndarray]:
        """Flat voxel indices of each component of the case."""
        if case.name not in self._lesion_voxels:
            components = np.asarray(case.array("components")[...]).ravel()
            voxels = np.flatnonzero(components)
            voxels = voxels[np.argsort(components[voxels], kind="stable")]
            ends = np.cumsum(np.bincount(components[voxels])[1:])[:-1] if voxels.size else []
            self._lesion_voxels[case.name] = [part for part in np.split(voxels, ends) if part.size]
        return self._lesion_voxels[case.name]
