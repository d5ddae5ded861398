"""Who agrees to a stopped run beside others who agree, the worker, or somebody who acts by hand: it is done once.

Workers and people are threads here, each with a connection of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections, transaction

from rollbook.server.live import driver, metering
from rollbook.server.models import Audit, Customer, Endpoint, RosterRequest, RulesRun
from rollbook.server.notices.webhooks import new_secret
from rollbook.server.receiving import rules
from rollbook.server.receiving import rules_running as running
from rollbook.server.refusals import RefusedError
from tests.server.test_rules_runs import admin, at, enabled, enrolment, night, states, stopped
from tests.server.test_worker_jobs import at_once
from tests.server.world import row, send

pytestmark = pytest.mark.usefixtures("ledger")

WAITS_SECONDS = 1.0
"""Until somebody who is held up has come to where they wait."""


def enabled_times() -> int:
    """How many facts of the source rollbook enabled an enrolment."""
    with driver.own_cursor() as cursor:
        sql = "select count(*) from fact where source = 'rollbook' and type = 'enrolment.enabled'"
        return cursor.execute(sql).fetchone()[0]


def agreeing(mine: Customer, run: RulesRun, now: str) -> Callable[[], str]:
    """What becomes of somebody who agrees: the state of the run, or the code of what refused it."""
    who, now_us = admin(mine), at(now)

    def agree() -> str:
        try:
            return rules.agree(who, mine, run.pk, run.digest, now_us).state
        except RefusedError as error:
            return error.code

    return agree


@contextmanager
def held(mine: Customer) -> Iterator[None]:
    """A transaction that has the customer's lock. (In SQLite it is the one that writes.)"""
    with transaction.atomic():
        metering.locked([mine.pk])
        Customer.objects.filter(pk=mine.pk).update(name=mine.name)
        yield


def meanwhile(work: Callable[[], Any], within: Callable[[], Any], mine: Customer) -> Any:
    """What `work` gives that began while somebody else had the lock, who did something then."""
    got: list[Any] = []

    def one() -> None:
        try:
            got.append(work())
        finally:
            connections.close_all()

    with held(mine):
        thread = threading.Thread(target=one)
        thread.start()
        time.sleep(WAITS_SECONDS)
        within()
    thread.join()
    return got[0]


def test_two_who_agree_at_once_are_both_told_that_it_was_done_and_it_was_done_once():
    mine, run = stopped()
    agree = agreeing(mine, run, "2026-01-02T15:00")
    assert at_once(agree, times=3) == ["agreed"] * 3
    assert Audit.objects.filter(action="rules.agreed").count() == 1
    assert enabled_times() == 2
    assert enabled(mine, "2026-01-02T15:01") == ["ana", "bo"]


def test_who_agrees_while_another_is_in_the_midst_of_it_has_it_done_once():
    mine, run = stopped()
    first, second = (agreeing(mine, run, f"2026-01-02T15:0{n}") for n in range(2))
    assert meanwhile(second, first, mine) == "agreed"
    assert enabled_times() == 2


def test_what_somebody_does_by_hand_before_it_is_done_is_seen():
    """Cy comes while the one who agrees waits for the lock: three would be enabled, where two were shown."""
    mine, run = stopped()
    came = enrolment("cy", "2026-01-01", "2026-03-01")
    agree = agreeing(mine, run, "2026-01-02T15:00")
    assert meanwhile(agree, lambda: send(came, "2026-01-02T14:59"), mine) == "run-outdated"
    assert enabled(mine, "2026-01-02T16:00") == []
    assert RulesRun.objects.get().newly_active == 3


def test_who_agrees_while_the_worker_runs_comes_too_late_and_the_run_of_the_day_asks():
    mine, run = stopped()
    agree = agreeing(mine, run, "2026-01-03T00:00:09")
    assert meanwhile(agree, lambda: night("2026-01-03T00:00:10"), mine) == "overtaken"
    assert states() == [("01-02", "stopped"), ("01-03", "stopped")]
    assert enabled_times() == 0


@pytest.mark.parametrize("now", ["2026-01-02T23:59:59", "2026-01-03T00:00:05"])
def test_what_is_agreed_to_while_the_worker_decides_is_not_done_a_second_time(
    monkeypatch: pytest.MonkeyPatch, now: str
):
    """The worker has decided on two and waits; they are enabled by somebody who agrees, before or after midnight."""
    mine, run = stopped()
    agree, decide, said = agreeing(mine, run, now), running.evaluate, []

    def decided(*given: Any, **named: Any) -> running.Evaluated:
        found = decide(*given, **named)
        if not said:
            said.append("")
            said[0] = at_once(agree, times=1)[0]
        return found

    monkeypatch.setattr(running, "evaluate", decided)
    assert night("2026-01-03T00:00:10") == 1
    assert said == ["agreed"]
    assert enabled_times() == 2
    assert states() == [("01-02", "agreed"), ("01-03", "nothing")]


def test_what_is_agreed_to_after_midnight_before_the_worker_comes_is_not_done_a_second_time_and_dated_back():
    """Agreed to at five past, and the worker comes at ten past: nobody is enabled since midnight."""
    mine, run = stopped()
    events = ["roster.requested"]
    Endpoint.objects.create(customer=mine, url="https://lms.example/hook", secret=new_secret(), events=events)
    assert agreeing(mine, run, "2026-01-03T00:05:00")() == "agreed"
    night("2026-01-03T00:10:00")
    assert states() == [("01-02", "agreed"), ("01-03", "nothing")]
    assert enabled(mine, "2026-01-03T00:04") == []
    assert enabled(mine, "2026-01-03T00:06") == ["ana", "bo"]
    assert enabled_times() == RosterRequest.objects.count() == 2


def test_the_run_of_the_day_does_what_was_not_agreed_to():
    """Agreed to at five past; cy's enrolment becomes known at seven past, and is enabled by the run of the day."""
    mine, run = stopped(budget=1)
    agreeing(mine, run, "2026-01-03T00:05:00")()
    send(enrolment("cy", "2026-01-03", "2026-03-01"), "2026-01-03T00:07")
    night("2026-01-03T00:10:00")
    assert states() == [("01-02", "agreed"), ("01-03", "done")]
    assert enabled(mine, "2026-01-03T00:11") == ["ana", "bo", "cy"]


def test_whoever_acts_by_hand_after_somebody_agreed_keeps_the_last_word():
    mine, run = stopped()
    agreeing(mine, run, "2026-01-03T00:05:00")()
    send([row("by hand", "ana", "2026-01-03T00:06", "enrolment.disabled", object="Welding")], "2026-01-03T00:07")
    night("2026-01-03T00:10:00")
    night("2026-01-04T00:00:10")
    assert enabled(mine, "2026-01-04T01:00") == ["bo"]
