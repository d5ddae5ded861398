"""Charts as SVG: geometry made on the server, everything else by the style sheet.

Positions across are percentages of the width, heights are pixels: one drawing serves every width, and its text stays
readable. Curves lie in a plot that is stretched (0 to 1000 across), with strokes that are not. Colours are classes.
What a chart says is said in words too, and its page has a table of the same figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rollbook.server.pages import reading

HEIGHT = 220
"""Of the plot, in pixels."""

TOP, BOTTOM = 26, 26
"""Room for figures above it, and for labels below."""

ACROSS = 1000
"""Units across the plot of curves."""

BAR = 0.62
"""Of the room of a column, what its bar takes."""

GRID_LINES = 4
LABEL_LENGTH = 3
"""Longer labels do not stand beside each other on a phone: there every third shows."""

PHONE_PIXELS, DIGIT_PIXELS = 280, 8
"""How wide a plot is on a phone, and a digit of a figure above a bar: beyond that only the marked one shows there."""

FIGURE_PIXELS = 26
"""How much room a figure above a point takes."""

LABELS_MAX = 14
SWITCH_SIDE = 85.0
"""Beyond this percentage a figure stands left of its point."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words at a place: across in percent, down in pixels. `kind` are classes, `anchor` as in SVG."""

    x: str
    y: str
    words: str
    kind: str = ""
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Box:
    """A bar, or a part of one."""

    x: str
    y: str
    width: str
    height: str
    kind: str


@dataclass(frozen=True, slots=True)
class Stroke:
    """A straight line from one place to another."""

    x1: str
    y1: str
    x2: str
    y2: str
    kind: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. `curves` are paths with their classes, `dots` places with theirs, `legend` classes with words."""

    id: str
    title: str
    words: str
    grid: tuple[tuple[str, str], ...]
    boxes: tuple[Box, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    curves: tuple[tuple[str, str], ...] = ()
    dots: tuple[tuple[str, str, str], ...] = ()
    texts: tuple[Text, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    height: int = TOP + HEIGHT + BOTTOM
    plot: int = TOP + HEIGHT
    across: int = ACROSS


@dataclass(frozen=True, slots=True)
class Column:
    """One window of a bar chart: its parts from below, and the limit that it is held against; None without one.

    marked  whether it is the one that is looked at
    """

    label: str
    parts: tuple[tuple[str, int], ...]
    limit: int | None = None
    marked: bool = False
    coming: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """A line: its class, and points (part of the width from 0 to 1, value). Stepped: it holds until the next point."""

    kind: str
    points: tuple[tuple[float, float], ...]
    stepped: bool = False
    filled: bool = False
    ends: bool = False


def columns(id_: str, title: str, words: str, drawn: Sequence[Column], legend: Iterable[tuple[str, str]]) -> Chart:
    """Bars of parts, each against its limit."""
    totals = [sum(units for _, units in it.parts) for it in drawn]
    top = _top(max([*totals, *(it.limit or 0 for it in drawn)], default=0))
    room = 100 / max(len(drawn), 1)
    boxes: list[Box] = []
    texts: list[Text] = []
    figures = [reading.number(total) for total in totals]
    crowded = max(map(len, figures), default=0) * DIGIT_PIXELS * len(drawn) > PHONE_PIXELS
    for place, (it, total, figure) in enumerate(zip(drawn, totals, figures, strict=True)):
        left, below = place * room, 0
        for kind, units in it.parts:
            if units:
                high = _down(below + units, top)
                box = (_percent(left + room * (1 - BAR) / 2), _pixels(high), _percent(room * BAR))
                boxes.append(Box(*box, _pixels(_down(below, top) - high), kind))
                below += units
        middle = _percent(left + room / 2)
        if not it.coming:
            kind = "strong" if it.marked else "minor" if crowded else ""
            texts.append(Text(middle, _pixels(min(_down(total, top), _over(total, it.limit, top)) - 6), figure, kind))
        texts.append(Text(middle, _pixels(TOP + HEIGHT + 18), it.label, _label_kind(drawn, place)))
    return Chart(
        id=id_,
        title=title,
        words=words,
        grid=_grid(top),
        boxes=tuple(boxes),
        strokes=tuple(_limits(drawn, room, top)),
        texts=tuple(texts),
        legend=tuple(legend),
    )


def curves(
    id_: str,
    title: str,
    words: str,
    drawn: Sequence[Curve],
    labels: Sequence[tuple[float, str]],
    legend: Iterable[tuple[str, str]],
) -> Chart:
    """Lines over time. `labels` stand at parts of the width."""
    top = _top(max((value for it in drawn for _, value in it.points), default=0))
    texts = [
        Text(_percent(x * 100), _pixels(TOP + HEIGHT + 18), words_, kind, "end" if x >= 1 else "start")
        for x, words_, kind in _thin(labels)
    ]
    paths: list[tuple[str, str]] = []
    dots: list[tuple[str, str, str]] = []
    for it in drawn:
        path = _path(it, top)
        if it.filled and it.points:
            first, last = (round(it.points[place][0] * ACROSS, 1) for place in (0, -1))
            base = TOP + HEIGHT
            paths.append((f"{path} L{last} {base} L{first} {base} Z", f"area {it.kind}"))
        paths.append((path, f"line {it.kind}"))
        if it.ends and it.points:
            x, value = it.points[-1]
            y = _down(value, top)
            dots.append((_percent(x * 100), _pixels(y), it.kind))
            anchor = "end" if x * 100 > SWITCH_SIDE else "start"
            limits = [_down(other.points[-1][1], top) for other in drawn if other.points and not other.ends]
            # A figure above its point would lie on a line that is just above: then it stands below.
            below = any(0 <= y - limit < FIGURE_PIXELS for limit in limits)
            place = _pixels(y + 20 if below else y - 10)
            texts.append(Text(_percent(x * 100), place, reading.number(value), "strong", anchor))
    return Chart(
        id=id_,
        title=title,
        words=words,
        grid=_grid(top),
        curves=tuple(paths),
        dots=tuple(dots),
        texts=tuple(texts),
        legend=tuple(legend),
    )


@dataclass(frozen=True, slots=True)
class Meter:
    """How much of a limit is used, as a bar: percentages of the width. `over` is what is beyond it."""

    used: str
    over_from: str
    over: str
    edge: str
    ticks: tuple[str, ...]
    pace: str


def meter(used: int, included: int, thresholds: Iterable[int] = (), pace: float | None = None) -> Meter:
    """The bar of a figure. It is as wide as the larger of both; thresholds in percent of what is included."""
    whole = max(used, included, 1)
    within = min(used, included)
    return Meter(
        used=_percent(within * 100 / whole),
        over_from=_percent(within * 100 / whole),
        over=_percent((used - within) * 100 / whole),
        edge=_percent(included * 100 / whole) if used > included else "",
        ticks=tuple(_percent(it * included / whole) for it in thresholds if it < 100),  # noqa: PLR2004 - percent
        pace=_percent(min(pace, whole) * 100 / whole) if pace is not None else "",
    )


def sparkline(values: Sequence[int], height: int = 40) -> str:
    """The points of a small line, 0 to 1000 across."""
    top, last = max([*values, 1]), max(len(values) - 1, 1)
    return " ".join(
        f"{place * ACROSS / last:.1f},{height - 2 - value / top * (height - 4):.1f}"
        for place, value in enumerate(values)
    )


def _limits(drawn: Sequence[Column], room: float, top: int) -> Iterator[Stroke]:
    """One line for columns beside each other that have the same limit: pieces would leave seams."""
    place = 0
    for (limit, coming), run in groupby(drawn, lambda it: (it.limit, it.coming)):
        columns_ = len(list(run))
        if limit is not None:
            y = _pixels(_down(limit, top))
            ends = _percent(place * room), _percent((place + columns_) * room)
            yield Stroke(ends[0], y, ends[1], y, "limit dashed" if coming else "limit")
        place += columns_


def _path(it: Curve, top: int) -> str:
    found: list[str] = []
    for x, value in it.points:
        across, down = round(x * ACROSS, 1), round(_down(value, top), 1)
        if not found:
            found.append(f"M{across} {down}")
        elif it.stepped:
            found.append(f"H{across} V{down}")
        else:
            found.append(f"L{across} {down}")
    return " ".join(found)


def _top(most: float) -> int:
    """The value at the top: the first round one above all."""
    step = _step(most)
    return max(int(-(-most // step)) * step, step)


def _step(most: float) -> int:
    size = 1
    while True:
        for factor in (1, 2, 5):
            if size * factor * GRID_LINES >= most:
                return size * factor
        size *= 10


def _grid(top: int) -> tuple[tuple[str, str], ...]:
    step = _step(top)
    return tuple((_pixels(_down(value, top)), reading.number(value)) for value in range(0, top + 1, step))


def _down(value: float, top: int) -> float:
    return TOP + HEIGHT * (1 - max(value, 0) / top)


def _over(total: int, limit: int | None, top: int) -> float:
    """Where a figure would touch the line of the limit, it stands above that."""
    if limit is None:
        return float(HEIGHT + TOP)
    return _down(limit, top) if 0 <= _down(total, top) - _down(limit, top) < TOP - 6 else float(HEIGHT + TOP)


def _label_kind(drawn: Sequence[Column], place: int) -> str:
    long = max((len(it.label) for it in drawn), default=0) > LABEL_LENGTH or len(drawn) > LABELS_MAX
    marked = next((number for number, it in enumerate(drawn) if it.marked), 0)
    return "strong" if drawn[place].marked else "minor" if long and (place - marked) % 3 else ""


def _thin(labels: Sequence[tuple[float, str]]) -> list[tuple[float, str, str]]:
    return [
        (x, words, "minor" if place % 3 and len(labels) > GRID_LINES else "") for place, (x, words) in enumerate(labels)
    ]


def _percent(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") + "%"


def _pixels(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
