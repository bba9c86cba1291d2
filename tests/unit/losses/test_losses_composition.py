"""Sums, weights over training, deep supervision, a user's own loss, and what is said about faulty specifications."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lib.config.study import load_study
from lib.errors import SeglossError
from lib.losses import build_loss, build_resolved
from lib.losses.base import set_progress
from lib.losses.specification import code_modules, named_sums, required_maps, resolved
from lib.maps import MAPS


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    logits, target = rng.standard_normal((2, 2, 8, 8, 8)), rng.integers(0, 2, (2, 1, 8, 8, 8))
    return torch.from_numpy(logits), torch.from_numpy(target)


def weights_over(specification: object, epochs: int) -> list[list[float]]:
    loss = build_loss(specification)
    rows = []
    for epoch in range(epochs):
        set_progress(loss, epoch, epochs)
        rows.append(loss.weights.tolist())
    return rows


# Schedules


def test_rebalance_as_published() -> None:
    rows = weights_over("gdl_boundary_rebalance_published", 100)
    region, boundary = 1.0, 0.01
    for weights in rows:  # StealWeight(to_steal=0.01), called after every epoch
        assert weights == pytest.approx([region, boundary], abs=1e-12)
        region, boundary = max(0.1, region - 0.01), boundary + 0.01
    assert [rows[e] for e in (89, 90, 99)] == [pytest.approx(w) for w in ([0.11, 0.9], [0.1, 0.91], [0.1, 1.0])]


def test_increase_as_published() -> None:
    rows = weights_over("gdl_boundary_increase", 100)
    assert rows == [pytest.approx([1, 0.01 * (epoch + 1)]) for epoch in range(100)]


@pytest.mark.parametrize("epochs", [1, 16, 100, 333])
def test_convex_rebalancing_adds_up_to_1(epochs: int) -> None:
    rows = np.array(weights_over("gdl_boundary_rebalance", epochs))
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-12)
    assert rows[0].tolist() == [1, 0]
    assert (np.diff(rows[:, 0]) <= 0).all()
    assert rows[:, 0].min() >= 0.01


def test_convex_rebalancing_steps_by_a_hundredth_as_in_the_paper() -> None:
    rows = weights_over("gdl_boundary_rebalance", 100)
    steps = np.arange(100) / 100
    np.testing.assert_allclose(rows, np.stack([1 - steps, steps], axis=1), rtol=0, atol=1e-12)


def test_a_schedule_keeps_to_its_floor_and_ceiling() -> None:
    floor, ceiling = {"start": 0.9, "stop": 0.3, "over": 0.5}, {"start": 0.1, "stop": 0.7, "over": 0.5}
    terms = [
        {"name": name, "weight": {"schedule": "linear", **bounds}}
        for name, bounds in (("dice", floor), ("cross_entropy", ceiling))
    ]
    rows = np.array(weights_over({"sum": terms}, 40))
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(rows[20:], [[0.3, 0.7]] * 20)
    assert rows[10].tolist() == pytest.approx([0.6, 0.4])


def test_multiplicative_steps_with_a_cap() -> None:
    steps = {"schedule": "steps", "start": 0.01, "factor": 5, "every": 0.1, "stop": 100}
    rows = weights_over({"sum": ["cross_entropy", {"name": "proportion_l1", "weight": steps}]}, 100)
    assert [row[1] for row in rows[::10]] == pytest.approx([0.01, 0.05, 0.25, 1.25, 6.25, 31.25, 100, 100, 100, 100])
    assert [row[1] for row in rows[9:11]] == pytest.approx([0.01, 0.05])
    falling = {**steps, "factor": 0.5, "stop": 0.003}
    rows = weights_over({"sum": [{"name": "dice", "weight": falling}]}, 100)
    assert [row[0] for row in rows[::20]] == pytest.approx([0.01, 0.003, 0.003, 0.003, 0.003])


def test_schedules_reach_into_sums_of_sums(pair: tuple[Tensor, Tensor]) -> None:
    inner = {"sum": [{"name": "dice", "weight": {"schedule": "linear", "start": 0, "stop": 1}}]}
    loss = build_loss({"sum": [{**inner, "weight": 2}, "cross_entropy"]})
    values = []
    for epoch in (0, 5):
        set_progress(loss, epoch, 10)
        values.append(loss(*pair).item())
    dice, cross_entropy = build_loss("dice")(*pair).item(), build_loss("cross_entropy")(*pair).item()
    assert values == pytest.approx([cross_entropy, cross_entropy + dice])


# Sums


def test_a_sum_is_the_sum_of_its_weighted_terms(pair: tuple[Tensor, Tensor]) -> None:
    terms = {"dice": 0.5, "cross_entropy": 2.0, "proportion_l1": 0.1}
    loss = build_loss({"sum": [{"name": name, "weight": weight} for name, weight in terms.items()]})
    expected = sum(weight * build_loss(name)(*pair).item() for name, weight in terms.items())
    assert loss(*pair).item() == pytest.approx(expected, rel=1e-12)


def test_common_options_go_to_every_term_that_has_none_of_its_own(pair: tuple[Tensor, Tensor]) -> None:
    logits, target = pair
    target = target.clone()
    target[0, :, 2:4] = 7
    loss = build_loss("dice_ce", ignore_index=7, include_background=False)
    dice = build_loss("dice", ignore_index=7, include_background=False)
    expected = dice(logits, target) + build_loss("cross_entropy", ignore_index=7)(logits, target)
    assert loss(logits, target).item() == pytest.approx(expected.item(), rel=1e-12)
    terms = resolved({"sum": [{"name": "dice", "classes": [1]}, "tversky"], "include_background": False})["sum"]
    assert [term["loss"]["parameters"]["include_background"] for term in terms] == [True, False]
    assert [term["loss"]["parameters"]["classes"] for term in terms] == [[1], None]


def test_terms_of_a_sum_share_their_probabilities(pair: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(torch, "sigmoid", lambda z, original=torch.sigmoid: calls.append(1) or original(z))
    build_loss("dice", include_background=False)(*pair)
    alone = len(calls)
    build_loss({"sum": ["dice", "tversky", "proportion_l1"]}, include_background=False)(*pair)
    assert len(calls) == 2 * alone


def test_learnable_parameters_of_a_term_are_parameters_of_the_sum(pair: tuple[Tensor, Tensor]) -> None:
    loss = build_loss({"sum": ["t_loss", "dice"]})
    loss(*pair).backward()
    (nu,) = loss.parameters()
    assert nu.grad.item() != 0
    assert list(loss.state_dict()) == ["terms.0.nu"]


def test_progress_lies_within_the_training() -> None:
    for epoch, epochs in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(SeglossError, match=f"epoch {epoch} of {epochs}"):
            set_progress(build_loss("gdl_boundary_rebalance"), epoch, epochs)


def test_the_name_is_no_option() -> None:
    with pytest.raises(SeglossError, match="name: stands in the specification"):
        build_loss({"name": "dice"}, name="focal")


@pytest.mark.parametrize("name", named_sums())
def test_named_sums_are_complete(name: str) -> None:
    assert named_sums()[name]["source"]
    build_loss(name)
    assert set(required_maps(name)) <= set(MAPS)
    assert all("composition" not in module or "sum" in resolved(name) for module in code_modules(resolved(name)))


def test_a_resolved_loss_says_all_and_builds_the_same(pair: tuple[Tensor, Tensor]) -> None:
    specification = {
        "sum": ["dice", {"name": "focal", "alpha": 0.75, "inverse_weights": {}, "weight": 0.5}],
        "ignore_index": 255,
    }
    whole = resolved(specification)
    assert whole["sum"][1]["loss"]["inverse_weights"] == {"formula": "published", "clip": [1.0, 2e5]}
    assert whole["sum"][1]["loss"]["parameters"]["gamma"] == 2.0
    assert whole["sum"][0]["loss"]["parameters"]["ignore_index"] == 255
    maps = {"components": pair[1]}
    assert build_resolved(whole)(*pair, maps) == build_loss(specification)(*pair, maps)
    assert required_maps(specification) == ("components",)
    assert set(code_modules(whole)) == {
        "lib.losses.composition",
        "lib.losses.inverse_weighting",
        "lib.losses.pixelwise",
        "lib.losses.region",
    }


# Deep supervision


def test_deep_supervision_weighs_the_resolutions(pair: tuple[Tensor, Tensor]) -> None:
    logits, target = pair
    outputs = [logits, logits[..., ::2, ::2, ::2], logits[..., ::4, ::4, ::4]]
    nearest = [target, target[..., 1::2, 1::2, 1::2], target[..., 2::4, 2::4, 2::4]]
    single = [build_loss("dice_ce")(*level).item() for level in zip(outputs, nearest, strict=True)]
    loss = build_loss("dice_ce", deep_supervision={})
    assert loss(outputs, target).item() == pytest.approx(np.dot([4 / 7, 2 / 7, 1 / 7], single), rel=1e-12)
    loss = build_loss("dice_ce", deep_supervision={"weights": [1, 0.5, 0]})
    assert loss(outputs, target).item() == pytest.approx(np.dot([1, 0.5, 0], single), rel=1e-12)


def test_deep_supervision_takes_maps_to_the_same_places() -> None:
    from lib.losses.composition import resampled

    size = (8, 12, 6)
    z, y, x = np.mgrid[:8, :12, :6].astype(float)
    plane = torch.from_numpy(2 * z - y + 0.5 * x)[None, None]
    components = torch.from_numpy(np.arange(np.prod(size)).reshape(size) + 70_000)[None, None]
    target = components % 2
    coarse_target, maps = resampled((4, 6, 3), target, {"components": components, "distance": plane})
    assert torch.equal(maps["components"] % 2, coarse_target)
    assert maps["components"].dtype == torch.int64
    centres = plane[..., ::2, ::2, ::2] + 0.5 * (2 - 1 + 0.5)  # of 2 x 2 x 2 voxels, half a voxel on
    torch.testing.assert_close(maps["distance"], centres)


def test_deep_supervision_says_what_it_needs(pair: tuple[Tensor, Tensor]) -> None:
    for outputs in ([], [None], None, [pair[0], pair[0][0]]):
        with pytest.raises(SeglossError, match="deep supervision expects"):
            build_loss("dice", deep_supervision={})(outputs, pair[1])
    with pytest.raises(SeglossError, match="expects a list of tensors, full resolution first"):
        build_loss("dice", deep_supervision={})(*pair)
    with pytest.raises(SeglossError, match="has 2 weights, the network gave 1 outputs"):
        build_loss("dice", deep_supervision={"weights": [1, 1]})([pair[0]], pair[1])


# A user's own loss

USER_MODULE = """
import torch
from torch import nn

class Mine(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale
    def forward(self, logits, target, maps):
        return self.scale * (logits.mean() + maps["components"].sum())

class Scheduled(nn.Module):
    def set_progress(self, epoch, epochs):
        self.progress = epoch / epochs
    def forward(self, logits, target, mask=None, *, maps):
        assert mask is None
        return logits.mean() * self.progress + maps["components"].sum()

class Failing(nn.Module):
    def __init__(self):
        raise KeyError("nothing")

class TwoArguments(nn.Module):
    def forward(self, logits, target):
        return (logits * target).mean()

class Voxels(nn.Module):
    def forward(self, logits, target):
        return logits

class Broken(nn.Module):
    def forward(self, logits, target):
        return logits.view(3, 1)

def function(logits, target):
    return logits.mean()
"""


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_losses.py").write_text(USER_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "users_losses", raising=False)


@pytest.mark.usefixtures("user_module")
def test_a_dotted_path_is_taken_wherever_a_name_is(pair: tuple[Tensor, Tensor]) -> None:
    logits, target = pair
    maps = {"components": target}
    mine = {"name": "users_losses.Mine", "scale": 2.0, "maps": ["components"]}
    expected = 2 * (logits.mean() + target.sum()).item()
    assert build_loss(mine)(logits, target, maps).item() == pytest.approx(expected)
    both = build_loss({"sum": [mine, "dice"]})(logits, target, maps).item()
    assert both == pytest.approx(expected + build_loss("dice")(logits, target).item())
    with pytest.raises(SeglossError, match=r"'users_losses.Mine' cannot be handed the options beside 'sum'"):
        build_loss({"sum": [mine, "dice"], "ignore_index": 255})
    assert required_maps({"sum": [mine, "boundary"]}) == ("components", "published_distance")
    assert "users_losses" in code_modules(resolved(mine))
    assert build_loss("users_losses.TwoArguments")(logits, target.byte()).item() == pytest.approx(
        (logits * target).mean().item()
    )
    supervised = build_loss(mine, deep_supervision={"weights": [1]})
    assert supervised([logits], target, maps).item() == pytest.approx(expected)


@pytest.mark.usefixtures("user_module")
def test_a_user_loss_gets_the_progress_and_maps_by_name(pair: tuple[Tensor, Tensor]) -> None:
    loss = build_loss({"sum": [{"name": "users_losses.Scheduled", "maps": ["components"]}]})
    set_progress(loss, 3, 4)
    value = loss(*pair, {"components": pair[1]})
    assert value.item() == pytest.approx(0.75 * pair[0].mean().item() + pair[1].sum().item())


@pytest.mark.usefixtures("user_module")
def test_a_users_loss_gets_the_numbers_that_the_study_file_holds(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text("""
        {title: t, publication: p, measures: [overlap], figures: [], demo: {seeds: [0]}, losses: {
        mine: {name: users_losses.Mine, scale: 1e-5}, text: {name: users_losses.Mine, scale: "1e-5"}}}
    """)
    losses = load_study(study, tmp_path).losses
    assert build_loss(losses["mine"]).module.scale == 1e-5
    assert build_loss(losses["text"]).module.scale == "1e-5"


def test_losses_of_torch_and_monai_by_their_path(pair: tuple[Tensor, Tensor]) -> None:
    logits, target = pair[0][:, :1], pair[1].byte()
    expected = build_loss("cross_entropy")(logits, target).item()
    assert build_loss("torch.nn.BCEWithLogitsLoss")(logits, target).item() == pytest.approx(expected)
    monai = build_loss("monai.losses.DiceLoss", sigmoid=True)
    assert monai(logits, target).item() == pytest.approx(build_loss("dice")(logits, target).item())


@pytest.mark.usefixtures("user_module")
@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ("users_losses.Yours", "'users_losses.Yours' cannot be built: AttributeError: "),
        (
            {"name": "users_losses.Mine", "size": 2},
            "cannot be built: TypeError: .*unexpected keyword argument 'size'",
        ),
        ("users_losses.nothing.Mine", "cannot be built: ModuleNotFoundError: "),
        (
            "no_such_package.Mine",
            "there is no package or module 'no_such_package'; put it beside the Snakefile",
        ),
        ("users_losses.Failing", "cannot be built: KeyError: 'nothing'"),
        ("users_losses..Mine", "is not a dotted path to a class"),
        ("users_losses.function", "cannot be built: TypeError|a torch.nn.Module was expected"),
        ({"name": "users_losses.Mine", "maps": "components"}, "maps: 'components' is not allowed"),
    ],
)
def test_a_user_loss_that_cannot_be_built(specification: object, message: str) -> None:
    with pytest.raises(SeglossError, match=message):
        build_loss(specification)


@pytest.mark.usefixtures("user_module")
def test_a_user_loss_that_returns_no_scalar(pair: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(SeglossError, match=r"'users_losses.Voxels' returned \(2, 2, 8, 8, 8\): a scalar tensor"):
        build_loss("users_losses.Voxels")(*pair)


@pytest.mark.usefixtures("user_module")
def test_a_user_loss_that_fails_is_reported_with_its_line(pair: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(SeglossError) as error:
        build_loss("users_losses.Broken")(pair[0], pair[1][..., :3], {"components": pair[1]})
    assert "'users_losses.Broken' failed on logits (2, 2, 8, 8, 8), target (2, 1, 8, 8, 3) and maps" in str(error.value)
    assert "RuntimeError in users_losses.py, line 33: " in str(error.value)


# Faulty specifications


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ("dise", "name: unknown loss 'dise'; did you mean 'dice'?"),
        (3, "3 is no loss: a name, or a mapping with 'name' or 'sum' was expected"),
        (None, "None is no loss"),
        ({}, "has neither 'name' nor 'sum'"),
        ({"name": "dice", "sum": []}, "has both 'name' and 'sum'"),
        ({"name": ["dice"]}, "name: unknown loss ['dice']"),
        ({"name": "focal", "gama": 1}, "loss 'focal': gama: unknown key; did you mean 'gamma'?"),
        (
            {"name": "focal", "gamma": -1},
            "loss 'focal': gamma: -1 is not allowed; expected greater than or equal to 0",
        ),
        ({"name": "focal", "alpha": 1.5}, "loss 'focal': alpha: 1.5 is not allowed"),
        ({"name": "focal", "gamma": True}, "loss 'focal': gamma: True is not a number"),
        ({"name": "gce", "q": 0}, "loss 'gce': q: 0 is not allowed; expected greater than 0"),
        (
            {"name": "dice", "reduction": "all"},
            "reduction: 'all' is not allowed; expected 'mean', 'sum' or 'none'",
        ),
        ({"name": "dice", "classes": []}, "loss 'dice': classes: [] is not allowed; expected at least 1"),
        ({"name": "dice", "classes": [1, 1]}, "loss 'dice': classes: duplicate value 1"),
        (
            {"name": "dice", "classes": [1], "include_background": False},
            "include_background: false and classes exclude",
        ),
        (
            {"name": "boundary", "inverse_weights": {}},
            "loss 'boundary' takes no inverse_weights; these do: cross_entr",
        ),
        ({"name": "dice", "inverse_weights": True}, "inverse_weights: True is not a mapping; write {}"),
        ({"name": "dice", "inverse_weights": {"clip": [2, 1]}}, "clip [2.0, 1.0] is not [lowest, highest]"),
        (
            {"name": "dice", "inverse_weights": {"formula": "x"}},
            "inverse_weights: formula: 'x' is not allowed",
        ),
        ({"sum": []}, "sum: [] is not a list with at least one term"),
        ({"sum": "dice"}, "sum: 'dice' is not a list with at least one term"),
        ({"sum": [3]}, "sum: term 1: 3 is no loss"),
        ({"sum": [{"name": ["dice"]}]}, "sum: term 1: name: unknown loss ['dice']"),
        ({"sum": [{}]}, "sum: term 1: has neither 'name' nor 'sum'"),
        ({"sum": ["dice", {"name": "dise"}]}, "sum: term 2: name: unknown loss 'dise'"),
        ({"sum": ["dice"], "gamma": 2}, "gamma: not an option beside 'sum'"),
        (
            {"sum": [{"name": "dice", "reduction": "none"}]},
            "sum: term 1: reduction: 'none' cannot be added up",
        ),
        ({"sum": [{"name": "dice", "weight": "much"}]}, "sum: term 1: weight: value: 'much' is not allowed"),
        (
            {"sum": [{"name": "dice", "weight": {"schedule": "cosine"}}]},
            "weight: schedule: 'cosine' is not one of linear",
        ),
        (
            {"sum": [{"name": "dice", "weight": {"start": 1, "stop": 0}}]},
            "weight: schedule: None is not one of linear",
        ),
        (
            {
                "sum": [
                    {
                        "name": "dice",
                        "weight": {"schedule": "steps", "start": 9, "factor": 2, "every": 1, "stop": 1},
                    }
                ]
            },
            "steps by 2 from start 9 do not lead to stop 1",
        ),
        ({"sum": ["dice"], "inverse_weights": {}}, "inverse_weights: belongs to the terms of a sum"),
        ({"name": "dice", 1: 2}, "1: not the name of a parameter"),
        ({"name": "dice", "inverse_weights": None}, "inverse_weights: None is not a mapping; write {}"),
        ({"name": "dice", "deep_supervision": True}, "deep_supervision: True is not a mapping; write {}"),
        (
            {"name": "dice", "deep_supervision": {}, "reduction": "none"},
            "reduction: 'none' cannot be added up over resol",
        ),
        ({"name": "cross_entropy", "class_weights": [0, 0]}, "leaves nothing: at least one weight above 0"),
        ({"name": "nacl", "classes": [1]}, "loss 'nacl': classes: unknown key"),
        ({"name": "blob", "include_background": False}, "loss 'blob': include_background: unknown key"),
        ({"sum": [{"name": "dice", "weight": {"schedule": "linear", "start": 1}}]}, "stop: is missing"),
        ({"sum": [{"name": "dice", "deep_supervision": {}}]}, "deep_supervision stands beside 'sum'"),
        (
            {"name": "dice", "deep_supervision": {"weights": []}},
            "deep_supervision: weights: [] is not allowed; expected at least 1",
        ),
        ({"name": "dice_ce", "gamma": 2}, "loss 'dice_ce' of sums.yaml: gamma: not an option beside 'sum'"),
    ],
)
def test_faulty_specifications(specification: object, message: str) -> None:
    with pytest.raises(SeglossError) as error:
        build_loss(specification)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
