"""A comparison as a chart: each plan in a row of its own, on one axis of time and one of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import altair as alt

from rollbook.errors import Problem, UsageError

COLOURS = {"within the allowance": "#4C78A8", "beyond it": "#E4572E", "nothing is included": "#9AA5B1"}
"""Parts of a bar. Where there is no allowance nothing is wrong, and nothing is red."""

HEADROOM = 1.15
"""Room above the highest bar for its number."""

WIDTH, HEIGHT = 640, 130
"""Of one plan's row, in pixels."""

SCALE = 2
"""Pixels of a PNG for each of the chart's."""


def comparison_chart(rows: Sequence[dict[str, Any]], titles: dict[str, str]) -> Any:
    """The chart; `rows` as `advice.chart_rows` makes them, `titles` by plan in the order of the rows."""
    top = max((row["high"] for row in rows), default=1)
    panels = [
        _panel([row for row in rows if row["plan"] == name], name, subtitle, top) for name, subtitle in titles.items()
    ]
    return (
        alt.vconcat(*panels, spacing=18)
        .resolve_scale(x="shared", color="shared")
        .properties(title=alt.TitleParams("Active learners in each window", anchor="start", fontSize=15, offset=12))
        .configure(font="Liberation Sans, Arial, sans-serif", background="white")
        .configure_view(stroke=None)
        .configure_axisY(domain=False, ticks=False, gridColor="#eee", labelColor="#555", titleColor="#555")
    )


def _panel(rows: Sequence[dict[str, Any]], name: str, subtitle: str, top: int) -> Any:
    data = alt.InlineData(values=list(rows))
    months = alt.Axis(
        format="%b %Y",
        tickCount=alt.TimeIntervalStep(interval="month", step=1),
        grid=False,
        labelOverlap=True,
        labelColor="#555",
        domainColor="#999",
        tickColor="#999",
    )
    x = alt.X("from:T", title=None, axis=months, scale=_utc())
    y = alt.Y(
        "low:Q",
        title="active",
        scale=alt.Scale(domain=[0, top * HEADROOM], nice=False),
        axis=alt.Axis(tickCount=4, tickMinStep=1),
    )
    colour = alt.Color(
        "part:N",
        title=None,
        scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
        legend=alt.Legend(orient="top", direction="horizontal"),
    )
    bars = (
        alt.Chart(data)
        .mark_rect(stroke="white", strokeWidth=2)
        .encode(x=x, x2="until:T", y=y, y2="high:Q", color=colour)
    )
    totals = (
        alt.Chart(data)
        .transform_aggregate(height="max(high)", groupby=["from", "until"])
        .transform_calculate(middle="(time(datum.from) + time(datum.until)) / 2")
        .mark_text(dy=-6, fontSize=10, color="#333")
        .encode(x=alt.X("middle:T", scale=_utc()), y="height:Q", text=alt.Text("height:Q", format=","))
    )
    title = alt.TitleParams(name, subtitle=subtitle, anchor="start", fontSize=12, subtitleColor="#555", offset=4)
    return alt.layer(bars, totals).properties(width=WIDTH, height=HEIGHT, title=title)


def _utc() -> alt.Scale:
    return alt.Scale(type="utc")


def write_comparison(rows: Sequence[dict[str, Any]], titles: dict[str, str], path: Path) -> None:
    """Writes the chart as .svg or .png. Raises UsageError where the file cannot be written."""
    kind: Literal["svg", "png"] = "png" if path.suffix == ".png" else "svg"
    try:
        comparison_chart(rows, titles).save(path, format=kind, scale_factor=SCALE if kind == "png" else 1)
    except OSError as error:
        raise UsageError(Problem(str(path), f"the chart cannot be written: {error}", "name another file")) from None
