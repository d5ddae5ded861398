"""Chromium by Playwright, and people in it. The browser is Debian's; Playwright's own is never downloaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from tests.pages.site import PASSWORD, Site

CHROMIUM = "/usr/bin/chromium"
HOW_TO_GET_IT = "no Chromium: apt-get install chromium"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HEIGHT = 900

EXPECTED = ("the server responded with a status of 4", "htmx:sendAbort", "htmx:afterRequest")
"""What the console calls errors and is none. That a page answered 403, 404 or 422 is what some tests ask for. Who goes
on while a list is still being fetched aborts that request, which htmx says twice; of one that failed it says
`htmx:sendError` besides."""


@contextmanager
def browser() -> Iterator[Any]:
    """A browser that runs while the context lasts."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - other tests need no browser

    # Playwright waits in an event loop of this thread, in which Django would refuse to ask its database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield running
        finally:
            running.close()


class Visitors:
    """People of a site, each signed in once, by the form, until the `with` ends."""

    def __init__(self, running: Any, there: Site) -> None:
        self.running, self.there = running, there
        self.states: dict[str, Any] = {}
        self.contexts: list[Any] = []

    def page(
        self,
        who: str,
        width: int = 1280,
        theme: str = "light",
        language: str = "en-GB",
        height: int = HEIGHT,
        **more: Any,
    ) -> Any:
        """A tab of somebody; '' is nobody. `page.said` are errors of its console."""
        if who and who not in self.states:
            self.states[who] = self._signed_in(who)
        context = self.running.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            locale=language,
            reduced_motion="reduce",
            storage_state=self.states.get(who),
            **more,
        )
        self.contexts.append(context)
        page = context.new_page()
        page.said = []
        page.on("console", lambda it: _heard(page, it))
        page.on("pageerror", lambda it: page.said.append(str(it)))
        return page

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        """All tabs are closed."""
        for context in self.contexts:
            context.close()

    def _signed_in(self, who: str) -> Any:
        context = self.running.new_context()
        page = context.new_page()
        page.goto(f"{self.there.url}/signin")
        page.get_by_label("E-mail address").fill(self.there.people[who])
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(f"{self.there.url}/")
        state = context.storage_state()
        context.close()
        return state


def _heard(page: Any, message: Any) -> None:
    if message.type == "error" and not any(it in message.text for it in EXPECTED):
        page.said.append(message.text)


def open_everything(page: Any) -> None:
    """What is folded is a part of the page too."""
    page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true })")
