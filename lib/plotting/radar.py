"""All data sets and losses at a glance: a radar chart of own runs next to that of the published numbers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from math import floor, log10, pi
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.comparison.results import ALL, SETTING, StudyResults
from lib.config.schema import FACTORS
from lib.plotting.runs import Styles, axis_of, measured_column, styles_of, title_of_part
from lib.plotting.style import QUIET, new_figure, page_saying

RINGS, FEWEST_AXES = 4, 3
_SMALLEST_STEP = 0.01  # between rings: smaller differences of shares do not matter
_FROM_CENTRE = 0.05  # of values below the first ring, in rings
_ASIDE = 0.35  # of the numbers from their axis, in rings
_EXPLANATION = (
    "Each axis of a radar chart has a scale of its own, written at its rings; lines break where a number is missing."
    " Own runs: mean over seeds, {} in all."
)
_SIDES = {"own": (1, "own runs", "not run"), "published": (2, "published", "nothing published")}
_NOTHING = "There is neither a run nor a published number to draw."


@dataclass(frozen=True)
class Place:
    """A data set (variant, level) with the numbers of its losses, our own and the published ones; both may be empty."""

    title: str
    column: str
    own: Mapping[str, float]
    published: Mapping[str, float]


def radar_figures(results: StudyResults, variants: Collection[str] = ()) -> list[Figure]:
    """A radar chart of own runs, an axis for each data set and variant, next to that of the published numbers.

    Numbers are those of the column that was published for a data set, else of the study's primary column. Fewer than
    three data sets are points on one scale.
    """
    ledger = results.table("ledger")
    runs = results.overall(results.table("runs"))
    chosen = runs[runs["variant"].isin(variants)]
    of_all = ledger[ledger["structure"].isna() | (ledger["structure"] == ALL)]
    places = _places(results, runs if chosen.empty else chosen, of_all)
    if not places:
        return [page_saying(_NOTHING, results.note)]
    shown = places
    if sum(bool(place.own) for place in places) < FEWEST_AXES:  # no chart to compare the published one with by axis
        shown = [place for place in places if place.published] or places
    styles = styles_of(results, chain.from_iterable(chain(place.own, place.published) for place in places))
    figure = new_figure(14.5, 6.4, "\n".join([results.note, *_footer(places, results, ledger)]))
    _draw_side(figure, "own", places, styles, results)
    _draw_side(figure, "published", shown, styles, results)
    lines = [Line2D([], [], **style) for style in styles.values()]
    figure.legend(handles=lines, loc="outside right upper", handlelength=4)
    return [figure]


def _places(results: StudyResults, runs: pd.DataFrame, ledger: pd.DataFrame) -> list[Place]:
    """What was run, then what was published without being run."""
    names = results.published.datasets if results.published else {}
    places = []
    for _, part in runs.groupby(SETTING, sort=False):
        first = part.iloc[0]
        same = ledger["dataset"] == names.get(first["dataset"], first["dataset"])
        for factor in FACTORS:
            same &= ledger[factor].isna() | (ledger[factor] == first[factor])
        places.append(_place(title_of_part(part, runs, results), part, ledger[same], results))
    run = {names.get(dataset, dataset) for dataset in runs["dataset"]}
    for _, rows in ledger[~ledger["dataset"].isin(run)].groupby("dataset", sort=False):
        places.append(_place(rows["title"].iloc[0], runs.iloc[:0], rows, results))
    return places


def _place(title: str, runs: pd.DataFrame, printed: pd.DataFrame, results: StudyResults) -> Place:
    primary, metrics = results.primary.column, [*printed["metric"]]
    column = primary if measured_column(primary) in metrics or not metrics else metrics[0]
    own = runs.groupby("loss", sort=False)[column].mean().dropna() if column in runs else {}
    published = printed[printed["metric"] == measured_column(column)].drop_duplicates("published_loss")
    return Place(title, column, dict(own), dict(zip(published["published_loss"], published["published"], strict=True)))


def _footer(places: Sequence[Place], results: StudyResults, ledger: pd.DataFrame) -> list[str]:
    of_column: dict[str, list[str]] = {}
    for place in places:
        of_column.setdefault(place.column, []).append(place.title)
    numbers = [f"{axis_of(results, column)} ({', '.join(titles)})" for column, titles in of_column.items()]
    if len(of_column) == 1:
        numbers = [axis_of(results, *of_column)]
    seeds = len({run.keys["seed"] for run in results.runs})
    sources = "; ".join(dict.fromkeys(ledger["source"].dropna()))
    return [
        _EXPLANATION.format(f"{seeds} seed{'s' if seeds != 1 else ''}"),
        f"Numbers: {'; '.join(numbers)}.",
        *([f"Published: {sources}."] if sources else []),
    ]


def _draw_side(figure: Figure, side: str, places: Sequence[Place], styles: Styles, results: StudyResults) -> None:
    """The numbers of a field of the places, at the left or the right, as a radar chart if there are enough."""
    number, name, empty = _SIDES[side]
    numbers = [getattr(place, side) for place in places]
    titles = [
        fill(place.title, 22) + ("" if of_place else f"\n({empty})")
        for place, of_place in zip(places, numbers, strict=True)
    ]
    radar = sum(map(bool, numbers)) >= FEWEST_AXES
    axis = figure.add_subplot(1, 2, number, projection="polar" if radar else None)
    axis.set_title(name, loc="left", weight="bold", pad=18)
    (_draw_radar if radar else _draw_points)(axis, titles, numbers, styles)
    columns = {place.column for place, of_place in zip(places, numbers, strict=True) if of_place}
    if not radar:
        axis.set_xlabel(axis_of(results, *columns) if len(columns) == 1 else "numbers listed below")
        axis.xaxis.set_visible(bool(columns))


def _draw_radar(axis: Axes, titles: Sequence[str], numbers: Sequence[Mapping[str, float]], styles: Styles) -> None:
    angles = np.arange(len(titles)) * 2 * pi / len(titles)
    axis.set_theta_zero_location("N")
    axis.set_theta_direction(-1)
    axis.set_xticks(angles, [])
    for angle, title in zip(angles, titles, strict=True):
        side = round(float(np.sin(angle)), 3)
        aligned = "left" if side > 0 else "right" if side < 0 else "center"
        axis.text(angle, RINGS + 0.6, title, size=9, ha=aligned, va="center")
    axis.set_yticks(range(1, RINGS + 1), [])
    axis.set_ylim(0, RINGS + 0.3)
    axis.spines["polar"].set_visible(False)
    scales = [ring_scale(of_place.values()) if of_place else None for of_place in numbers]
    for loss, style in styles.items():
        if any(loss in of_place for of_place in numbers):
            radii = [
                1 + (of_place[loss] - scale[0]) / scale[1] if loss in of_place else np.nan
                for of_place, scale in zip(numbers, scales, strict=True)
            ]
            axis.plot([*angles, 2 * pi], [*radii, radii[0]], **style | {"markersize": 5})
    for angle, scale in zip(angles, scales, strict=True):
        for ring in range(RINGS if scale else 0):
            text = _rounded(scale[0] + ring * scale[1], scale[1])
            axis.text(
                angle + _ASIDE / (ring + 1), ring + 1, text, size=7, color=QUIET, ha="center", va="center", zorder=1
            )


def _rounded(value: float, step: float) -> str:
    return f"{value:.{max(0, -floor(log10(step) + 1e-9))}f}"


def ring_scale(values: Iterable[float]) -> tuple[float, float]:
    """The value of the first ring and the step to the next, round numbers as close to the values as possible.

    All values lie within the last ring; the smallest may lie within the first, less than a step below it.
    """
    values = list(values)
    low, high = min(values), max(values)
    first = floor(log10(max((high - low) / RINGS, _SMALLEST_STEP)) + 1e-9)
    for step in (n * 10.0**power for power in count(first) for n in (1, 2, 5)):
        below = floor(low / step + 1e-9)
        for start in (below, below + 1) if low / step > below + _FROM_CENTRE else (below,):
            if (start + RINGS - 1 + 1e-9) * step >= high:
                return start * step, step
    raise AssertionError("some step is large enough")


def _draw_points(axis: Axes, titles: Sequence[str], numbers: Sequence[Mapping[str, float]], styles: Styles) -> None:
    shown = [loss for loss in styles if any(loss in of_place for of_place in numbers)]
    for number, loss in enumerate(shown):
        aside = 0.6 * (number - (len(shown) - 1) / 2) / len(shown)
        places = [place for place, of_place in enumerate(numbers) if loss in of_place]
        values = [numbers[place][loss] for place in places]
        axis.plot(values, np.array(places) + aside, **styles[loss] | {"linestyle": "", "markersize": 7})
    axis.set_yticks(range(len(titles)), titles, size=9)
    axis.set_ylim(len(titles) - 0.5, -0.5)
    axis.grid(axis="x", alpha=0.3)
    for place in range(1, len(titles)):
        axis.axhline(place - 0.5, color=QUIET, linewidth=0.4)
