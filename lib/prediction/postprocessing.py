"""Post-processing of predicted labels, by steps that validation cases decide on (nnU-Net's rule: Isensee et al., 2021).

Each step is tried on each structure, one after the other, and kept where it raises the structure's mean Dice.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
from scipy import ndimage

from lib import maps
from lib.fields import Number, Section, Text
from lib.labels import Labels
from lib.measures.overlap import dice
from lib.prediction.catalogue import POSTPROCESSING
from lib.registry import Parameters, chosen_from


class Choice(Section):
    """A step on a structure, with the mean Dice of the structure in the validation cases ``before`` and ``after`` it.

    A mean is that of the measure `overlap`: 1 for a case in which the structure neither is nor is predicted.
    """

    step: chosen_from(POSTPROCESSING)
    structure: Text
    before: Number
    after: Number

    @property
    def kept(self) -> bool:
        return self.after > self.before


def choose(
    steps: Iterable[Parameters], labels: Labels, cases: Sequence[tuple[Any, Any, Sequence[float]]]
) -> list[Choice]:
    """Try the steps on predictions of validation cases.

    Args:
        cases: true label, predicted label (arrays, or opened for reading) and spacing in mm. Voxels whose true label
            is not annotated count for nothing.
    """
    choices: list[Choice] = []
    for step, structure in product(steps, labels.structures):
        scores = [
            _scores(step, structure, labels, true[...], processed(predicted[...], choices, spacing, labels), spacing)
            for true, predicted, spacing in cases
        ]
        before, after = np.mean(scores, axis=0).tolist()
        choices.append(Choice(step=step, structure=structure, before=before, after=after))
    return choices


def _scores(
    step: Parameters,
    structure: str,
    labels: Labels,
    true: np.ndarray,
    predicted: np.ndarray,
    spacing: Sequence[float],
) -> list[float]:
    """Dice of a structure before and after a step."""
    target, annotated = labels.mask(true, structure), labels.annotated(true, structure)
    both = predicted, _changed(predicted, step, structure, spacing, labels)
    return [dice(labels.mask(label, structure) & annotated, target) for label in both]


def processed(label: np.ndarray, choices: Iterable[Choice], spacing: Sequence[float], labels: Labels) -> np.ndarray:
    """A predicted label after the steps that were kept; what they add to a structure is taken from no other one."""
    for choice in choices:
        if choice.kept:
            label = _changed(label, choice.step, choice.structure, spacing, labels)
    return label


def _changed(
    label: np.ndarray, step: Parameters, structure: str, spacing: Sequence[float], labels: Labels
) -> np.ndarray:
    mask, number = labels.mask(label, structure), labels.names.index(structure)
    found = POSTPROCESSING.entry_of(step).loaded(mask, spacing, **step.arguments())
    changed = label.copy()
    if labels.exclusive:
        changed[mask & ~found] = 0
        changed[found & (label == 0)] = number
    else:
        changed[number] = found
    return changed


def largest_component(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """The component with the most voxels, the first of equals in memory order."""
    return maps.largest_component(mask)


def fill_holes(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """The mask with what it encloses: what no path of 4 neighbours in 2D, 6 in 3D, leads out of."""
    return ndimage.binary_fill_holes(mask)


def remove_small(mask: np.ndarray, spacing: Sequence[float], *, mm3: float) -> np.ndarray:
    """The components that are not smaller than ``mm3``."""
    components = maps.connected_components(mask)
    sizes = np.bincount(components.ravel())
    return mask & (sizes * np.prod(spacing) >= mm3)[components]
