"""Charts as SVG, drawn without a browser. Their colours are those of the light page; a style sheet may change them.

Each is drawn twice, for wide screens and for narrow ones, where the same picture made small could not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import vl_convert

from rollbook.accounting.account import Account
from rollbook.metering.outcome import CLASSES
from rollbook.render.drawing import Drawing
from rollbook.reports.outline import Bar, Point, bars, pool, seats_held

FAINT, GRID = "#52677a", "#dbe3ea"
CLASS_COLOURS = ("#e08a1e", "#2f6f9f", "#7a5195")
"""New, continuing, reactivated: apart for all kinds of colour vision, and different in lightness."""

LIMIT = "#14283c"
"""The allowance is in the colour of text: it has to stand out from every class that it crosses."""

FONT = "system-ui, sans-serif"
VEGA_LITE = "6.4"
DAYS_BY_DAY = 60
"""Terms up to this long have days on their axis, longer ones months."""

LABELS_MAX = {"wide": 12, "narrow": 5}
SIZES = {"wide": (880, 230), "narrow": (270, 190)}
"""Width and height of the plot, without its axes."""


def drawings(found: Account) -> tuple[Drawing, ...]:
    """The charts of an account: seats over time; or the windows by class, and a pool's running sum."""
    zone = found.subscription.zone
    drawn = []
    if points := seats_held(found):
        drawn.append(_curve("Seats held", points, zone, ("seats held", "seats there are"), steps=True))
    if columns := bars(found):
        drawn.append(_columns(columns, zone))
    if points := pool(found):
        drawn.append(_curve("Used of the term's pool", points, zone, ("used so far", "granted so far"), steps=False))
    return tuple(drawn)


_COUNT = alt.Axis(tickMinStep=1, tickCount=5, format=",d")


def _columns(drawn: Sequence[Bar], zone: str) -> Drawing:
    order = _labels(drawn, zone)
    labelled = list(zip(order, drawn, strict=True))
    met = [class_ for rank, class_ in enumerate(CLASSES) if any(bar.units[rank] for bar in drawn)]
    rows = [
        {"window": label, "class": class_, "units": units, "rank": rank}
        for label, bar in labelled
        for rank, (class_, units) in enumerate(zip(CLASSES, bar.units, strict=True))
    ]
    allowances = [{"window": label, "allowance": bar.allowance} for label, bar in labelled if bar.allowance]

    def draw(size: str) -> Any:
        every = max(-(-len(order) // LABELS_MAX[size]), 1)
        x = alt.X("window:N", sort=order, title=None, axis=alt.Axis(labelAngle=0, values=order[::every], grid=False))
        colours = alt.Scale(domain=list(CLASSES), range=list(CLASS_COLOURS))
        stacked = (
            alt.Chart(alt.InlineData(values=rows))
            .mark_bar(size=max(min(SIZES[size][0] // (len(order) * 2), 48), 2))
            .encode(
                x=x,
                y=alt.Y("units:Q", title="active", axis=_COUNT, scale=alt.Scale(nice=5)),
                color=alt.Color("class:N", scale=colours, legend=None),
                order=alt.Order("rank:Q"),
            )
        )
        if not allowances:
            return stacked
        # Each piece overlaps its neighbour: two edges that only meet leave a seam.
        width = SIZES[size][0] / len(order) + 1
        limit = (
            alt.Chart(alt.InlineData(values=allowances))
            .mark_tick(thickness=3, size=width, color=LIMIT, opacity=1)
            .encode(x=x, y="allowance:Q")
        )
        return alt.layer(stacked, limit)

    words = "; ".join(
        f"from {label}: {sum(bar.units)} active" + (f", {bar.allowance} included" if bar.allowance else "")
        for label, bar in labelled[-LABELS_MAX["wide"] :]
    )
    legend = [(class_, class_) for class_ in met] + ([("limit", "allowance")] if allowances else [])
    return Drawing("Active in each window", words, tuple(legend), _both(draw))


def _curve(title: str, points: Sequence[Point], zone: str, names: tuple[str, str], *, steps: bool) -> Drawing:
    what, limit = names
    rows = [
        {"at": _local(point.at, zone), "units": units, "what": name}
        for point in points
        for name, units in ((what, point.units), (limit, point.limit))
    ]

    def draw(size: str) -> Any:
        step = max(round((points[-1].at - points[0].at).days / 30 / LABELS_MAX[size]), 1)
        by_month = {"interval": "month", "step": step} if (points[-1].at - points[0].at).days > DAYS_BY_DAY else 5
        axis = alt.Axis(grid=False, tickCount=by_month, format="%-d %b", labelOverlap=True)
        colours = alt.Scale(domain=[what, limit], range=[CLASS_COLOURS[1], LIMIT])
        dashes = alt.Scale(domain=[what, limit], range=[[1, 0], [6, 4]])
        return (
            alt.Chart(alt.InlineData(values=rows))
            .mark_line(strokeWidth=2.5, interpolate="step-after" if steps else "linear", point=not steps, clip=False)
            .encode(
                x=alt.X("at:T", title=None, axis=axis),
                y=alt.Y("units:Q", title="units", axis=_COUNT, scale=alt.Scale(nice=5)),
                color=alt.Color("what:N", scale=colours, legend=None),
                strokeDash=alt.StrokeDash("what:N", scale=dashes, legend=None),
            )
        )

    last = points[-1]
    most = max(points, key=lambda point: point.units)
    words = f"{last.units} {what}, {last.limit} {limit} on {_local(last.at, zone)[:10]}; the most was {most.units}"
    return Drawing(title, words, (("curve", what), ("dashed", limit)), _both(draw))


def _both(draw: Callable[[str], Any]) -> dict[str, str]:
    drawn = {}
    for size, (width, height) in SIZES.items():
        chart = draw(size).properties(width=width, height=height, background="transparent")
        drawn[size] = vl_convert.vegalite_to_svg(chart.to_dict() | {"config": CONFIG}, vl_version=VEGA_LITE)
    return drawn


CONFIG = {
    "font": FONT,
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": FAINT,
        "titleColor": FAINT,
        "gridColor": GRID,
        "domainColor": FAINT,
        "tickColor": FAINT,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
}
"""How every chart looks, as Vega-Lite has it."""


def _labels(drawn: Sequence[Bar], zone: str) -> list[str]:
    """The day on which each window begins; with its year where the term has such a day twice."""
    days = [bar.window.start.astimezone(ZoneInfo(zone)) for bar in drawn]
    short = [f"{day.day} {day:%b}" for day in days]
    return short if len(set(short)) == len(short) else [f"{day.day} {day:%b %y}" for day in days]


def _local(at: datetime, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat()
