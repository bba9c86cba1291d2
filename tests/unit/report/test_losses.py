"""Maps and hyper-parameters of losses."""

from lib.losses.specification import resolved
from lib.report.losses import hyperparameters, is_cross_entropy, maps_of


def test_numbers_that_had_to_be_chosen() -> None:
    assert hyperparameters(resolved("cross_entropy")) == hyperparameters(resolved("dice")) == []
    assert hyperparameters(resolved({"name": "focal", "alpha": 0.75})) == ["alpha 0.75", "gamma 2"]
    assert hyperparameters(resolved("dice_focal")) == ["focal gamma 2", "weight of focal 1"]
    scheduled = {"name": "boundary", "weight": {"schedule": "linear", "start": 0, "stop": 0.99}}
    (schedule,) = hyperparameters(resolved({"sum": ["generalized_dice", scheduled]}))
    assert schedule == "schedule of boundary (start 0, stop 0.99, over 1)"


def test_maps_to_prepare() -> None:
    assert maps_of(resolved("dice")) == []
    assert maps_of(resolved("boundary")) == ["published_distance"]
    assert maps_of(resolved({"name": "focal", "inverse_weights": {}})) == ["components"]


def test_cross_entropy_is_known_by_its_specification_else_by_its_name() -> None:
    losses = {
        "plain": resolved("cross_entropy"),
        "ce": resolved({"name": "cross_entropy", "inverse_weights": {}}),
        "weighted": resolved({"name": "cross_entropy", "class_weights": [1, 2]}),
    }
    assert [is_cross_entropy(name, losses) for name in (*losses, "bce", "dice")] == [True, False, False, True, False]
