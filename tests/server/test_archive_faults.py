"""What may go wrong around an archive: a folder that is away, a restored database, damage, and who does what at once."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from rollbook.errors import LedgerError, RollbookError
from rollbook.intake import ReadOptions
from rollbook.ledger import build
from rollbook.server import erasure
from rollbook.server.billing import archiving, closing
from rollbook.server.configuration import ConfigurationError, configuration
from rollbook.server.live import archive, metering, people, snapshots
from rollbook.server.models import Customer, Done, Person, Subscription
from rollbook.server.observing.telemetry import Stored
from rollbook.server.operation import jobs
from rollbook.server.refusals import RefusedError
from tests import server_settings

from . import callers, world
from .test_archive import NOW, account, live, move, stored_ids, term

pytestmark = pytest.mark.usefixtures("ledger", "archived")

LATER = "2026-05-20T00:00"
"""April is closed by then."""


def april() -> None:
    """One more window is closed, with two facts to be moved."""
    world.send([world.row("april", "bo", "2026-04-10T09:00")], NOW)
    assert closing.close_due(world.at(LATER)) == 1


def last_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select max(number) from fact_key")
        return int(cursor.fetchone()[0])


def written(stored: Subscription, id_: str, number: int, day: str, learner: str = "cy") -> None:
    """Writes a fact into the archive that the database does not know, as a later move did before it was restored."""
    texts: dict[str, Any] = dict.fromkeys(snapshots.STORED, "")
    texts |= {"id": id_, "source": "lms", "at_us": world.at(day), "recorded_us": world.at(NOW), "organisation": "north"}
    texts |= {"type": "login", "role": "learner", "learner": people.surrogate(stored.customer_id, learner)}
    texts |= {"attributes": str(number)}
    folder = archive.folder_of(stored.customer_id, 1)
    file = folder.parent / "written.parquet"
    snapshots.write_facts([[(number, *(texts[name] for name in snapshots.STORED))]], file)
    assert build(folder, [str(file)], ReadOptions(), at=datetime(2026, 5, 1, tzinfo=UTC)).record.added == 1


def test_nothing_is_moved_into_another_folder_while_the_archive_is_away(archived: Path) -> None:
    stored = term()
    move(stored)
    april()
    archived.rename(archived.with_name("unmounted"))
    for act in (archiving.due, lambda: move(stored, LATER)):
        with pytest.raises(LedgerError, match="no such folder"):
            act()
    archived.mkdir()
    with pytest.raises(LedgerError, match=f"customer {stored.customer_id} were moved there"):
        archiving.due()
    with pytest.raises(RefusedError, match="is not where"):
        move(stored, LATER)
    assert _archives_missing() == 1
    archived.rmdir()
    assert stored_ids() == ["ana-4", "april", "on"]
    archived.with_name("unmounted").rename(archived)
    assert _archives_missing() == 0
    assert move(stored, LATER) == 2
    assert world.differences(stored) == []


def test_what_a_restored_database_does_not_know_never_counts() -> None:
    stored = term()
    move(stored)
    written(stored, "lost", last_number() + 1, "2026-02-09T09:00")
    assert world.differences(stored) == []
    # The number of the lost fact is given out again, and moved beyond.
    april()
    assert move(stored, LATER) == 2
    assert Customer.objects.get(pk=stored.customer_id).archived_generation == 2
    assert world.differences(stored) == []
    assert len(account(stored, "cy")[2]) == 10
    assert "lost" not in str(account(stored, "cy"))


def test_facts_that_are_sent_again_after_a_restore_are_moved_again() -> None:
    stored = term()
    # Before the restore this fact had another number.
    written(stored, "bo-1", last_number() + 7, "2026-01-07T09:00", "bo")
    assert move(stored) == 14
    assert Customer.objects.get(pk=stored.customer_id).archived_generation == 2
    assert world.differences(stored) == []
    assert account(stored, "bo")[1] == [("bo-1", "counted")]


@pytest.mark.parametrize("moving", [False, True])
def test_a_void_takes_back_the_fact_of_its_own_organisation_alone(moving: bool) -> None:  # noqa: FBT001
    stored = world.subscribe(world.customer(organisations=("north", "south")))
    world.send([world.row("x", "bo", "2026-01-05T09:00"), world.row("y", "ana", "2026-01-06T09:00")], NOW)
    closing.close_due(world.at(NOW))
    if moving:
        assert move(stored) == 2
    void = world.row("v1", "", "2026-04-10T09:00", "fact.voided", voids="x")
    world.send([void, void | {"id": "v2", "organisation": "south"}], NOW)
    assert live(stored) == {1: 1}
    assert world.differences(stored) == []


def test_a_term_without_facts_keeps_none_of_another_from_the_archive() -> None:
    stored = world.subscribe(world.customer(organisations=("north", "south")), organisations=("north",))
    world.subscribe(stored.customer, organisations=("south",), meter="south")
    world.send([world.row("x", "bo", "2026-01-05T09:00"), world.row("y", "ana", "2026-01-06T09:00")], NOW)
    assert closing.close_due(world.at(NOW)) == 6
    assert move(stored) == 2


def test_damage_within_a_file_is_refused_in_words(archived: Path) -> None:
    stored = world.subscribe(world.customer())
    for part in range(3):
        rows = [
            world.row(f"{part}-{n * 7919 % 1000003}", f"l{n % 40}", f"2026-0{1 + n % 3}-{1 + n % 28:02}T09:00")
            | {"object": f"o{n * 104729 % 1000003}"}
            for n in range(200)
        ]
        world.send(rows, NOW)
    closing.close_due(world.at(NOW))
    move(stored)
    for path in archived.rglob("facts-*.parquet"):
        content = bytearray(path.read_bytes())
        for place in range(100, len(content) // 2, 7):
            content[place] ^= 0xFF
        path.write_bytes(bytes(content))
    for asked in (
        lambda: world.send([world.row("late", "l3", "2026-02-09T09:00")], NOW),
        lambda: account(stored, "l3"),
        lambda: world.differences(stored),
    ):
        with pytest.raises(RefusedError) as caught:
            asked()
        assert (caught.value.status, caught.value.code) == (503, "archive-missing")


def test_a_folder_that_cannot_be_written_is_told_in_words(archived: Path) -> None:
    stored = term()
    archive.folder_of(stored.customer_id, 1).write_text("a file", encoding="utf-8")
    with pytest.raises(RollbookError, match="is a file"):
        move(stored)
    archived.rename(archived.with_name("away"))
    archived.write_text("a file", encoding="utf-8")
    with pytest.raises(LedgerError, match="no such folder"):
        move(stored)
    assert len(stored_ids()) == 16


def test_nobody_is_half_forgotten_while_the_archive_is_away(archived: Path) -> None:
    stored = term()
    move(stored)
    archived.rename(archived.with_name("away"))
    answer = callers.operator().post("/people/erase", {"customer": stored.customer_id, "learner": "bo"})
    assert (answer.status_code, callers.code(answer)) == (503, "archive-missing")
    assert Person.objects.get(customer=stored.customer, learner="bo").erased_at is None


def _archives_missing() -> float:
    """As monitoring is told."""
    [sample] = [it for found in Stored().collect() for it in found.samples if it.name == "rollbook_archives_missing"]
    return sample.value


def _elsewhere(do: Any) -> threading.Thread:
    """Does something in a thread with a connection of its own."""

    def work() -> None:
        try:
            do()
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_who_is_forgotten_while_facts_are_moved_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = world.subscribe(world.customer())
    world.send([world.row("1", "mark-7f3e", "2026-01-05T09:00", attributes=json.dumps({"who": "mark-7f3e"}))], NOW)
    closing.close_due(world.at(NOW))
    holds, goes_on, real_locked, real_take_out = (
        threading.Event(),
        threading.Event(),
        metering.locked,
        archiving._take_out,
    )

    def locked(customers: Any) -> None:
        real_locked(customers)
        if threading.current_thread() is not threading.main_thread():
            holds.set()
            goes_on.wait(1)

    def forget() -> None:
        erasure._empty_attributes(stored.customer_id, ["north"], None, ["mark-7f3e"])

    def take_out(*given: Any) -> int:
        threads.append(_elsewhere(forget))
        assert holds.wait(20)
        return real_take_out(*given)

    threads: list[threading.Thread] = []
    monkeypatch.setattr(metering, "locked", locked)
    monkeypatch.setattr(archiving, "_take_out", take_out)
    assert move(stored) == 1
    threads[0].join()
    with connection.cursor() as cursor:
        cursor.execute("select attributes from archived_attributes")
        assert cursor.fetchall() == []


@pytest.mark.skipif(server_settings.KIND != "postgresql", reason="SQLite is asked in one view by one connection")
def test_an_account_is_of_one_moment_while_a_worker_moves_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = term()
    before, real = account(stored, "ana"), archive.of_organisations
    done: list[threading.Thread] = []

    def slow(organisations: Any) -> Any:
        found = real(organisations)
        if not done:
            done.append(_elsewhere(lambda: move(stored)))
            done[0].join()
        return found

    monkeypatch.setattr(archive, "of_organisations", slow)
    assert account(stored, "ana") == before
    assert stored_ids() == ["ana-4", "on"]


def test_a_path_that_every_process_reads_otherwise_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="write the whole path"):
        configuration({"ROLLBOOK_ARCHIVE": "archive"})


def test_the_worker_moves_some_months_a_round_and_tries_again_in_an_hour(
    archived: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    term()
    now = datetime(2026, 4, 20, 9, 30, tzinfo=UTC)
    monkeypatch.setattr(jobs, "ARCHIVE_MONTHS", 1)
    assert [jobs.archive_closed(now) for _ in range(4)] == [2, 11, 1, 0]
    assert Done.objects.get(job="archive").done_for == "2026-04-20"
    april()
    archived.rename(archived.with_name("away"))
    later = datetime(2026, 5, 20, 9, 30, tzinfo=UTC)
    with pytest.raises(LedgerError):
        jobs.archive_closed(later)
    archived.with_name("away").rename(archived)
    assert jobs.archive_closed(later) == 0
    assert jobs.archive_closed(later.replace(hour=10)) == 2
