"""What noise has done to the masks of a training part."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import store_case
from matplotlib.figure import Figure
from study_figures import texts, tinted, words

from lib.noise import realised_change
from lib.plotting.noise_sheet import noise_sheet_figures
from lib.plotting.plane import BOTH, CLEAN_ONLY, OTHER_ONLY
from lib.store import NoisyCase, write_relabelled


def noisy_case(tmp_path: Path, name: str, kind: str, clean: np.ndarray, noisy: np.ndarray) -> NoisyCase:
    image = np.random.default_rng(0).normal(size=(1, *clean.shape)) + clean
    stored = store_case(tmp_path / "prepared", name, image, clean)
    write_relabelled(tmp_path / "noisy/masks" / name, stored, noisy, noise=kind)
    return NoisyCase(stored, tmp_path / "noisy")


def table_of(cases: Sequence[NoisyCase]) -> pd.DataFrame:
    rows = [
        {
            "case": case.name,
            "kind": case.noise,
            **realised_change(case.clean.array("label"), case.array("label")),
        }
        for case in cases
    ]
    return pd.DataFrame(rows)


def square(size: int) -> np.ndarray:
    label = np.zeros((40, 50), np.uint8)
    label[10 : 10 + size, 20 : 20 + size] = 1
    return label


def titles(figure: Figure) -> list[str]:
    return [axis.get_title(loc=where) for axis in figure.axes for where in ("left", "center", "right")]


def test_counts_and_examples_of_each_kind(tmp_path: Path) -> None:
    cases = [noisy_case(tmp_path, f"d{size}", "dilate", square(8), square(size)) for size in range(8, 15)]
    cases += [noisy_case(tmp_path, "e", "erode", square(8), square(5))]
    cases += [noisy_case(tmp_path, "empty", "erode", square(0), square(0))]
    cases += [noisy_case(tmp_path, "plain", "clean", square(8), square(8))]
    counts, sheet = noise_sheet_figures("Skin: much", cases, table_of(cases))
    assert "9 of n = 10 training cases are noisy (90%): dilate 7, erode 2, affine 0" in words(counts)
    assert "2 came out unchanged" in words(counts) and "share no voxel" not in words(counts)
    assert f"n = 7, median {2 * 64 / (64 + 121):.2f}" in titles(counts)
    assert "n = 1, median 0.61" in titles(counts)  # no strength of a case without foreground
    assert texts(counts.axes[4]) == ["no case"]
    shown = [title for title in titles(sheet) if title]
    assert shown == ["d14: 0.49", "d12: 0.62", "d10: 0.78", "d8: 1.00", "e: 0.56", "empty: 1.00"]
    assert [text for axis in sheet.axes for text in texts(axis)] == ["dilate", "erode", "affine: no case"]
    d14 = sheet.axes[3]
    assert (tinted(d14, BOTH), tinted(d14, OTHER_ONLY), tinted(d14, CLEAN_ONLY)) == (64, 196 - 64, 0)


def test_without_any_noise(tmp_path: Path) -> None:
    case = noisy_case(tmp_path, "plain", "clean", square(8), square(8))
    (counts,) = noise_sheet_figures("Skin: none", [case], table_of([case]))
    assert "0 of n = 1 training cases are noisy (0%)" in words(counts)
    assert [len(axis.texts) for axis in counts.axes] == [1] * 6


def test_volumes_show_the_slice_with_the_largest_change(tmp_path: Path) -> None:
    clean, noisy = np.zeros((2, 20, 24, 9), np.uint8)
    clean[4:9, 4:9, 2] = noisy[4:9, 4:9, 2] = 1
    noisy[4:6, 10:12, 6] = 1
    case = noisy_case(tmp_path, "volume", "affine", clean, noisy)
    _, sheet = noise_sheet_figures("Lung", [case], table_of([case]))
    difference = next(axis for axis in sheet.axes if len(axis.images) == 2)
    assert (tinted(difference, OTHER_ONLY), tinted(difference, BOTH)) == (4, 0)
    assert "slices with the largest change" in words(sheet)
