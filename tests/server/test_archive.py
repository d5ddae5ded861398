"""Deeds of closed windows move to the archive; counts, accounts, statements and answers stay what they were."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from rollbook.ledger import read_manifest
from rollbook.server.billing import archiving, closing
from rollbook.server.configuration import Configuration
from rollbook.server.live import archive, contracts, explaining, metering, people
from rollbook.server.models import Customer, Statement, Subscription
from rollbook.server.refusals import RefusedError

from . import world

pytestmark = pytest.mark.usefixtures("ledger", "archived")

NOW = "2026-04-20T00:00"
"""January, February and March are closed by then."""


def term() -> Subscription:
    """A year of monthly logins of Northern Academy, three windows of it closed; ana came each month, bo in January."""
    stored = world.subscribe(world.customer())
    views = [world.row(f"view-{day}", "cy", f"2026-02-{day:02}T09:00", "course.viewed") for day in range(1, 11)]
    world.send(views, NOW)
    rows = [world.row(f"ana-{month}", "ana", f"2026-0{month}-05T09:00") for month in (1, 2, 3, 4)]
    rows += [world.row("bo-1", "bo", "2026-01-07T09:00", attributes='{"note":"hello bo"}')]
    rows += [world.row("on", "cy", "2026-01-02T09:00", "enrolment.enabled", object="A")]
    world.send(rows, NOW)
    closing.close_due(world.at(NOW))
    assert Statement.objects.filter(subscription=stored).count() == 3
    return stored


def move(stored: Subscription, now: str = NOW) -> int:
    return archiving.move(stored.customer_id, datetime.fromisoformat(now).replace(tzinfo=UTC))


def stored_ids() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("select id from fact order by id")
        return [id_ for (id_,) in cursor.fetchall()]


def live(stored: Subscription) -> Any:
    stored = Subscription.objects.get(pk=stored.pk)
    found = metering.account_of(contracts.live(stored), world.at(NOW) + 1)
    return {it.window.number: it.active for it in found.consumption if it.active}


def account(stored: Subscription, learner: str) -> dict[int, list[tuple[str, str]]]:
    """The lines of somebody's account, by window."""
    surrogate = people.surrogate(stored.customer_id, learner)
    assert surrogate
    told = explaining.explain_learner(stored, surrogate, world.at(NOW))
    return {it.window.number: [(line.fact.id, line.disposition) for line in it.lines] for it in told.windows}


def test_deeds_of_closed_windows_leave_the_table_and_all_else_stays() -> None:
    stored = term()
    before = live(stored)
    # Three of ana's in January, February and March, one of bo's, ten views; the enrolment is a status.
    assert move(stored) == 3 + 1 + 10
    assert stored_ids() == ["ana-4", "on"]
    assert live(stored) == before == {1: 2, 2: 1, 3: 1, 4: 1}
    assert world.differences(stored) == []
    row = Customer.objects.get(pk=stored.customer_id)
    assert row.archived_facts == 14
    assert read_manifest(archive.folder_of(row.pk, 1)).facts == 14


def test_moving_again_moves_nothing() -> None:
    stored = term()
    move(stored)
    assert move(stored) == 0


def test_the_account_of_a_learner_is_told_from_both_places() -> None:
    stored = term()
    before = {name: account(stored, name) for name in ("ana", "bo", "cy")}
    move(stored)
    assert {name: account(stored, name) for name in ("ana", "bo", "cy")} == before
    assert before["ana"][2] == [("ana-2", "counted")]


def test_what_a_sender_wrote_beside_a_fact_stays_where_it_can_be_forgotten(archived: Path) -> None:
    stored = term()
    move(stored)
    surrogate = people.surrogate(stored.customer_id, "bo")
    told = explaining.explain_learner(stored, str(surrogate), world.at(NOW))
    assert [line.fact.attributes for it in told.windows for line in it.lines] == ['{"note":"hello bo"}']
    for path in archived.rglob("*"):
        assert not path.is_file() or b"hello bo" not in path.read_bytes()


def test_a_late_fact_of_an_archived_window_counts_beside_what_was_archived() -> None:
    stored = term()
    move(stored)
    # February had ana alone; bo comes late, and ana's other login changes nothing.
    world.send([world.row("late", "bo", "2026-02-09T09:00"), world.row("more", "ana", "2026-02-20T09:00")], NOW)
    assert live(stored) == {1: 2, 2: 2, 3: 1, 4: 1}
    assert world.differences(stored) == []
    assert account(stored, "ana")[2] == [("ana-2", "counted"), ("more", "counted")]


def test_a_void_takes_back_what_was_archived() -> None:
    stored = term()
    move(stored)
    world.send([world.row("void", "", "2026-04-10T09:00", "fact.voided", voids="bo-1")], NOW)
    assert live(stored) == {1: 1, 2: 1, 3: 1, 4: 1}
    assert world.differences(stored) == []


def test_a_link_joins_what_was_archived() -> None:
    stored = term()
    move(stored)
    world.send([world.row("link", "ana", "2026-01-06T09:00", "identity.linked", object="bo")], NOW)
    # From the 6th of January on bo is ana, who counted already.
    assert live(stored) == {1: 1, 2: 1, 3: 1, 4: 1}
    assert world.differences(stored) == []


def test_the_same_fact_again_is_a_repeat_and_another_content_a_conflict() -> None:
    stored = term()
    move(stored)
    again = world.send([world.row("ana-1", "ana", "2026-01-05T09:00")], NOW)
    other = world.send([world.row("ana-1", "bo", "2026-01-05T09:00")], NOW)
    assert (again.repeats, again.new) == (1, 0)
    assert [it.code for it in other.rejected] == ["conflict"]


def test_closing_goes_on_and_books_what_came_late() -> None:
    stored = term()
    move(stored)
    world.send([world.row("late", "bo", "2026-02-09T09:00")], NOW)
    assert closing.close_due(world.at("2026-05-20T00:00")) == 1
    last = Statement.objects.filter(subscription=stored).latest("number")
    assert last.window_number == 4
    assert stored.statements.count() == 4
    assert move(stored, "2026-05-20T00:00") == 2
    assert stored_ids() == ["on"]
    assert world.differences(stored) == []


def test_a_term_that_begins_later_counts_all_that_was_archived() -> None:
    stored = term()
    move(stored)
    other = world.subscribe(stored.customer, "monthly-login", now=NOW, kind="shadow", meter="other")
    assert live(other) == live(stored)
    assert world.differences(other) == []


def test_a_term_that_is_over_holds_nothing_back() -> None:
    stored = term()
    closing.close_due(world.at("2027-02-20T00:00"))
    assert stored.statements.count() == 12
    following = world.subscribe(stored.customer, start=date(2027, 1, 1), now="2027-02-20T00:00")
    world.send([world.row("2027", "ana", "2027-01-05T09:00")], "2027-02-20T00:00")
    # Of the new term no window is closed yet.
    assert move(stored, "2027-02-20T00:00") == 15
    assert stored_ids() == ["2027", "on"]
    closing.close_due(world.at("2027-02-25T00:00"))
    assert following.statements.count() == 1
    # January 2027 is, and the old term's closings have looked at what came after it.
    assert move(stored, "2027-02-25T00:00") == 1
    for one in (stored, following):
        assert world.differences(one) == []


def test_a_month_is_moved_at_a_time(archived: Path) -> None:
    stored = term()
    now = datetime.fromisoformat(NOW).replace(tzinfo=UTC)
    # January: ana and bo.
    assert archiving.move(stored.customer_id, now, months_most=1) == 2
    assert archiving.move(stored.customer_id, now, months_most=1) == 1 + 10
    assert world.differences(stored) == []
    assert archived.stat().st_mode & 0o777 == 0o700


def test_what_was_written_and_not_taken_out_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = term()
    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_take_out", lambda *_: 0)
        move(stored)
    before = live(stored)
    assert read_manifest(archive.folder_of(stored.customer_id, 1)).facts > 0
    assert world.differences(stored) == []
    assert account(stored, "bo")[1] == [("bo-1", "counted")]
    assert move(stored) == 14
    assert live(stored) == before
    assert world.differences(stored) == []


def test_without_its_archive_nothing_of_its_windows_is_counted(archived: Path) -> None:
    stored = term()
    move(stored)
    shutil.rmtree(archived)
    with pytest.raises(RefusedError) as caught:
        world.send([world.row("late", "bo", "2026-02-09T09:00")], NOW)
    assert (caught.value.status, caught.value.code) == (503, "archive-missing")
    assert "late" not in stored_ids()
    # The present needs none of it.
    world.send([world.row("now", "bo", "2026-04-09T09:00")], NOW)
    assert live(stored)[4] == 2


def test_an_older_copy_of_the_archive_is_refused(archived: Path) -> None:
    stored = term()
    now = datetime.fromisoformat(NOW).replace(tzinfo=UTC)
    archiving.move(stored.customer_id, now, months_most=1)
    shutil.copytree(archived, archived.parent / "older")
    move(stored)
    shutil.rmtree(archived)
    (archived.parent / "older").rename(archived)
    with pytest.raises(RefusedError, match="2 facts"):
        account(stored, "ana")


def test_entries_of_guests_stay_in_the_table() -> None:
    row = world.customer()
    rules = """
        [meter]
        counts = ["login"]
        guests = "each-entry"
        [window]
        kind = "calendar-month"
        """
    stored = world.subscribe(row, world.own_plan(rules))
    world.send([world.row("g", "", "2026-01-05T09:00", role="guest"), world.row("a", "ana", "2026-01-06T09:00")], NOW)
    closing.close_due(world.at(NOW))
    assert move(stored) == 1
    assert stored_ids() == ["g"]
    assert world.differences(stored) == []


def test_nothing_is_moved_of_a_plan_that_switches_by_deeds_and_what_was_moved_before_counts_under_it() -> None:
    stored = term()
    rules = """
        [meter]
        counts = ["course.viewed"]
        while = { on = ["login"], off = ["account.disabled"] }
        [window]
        kind = "calendar-month"
        """
    row = stored.customer
    world.send([world.row("cy", "cy", "2026-01-03T09:00")], NOW)
    closing.close_due(world.at("2026-05-20T00:00"))
    assert move(stored, "2026-05-20T00:00") == 16
    # Whoever has logged in counts when they look: cy, by a login that is archived.
    other = world.subscribe(row, world.own_plan(rules), now=NOW, meter="looks")
    assert live(other) == {2: 1}
    world.send([world.row("look", "ana", "2026-06-02T09:00", "course.viewed")], "2026-06-03T00:00")
    assert world.active(other, "2026-06-03T00:00")[6] == 1
    assert world.differences(other) == []
    assert archiving.bounds_of(row) is None


def test_nothing_is_moved_before_its_window_is_closed() -> None:
    stored = world.subscribe(world.customer())
    world.send([world.row("a", "ana", "2026-01-06T09:00")], "2026-01-07T00:00")
    assert move(stored, "2026-01-20T00:00") == 0


def test_no_archive_no_move(monkeypatch: pytest.MonkeyPatch) -> None:
    term()
    assert archiving.due()
    values = {**settings.CONFIGURATION.values, "ROLLBOOK_ARCHIVE": ""}
    monkeypatch.setattr(settings, "CONFIGURATION", Configuration(values))
    assert archiving.due() == []
