"""The kinds of tasks that the page answers for; one entry each."""

from collections.abc import Callable
from dataclasses import dataclass

from lib.report.studies import CLEAN

LITTLE = 0.05
"""Share of the voxels, below which little is foreground."""


@dataclass(frozen=True)
class Facts:
    """Of a setting: noise of the training masks, and the mean share of the voxels that a structure has."""

    noise: str
    foreground: float


@dataclass(frozen=True)
class Kind:
    """A kind of task.

    Attributes:
        columns: by which it is judged, each on its own.
        also: what else a reader asks for, by which alone no loss is best.
        applies: to which settings.
        when: the same in words.
        beside: a column that a reader must see too, as a loss can be good by the others at its cost.
    """

    name: str
    question: str
    columns: tuple[str, ...]
    applies: Callable[[Facts], bool]
    when: str
    also: tuple[str, ...] = ()
    beside: str = ""

    @property
    def id(self) -> str:
        return self.name.lower().replace(" ", "-")


def _clean(facts: Facts) -> bool:
    return facts.noise == CLEAN


def _clean_and_little(facts: Facts) -> bool:
    return _clean(facts) and facts.foreground < LITTLE


KINDS = (
    Kind(
        "Overlap",
        "Which loss gives the best masks?",
        ("dice",),
        _clean,
        "clean training masks",
    ),
    Kind(
        "Small lesions",
        "Which loss finds the lesions, and few that are none?",
        ("lesion_f1",),
        _clean_and_little,
        f"clean training masks, less than {LITTLE:.0%} foreground",
        also=("recall_small", "lesion_recall"),
        beside="wrong_components",
    ),
    Kind(
        "Noisy masks",
        "Which loss stands wrong training masks best?",
        ("dice",),
        lambda facts: facts.noise != CLEAN,
        "training masks with faults, clean test masks",
    ),
    Kind(
        "Unbalanced classes",
        "Which loss is best, and gets sizes right, where little is foreground?",
        ("dice", "proportion_bias_abs"),
        _clean_and_little,
        f"clean training masks, less than {LITTLE:.0%} foreground",
    ),
    Kind(
        "Borders",
        "Which loss draws the best borders?",
        ("hd95", "nsd"),
        _clean,
        "clean training masks",
    ),
    Kind(
        "Calibration",
        "Which loss gives probabilities that can be trusted?",
        ("ece",),
        _clean,
        "clean training masks",
    ),
)
