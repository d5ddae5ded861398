"""One browser and one server for all of these tests.

Without Chromium they skip, loudly, and where helpers are required (ROLLBOOK_REQUIRE) they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.pages import browsing
from tests.pages.site import Site, site
from tests.server.conftest import _database_there, ledger

__all__ = ["_database_there", "ledger"]


@pytest.fixture(scope="session")
def there() -> Iterator[Site]:
    """The server."""
    with site() as found:
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The browser."""
    if shutil.which("chromium") is None:
        (pytest.fail if os.environ.get("ROLLBOOK_REQUIRE") else pytest.skip)(browsing.HOW_TO_GET_IT)
    expect.set_options(timeout=20_000)  # a crowded machine takes its time
    with browsing.browser() as running:
        yield running


@pytest.fixture(scope="session")
def visitors(there: Site, browser: Any) -> Iterator[browsing.Visitors]:
    """People who are signed in."""
    with browsing.Visitors(browser, there) as found:
        yield found


@pytest.fixture
def visit(visitors: browsing.Visitors) -> Iterator[Callable[..., Any]]:
    """`visit("administrator mau", "/", width=390)` opens a page as somebody; it is closed after the test."""
    pages = []

    def opened(who: str, path: str = "/", **how: Any) -> Any:
        page = visitors.page(who, **how)
        pages.append(page)
        if path:
            page.goto(visitors.there.url + visitors.there.path(path))
        return page

    yield opened
    for page in pages:
        page.close()
        assert page.said == [], "the browser's console has something to say"
