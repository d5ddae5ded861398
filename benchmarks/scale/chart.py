"""The pictures of the page: on white, so that they can be read whatever is around them."""

from __future__ import annotations

from typing import Any

import altair as alt
import vl_convert
from benchmarks.scale.record import Measurement
from benchmarks.scale.sides import FACTS, LEDGER

from rollbook.render.charts import CLASS_COLOURS, CONFIG, FONT, LIMIT, VEGA_LITE

WIDTH, ROW = 560, 26

HUNDREDTHS_BELOW = 10
"""Seconds that are shown with two digits after the point."""

PANELS = {FACTS: "From the facts as they came", LEDGER: "From the compacted ledger"}

AXIS = "seconds, median; times are of Rollbook's seconds"

UNCOMPARED = ("rollbook", "floor", "floor-duckdb")
"""Sides that stand without a ratio."""

OWN, OTHERS, FLOOR = CLASS_COLOURS[0], CLASS_COLOURS[1], "#8a9aa8"


def of_size(found: Measurement) -> str:
    """SVG of the medians of one size: a bar for each side, on a scale where ten times as long is as far everywhere."""
    medians = [it.median for it in found.figures if it.median]
    least, most = min(medians), max(medians)
    scale = alt.Scale(type="log", domain=[least / 2, most * 4], nice=False)
    panels = [_panel(found, input_, title, scale) for input_, title in PANELS.items()]
    chart = alt.vconcat(*(panel for panel in panels if panel), spacing=24).resolve_scale(x="shared")
    return _svg(chart)


def _panel(found: Measurement, input_: str, title: str, scale: alt.Scale) -> Any:
    rows = [
        {
            "side": it.title,
            "seconds": it.median,
            "kind": "own" if it.title.startswith("Rollbook") else "floor" if it.name.startswith("floor") else "other",
            "label": _label(it.median, found.ratio(it) if it.name not in UNCOMPARED else None),
        }
        for it in found.figures
        if it.input == input_ and it.median
    ]
    if not rows:
        return None
    order = [row["side"] for row in sorted(rows, key=lambda row: row["seconds"])]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y(
            "side:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=240, labelPadding=10)
        ),
        x=alt.X("seconds:Q", scale=scale, title=AXIS if input_ == LEDGER else None, axis=_SECONDS),
    )
    colours = alt.Scale(domain=["own", "other", "floor"], range=[OWN, OTHERS, FLOOR])
    points = base.mark_circle(size=110, opacity=1).encode(color=alt.Color("kind:N", scale=colours, legend=None))
    stems = (
        base.mark_rule(strokeWidth=2)
        .encode(
            x=alt.X("from:Q", scale=scale, title=AXIS if input_ == LEDGER else None, axis=_SECONDS),
            x2="seconds:Q",
            color=alt.Color("kind:N", scale=colours, legend=None),
        )
        .transform_calculate(**{"from": str(scale.to_dict()["domain"][0])})
    )
    labels = base.mark_text(align="left", dx=10, fontSize=12, color=LIMIT, font=FONT).encode(text="label:N")
    heading = alt.TitleParams(title, anchor="start", color=LIMIT, fontSize=14, font=FONT, fontWeight="bold", offset=8)
    return alt.layer(stems, points, labels).properties(width=WIDTH, height=ROW * len(rows), title=heading)


def _label(seconds: float | None, ratio: float | None) -> str:
    if seconds is None:
        return ""
    shown = f"{seconds:.{2 if seconds < HUNDREDTHS_BELOW else 1}f} s"
    return shown if ratio is None else f"{shown}, {ratio:.2f} times"


def _svg(chart: Any) -> str:
    drawn = chart.properties(background="white", padding=16).to_dict() | {"config": _CONFIG}
    return str(vl_convert.vegalite_to_svg(drawn, vl_version=VEGA_LITE))


_SECONDS = alt.Axis(grid=True, values=[10.0**power for power in range(-3, 5)], format="~g", domain=False, ticks=False)

_CONFIG = {**CONFIG, "axis": {**CONFIG["axis"], "labelFontSize": 12, "titleFontSize": 12}}
