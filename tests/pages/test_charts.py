"""Charts: where things stand, by sums that anybody can follow."""

from __future__ import annotations

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from rollbook.server.pages import charts
from rollbook.server.pages.charts import HEIGHT, TOP, Column, Curve

BASE = TOP + HEIGHT
"""Where nothing is: 26 + 220 = 246 pixels down."""


def pixels(text: str) -> float:
    return float(text)


def percent(text: str) -> float:
    return float(text.removesuffix("%"))


def test_a_bar_is_as_high_as_its_share_of_the_top_of_the_scale():
    # 30 of a scale up to 40 (steps of 10, the smallest of 1, 2, 5, 10 … of which four reach 40): 30/40 of 220 px = 165.
    chart = charts.columns("c", "t", "w", [Column("Jul", (("s-used", 30),), 40)], [])
    [box] = chart.boxes
    assert (box.y, box.height) == ("81", "165")
    # One column: its bar takes 62 % of all, in the middle.
    assert (box.x, box.width) == ("19%", "62%")
    assert [words for _, words in chart.grid] == ["0", "10", "20", "30", "40"]
    [limit] = chart.strokes
    assert (limit.x1, limit.x2, limit.y1) == ("0%", "100%", "26")


def test_parts_stand_on_each_other_and_nothing_is_drawn_of_nothing():
    chart = charts.columns("c", "t", "w", [Column("Jul", (("s-a", 10), ("s-b", 0), ("s-c", 30)), None)], [])
    assert [it.kind for it in chart.boxes] == ["s-a", "s-c"]
    # 10 of 40 are 55 px on the base, 30 are 165 px on them.
    assert [(it.y, it.height) for it in chart.boxes] == [("191", "55"), ("26", "165")]
    assert chart.strokes == ()


def test_one_line_for_columns_with_the_same_limit_and_dashes_for_what_is_to_come():
    drawn = [Column("a", (), 10), Column("b", (), 10), Column("c", (), 20), Column("d", (), 20, coming=True)]
    strokes = charts.columns("c", "t", "w", drawn, []).strokes
    assert [(it.x1, it.x2, it.kind) for it in strokes] == [
        ("0%", "50%", "limit"), ("50%", "75%", "limit"), ("75%", "100%", "limit dashed"),
    ]  # fmt: skip


def test_a_stepped_line_holds_its_value_until_the_next():
    chart = charts.curves("c", "t", "w", [Curve("s-used", ((0, 0), (0.5, 4)), stepped=True)], [], [])
    # 4 is the top of the scale, 26 px down; 0 is the base at 246 px. Half of the width is 500 of 1000.
    assert chart.curves == (("M0 246.0 H500.0 V26.0", "line s-used"),)


def test_a_meter_shows_what_is_within_and_what_is_beyond():
    # 30 of 40: three quarters; marks at 80 and 90 %, none at the end; an even use of 20 in the middle.
    found = charts.meter(30, 40, (80, 90, 100), 20)
    assert (found.used, found.over, found.edge, found.ticks, found.pace) == ("75%", "0%", "", ("80%", "90%"), "50%")
    # 60 of 40: the bar is 60 wide, two thirds within, and the edge of what is included stands there.
    beyond = charts.meter(60, 40, (50,))
    assert (beyond.used, beyond.over_from, beyond.over, beyond.edge) == ("66.667%", "66.667%", "33.333%", "66.667%")
    # Half of 40 is 20, a third of 60.
    assert (beyond.ticks, beyond.pace) == (("33.333%",), "")


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=40))
def test_nothing_ever_stands_outside(columns):
    drawn = [Column("x", (("s-used", units),), limit) for units, limit in columns]
    chart = charts.columns("c", "t", "w", drawn, [])
    for box in chart.boxes:
        assert 0 <= percent(box.x) <= percent(box.x) + percent(box.width) <= 100.01
        assert TOP <= pixels(box.y) <= BASE
        assert pixels(box.height) >= 0
        assert pixels(box.y) + pixels(box.height) <= BASE + 0.2
    for stroke in chart.strokes:
        assert TOP <= pixels(stroke.y1) <= BASE
    assert all(pixels(it.y) > 0 for it in chart.texts)


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (4, 4), (5, 6), (9, 10), (35, 40), (101, 150), (1_000_001, 1_500_000)]
)
def test_the_scale_ends_with_a_round_number_above_all(most, top):
    # Steps of 1, 2 or 5 times a power of ten, of which at most four are needed: 101 needs steps of 50, so three of them.
    assert charts._top(most) == top


def test_a_sparkline_goes_from_side_to_side():
    assert charts.sparkline([0, 5, 10], 40) == "0.0,38.0 500.0,20.0 1000.0,2.0"
    assert charts.sparkline([], 40) == ""


def test_numbers_are_the_readers(monkeypatch):
    from rollbook.server.pages import reading  # noqa: PLC0415

    monkeypatch.setattr(reading, "locale", lambda: Locale.parse("de"))
    chart = charts.columns("c", "t", "w", [Column("Jul", (("s-used", 12_345),))], [])
    assert "12.345" in [it.words for it in chart.texts]
