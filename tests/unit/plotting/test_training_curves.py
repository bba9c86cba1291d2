"""What trainings recorded: agreement with clean and noisy masks, and the loss's own nu."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from study_figures import NOTE, line, made_run, study, words

from lib.comparison.results import EvaluatedRun
from lib.labels import NOISE_KINDS
from lib.plotting.training_curves import loss_parameter_figures, training_dice_figures

MILD, STRONG = "alpha0.3-beta0.5-released", "alpha0.7-beta0.7-released"


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., EvaluatedRun]:
    """Writes a run's history of three epochs and what noise did to its masks."""

    def run(
        loss: str, noise: str, seed: int, levels: dict[str, str] | None = None, **columns: Sequence[float]
    ) -> EvaluatedRun:
        table = None
        if noise != "clean":
            table = tmp_path / f"{noise}.csv"
            kinds = {"kind": ["clean", "dilate", "erode", "erode"], "dice": [1.0, 0.7, 0.5, 0.2]}
            sizes = {"clean_voxels": [10, 10, 10, 40], "noisy_voxels": [10, 30, 10, 40]}
            pd.DataFrame(kinds | sizes).to_csv(table, index=False)
        history = pd.DataFrame({"epoch": [1, 2, 3], "step": [10, 20, 30], **columns})
        levels = {"noise": noise, **(levels or {})}
        network = levels.get("network", "unet")
        options = {"noise": noise, "network": network, "levels": levels, "noise_table": table}
        return made_run(tmp_path, loss, seed, title="Skin", tables={"history": history}, **options)

    return run


def agreement(offset: float) -> dict[str, list[float | None]]:
    curves = {
        f"dice_{kind}_{masks}": [0.1 + offset, 0.2 + offset, 0.3 + offset]
        for kind in (*NOISE_KINDS, "clean")
        for masks in ("masks", "clean")
    }
    return curves | {"dice_affine_masks": [None] * 3, "dice_affine_clean": [None] * 3}


def test_agreement_with_clean_and_noisy_masks(trained: Callable) -> None:
    runs = [trained(loss, STRONG, seed, **agreement(seed / 5)) for loss in ("t_loss", "gce") for seed in (0, 1)]
    clean = trained("gce", "clean", 0, patch_dice=[0.1, 0.2, 0.3])
    (figure,) = training_dice_figures(study([clean, *runs]))
    assert [axis.get_title() for axis in figure.axes[:2]] == ["dilate (n = 1)", "erode (n = 2)"]
    rows = [axis.get_ylabel() for axis in figure.axes[::2]]
    assert rows == ["Dice with the clean masks", "Dice with the noisy masks"]
    for axis in figure.axes:
        assert line(axis, "T-Loss").tolist() == [
            [10, pytest.approx(0.2)],
            [20, pytest.approx(0.3)],
            [30, pytest.approx(0.4)],
        ]
        assert len(axis.collections) == 2  # a band a loss
    masks = [axis.lines[-1].get_ydata()[0] for axis in figure.axes[:2]]
    assert masks == pytest.approx([0.7, (0.5 * 20 + 0.2 * 80) / 100])
    for text in (NOTE, "n = 4 training cases", "seeds 0, 1", STRONG, "T-Loss", "GCE"):
        assert text in words(figure)


def test_each_noise_has_its_page(trained: Callable) -> None:
    runs = [trained("gce", noise, 0, **agreement(0)) for noise in (MILD, STRONG)]
    mild, strong = training_dice_figures(study(runs))
    assert MILD in words(mild) and STRONG in words(strong)
    assert not mild.axes[0].collections  # no band for one seed


def test_without_noise_or_nu_a_page_says_so(trained: Callable) -> None:
    results = study([trained("gce", "clean", 0)])
    (page,) = training_dice_figures(results)
    assert "No run was trained with noisy masks" in words(page) and not page.axes
    (page,) = loss_parameter_figures(results)
    assert "trainable ν" in words(page) and NOTE in words(page)


def test_noise_that_came_to_no_case(trained: Callable) -> None:
    run = trained("gce", MILD, 0, **agreement(0))
    pd.read_csv(run.noise_table).assign(kind="clean").to_csv(run.noise_table, index=False)
    (page,) = training_dice_figures(study([run]))
    assert "came to no training case" in words(page)


def test_nu_by_noise_and_by_start(trained: Callable) -> None:
    runs = [trained("t_loss", noise, seed, nu=[0, -1, -2 - seed]) for noise in (STRONG, "clean") for seed in (0, 1)]
    runs = [trained("t_loss_nu5", STRONG, 0, nu=[5, 2, -2]), *runs]
    runs += [trained("mine", STRONG, 0, **{"terms.0.nu": [1, 0, -1]}), trained("gce", STRONG, 0)]
    (figure,) = loss_parameter_figures(study(runs, reference="t_loss"))
    by_noise, by_loss = figure.axes
    assert by_noise.get_title() == "T-Loss by noise (α / β)"
    assert by_noise.get_legend_handles_labels()[1] == ["clean", "0.7 / 0.7 released"]
    assert by_loss.get_legend_handles_labels()[1] == ["T-Loss, ν̃ from 5", "T-Loss", "mine"]
    assert line(by_noise, "clean").tolist() == [[10, 0], [20, -1], [30, -2.5]]
    assert line(by_loss, "mine")[:, 1].tolist() == [1, 0, -1]
    assert by_noise.get_ylabel() == "ν̃ (logarithm of the degrees of freedom)"
    assert len(by_noise.collections) == 2 and "seeds 0, 1" in words(figure)


def test_pages_of_nu_say_what_is_crossed_besides_noise(trained: Callable) -> None:
    runs = [trained("t_loss", "clean", 0, {"network": name}, nu=[0, 1, 2]) for name in ("small", "large")]
    pages = loss_parameter_figures(study(runs))
    assert [page.get_suptitle() for page in pages] == ["Skin, base, small", "Skin, base, large"]
