"""The documentation as pages."""

from __future__ import annotations

import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import expect

from rollbook.server.pages import documentation, guide
from rollbook.server.pages.connect import KINDS
from rollbook.server.pages.documentation import documents, search
from rollbook.server.pages.registry import PAGES, patterns
from tests.pages.test_pages_by_role import World
from tests.pages.tour import PARTS
from tests.server import callers

ROOT = Path(documentation.CHECKOUT)


class Anchors(HTMLParser):
    """Ids and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids, self.links, self.tags = set(), [], set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.ids |= {value for name, value in attrs if name == "id"}
        self.links += [value for name, value in attrs if name == "href"]


def test_every_document_is_a_page_and_every_link_within_them_leads_somewhere():
    found = {name: Anchors(it.html) for name, it in documents().items()}
    assert {"advice", "rules", "server/operation", "server/senders", "guides/moodle"} <= set(found)
    own = [(name, link) for name, it in found.items() for link in it.links if not link.startswith("http")]
    assert len(own) > 25
    for name, link in own:
        target, _, anchor = link.partition("#")
        assert target in ("", *(f"/help/{it}" for it in found)), (name, link)
        if anchor:
            there = target.removeprefix("/help/") or name
            assert anchor in found[there].ids, (name, link)


def test_where_pages_lead_into_the_documentation_there_is_something():
    for kind in KINDS:
        there = Anchors(documents()[kind.document].html)
        assert not kind.heading or kind.heading in there.ids, kind


def test_every_page_has_a_section_of_the_documentation_and_every_section_is_there():
    patterns()
    whole = {name for name, it in PAGES.items() if "GET" in it.methods} - PARTS - {"help", "help-page"}
    assert set(guide.SECTIONS) == whole
    for name, section in guide.SECTIONS.items():
        document, _, heading = section.partition("#")
        assert heading in Anchors(documents()[document].html).ids, name


@pytest.mark.usefixtures("ledger")
def test_the_help_beside_each_heading_leads_to_a_heading():
    there = World()
    client = there.client("op")
    for name in guide.SECTIONS:
        [link] = re.findall(r'<a class="guide" href="([^"]+)"', client.get(there.address(name)).content.decode())
        path, _, heading = link.partition("#")
        answer = client.get(path)
        assert answer.status_code == 200, name
        assert heading in Anchors(answer.content.decode()).ids, name
    # Help leads nowhere further, and neither does a page that is not there.
    for path in ("/help", "/subscriptions/999/usage"):
        assert 'class="guide"' not in client.get(path).content.decode()


def test_html_in_a_document_is_shown_and_never_run():
    text = "# T <b>x</b>\n\n<script>alert(1)</script>\n\n[a](javascript:alert(1)) <img src=x onerror=alert(1)>\n\n```\n<i>\n```\n"
    made = documentation._read("docs/x.md", text, frozenset())
    assert not {"script", "img", "i", "b"} & Anchors(made.html).tags
    assert Anchors(made.html).links == []
    assert "&lt;script&gt;" in made.html


def test_a_link_to_a_file_that_is_not_here_is_plain_text():
    made = documentation._read(
        "docs/server/x.md", "# T\n\n[see](../../src/y.csv) [more](a.md#b)\n", frozenset({"docs/server/a.md"})
    )
    assert Anchors(made.html).links == ["/help/server/a#b"]
    assert "see" in made.html


def test_headings_are_found_by_their_words_in_any_order():
    found = [(it.document.name, it.heading.words) for it in search("edx OPEN")]
    assert ("server/senders", "Open edX") in found
    assert search("") == []
    assert search("no heading says this") == []


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "server/../../src/rollbook/errors", "nothing", "docs/generate_cli"]
)
def test_nothing_else_is_ever_read(name):
    client = Client()
    client.force_login(callers.user("operator"))
    assert client.get(f"/help/{name}").status_code == 404


def test_a_wheel_carries_every_document():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    carried = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert all(to == f"rollbook/server/documentation/{it}" for it, to in carried.items())
    for it in documents().values():
        assert it.path in carried or it.folder in carried, it.path


def test_whoever_reads_finds_by_typing_and_jumps_to_the_heading(visit):
    page = visit("viewer mau", "/help")
    page.get_by_role("searchbox").press_sequentially("backups")
    page.get_by_role("link", name="Backups").first.click()
    assert re.search(r"/help/server/operation#backups$", page.url)
    contents = page.get_by_role("navigation", name="On this page")
    contents.get_by_role("link", name="Watching").click()
    assert page.url.endswith("#watching")
    expect(page.locator("#watching")).to_be_visible()


def test_the_search_works_without_a_script(visit):
    page = visit("viewer mau", "/help", java_script_enabled=False)
    page.get_by_role("searchbox").fill("nothing of the kind")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Try another word, or fewer")).to_be_visible()
