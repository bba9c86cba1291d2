"""Drawings as inline SVG: text stays text, and colours are those of the page's style, light or dark."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 460
ROW = 20
TOP = 8
AXIS = 34
LETTER = 7.3
"""Width of a letter of labels, at most."""
COLOURS = 8
_DOT = Markup('<circle class="dot {}" cx="{}" cy="{}" r="3.5"/>')


@dataclass(frozen=True)
class Mark:
    """A row of a chart: a value with an interval, NaN where there is none; ``kind``: what its colour and shape say."""

    label: str
    value: float
    low: float = math.nan
    high: float = math.nan
    kind: str = "plain"
    note: str = ""


@dataclass(frozen=True)
class Line:
    """A line of a chart: points (x, y, spread), the latter NaN where there is none."""

    label: str
    points: Sequence[tuple[float, float, float]]


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between two."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def forest(marks: Sequence[Mark], name: str, title: str, axis: str, margin: float | None = None) -> Markup:
    """Values with intervals, a row each, about a line at 0 and a band of differences that do not matter."""
    numbers = [number for mark in marks for number in (mark.value, mark.low, mark.high) if math.isfinite(number)]
    low, high = _padded(min([0.0, *numbers]), max([0.0, *numbers]))
    chart = _Rows(marks, low, high)
    parts = []
    if margin:
        left, right = max(low, -margin), min(high, margin)
        parts.append(_rectangle(chart.x(left), TOP, chart.x(right) - chart.x(left), chart.height, "band"))
    parts += chart.axis(axis)
    parts.append(_line(chart.x(0), TOP, chart.x(0), TOP + chart.height, "zero"))
    return chart.drawn(parts, name, title)


def ranks(marks: Sequence[Mark], name: str, title: str) -> Markup:
    """Ranks with intervals, a row each; the note of a row stands to its right."""
    chart = _Rows(marks, 0.5, len(marks) + 0.5)
    return chart.drawn(chart.axis("rank", whole=True), name, title)


class _Rows:
    """A chart with a row for each mark."""

    def __init__(self, marks: Sequence[Mark], low: float, high: float) -> None:
        self.marks, self.low, self.high = marks, low, high
        self.left = min(12 + LETTER * max((len(mark.label) for mark in marks), default=0), 215)
        notes = max((len(mark.note) for mark in marks), default=0)
        self.right = WIDTH - 10 - (LETTER * notes + 4 if notes else 0)
        self.height = ROW * len(marks)

    def x(self, value: float) -> float:
        return self.left + (value - self.low) / ((self.high - self.low) or 1) * (self.right - self.left)

    def axis(self, label: str, whole: bool = False) -> list[Markup]:
        bottom = TOP + self.height
        parts = [_line(self.left, bottom, self.right, bottom, "axis")]
        for tick in ticks(self.low, self.high, 8 if whole else 5):
            if whole and tick % 1:
                continue
            parts.append(_line(self.x(tick), TOP, self.x(tick), bottom, "grid"))
            parts.append(_text(self.x(tick), bottom + 14, _tick(tick), "tick", "middle"))
        return [*parts, _text((self.left + self.right) / 2, bottom + 29, label, "tick", "middle")]

    def drawn(self, parts: Iterable[Markup], name: str, title: str) -> Markup:
        rows = [part for number, mark in enumerate(self.marks) for part in self._row(mark, TOP + ROW * (number + 0.5))]
        return _svg([*parts, *rows], TOP + self.height + AXIS, name, title, _described(self.marks))

    def _row(self, mark: Mark, y: float) -> Iterable[Markup]:
        longest = int((self.left - 12) / LETTER)
        label = mark.label if len(mark.label) <= longest else f"{mark.label[: longest - 1]}…"
        yield _text(self.left - 8, y + 4, label, "label", "end")
        if math.isfinite(mark.low) and math.isfinite(mark.high):
            yield _line(self.x(mark.low), y, self.x(mark.high), y, f"span {mark.kind}")
        if math.isfinite(mark.value):
            yield _shape(self.x(mark.value), y, mark.kind)
        if mark.note:
            yield _text(WIDTH - 6, y + 4, mark.note, "tick", "end")


def curves(lines: Sequence[Line], name: str, title: str, x_label: str, y_label: str) -> Markup:
    """Lines over numbers, with a bar for the spread of each point; colours by place, as in :func:`key`."""
    points = [point for line in lines for point in line.points]
    x_low, x_high = _padded(min(x for x, _, _ in points), max(x for x, _, _ in points))
    spans = [(y - _known(s), y + _known(s)) for _, y, s in points]
    y_low, y_high = _padded(min(low for low, _ in spans), max(high for _, high in spans))
    left, right, top, bottom = 52.0, WIDTH - 10.0, 12.0, 232.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = left + (x - x_low) / ((x_high - x_low) or 1) * (right - left)
        return across, bottom - (y - y_low) / ((y_high - y_low) or 1) * (bottom - top)

    parts = []
    for tick in ticks(y_low, y_high):
        y = place(x_low, tick)[1]
        parts += [_line(left, y, right, y, "grid"), _text(left - 6, y + 4, _tick(tick), "tick", "end")]
    for tick in ticks(x_low, x_high):
        parts.append(_text(place(tick, y_low)[0], bottom + 15, _tick(tick), "tick", "middle"))
    parts.append(_line(left, bottom, right, bottom, "axis"))
    parts.append(_text((left + right) / 2, bottom + 31, x_label, "tick", "middle"))
    for number, line in enumerate(lines):
        colour = _colour(number)
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in (place(x, y) for x, y, _ in line.points))
        parts.append(Markup('<polyline class="curve {}" points="{}"/>').format(colour, path))
        for x, y, spread in line.points:
            across, middle = place(x, y)
            if _known(spread):
                ends = place(x, y - spread)[1], place(x, y + spread)[1]
                parts.append(_line(across, ends[0], across, ends[1], f"spread {colour}"))
            parts.append(_DOT.format(colour, _n(across), _n(middle)))
    description = "; ".join(
        f"{line.label}: {', '.join(f'{y:.3f} at {x:.3g}' for x, y, _ in line.points)}" for line in lines
    )
    return _svg(parts, bottom + 40, name, title, f"{y_label} over {x_label}. {description}")


def key(lines: Sequence[Line]) -> list[tuple[str, Markup]]:
    """Label and sample of each line."""
    sample = '<svg class="sample" width="34" height="12" aria-hidden="true">{}{}</svg>'
    return [
        (
            line.label,
            Markup(sample).format(
                _line(1, 6, 33, 6, f"curve {_colour(number)}"),
                _DOT.format(_colour(number), 17, 6),
            ),
        )
        for number, line in enumerate(lines)
    ]


def _colour(number: int) -> str:
    """Classes of a line: a colour, and another dash for each round of colours."""
    return f"s{number % COLOURS} d{number // COLOURS % 3}"


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = 0.04 * (high - low) or abs(low) * 0.1 or 0.1
    return low - pad, high + pad


def _known(spread: float) -> float:
    return spread if math.isfinite(spread) else 0.0


def _described(marks: Sequence[Mark]) -> str:
    """The numbers of a chart in words, for those who do not see it."""

    def one(mark: Mark) -> str:
        span = f" ({mark.low:.3g} to {mark.high:.3g})" if math.isfinite(mark.low) else ""
        extra = f", {mark.note}" if mark.note else ""
        return f"{mark.label} {mark.value:.3g}{span}{extra}"

    return "; ".join(map(one, marks))


def _svg(parts: Iterable[Markup], height: float, name: str, title: str, description: str) -> Markup:
    head = Markup(
        '<svg class="chart" role="img" viewBox="0 0 {w} {h}" width="{w}" height="{h}"'
        ' aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{title}</title><desc id="{name}-d">{text}</desc>'
    ).format(w=WIDTH, h=_n(height), name=name, title=title, text=description)
    return head + Markup("").join(parts) + Markup("</svg>")


_SHAPES = {
    "better": "M{x},{y} m0,-6 l6,10 h-12 z",
    "worse": "M{x},{y} m0,6 l6,-10 h-12 z",
    "equivalent": "M{x},{y} m-4.5,-4.5 h9 v9 h-9 z",
    "reference": "M{x},{y} m0,-6 l6,6 l-6,6 l-6,-6 z",
}


def _shape(x: float, y: float, kind: str) -> Markup:
    if kind in _SHAPES:
        return Markup('<path class="shape {}" d="{}"/>').format(kind, _SHAPES[kind].format(x=_n(x), y=_n(y)))
    return Markup('<circle class="shape {}" cx="{}" cy="{}" r="4.5"/>').format(_class(kind), _n(x), _n(y))


def _class(kind: str) -> str:
    return kind.replace(" ", "-")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    numbers = [_n(number) for number in (x1, y1, x2, y2)]
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(kind, *numbers)


def _rectangle(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    numbers = [_n(number) for number in (x, y, width, height)]
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(kind, *numbers)


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        kind, _n(x), _n(y), anchor, escape(text)
    )


def _tick(number: float) -> str:
    return f"{number:g}".replace("-", "−")


def _n(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")
