"""Whatever stands behind the question mark of a page's address, the server answers it, and never by a mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rollbook.server.pages import registry
from rollbook.server.pages.registry import PAGES
from tests.pages.test_pages_by_role import World

pytestmark = pytest.mark.usefixtures("ledger")

NAMES = (
    *(
        "after",
        "before",
        "code",
        "sender",
        "actor",
        "action",
        "failed",
        "figures",
        "for",
        "kind",
        "mark",
        "next",
        "plan",
    ),
    *("q", "search", "set", "state", "version", "window", "approvals", "customer", "disputed", "held", "sales"),
    *("subscription", "withheld", "organisation", "class", "standing", "order", "list", "counted", "now", "limit"),
    *("learners", "rate", "guests", "courses", "growth", "start", "months", "price-monthly-login", "refused", "type"),
)
"""What pages ask for, and some that they do not."""

VALUES = {
    "a number that no database holds": "9" * 400,
    "less than nothing": "-1",
    "no number": "NaN",
    "endless": "1e999",
    "a digit that is none": "%C2%B2",
    "a nought byte": "a%00b",
    "half a character": "%ED%A0%80",
    "no UTF-8": "%FF%FE",
    "a quote": "%27%22%3B--%25_%5C",
    # Unescaping takes two milliseconds a value where all of it is escaped.
    "a very long text": "%F0%9F%8E%93" * 50 + "x" * 6000,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_page_is_asked_for_nothing_that_breaks_it(value: str) -> None:
    there = World()
    query = "&".join(f"{name}={value}" for name in NAMES)
    client = there.client("op")
    client.raise_request_exception = False
    broken = {}
    for name, page in PAGES.items():
        if "GET" in page.methods:
            answer = client.get(f"{there.address(name)}?{query}")
            if answer.status_code >= 500:
                broken[name] = answer.status_code
            answer.close()
    assert broken == {}


def test_no_page_sees_a_nought_byte() -> None:
    """PostgreSQL can hold none: in an address, behind its question mark or in a form it is told so before any view."""
    there = World()
    client = there.client("op")
    assert client.get("/plan-editor?plan=a%00b").status_code == 400
    assert client.get("/plans/a%00b").status_code == 400
    answer = client.post("/plan-editor", {"text": "plan: \0"})
    assert answer.status_code == 400
    assert "The request cannot be read" in answer.content.decode()


FIELDS = re.compile(r"""(?:POST(?:\.get|\.getlist)?[(\[]|name=)"([a-z_-]+)"|^    ([a-z_]+) = forms\.""", re.MULTILINE)
SOURCES = Path(registry.__file__).parents[1]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_form_is_sent_nothing_that_breaks_its_page(value: str) -> None:
    """Every field that any form has, with the same value."""
    there = World()
    files = [*(SOURCES / "pages").rglob("*.py"), *(SOURCES / "templates").rglob("*.html")]
    names = {one or other for file in files for one, other in FIELDS.findall(file.read_text())}
    assert {"do", "reason", "name", "email", "url", "text"} <= names
    client = there.client("op")
    client.raise_request_exception = False
    broken = {}
    for name, page in PAGES.items():
        if "POST" in page.methods:
            for act in (value, "dispute", "approve", "add", "change", "test", "remove"):
                body = "&".join(f"{field}={act if field == 'do' else value}" for field in sorted(names))
                answer = client.post(there.address(name), body, content_type="application/x-www-form-urlencoded")
                if answer.status_code >= 500:
                    broken[name, act] = answer.status_code
    assert broken == {}
