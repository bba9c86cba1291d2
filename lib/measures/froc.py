"""Free-response ROC: recall of lesions against false positives per case, from lesion-wise records.

Source: Shirokikh et al., "Universal Loss Reweighting to Balance Lesion Size Inequality in 3D Medical Image
Segmentation" (MICCAI 2020, arXiv 2007.10033), as computed by the notebooks of its code release,
build_froc.ipynb and (LUNA metric) val_exps_visualization.ipynb.

At a threshold t on the logit, a lesion is found if a predicted component that touches it scores >= t; a
predicted component that touches no lesion is a false positive if it scores > t. A second component on a found
lesion is neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import SeglossError
from lib.measures.lesions import lesion_records
from lib.measures.records import Records
from lib.measures.segmentation import Segmentation, mean

LOWEST_THRESHOLD = -0.1
LUNA_POINTS = (0.125, 0.25, 0.5, 1, 2, 4, 8)
AVERAGE_RECALL_POINTS = np.linspace(0, 5, 501)
DRAWS = 50
DRAWN_UP_TO = 6.0


@dataclass(frozen=True)
class Convention:
    """Which cases take part, and by what number of cases the false positives of a subsample are divided.

    ``count_empty_cases``: cases without any row (no lesion, no prediction) are part of the set.
    ``own_denominator``: a subsample's false positives are divided by its own number of cases, not by that of
    the full set.
    """

    count_empty_cases: bool
    own_denominator: bool


PUBLISHED = Convention(count_empty_cases=False, own_denominator=False)
"""As the notebooks count. The first choice makes the number of cases depend on the loss; the second divides
false positives of 80 % of the cases by 100 % of them, which draws recall at too few false positives."""

CORRECTED = Convention(count_empty_cases=True, own_denominator=True)


@dataclass(frozen=True)
class Counts:
    """Per case, in sorted order of the ids, at each of the ascending ``thresholds`` (T,).

    ``found`` and ``false_positives``: (cases, T); ``lesions``: (cases,).
    """

    thresholds: np.ndarray
    found: np.ndarray
    false_positives: np.ndarray
    lesions: np.ndarray


@dataclass(frozen=True)
class Curves:
    """FROC curves (curves, T), thresholds ascending: ``false_positives`` per case, and ``recall``."""

    false_positives: np.ndarray
    recall: np.ndarray

    def recall_at(self, points: Sequence[float], from_origin: bool = True) -> np.ndarray:
        """Recall at ``points`` false positives per case, linear between thresholds: (curves, points).

        Beyond a curve's last false positive its recall is held. ``from_origin`` starts it in (0, 0), as the
        published numbers do; without, the recall at the strictest threshold is held down to 0, as in the
        published drawings.
        """
        start = [0.0] if from_origin else []
        return np.stack(
            [
                np.interp(points, np.append(start, fp[::-1]), np.append(start, recall[::-1]))
                for fp, recall in zip(self.false_positives, self.recall, strict=True)
            ]
        )

    def average_recall(self) -> np.ndarray:
        """Mean recall over 0, 0.01, ..., 5 false positives per case: (curves,)."""
        return self.recall_at(AVERAGE_RECALL_POINTS).mean(axis=1)

    def luna_metric(self) -> np.ndarray:
        """Mean recall at 1/8, 1/4, 1/2, 1, 2, 4, 8 false positives per case: (curves,)."""
        return self.recall_at(LUNA_POINTS).mean(axis=1)


@dataclass(frozen=True)
class DrawnCurve:
    """Mean and standard deviation of the recall over subsamples, at ``x`` false positives per case."""

    x: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def published_thresholds(table: pd.DataFrame) -> np.ndarray:
    """The published grid of 201 logits, ascending: 101 from -0.1 to 10 and 100 from 10 to the top score + 1.

    Where the top score is below 9 the release's second part runs downwards. Its points exceed every score,
    thus stand for (0, 0), and may be sorted. The grid serves both conventions: a finer one would move numbers
    for a reason other than the denominators.
    """
    scores = table.loc[~table["is_tum"], "self_logit"]
    top = scores[np.isfinite(scores)].max() if len(scores) else 9.0
    return np.sort(np.append(np.linspace(LOWEST_THRESHOLD, 10, 101), np.linspace(10, top + 1, 100)))


def count_by_case(records: Records, convention: Convention) -> Counts:
    """Count lesions, found lesions and false positives of every case at every published threshold."""
    table = records.table
    cases = pd.Index(sorted(records.cases if convention.count_empty_cases else set(table["case"])))
    case = cases.get_indexer(table["case"])
    is_lesion, hit = table["is_tum"].to_numpy(), table["hit_dice"].to_numpy() > 0
    thresholds = published_thresholds(table)

    def tally(rows: np.ndarray, score: str, side: str) -> np.ndarray:
        """Rows of each case that pass each threshold."""
        passed = np.searchsorted(thresholds, table[score].to_numpy()[rows], side)
        passing = np.zeros((len(cases), len(thresholds) + 1))
        np.add.at(passing, (case[rows], passed), 1)
        return passing[:, :0:-1].cumsum(axis=1)[:, ::-1]

    return Counts(
        thresholds,
        found=tally(is_lesion & hit, "hit_logit", "right"),
        false_positives=tally(~is_lesion & ~hit, "self_logit", "left"),
        lesions=np.bincount(case[is_lesion], minlength=len(cases)),
    )


def full_curve(counts: Counts) -> Curves:
    """The curve of all cases, as the only one."""
    return _curves(counts, np.ones((1, len(counts.lesions))))


def subsample_curves(counts: Counts, convention: Convention, draws: int = DRAWS) -> Curves:
    """The curves of ``draws`` subsamples of 80 % of the cases, without replacement (published seed 42)."""
    n = len(counts.lesions)
    taken = _subsample_size(n)
    generator = np.random.RandomState(42)  # the published draws come from this generator
    order = np.arange(n)
    chosen = np.zeros((draws, n))
    for draw in chosen:
        generator.shuffle(order)  # the order of the last draw, shuffled on, as published
        draw[order[:taken]] = 1
    curves = _curves(counts, chosen)
    if convention.own_denominator:
        return replace(curves, false_positives=curves.false_positives * n / taken)
    return curves


def drawn_curve(records: Records, convention: Convention, draws: int = DRAWS) -> DrawnCurve:
    """The line and band of the published figures: up to 6 false positives per case, or where the data end."""
    counts = count_by_case(records, convention)
    end = min(DRAWN_UP_TO, full_curve(counts).false_positives.max())
    x = np.linspace(0, end, int(100 * end) + 1)
    recall = subsample_curves(counts, convention, draws).recall_at(x, from_origin=False)
    return DrawnCurve(x, recall.mean(axis=0), recall.std(axis=0))


def small_objects(records: Records, limit: float) -> Records:
    """Objects below ``limit`` voxels of diameter, and every predicted component matched to such a lesion.

    The release appends the matched components that are small themselves a second time. A matched component is
    never a false positive, so its repetition changes no number but the count of prediction rows.
    """
    table = records.table
    small = table["diameter"] < limit
    small_lesions = table[small & table["is_tum"]]
    matched = ~table["is_tum"] & (table["case"] + " " + table["hit_obj"]).isin(
        small_lesions["case"] + " " + small_lesions["obj"]
    )
    return replace(records, table=table[small | matched])


def recall_by_size(table: pd.DataFrame, edges: Sequence[float]) -> pd.DataFrame:
    """Recall at the lowest threshold for lesions of each diameter bin [edge, next edge), in voxels.

    Returns:
        Columns ``diameter_from``, ``diameter_to``, ``lesions``, ``found``, ``recall`` (NaN where no lesion
        is).

    Raises:
        SeglossError: the edges do not ascend, or are fewer than two.
    """
    if len(edges) < 2 or not np.all(np.diff(edges) > 0):
        raise SeglossError(f"diameter bins {list(edges)}: expected two or more ascending edges")
    lesions = table[table["is_tum"]]
    size = np.searchsorted(edges, lesions["diameter"], "right")
    total = np.bincount(size, minlength=len(edges) + 1)[1:-1]
    found = np.bincount(size[_is_found(lesions)], minlength=len(edges) + 1)[1:-1]
    return pd.DataFrame(
        {
            "diameter_from": edges[:-1],
            "diameter_to": edges[1:],
            "lesions": total,
            "found": found,
            "recall": np.where(total > 0, found / np.maximum(total, 1), np.nan),
        }
    )


def lesion_rows(
    segmentation: Segmentation, small_diameter: float | None, size_bins: Sequence[float]
) -> list[dict[str, Any]]:
    """A row of :func:`lib.measures.lesions.lesion_records` for each lesion and each predicted component."""
    score = segmentation.score
    if score is None:
        score = segmentation.prediction.astype(np.float16)
    return lesion_records(segmentation.target, score, segmentation.logit)


def of_run(
    rows: Sequence[Mapping[str, Any]],
    cases: Sequence[str],
    small_diameter: float | None,
    size_bins: Sequence[float],
) -> dict[str, float]:
    """Numbers of a run from rows of :func:`lesion_rows`: of each structure, and of several the mean.

    ``avg_recall`` and ``luna_metric`` are counted on all cases (corrected denominators), ``..._published`` are means
    over subsamples with the publication's; ``avg_recall_case_sd`` is the spread over subsamples.
    ``recall_<from>_<to>``: share of the lesions of these diameters (``size_bins``, voxels) that are found.
    ``small_diameter``: see :func:`small_limit`.
    """
    by_structure: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_structure.setdefault(row.get("structure", ""), []).append(row)
    numbers = [
        _numbers_of_run(Records.of_rows(part, cases), small_diameter, size_bins)
        for part in by_structure.values() or [[]]
    ]
    return {name: mean([of_structure[name] for of_structure in numbers]) for name in numbers[0]}


def _numbers_of_run(records: Records, small_diameter: float | None, size_bins: Sequence[float]) -> dict[str, float]:
    numbers = froc_numbers(records)
    of_small = small_objects(records, small_limit(records, small_diameter))
    small = full_curve(count_by_case(of_small, CORRECTED))
    by_size = recall_by_size(records.table, [*size_bins, np.inf])
    return {
        "avg_recall": numbers["avg_recall_full_data_all_cases"],
        "avg_recall_case_sd": numbers["corrected_avg_recall_std"],
        "avg_recall_published": numbers["avg_recall_mean"],
        "luna_metric": numbers["luna_metric_full_data_all_cases"],
        "luna_metric_published": numbers["luna_metric_mean"],
        "object_dice": numbers["object_dice_mean"],
        "avg_recall_small": small.average_recall().item(),
        "recall_small": small.recall.max(),
        **{f"recall_{low:g}_{high:g}": recall for low, high, _, _, recall in by_size.itertuples(index=False)},
    }


def small_limit(records: Records, small_diameter: float | None) -> float:
    """Diameter in voxels below which a lesion is small: the one given, or else the median of the lesions."""
    if small_diameter is not None:
        return small_diameter
    return float(records.table.loc[records.table["is_tum"], "diameter"].median())


def froc_numbers(records: Records, draws: int = DRAWS) -> dict[str, float]:
    """Counts and numbers of one record file, by the published and by the corrected convention.

    ``object_dice``: mean and population standard deviation of the Dice of the lesions found at the lowest
    threshold (NaN if none is). ``avg_recall_mean`` and ``luna_metric_mean`` (and ``_std``) are over
    subsamples, as the publication prints them; ``..._full_data`` is without subsamples, with and without
    cases that have no row; ``..._own_denominator`` divides a subsample by its own number of cases;
    ``corrected_...`` draws from all cases and does so too. ``recall_at_fp_...`` is recall at that many false
    positives per case, as published.
    """
    own = replace(PUBLISHED, own_denominator=True)
    published, corrected = count_by_case(records, PUBLISHED), count_by_case(records, CORRECTED)
    full, full_all_cases = full_curve(published), full_curve(corrected)
    drawn = subsample_curves(published, PUBLISHED, draws)
    drawn_own = subsample_curves(published, own, draws)
    drawn_corrected = subsample_curves(corrected, CORRECTED, draws)

    table = records.table
    found_dice = table.loc[table["is_tum"] & _is_found(table), "hit_dice"]
    predictions = table[~table["is_tum"]]
    return {
        "cases_in_json": len(records.cases),
        "n_ids_used": len(published.lesions),
        "bootstrap_cases": _subsample_size(len(published.lesions)),
        "bootstrap_iters": draws,
        "lesions": int(table["is_tum"].sum()),
        "predicted_components": len(predictions),
        "false_positive_components": int((predictions["hit_dice"] <= 0).sum()),
        "lesions_hit_at_lowest_threshold": len(found_dice),
        "object_dice_mean": found_dice.mean(),
        "object_dice_std": found_dice.std(ddof=0),
        **_mean_and_sd("avg_recall", drawn.average_recall()),
        **_mean_and_sd("luna_metric", drawn.luna_metric()),
        "avg_recall_full_data": full.average_recall().item(),
        "luna_metric_full_data": full.luna_metric().item(),
        "avg_recall_full_data_all_cases": full_all_cases.average_recall().item(),
        "luna_metric_full_data_all_cases": full_all_cases.luna_metric().item(),
        "avg_recall_bootstrap_own_denominator": drawn_own.average_recall().mean(),
        "avg_recall_bootstrap_own_denominator_std": drawn_own.average_recall().std(),
        **_mean_and_sd("corrected_avg_recall", drawn_corrected.average_recall()),
        **_mean_and_sd("corrected_luna_metric", drawn_corrected.luna_metric()),
        "max_avg_fp": full.false_positives.max(),
        "max_recall": full.recall.max(),
        "max_logit": predictions["self_logit"].max(),
        **_at_luna_points("recall_at_fp_full_data", full),
        **_at_luna_points("recall_at_fp_bootstrap_mean", drawn),
    }


def _mean_and_sd(name: str, values: np.ndarray) -> dict[str, float]:
    return {f"{name}_mean": values.mean(), f"{name}_std": values.std()}


def _at_luna_points(name: str, curves: Curves) -> dict[str, float]:
    recall = curves.recall_at(LUNA_POINTS).mean(axis=0)
    return {f"{name}_{point}": value for point, value in zip(LUNA_POINTS, recall, strict=True)}


def _is_found(table: pd.DataFrame) -> np.ndarray:
    return ((table["hit_dice"] > 0) & (table["hit_logit"] >= LOWEST_THRESHOLD)).to_numpy()


def _subsample_size(n_cases: int) -> int:
    return max(1, int(0.8 * n_cases))


def _curves(counts: Counts, chosen: np.ndarray) -> Curves:
    """Curves of the cases that each row of ``chosen`` (curves, cases) marks by 1.

    False positives are per case of the whole set; recall is 1 where no lesion is.
    """
    lesions = (chosen @ counts.lesions)[:, None]
    recall = np.where(lesions > 0, chosen @ counts.found / np.maximum(lesions, 1), 1.0)
    return Curves(chosen @ counts.false_positives / max(chosen.shape[1], 1), recall)
