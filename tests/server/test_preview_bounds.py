"""Whoever asks for previews keeps nobody from sending facts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from django.db import connection, transaction

from rollbook.server import clock
from rollbook.server.access import throttle
from rollbook.server.live import driver, metering
from rollbook.server.models import Customer, Throttle
from rollbook.server.receiving import preview
from tests.server.callers import Caller, administrator, by_key, code, viewer
from tests.server.world import at, customer, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-01-20T12:00:30"


@pytest.fixture(autouse=True)
def _half_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands in the middle of a minute."""
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)
    monkeypatch.setattr(throttle, "_CALLS", {})


def asked(caller: Caller, *learners: str, organisation: str = "north"):
    facts = [row(it, it, "2026-01-02T09:00", organisation=organisation) for it in learners]
    return caller.post("/preview", {"facts": facts})


@contextmanager
def batch_under_way(of: Customer) -> Iterator[None]:
    """Another connection that holds the customer's lock, as taking in facts does."""
    holds, ends = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                metering.locked([of.pk])
                holds.set()
                ends.wait(60)
        finally:
            connection.close()

    held = threading.Thread(target=hold)
    held.start()
    try:
        assert holds.wait(20)
        yield
    finally:
        ends.set()
        held.join()


def test_a_preview_waits_two_seconds_for_facts_under_way_and_then_says_when_to_come_again() -> None:
    mine = customer()
    subscribe(mine)
    caller = administrator(mine)
    # Whoever asks was counted before: in SQLite a count, too, would wait for the only writer.
    assert asked(caller, "ana").status_code == 200
    with batch_under_way(mine):
        began = time.monotonic()
        answer = asked(caller, "ana") if driver.on_postgresql() else None
        if answer is None:
            with pytest.raises(preview.RefusedError) as refused, preview._waiting():
                raise AssertionError("somebody else writes")
            assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "2")
        else:
            assert (answer.status_code, code(answer), answer["Retry-After"]) == (503, "busy", "2")
        assert 1.5 < time.monotonic() - began < 10
    assert asked(caller, "ana").status_code == 200


def test_a_time_out_of_one_preview_is_not_left_to_what_comes_after_it_on_the_connection() -> None:
    mine = customer()
    subscribe(mine)
    caller = by_key("usage:read", customer=mine)
    question = "show lock_timeout" if driver.on_postgresql() else "pragma busy_timeout"

    def said() -> str:
        with connection.cursor() as cursor:
            cursor.execute(question)
            return str(cursor.fetchone()[0])

    before = said()
    assert before in ("0", "30000")
    assert asked(caller, "ana").status_code == 200
    assert said() == before


def test_a_customers_second_preview_at_once_is_refused_without_waiting_and_anothers_is_not() -> None:
    mine, other = customer(), customer("Southern Academy", ("south",))
    subscribe(mine)
    with preview._turn(frozenset({mine.pk})):
        refused = asked(viewer(mine), "ana")
        assert (refused.status_code, code(refused), refused["Retry-After"]) == (503, "busy", "2")
        # Whoever had waited would be told that facts are being taken in.
        assert "another preview runs" in refused.content.decode()
        assert asked(viewer(other), "bo", organisation="south").status_code == 200
        with preview._turn(frozenset({other.pk})):
            # Two run in this process, which is all that may.
            third = customer("Western Academy", ("west",))
            assert asked(viewer(third), "cy", organisation="west").status_code == 503
    assert asked(viewer(mine), "ana").status_code == 200


def test_previews_hold_a_customers_lock_for_a_third_of_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = customer()
    subscribe(mine)
    caller = viewer(mine)
    assert asked(caller, "ana").status_code == 200
    # What it took was counted, in milliseconds.
    taken = Throttle.objects.get(kind="preview")
    assert 0 < taken.count < preview.SHARE_SECONDS * 1000
    throttle.add("preview", taken.bucket, taken.since, preview.SHARE_SECONDS * 1000)
    refused = asked(caller, "ana")
    # Half of the minute is left: 30 seconds, rounded up.
    assert (refused.status_code, code(refused), refused["Retry-After"]) == (429, "too-many", "31")
    assert send([row("1", "ana", "2026-01-02T09:00")], "2026-01-20T12:00").new == 1
    monkeypatch.setattr(clock, "source_ns", lambda: at("2026-01-20T12:01:00") * 1000)
    assert asked(caller, "bo").status_code == 200


@pytest.mark.usefixtures("ledger")
def test_a_preview_that_goes_on_into_a_minute_is_booked_to_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins at 12:00:55 and takes 9 seconds: 4 of the minute that begins then, which is what others wait for."""
    mine = customer()
    subscribe(mine)
    now_us = at("2026-01-20T12:00") + 55_000_000
    bucket = mine.pk if driver.on_postgresql() else 0
    seconds = iter([100.0, 109.0])
    with monkeypatch.context() as patched:
        patched.setattr(preview, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
        with preview._share(frozenset({mine.pk}), now_us):
            pass
    assert throttle.added("preview", bucket, at("2026-01-20T12:01") // 10**6) == 4001
