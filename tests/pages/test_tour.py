"""Every page, walked: for everybody, at any width, in light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from rollbook.server.pages.registry import PAGES, patterns
from tests.pages.browsing import open_everything
from tests.pages.screenshots import INDEX, names
from tests.pages.tour import PARTS, TOUR

CLOSE_MENUS = "document.querySelectorAll('details.menu').forEach((it) => { it.open = false })"
PICTURES = Path(__file__).parents[2] / "docs" / "screenshots"
AXE = Axe().axe_script
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page, within: str = "html") -> list[str]:
    """What axe-core finds within an element, in words."""
    page.evaluate(AXE)
    found = page.evaluate(
        """([within, tags]) => document.querySelector(within) === null ? {violations: []} : axe.run(
             {include: [[within]]}, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})""",
        [within, TAGS],
    )
    return [
        f"{it['id']}: {node['target']} {node['failureSummary']}" for it in found["violations"] for node in it["nodes"]
    ]


def test_every_page_is_on_the_tour():
    patterns()
    there = {it.page for it in TOUR if it.page} | PARTS
    # What is a form and no page stands on the page that has it.
    assert {name for name, it in PAGES.items() if "GET" in it.methods} <= there <= set(PAGES)


def test_every_page_has_its_four_pictures_in_the_documentation_and_their_index():
    kept = {name for it in TOUR if it.photographed for name in names(it)}
    assert {it.page for it in TOUR if it.photographed} == {it.page for it in TOUR}
    assert {it.name for it in PICTURES.glob("*") if it.name != INDEX} == kept
    index = (PICTURES / INDEX).read_text(encoding="utf-8")
    # Each is shown, and leads to itself.
    assert [name for name in sorted(kept) if index.count(f"({name})") != 2] == []


@pytest.mark.parametrize("stop", TOUR, ids=lambda it: it.name)
def test_axe_finds_nothing_in_light_or_dark_and_nothing_scrolls_sideways_on_a_phone(visit, stop):
    # In German, whose words are longer.
    page = visit(stop.who, stop.path, language="de")
    page.wait_for_load_state("networkidle")
    # Whoever is signed in finds the way to other pages on each: the overview, help, and what they may see.
    assert page.locator("#side nav li").count() > 2 or not stop.who
    open_everything(page)
    # Menus lie over what is below them, which is looked at without them.
    assert violations(page, ".menu") == []
    page.evaluate(CLOSE_MENUS)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []
    open_everything(page)
    assert violations(page, ".menu") == []
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.evaluate(CLOSE_MENUS)
    # A page that only hides what is too wide would pass: nothing may stand outside either, but what scrolls by itself.
    outside = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter((it) => {
             const box = it.getBoundingClientRect();
             return box.width > 0 && box.right > 361 && !it.closest('.hidden, .tabs, .scrolls, pre, svg, thead');
           }).map((it) => it.outerHTML.slice(0, 120))"""
    )
    assert outside == []
