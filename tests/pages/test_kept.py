"""What is kept of figures is never shown when they are others."""

from __future__ import annotations

import pytest
from django.test import Client

from rollbook.server import clock
from rollbook.server.pages.kept import kept, version_of
from tests.server import callers, world
from tests.server.world import row, send

pytestmark = pytest.mark.usefixtures("ledger")


def test_figures_that_hold_are_made_once_and_others_at_once(monkeypatch):
    stored = world.subscribe(world.customer(), "monthly-login", quantity=5)
    now = ["2026-01-20T12:00:00"]
    monkeypatch.setattr(clock, "source_ns", lambda: world.at(now[0]) * 1000)
    made = []

    def ask() -> int:
        return kept("test", stored, version_of(stored), lambda _: made.append(1) or len(made))

    assert (ask(), ask()) == (1, 1)
    send([row("1", "ana", "2026-01-10T09:00")], "2026-01-20T12:00")
    assert ask() == 2
    now[0] = "2026-01-20T12:00:59"
    assert ask() == 2
    now[0] = "2026-01-20T12:01:01"
    assert ask() == 3
    # A clock that was put back.
    now[0] = "2026-01-20T11:00:00"
    assert ask() == 4


def test_readers_of_one_plan_see_their_own_language_and_never_another_plan():
    north, south = world.customer("North", ("north",)), world.customer("South", ("south",))
    one, other = (world.subscribe(it, "monthly-login", quantity=5) for it in (north, south))
    send([row("1", "ana", "2026-01-10T09:00")], "2026-01-20T12:00")
    client = Client()
    client.force_login(callers.user("operator"))

    def said(number: int, language: str) -> str:
        return client.get(f"/subscriptions/{number}/usage", headers={"Accept-Language": language}).content.decode()

    for _ in range(2):
        assert "Month by month" in said(one.pk, "en")
        assert "Monat für Monat" in said(one.pk, "de")
        assert "North" in said(one.pk, "en")
        assert "South" in said(other.pk, "en")
        assert "North" not in said(other.pk, "en")
