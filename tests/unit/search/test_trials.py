"""Trials as jobs train them: rung by rung, and what they leave."""

from pathlib import Path
from typing import Any

import pytest

from lib.errors import Diverged, SeglossError
from lib.search.result import Result
from lib.search.rungs import Rung
from lib.search.trials import by_rung, read_results, train_trial, trial_folder, write_result


class FakeTrainer:
    """A training whose measure grows by a tenth an epoch, until it diverges."""

    def __init__(self, done: int = 0, diverges: int = 99) -> None:
        self.history = type("History", (), {"rows": [self.row(epoch) for epoch in range(done)]})()
        self.diverges = diverges
        self.parts = [{"seconds": 1.5}, {"seconds": 2.0}]
        self.network = type("Network", (), {"parameters": lambda self: [FakeTensor(), FakeTensor()]})()

    @staticmethod
    def row(epoch: int) -> dict[str, float]:
        return {"epoch": epoch + 1, "validation_dice": (epoch + 1) / 10}

    def train(self, last: int) -> None:
        while len(self.history.rows) < last:
            if len(self.history.rows) + 1 == self.diverges:
                raise Diverged("its loss became nan")
            self.history.rows.append(self.row(len(self.history.rows)))


class FakeTensor:
    def numel(self) -> int:
        return 7


def test_a_trial_goes_on_from_rung_to_rung() -> None:
    trainer: Any = FakeTrainer()
    assert train_trial(trainer, {"a": 1}, 3, "dice") == Result({"a": 1}, 3, {"dice": 0.3})
    assert train_trial(trainer, {"a": 1}, 5, "dice") == Result({"a": 1}, 5, {"dice": 0.5})
    # a result that was lost after the trial had gone on is that of its rung
    assert train_trial(trainer, {"a": 1}, 3, "dice") == Result({"a": 1}, 3, {"dice": 0.3})


@pytest.mark.parametrize(("cost", "value"), [("parameters", 14), ("seconds", 3.5)])
def test_what_a_trial_costs(cost: str, value: float) -> None:
    trainer: Any = FakeTrainer()
    assert train_trial(trainer, {}, 1, "dice", cost).objectives == {"dice": 0.1, cost: value}


def test_a_loss_that_diverges_is_a_result_and_other_faults_are_not() -> None:
    trainer: Any = FakeTrainer(diverges=2)
    assert train_trial(trainer, {"a": 1}, 3, "dice") == Result({"a": 1}, 3)
    trainer.train = lambda last: (_ for _ in ()).throw(SeglossError("out of memory"))
    with pytest.raises(SeglossError, match="out of memory"):
        train_trial(trainer, {}, 3, "dice")


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = {0: Result({"a": 1}, 3, {"dice": 0.5}), 2: Result({"a": 2}, 3)}
    paths = []
    for number, result in results.items():
        paths.append(tmp_path / f"{number:03d}.json")
        write_result(paths[-1], number, result)
    assert read_results(paths) == results
    assert by_rung([*paths, paths[0]], [Rung(3, 2), Rung(9, 1)]) == [results, {0: results[0]}]
    paths[0].write_text('{"trial": 0, "epochs": 3}')
    with pytest.raises(SeglossError, match=r"000\.json: not the result of a trial .*; delete it and run again"):
        read_results(paths)


def test_trials_lie_in_folders_by_number() -> None:
    assert trial_folder(Path("trials"), 7) == Path("trials/007")
