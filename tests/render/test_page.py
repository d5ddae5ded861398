"""The page: one file, nothing from elsewhere, nothing taken for markup, and readable without seeing it."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise

import pytest

import rollbook
from rollbook import Subscription, find_plan
from rollbook.model.money import Money
from rollbook.model.subscription import Quantity
from rollbook.render.charts import CLASS_COLOURS, FAINT, GRID, LIMIT, drawings
from rollbook.render.page import ROWS_MAX, write_page
from rollbook.reports.outline import Figure, figures
from rollbook.samples.reports.__main__ import FACTS

from .reading import COLUMNS, about, table

HOSTILE = "<script>alert(1)</script>\"'&"
ROW = (3, 33.3, 1.5, Decimal("1234.50"), "zoë", datetime(2026, 1, 5, 8, 30, tzinfo=UTC), True)


class Page(HTMLParser):
    """Tags with their attributes, the text of cells, and what a browser would fetch or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(*rows: tuple[object, ...], customer: str = "", figures: tuple[Figure, ...] = (), incomplete: str = "") -> str:
    out = io.StringIO()
    write_page(table(*rows), about(customer=customer, incomplete=incomplete), figures, (), out)
    return out.getvalue()


def drawn(plan: str, bought: int = 7) -> str:
    """A page with charts, of the sample facts."""
    made = Subscription(plan=find_plan(plan), start=date(2026, 1, 1), end=date(2027, 1, 1))
    made = replace(made, quantities=(Quantity(made.start_us, bought),))
    out = io.StringIO()
    with rollbook.meter(str(FACTS), made, as_of=datetime(2026, 6, 20, tzinfo=UTC)) as result:
        charts = drawings(result.account)
        heading = replace(about(), subscription=made)
        write_page(result.report_batches("consumption"), heading, figures(result.account), charts, out)
    return out.getvalue()


PLANS = ("facilitate-annual", "secondnature-mauc", "secondnature-seats")


@pytest.mark.parametrize("plan", PLANS)
def test_nothing_is_fetched_and_nothing_runs(plan: str) -> None:
    found = drawn(plan)
    parsed = Page(found)
    assert not {tag for tag, _ in parsed.tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "image"}
    for _, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert not {"src", "href", "xlink:href", "action", "background"} & set(attributes)
    assert not re.search(r"url\(|@import|@font-face", found)
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\s\"'<]+", found)) <= namespaces


def test_what_facts_say_is_never_markup() -> None:
    found = page((1, None, None, None, HOSTILE, None, False), customer=HOSTILE, incomplete=HOSTILE)
    assert "<script" not in found
    parsed = Page(found)
    assert not parsed.all("script")
    assert sum(HOSTILE in text for text in parsed.text) >= 2


def test_control_characters_do_not_reach_the_page() -> None:
    assert "\x1b" not in page((1, None, None, None, "\x1b[31mred", None, False))


def test_cells_are_for_people() -> None:
    found = page(ROW, (-1234, None, None, Decimal("0.00"), "", None, False))
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", found)
    assert cells == [
        *("3", "33.3 %", "1.5", "1,234.50", "zoë", "2026-01-05 08:30", "yes"),
        *("-1,234", "", "", "0.00", "", "", "no"),
    ]
    assert 'class="number below">-1,234' in found


def test_columns_that_are_empty_throughout_are_left_out_and_said() -> None:
    found = page((1, None, None, None, "ann", None, False))
    assert re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', found) == ["units", "learner", "open"]
    assert found.count("(empty throughout, and left out above)") == len(COLUMNS) - 3


def test_the_first_thousand_rows_are_shown_and_the_others_counted() -> None:
    found = page(*([ROW] * (ROWS_MAX + 1234)))
    assert found.count("<td>zoë</td>") == ROWS_MAX
    assert "The first 1,000 are shown; 1,234 more are in the report as a file" in found
    assert "more are in the report" not in page(ROW)


def test_a_page_without_rows_says_so() -> None:
    assert "No rows." in page()


def test_the_page_can_be_read_without_seeing_it() -> None:
    parsed = Page(drawn("secondnature-mauc"))
    assert parsed.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert {it.get("scope") for it in parsed.all("th")} == {"col"}
    assert len(parsed.all("caption")) == len(parsed.all("table")) == 1
    labels = [it["aria-label"] for it in parsed.all("figure")]
    assert len(labels) == 2
    assert labels[1].startswith("Used of the term's pool. 58 used so far, 7 granted so far on 2026-06-20")
    ids = [it["id"] for _, it in parsed.tags if "id" in it and it["id"] in {"rows", "figures", "meaning"}]
    assert sorted(ids) == ["figures", "meaning", "rows"]


def test_a_chart_of_windows_says_its_figures_in_words() -> None:
    [label] = [it["aria-label"] for it in Page(drawn("facilitate-annual", 8)).all("figure")]
    assert label.startswith(
        "Active in each window. from 1 Jan: 11 active, 8 included; from 1 Feb: 7 active, 8 included"
    )


def test_money_is_shown_with_its_currency() -> None:
    assert "€1,234.50" in page(ROW, figures=(Figure("Charges", Money(Decimal("1234.50"), "EUR")),))


@pytest.mark.parametrize("plan", PLANS)
def test_every_colour_of_a_chart_has_another_on_a_dark_page(plan: str) -> None:
    found = drawn(plan)
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]+)"', found))
    assert used <= {*CLASS_COLOURS, LIMIT, FAINT, GRID}
    for colour in used:
        assert re.search(rf'figure svg \[(fill|stroke)="{colour}"\]', found), colour


def luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_has_a_contrast_of_at_least_4_5_in_both_schemes(scheme: int) -> None:
    """WCAG 2.2, 1.4.3: text on the page, and on the band behind figures."""
    roots = re.findall(r":root \{([^}]*)\}", page(ROW))
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", roots[scheme]))
    for ground in ("paper", "band"):
        for text in ("ink", "faint", "alarm"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for mark in ("continuing", "reactivated", "limit"):
        assert contrast(colours[mark], colours["paper"]) >= 3, mark
