"""The evaluation of a run: rows of its tables, of test cases with their predictions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import SeglossError
from lib.labels import Labels
from lib.measures.catalogue import CUTS, DECIDED, MEASURES, PROBABILITY, TRUE_REGION, TUNED, MeasureParameters
from lib.measures.overlap import tuned_threshold
from lib.measures.segmentation import Segmentation
from lib.store import StoredCase, open_prediction

Row = dict[str, Any]
THRESHOLDS = {DECIDED: np.nan, PROBABILITY: 0.5, TRUE_REGION: np.nan}


def case_rows(
    segmentations: Iterable[tuple[Row, Segmentation]], measures: Sequence[MeasureParameters], dataset: str
) -> list[Row]:
    """One row for each of the ``segmentations``: their keys and the numbers of all ``measures`` of cases."""
    rows: list[Row] = []
    same_for_cuts: dict[tuple[str, ...], Row] = {}
    for keys, segmentation in segmentations:
        row = {**keys}
        for measure in measures:
            place = (measure.name, keys["case"], keys["structure"])
            numbers = same_for_cuts.get(place) or _measured(measure, segmentation, dataset)
            if not MEASURES.entry_of(measure).by_cut:
                same_for_cuts[place] = numbers
            row |= numbers
        rows.append(row)
    return rows


def detail_rows(
    segmentations: Iterable[tuple[Row, Segmentation]], measure: MeasureParameters, dataset: str
) -> list[Row]:
    """The rows of a measure with a table of its own, each with the keys of its segmentation."""
    return [{**keys, **row} for keys, one in segmentations for row in _measured(measure, one, dataset)]


def _measured(measure: MeasureParameters, segmentation: Segmentation, dataset: str) -> Any:
    return MEASURES.entry_of(measure).loaded(segmentation, **measure.for_dataset(dataset))


def segmentations(
    cases: Iterable[StoredCase],
    predictions: Path,
    labels: Labels,
    cuts: Mapping[str, Mapping[str, float]],
    kinds: Iterable[str] = (),
) -> Iterator[tuple[Row, Segmentation]]:
    """The structures of some cases as each cut has them, with ``case``, ``structure``, ``cut`` and ``threshold``.

    Args:
        predictions: folder of the run's predictions.
        cuts: cut -> structure -> its threshold.
        kinds: ``probability`` and ``logit``, if measures read them.
    """
    for case in cases:
        label, spacing = case.array("label")[...], case.description["spacing"]
        read = {*kinds, *chain.from_iterable(CUTS[cut]["test"] for cut in cuts)}
        stored = {kind: open_prediction(predictions, case.name, kind)[...] for kind in sorted(read)}
        for cut, thresholds in cuts.items():
            for structure, threshold in thresholds.items():
                keys = {"case": case.name, "structure": structure, "cut": cut, "threshold": threshold}
                yield keys, segmentation_of(stored, label, spacing, labels, structure, cut, threshold)


def segmentation_of(
    stored: Mapping[str, np.ndarray],
    label: np.ndarray,
    spacing: Sequence[float],
    labels: Labels,
    structure: str,
    cut: str = DECIDED,
    threshold: float = np.nan,
) -> Segmentation:
    """A structure of a case, its prediction cut out of what is ``stored`` of it by kind.

    Raises:
        SeglossError: label and prediction differ in shape.
    """
    (kind,) = CUTS[cut]["test"]
    if stored[kind].shape != label.shape:
        raise SeglossError(f"prediction {stored[kind].shape} of a label {label.shape}: predict it again")
    annotated = labels.annotated(label, structure)
    target = labels.mask(label, structure)
    probability = labels.values_of(stored["probability"], structure) if "probability" in stored else None
    logit = _annotated_logit(stored["logit"], labels, structure, annotated) if "logit" in stored else None
    score = None
    if cut == PROBABILITY:
        score = probability * annotated
        prediction = score > 0.5
    elif cut == TUNED:
        prediction = logit > threshold
        logit = logit.astype(np.float32) - threshold
    else:
        prediction = labels.mask(stored[kind], structure) & annotated
    return Segmentation(target, prediction, spacing, annotated, probability, logit, score)


def _annotated_logit(stored: np.ndarray, labels: Labels, structure: str, annotated: np.ndarray) -> np.ndarray:
    """Of a structure, the lowest where nothing is annotated: there a prediction is neither right nor wrong."""
    logit = labels.values_of(stored, structure)
    return np.where(annotated, logit, np.finfo(logit.dtype).min)


def thresholds(cut: str, validation: Sequence[StoredCase], predictions: Path, labels: Labels) -> dict[str, float]:
    """The threshold of each structure; a tuned one has the largest mean Dice over the cases that have the structure.

    Raises:
        SeglossError: no validation case has the structure.
    """
    if cut != TUNED:
        return dict.fromkeys(labels.structures, THRESHOLDS[cut])
    return {structure: _tuned(structure, validation, predictions, labels) for structure in labels.structures}


def _tuned(structure: str, validation: Sequence[StoredCase], predictions: Path, labels: Labels) -> float:
    logits, targets = [], []
    for case in validation:
        label = case.array("label")[...]
        if (target := labels.mask(label, structure)).any():
            stored = open_prediction(predictions, case.name, "logit")[...]
            logits.append(_annotated_logit(stored, labels, structure, labels.annotated(label, structure)))
            targets.append(target)
    if not targets:
        raise SeglossError(f"no validation case has {structure}: nothing to tune the threshold on")
    return tuned_threshold(logits, targets)
