"""Test cases with what each loss predicts for them: tints and Dice."""

from pathlib import Path

import numpy as np
import pandas as pd
from study_figures import NOTE, predicted_runs, study, texts, tinted, words, write_table

from lib.labels import BINARY, IGNORED, Labels
from lib.plotting.examples import example_figures
from lib.plotting.plane import BOTH, CLEAN_ONLY, OTHER_ONLY
from lib.plotting.style import save_pages


def square(size: int) -> np.ndarray:
    label = np.zeros((40, 50), np.uint8)
    label[10 : 10 + size, 20 : 20 + size] = 1
    return label


def below(axes: list) -> list[str]:
    return [texts(axis)[0] for axis in axes]


def test_predictions_are_compared_with_clean_masks(tmp_path: Path) -> None:
    label, predicted = square(8), square(10)
    label[0], predicted[0] = IGNORED, 1
    labels, predictions = [label, *[square(8)] * 6], {"t_loss": predicted, "gce": predicted}
    runs = [
        run
        for variant in ("base", "noisy")
        for run in predicted_runs(tmp_path, labels, predictions, BINARY, variant=variant, title="Skin")
    ]
    pages = example_figures(study(runs))
    assert [len(page.axes) for page in pages] == [4 * 3] * 2
    assert "Skin, base" in words(pages[0]) and "Skin, noisy" in words(pages[1])
    first = pages[0]
    assert [axis.get_title() for axis in first.axes[:3]] == ["clean mask", "T-Loss", "GCE"]
    assert below(first.axes[::3]) == ["case0", "case2", "case4", "case6"]
    panel = first.axes[1]
    assert texts(panel) == [f"{2 * 64 / (64 + 100):.3f}"]
    assert [tinted(panel, colour) for colour in (BOTH, OTHER_ONLY, CLEAN_ONLY)] == [64, 36, 0]
    for text in (NOTE, "4 of n = 7 test cases", "seed 0", "found", "missed"):
        assert text in words(first)
    save_pages(pages, tmp_path / "examples.pdf")
    assert (tmp_path / "examples.pdf").stat().st_size < 300_000


def test_volumes_and_empty_masks(tmp_path: Path) -> None:
    full = np.zeros((20, 24, 6), np.uint8)
    full[4:9, 4:9, 4] = 1
    empty = np.zeros_like(full)
    (page,) = example_figures(study(predicted_runs(tmp_path, [full, empty], {"gce": empty}, BINARY)))
    assert below(page.axes) == ["case0", "0.000", "case1", "1.000"]
    assert tinted(page.axes[1], CLEAN_ONLY) == 25
    assert "Dice of the whole volume" in words(page)


def test_a_structure_marked_as_another_is_not_found(tmp_path: Path) -> None:
    label = square(8)
    label[10:18, 24:28] = 2
    label[10, 20:28] = IGNORED
    predicted = np.where(label == 1, 2, label) * (label < IGNORED)
    predicted[17] = 0
    meaning = Labels(("background", "lesion", "vessel"))
    runs = predicted_runs(tmp_path, [label, square(8)], {"gce": predicted}, meaning)
    (page,) = example_figures(study(runs))
    panel = page.axes[1]
    assert [tinted(panel, colour) for colour in (BOTH, OTHER_ONLY, CLEAN_ONLY)] == [24, 24, 8]
    assert texts(panel) == [f"{2 * 24 / (48 + 28) / 2:.3f}"]
    assert "structure marked as another is wrongly marked" in words(page)
    mean = "mean over the structures that are there or predicted, the others left out (1 if all are)"
    assert mean in words(page)


def test_of_structures_that_overlap_all_must_be_right(tmp_path: Path) -> None:
    label = np.stack([square(8), square(4)])
    predicted = np.stack([square(8), np.zeros_like(square(4))])
    meaning = Labels(("organ", "tumour"), exclusive=False)
    (page,) = example_figures(study(predicted_runs(tmp_path, [label], {"gce": predicted}, meaning)))
    panel = page.axes[1]
    assert [tinted(panel, colour) for colour in (BOTH, OTHER_ONLY, CLEAN_ONLY)] == [64 - 16, 16, 0]
    assert texts(panel) == ["0.500"]
    assert "found is where all structures are right" in words(page)


def test_another_score_may_stand_below(tmp_path: Path) -> None:
    meaning = Labels(("background", "lesion", "vessel", "none"))
    measured = {"measures": ["overlap", "iou"], "cuts": ("probability", "tuned")}
    (run,) = predicted_runs(tmp_path, [square(8), square(6)], {"gce": square(8)}, meaning, **measured)
    counts = {"lesion": (64, 64, 0.5), "vessel": (0, 10, 0.0), "none": (0, 0, 1.0)}
    rows = [
        {"case": case, "structure": name, "cut": cut, "present": present, "predicted": marked, "iou": iou - lower}
        for case, lower in (("case0", 0), ("case1", 0.25))
        for cut, there in (("probability", 0), ("tuned", 1))
        for name, (present, marked, iou) in counts.items()
        for present, marked in [(present * there, marked * there)]
    ]
    write_table(run.folder, "cases", pd.DataFrame(rows))
    (page,) = example_figures(study([run], primary_cut="tuned"), "iou")
    assert below(page.axes) == ["case0", "0.250", "case1", "0.000"]
    assert "Numbers: IoU of the case, mean over the structures that are there or predicted" in words(page)
    (page,) = example_figures(study([run], primary_cut="probability"), "iou")  # nothing is there or predicted
    assert below(page.axes) == ["case0", "0.500", "case1", "0.250"]
