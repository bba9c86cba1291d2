"""Training with noisy masks: what the network sees, what the history says, T-Loss's nu and its schedule."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import nn
from training_runs import changed, stop_after

from lib.arrays import write_array
from lib.config.load import load
from lib.config.schema import Sampling
from lib.errors import SeglossError
from lib.files import write_json
from lib.labels import BINARY, MASK_KINDS
from lib.losses import build_loss, build_resolved
from lib.losses.specification import resolved
from lib.maps import connected_components
from lib.networks import build_network
from lib.store import Case, NoisyCase, StoredCase, open_noisy_cases, write_case, write_relabelled
from lib.training.catalogue import SCHEDULERS
from lib.training.loop import Trainer
from lib.training.monitor import measure_cases
from lib.training.sampling import PatchSampler
from lib.training.schedulers import NuPlateau
from lib.training.settings import Measured, TrainingSettings

CPU = torch.device("cpu")
FALLING = {"name": "milestones", "epochs": [1]}
ADAM = {"name": "adam", "learning_rate": 0.01}
INFERENCE = {"patch_size": [32, 32], "stride": [32, 32]}
KINDS = ("clean", "dilate", "erode", "affine", "dilate")


def disc(radius: float, size: int = 32) -> np.ndarray:
    rows, columns = np.indices((size, size)) - size / 2
    return (rows**2 + columns**2 <= radius**2).astype(np.uint8)


@pytest.fixture
def noisy_cases(tmp_path: Path) -> list[NoisyCase]:
    """Five discs with masks of other sizes; the first mask is clean."""
    rng = np.random.default_rng(0)
    clean, noisy = tmp_path / "clean", tmp_path / "noisy"
    for number, kind in enumerate(KINDS):
        name, label = f"case{number}", disc(8)
        image = (label + 0.1 * rng.standard_normal(label.shape)).astype(np.float32)[None]
        write_case(clean / name, name, Case(image, label, (1.0, 1.0), name))
        wrong = label if kind == "clean" else disc(5 + 2 * number)
        write_relabelled(noisy / "masks" / name, StoredCase(clean / name), wrong, noise=kind)
        write_array(noisy / "maps" / "components" / f"{name}.b2nd", connected_components(wrong))
    names = [f"case{number}" for number in range(len(KINDS))]
    write_json(clean / "train.json", {name: StoredCase(clean / name).description for name in names})
    return open_noisy_cases(clean, clean / "train.json", noisy)


def sampling(**options: object) -> Sampling:
    return Sampling(**{"patch_size": (16, 16), "batch_size": 2, "cases": "passes", "foreground_fraction": 0, **options})


NETWORK = {"name": "space_to_depth_unet_2d", "channels": [4, 4]}


def settings(**training: object) -> TrainingSettings:
    return TrainingSettings(
        run="study/data/base/t_loss/seed-1",
        seed=1,
        loss=resolved("t_loss"),
        network={"network": NETWORK, "out_channels": 1},
        sampling=sampling(),
        training={"epochs": 4, "steps_per_epoch": 3, "optimizer": ADAM, **training},
        measured={"measures": ["overlap"], "labels": BINARY, "inference": INFERENCE},
    )


def make_trainer(
    cases: list, checkpoint: Path, loss: nn.Module, network: nn.Module | None = None, **options: object
) -> Trainer:
    torch.manual_seed(0)
    network = network or build_network(NETWORK, 1)
    sampler = PatchSampler(cases, options.pop("sampling", sampling()), [], 1, 400)
    measures = options.pop("measures", None)
    return Trainer(network, loss, sampler, settings(**options), CPU, checkpoint, "key", measures=measures, save_every=0)


def test_training_sees_the_noisy_label_and_its_maps_and_the_clean_one_only_beside(noisy_cases: list) -> None:
    whole = sampling(patch_size=(32, 32), batch_size=5)
    batch = PatchSampler(noisy_cases, whole, ["components"], 0, 10)[0]
    assert sorted(batch["kind"]) == sorted(MASK_KINDS.index(kind) for kind in KINDS)
    names = ("image", "label", "components", "clean", "kind")
    for image, label, components, clean, kind in zip(*map(batch.get, names), strict=True):
        np.testing.assert_array_equal(clean[0], disc(8))
        np.testing.assert_array_equal(components, label)
        assert np.array_equal(label, clean) == (MASK_KINDS[kind] == "clean")
        assert abs(np.corrcoef(image.ravel(), clean.ravel())[0, 1]) > 0.9


def test_augmentation_moves_noisy_and_clean_masks_with_the_image(noisy_cases: list) -> None:
    moved = sampling(augmentation=["mirror"], batch_size=5, patch_size=(20, 20))
    for step in range(5):
        batch = PatchSampler(noisy_cases, moved, [], 0, 10)[step]
        for image, clean in zip(batch["image"], batch["clean"], strict=True):
            assert np.corrcoef(image.ravel(), clean.ravel())[0, 1] > 0.9


def test_a_noisy_case_has_its_own_label_and_the_clean_geometry(noisy_cases: list) -> None:
    case = noisy_cases[1]
    assert case.noise == "dilate"
    assert case.description["class_voxels"]["1"] == np.count_nonzero(disc(7))
    assert case.description["sha256"]["label"] != case.clean.description["sha256"]["label"]
    assert case.description["sha256"]["image"] == case.clean.description["sha256"]["image"]
    assert case.shape == case.clean.shape


def test_a_mask_that_stays_clean_keeps_the_data_sets_own_count_of_lesions(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((1, 32, 32), np.float32)
    write_case(tmp_path / "a", "a", Case(image, disc(8), (1.0, 1.0), "a", n_lesions=7))
    case = StoredCase(tmp_path / "a")
    assert write_relabelled(tmp_path / "b", case, disc(8), noise="clean")["n_lesions"] == 7
    assert write_relabelled(tmp_path / "c", case, disc(6), noise="erode")["n_lesions"] == 1


def test_a_damaged_noisy_mask_is_reported_with_what_has_to_go(noisy_cases: list) -> None:
    case = noisy_cases[1]
    (case.folder / "label.b2nd").write_bytes(b"damaged")
    with pytest.raises(SeglossError, match=r"case1/label\.b2nd: damaged .* and removed; run again"):
        case.array("label")


def test_passes_take_every_case_once_before_any_twice(noisy_cases: list) -> None:
    taken = PatchSampler(noisy_cases, sampling(batch_size=1), [], 0, 100)
    drawn = [next(iter(taken._drawn(step, np.random.default_rng())))[0].name for step in range(50)]
    passes = [drawn[start : start + 5] for start in range(0, 50, 5)]
    assert all(len(set(names)) == 5 for names in passes)
    assert len(set(map(tuple, passes))) > 5


def test_passes_do_not_depend_on_the_batch_size(noisy_cases: list) -> None:
    def order(batch_size: int) -> list[str]:
        sampler = PatchSampler(noisy_cases, sampling(batch_size=batch_size), [], 0, 100)
        return [case.name for step in range(12 // batch_size) for case, _ in sampler._drawn(step, None)]

    assert order(1) == order(3) == order(4)


def test_the_centre_is_the_place_where_it_is_asked_for(noisy_cases: list) -> None:
    batch = PatchSampler(noisy_cases, sampling(place="centre"), [], 0, 10)[3]
    np.testing.assert_array_equal(batch["clean"][0, 0], disc(8)[8:24, 8:24])


def test_a_case_without_lesion_is_no_fault_in_passes(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((1, 16, 16), np.float32)
    write_case(tmp_path / "a", "a", Case(image, np.zeros((16, 16), np.uint8), (1.0, 1.0), "a"))
    assert not PatchSampler([StoredCase(tmp_path / "a")], sampling(), [], 0, 10)[0]["label"].any()
    with pytest.raises(SeglossError, match="none of the 1 training cases has a lesion"):
        PatchSampler([StoredCase(tmp_path / "a")], sampling(cases="by_lesions"), [], 0, 10)


class Oracle(nn.Module):
    """Marks what is bright: the clean mask."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 20 * (x - 0.5) + self.shift


def test_the_history_states_dice_with_noisy_and_clean_masks_by_kind(noisy_cases: list, tmp_path: Path) -> None:
    whole = sampling(patch_size=(32, 32), batch_size=5)
    trainer = make_trainer(
        noisy_cases,
        tmp_path / "c.pt",
        build_loss("cross_entropy"),
        Oracle(),
        sampling=whole,
        steps_per_epoch=1,
    )
    row = trainer.train().rows[0]
    area = {kind: [np.count_nonzero(disc(5 + 2 * n)) for n, k in enumerate(KINDS) if k == kind] for kind in KINDS}
    eight = np.count_nonzero(disc(8))
    for kind in ("erode", "affine", "dilate"):
        assert row[f"dice_{kind}_clean"] == pytest.approx(1, abs=0.01)
        both = sum(min(eight, a) for a in area[kind])
        expected = 2 * both / (eight * len(area[kind]) + sum(area[kind]))
        assert row[f"dice_{kind}_masks"] == pytest.approx(expected, abs=0.01)
    assert row["dice_clean_masks"] == row["dice_clean_clean"]
    assert row["step"] == 1


def test_a_kind_that_does_not_occur_leaves_its_cells_empty(noisy_cases: list, tmp_path: Path) -> None:
    trainer = make_trainer(noisy_cases[:2], tmp_path / "c.pt", build_loss("cross_entropy"))
    history = trainer.train()
    assert history.rows[0]["dice_erode_masks"] is None
    header, first, *_ = (line.split(",") for line in history.as_csv().splitlines())
    assert first[header.index("dice_erode_masks")] == ""


def test_test_dice_is_measured_after_the_last_epochs_only_and_changes_nothing(
    noisy_cases: list, tmp_path: Path
) -> None:
    def test(network: nn.Module) -> dict[str, float]:
        measured = Measured(measures=["overlap"], labels=BINARY, inference=INFERENCE)
        return measure_cases([case.clean for case in noisy_cases], measured, CPU, network)

    measures = {"test": test}
    tested = make_trainer(noisy_cases, tmp_path / "a.pt", build_loss("dice"), test_epochs=2, measures=measures)
    plain = make_trainer(noisy_cases, tmp_path / "b.pt", build_loss("dice"))
    rows, untested = tested.train().rows, plain.train().rows
    assert [row["test_dice"] is None for row in rows] == [True, True, False, False]
    assert 0 <= rows[-1]["test_dice_pooled"] <= 1
    assert [row["loss"] for row in rows] == [row["loss"] for row in untested]
    for name, value in plain.network.state_dict().items():
        assert torch.equal(value, tested.network.state_dict()[name])


def test_the_loss_has_a_learning_rate_of_its_own_that_does_not_decay(noisy_cases: list, tmp_path: Path) -> None:
    optimizer = ADAM | {"loss_learning_rate": 0.3}
    trainer = make_trainer(
        noisy_cases,
        tmp_path / "c.pt",
        build_loss("t_loss"),
        optimizer=optimizer,
        scheduler=FALLING,
    )
    trainer.train()
    rates = [group["lr"] for group in trainer.optimizer.param_groups]
    assert rates == pytest.approx([0.001, 0.3])
    together = make_trainer(noisy_cases, tmp_path / "d.pt", build_loss("t_loss"), scheduler=FALLING)
    together.train()
    assert [group["lr"] for group in together.optimizer.param_groups] == pytest.approx([0.001, 0.001])


def plateau(form: str) -> NuPlateau:
    return NuPlateau(SCHEDULERS.parse({"name": "nu_plateau", "form": form}), 0.01, 100, 1000)


def first_decay(scheduler: NuPlateau, values: np.ndarray) -> int | None:
    for record, nu in enumerate(values, start=1):
        scheduler.after_step(record * 50, {"nu": nu})
        if scheduler.reductions:
            return record
    return None


def test_a_steady_decline_of_nu_is_no_plateau() -> None:
    decline = -0.001 * np.arange(400)
    assert first_decay(plateau("released"), decline) is None
    assert first_decay(plateau("corrected"), decline) is None


def test_a_constant_nu_is_a_plateau_as_soon_as_there_are_ten_values() -> None:
    assert first_decay(plateau("released"), np.zeros(30)) == 10
    assert first_decay(plateau("corrected"), np.zeros(30)) == 10


def test_the_released_plateau_smooths_again_and_again_and_comes_much_earlier() -> None:
    records = np.arange(1, 801)
    seen = []
    for seed in range(10):
        noise = np.random.default_rng(seed).normal(0, 0.01, 800)
        values = -2.4 * (1 - np.exp(-records / 60)) + noise
        seen.append([first_decay(plateau(form), values) for form in ("released", "corrected")])
    released, corrected = np.array(seen, float).T
    assert (released <= corrected).all()
    assert np.median(released) < np.median(corrected)


def test_only_every_fiftieth_step_counts_and_the_records_begin_anew() -> None:
    scheduler = plateau("corrected")
    for step in range(1, 501):
        scheduler.after_step(step, {"terms.0.nu": 0.0})
    assert scheduler.state() == {"records": [], "reductions": 1}


def test_the_plateau_lowers_the_networks_rate_down_to_its_minimum(noisy_cases: list, tmp_path: Path) -> None:
    optimizer = {"name": "sgd", "learning_rate": 0.01, "loss_learning_rate": 1e-9}  # nu stands still
    trainer = make_trainer(
        noisy_cases,
        tmp_path / "c.pt",
        build_loss("t_loss"),
        optimizer=optimizer,
        epochs=10,
        scheduler={"name": "nu_plateau", "every": 1, "patience": 6, "minimum": 0.0005},
    )
    rates = [row["learning_rate"] for row in trainer.train().rows]
    assert rates[0] == 0.01
    assert rates[-1] == 0.0005
    assert sorted(rates, reverse=True) == rates
    assert trainer.optimizer.param_groups[1]["lr"] == 1e-9


def test_the_plateau_has_no_say_without_nu(noisy_cases: list, tmp_path: Path) -> None:
    scheduler = {"name": "nu_plateau", "every": 1, "patience": 6}
    trainer = make_trainer(noisy_cases, tmp_path / "c.pt", build_loss("mae"), scheduler=scheduler, epochs=10)
    assert {row["learning_rate"] for row in trainer.train().rows} == {0.01}


@pytest.mark.parametrize("form", ["released", "corrected"])
def test_nu_and_its_schedule_are_in_the_checkpoint_and_resume_exactly(
    noisy_cases: list, tmp_path: Path, form: str
) -> None:
    def trainer(checkpoint: str) -> Trainer:
        scheduler = {"name": "nu_plateau", "every": 1, "patience": 6, "threshold": 0.02, "form": form}
        optimizer = ADAM | {"loss_learning_rate": 0.05}
        return make_trainer(
            noisy_cases,
            tmp_path / checkpoint,
            build_loss("t_loss"),
            optimizer=optimizer,
            scheduler=scheduler,
            epochs=8,
        )

    whole = trainer("whole.pt")
    history = whole.train().as_csv()
    assert whole.scheduler.reductions > 0
    for epochs in (1, 5):
        cut = trainer(f"{epochs}.pt")
        stop_after(epochs, cut)
        with pytest.raises(KeyboardInterrupt):
            cut.train()
        state = torch.load(tmp_path / f"{epochs}.pt", weights_only=True)
        assert state["loss"]["nu"].item() == state["history"][-1]["nu"]
        again = trainer(f"{epochs}.pt")
        assert again.train().as_csv() == history
        assert torch.equal(again.loss.nu, whole.loss.nu)
        assert again.scheduler.state() == whole.scheduler.state()


@pytest.mark.parametrize(("variant", "loss"), [("isic_paper", "t_loss"), ("isic_released", "t_loss_released")])
def test_paper_settings_train_the_published_network(noisy_cases: list, tmp_path: Path, variant: str, loss: str) -> None:
    runs = load({"scale": "paper", "studies": ["t_loss"], "variants": [variant], "losses": [loss]}).runs
    chosen = changed(
        next(run for run in runs if run.noise.alpha).training_settings,
        sampling={"patch_size": [32, 32], "batch_size": 2},
        training={"epochs": 1, "steps_per_epoch": 2, "test_epochs": 0},
    )
    torch.manual_seed(0)
    network = build_network(chosen.network.network, 1)
    first = {name: value.clone() for name, value in network.state_dict().items()}
    patches = PatchSampler(noisy_cases, chosen.sampling, chosen.maps, 0, 2)
    trainer = Trainer(network, build_resolved(chosen.loss), patches, chosen, CPU, tmp_path / "c.pt", "key")
    row = trainer.train().rows[0]
    assert np.isfinite(row["loss"])
    start, rates = (0.0, [0.001, 0.001]) if variant == "isic_paper" else (1.0, [0.01, 0.001])
    assert row["nu"] == pytest.approx(start, abs=0.01)
    assert row["nu"] != start
    assert [group["lr"] for group in trainer.optimizer.param_groups] == rates
    assert not torch.equal(network.state_dict()["heads.0.weight"], first["heads.0.weight"])


def fixed_error_cases(folder: Path, squared_errors: np.ndarray, size: int) -> list[StoredCase]:
    """Cases whose images, taken for logits, miss their mask by the given mean squared error."""
    label = np.zeros((size, size), np.uint8)
    label[:, : size // 2] = 1
    for number, error in enumerate(squared_errors):
        logit = special.logit(1 - np.sqrt(error)) * (2.0 * label - 1)
        write_case(folder / f"{number:03d}", f"{number:03d}", Case(logit[None], label, (1.0, 1.0), str(number)))
    return [StoredCase(folder / f"{number:03d}") for number in range(len(squared_errors))]


def trained_nu(cases: list[StoredCase], folder: Path, size: int, log_precision: float | None) -> float:
    trainer = make_trainer(
        cases,
        folder / "c.pt",
        build_loss("t_loss", log_precision=log_precision),
        nn.Identity(),
        sampling=sampling(patch_size=(size, size), batch_size=len(cases)),
        epochs=3,
        steps_per_epoch=20,
        optimizer={"name": "sgd", "learning_rate": 0.5},
    )
    return trainer.train().rows[-1]["nu"]


@pytest.mark.parametrize("name", ["D16384_lambda0.0_m0.05_sg0.8", "D16384_lambda1.0_m0.05_sg0.8"])
def test_the_training_loop_brings_nu_to_its_golden_equilibrium(shared: Path, tmp_path: Path, name: str) -> None:
    golden = json.loads((shared / "golden/t_loss.json").read_text())["nu_equilibrium"][name]
    errors = np.random.default_rng(5).lognormal(np.log(0.05), 0.8, 200)
    precision = 1.0 if "lambda1.0" in name else None
    nu = trained_nu(fixed_error_cases(tmp_path, errors, 128), tmp_path, 128, precision)
    assert nu == pytest.approx(golden["nu_star"], abs=0.003)


def test_nu_comes_to_rest_where_its_likelihood_is_stationary(tmp_path: Path) -> None:
    """psi(nu / 2) - ln(nu / 2) = 1 - E[1 / x] - E[ln x], x the mean squared errors; nu far below D of them."""
    errors = stats.lognorm(0.5, scale=0.05).ppf((np.arange(40) + 0.5) / 40)
    nu = trained_nu(fixed_error_cases(tmp_path, errors, 64), tmp_path, 64, None)
    degrees = np.exp(nu)
    left = special.digamma(degrees / 2) - np.log(degrees / 2)
    assert left == pytest.approx(1 - np.mean(1 / errors) - np.mean(np.log(errors)), abs=0.5)
