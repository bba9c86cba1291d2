"""Patches for training, drawn as a pure function of seed and step.

No random state is carried from step to step, so a resumed run and any number of loading workers see the same
patches.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lib.arrays import cut, cut_distance
from lib.config.schema import Sampling
from lib.errors import SeglossError
from lib.labels import IGNORED, MASK_KINDS
from lib.store import NoisyCase, StoredCase
from lib.training.augmentation import augment

Batch = dict[str, np.ndarray]
_OF_A_PASS = 1  # so that no step draws from the numbers that order a pass


class PatchSampler:
    """Maps a step number to a batch of patches: ``image`` (B, C, *patch), ``label`` and each map (B, 1, *patch).

    Maps of several classes are (B, K, *patch). Noisy cases add their ``clean`` labels (B, 1, *patch) and the ``kind``
    of noise (B,), its place in ``MASK_KINDS``.

    Where the patch has an axis less than the cases it is cut from a slice (last axis); a pass then goes through all
    slices of all cases, and a patch that is centred on a lesion is so within the slice's plane only.

    A case is drawn with probability proportional to its number of lesions, so that a case without any is never
    drawn (Shirokikh et al., MICCAI 2020), or in its turn in passes through all cases, each shuffled anew. With
    probability ``foreground_fraction`` the patch is centred on a voxel of a component, both drawn uniformly; otherwise
    its place is uniform along the axes where the patch fits in the volume, and the volume's centre along those where it
    does not, or as ``place`` says. Outside the volume the image is padded with the minimum of the part
    that was cut, label and maps of labels with 0, distances by ``lib.arrays.cut_distance``. All of a sample is
    augmented alike. Without a ``background`` the label is ``IGNORED`` outside.
    """

    def __init__(
        self,
        cases: Sequence[StoredCase],
        sampling: Sampling,
        maps: Sequence[str],
        seed: int,
        steps: int,
        background: bool = True,
    ) -> None:
        self.background = background
        self.cases = cases
        self.in_passes = sampling.cases == "passes"
        if not self.in_passes:
            lesions = np.array([case.n_lesions for case in cases], dtype=float)
            if not lesions.sum():
                raise SeglossError(
                    f"none of the {len(cases)} training cases has a lesion: nothing to draw patches from"
                )
            self.probabilities = lesions / lesions.sum()
        self.by_slice = len(sampling.patch_size) < len(cases[0].shape)
        self.patch_size = (*sampling.patch_size, *([1] if self.by_slice else []))
        self.turns = [(case, z) for case in cases for z in (range(case.shape[-1]) if self.by_slice else [None])]
        self.batch_size = sampling.batch_size
        self.foreground_fraction = sampling.foreground_fraction
        self.place = sampling.place
        self.augmentation = sampling.augmentation
        self.maps = tuple(maps)
        self.seed = seed
        self.steps = steps
        self._lesion_voxels: dict[str, list[np.ndarray]] = {}

    @property
    def noisy(self) -> bool:
        """Whether the cases have noisy masks beside their clean ones."""
        return isinstance(self.cases[0], NoisyCase)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        samples = [self._sample(case, z, rng) for case, z in self._drawn(step, rng)]
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}

    def _drawn(self, step: int, rng: np.random.Generator) -> Iterator[tuple[StoredCase, int | None]]:
        """Cases, in passes by slices with the slice whose turn it is."""
        for number in range(step * self.batch_size, (step + 1) * self.batch_size):
            if self.in_passes:
                yield self.turns[self._order(number // len(self.turns))[number % len(self.turns)]]
            else:
                yield self.cases[rng.choice(len(self.cases), p=self.probabilities)], None

    def _order(self, number: int) -> np.ndarray:
        """The order of cases or slices in a pass."""
        return np.random.default_rng([self.seed, number, _OF_A_PASS]).permutation(len(self.turns))

    def _sample(self, case: StoredCase, z: int | None, rng: np.random.Generator) -> Batch:
        start = self._start(case, rng)
        if z is not None:
            start[-1] = z
        patch = {"image": cut(case.array("image"), start, self.patch_size, fill=None)}
        for name in ("label", *self.maps):
            patch[name] = self._cut(case.array(name), start)
        if not self.background:  # 0 is what lies outside, here and in the augmentation
            patch["label"] = cut(case.array("label"), start, self.patch_size, fill=IGNORED)[None] + np.uint8(1)
        if self.noisy:
            patch["clean"] = self._cut(case.clean.array("label"), start)
        if self.by_slice:
            patch = {name: values[..., 0] for name, values in patch.items()}
        patch = augment(patch, self.augmentation, rng)
        if not self.background:
            patch["label"] = patch["label"] - np.uint8(1)
        if self.noisy:
            patch["kind"] = np.int64(MASK_KINDS.index(case.noise))
        return patch

    def _cut(self, array: Any, start: np.ndarray) -> np.ndarray:
        cutting = cut_distance if array.dtype.kind == "f" else cut
        values = cutting(array, start, self.patch_size)
        values = values[None] if values.ndim == len(self.patch_size) else values
        return values.astype(np.int32) if values.dtype.kind == "u" and values.itemsize > 1 else values

    def _start(self, case: StoredCase, rng: np.random.Generator) -> np.ndarray:
        size, shape = np.array(self.patch_size), np.array(case.shape)
        if rng.random() < self.foreground_fraction and (lesions := self._lesions(case)):
            voxels = lesions[rng.integers(len(lesions))]
            centre = np.unravel_index(voxels[rng.integers(len(voxels))], case.shape)
            return np.array(centre) - size // 2
        start = shape // 2 - size // 2
        moves = size <= shape
        if self.place == "centre" or (self.place == "anywhere_or_centre" and not moves.all()):
            moves[:] = False
        moves[-1] |= self.by_slice
        start[moves] = rng.integers(0, (shape - size + 1)[moves])
        return start

    def _lesions(self, case: StoredCase) -> list[np.ndarray]:
        """Flat voxel indices of each component of the case."""
        if case.name not in self._lesion_voxels:
            components = np.asarray(case.array("components")[...]).ravel()
            voxels = np.flatnonzero(components)
            voxels = voxels[np.argsort(components[voxels], kind="stable")]
            ends = np.cumsum(np.bincount(components[voxels])[1:])[:-1] if voxels.size else []
            self._lesion_voxels[case.name] = [part for part in np.split(voxels, ends) if part.size]
        return self._lesion_voxels[case.name]
