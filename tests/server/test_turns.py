"""Whoever writes to SQLite waits in a queue: first come, first served, in a process and between processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from django.db import OperationalError, connection, transaction

from rollbook.server.live import driver, metering
from rollbook.server.models import Customer
from rollbook.server.sqlite3 import base, turns
from rollbook.server.sqlite3.turns import Turns
from tests.server.callers import by_key
from tests.server.world import customer, row

SECONDS = 30
"""For what comes at once, on however busy a machine."""

ANOTHER = """
import sys, time
from pathlib import Path
from rollbook.server.sqlite3.turns import Turns
queue, holds, pauses = Turns(Path(sys.argv[1])), float(sys.argv[2]), float(sys.argv[3])
while queue.take(60):
    print("has it", flush=True)
    time.sleep(holds)
    queue.give()
    time.sleep(pauses)
"""


def another(file: Path, holds: float, pauses: float = 0.0) -> subprocess.Popen[str]:
    """Another process that takes turns; it has one when this returns."""
    made = subprocess.Popen(
        [sys.executable, "-c", ANOTHER, str(file), str(holds), str(pauses)], stdout=subprocess.PIPE, text=True
    )
    assert made.stdout.readline() == "has it\n"
    return made


def ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def queue(tmp_path: Path) -> Turns:
    return Turns(tmp_path / "turns")


def waits(queue: Turns, number: int) -> None:
    """Until so many wait behind whoever has the turn."""
    until = time.monotonic() + SECONDS
    while len(queue._waiting) < number:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_turns_are_handed_on_in_the_order_in_which_they_were_asked_for(queue: Turns) -> None:
    """Eight come while the turn is taken, one after the other: they have it in the order in which they came."""
    assert queue.take(SECONDS)
    had: list[int] = []

    def come(number: int) -> None:
        assert queue.take(SECONDS)
        had.append(number)
        queue.give()

    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=come, args=(number,)))
        threads[-1].start()
        waits(queue, number + 1)
    queue.give()
    for thread in threads:
        thread.join()
    assert had == list(range(8))


def test_whoever_asks_again_at_once_stands_behind_those_who_wait(queue: Turns) -> None:
    """Three greedy threads that never pause: between two turns of one, each of the others had one."""
    had: list[int] = []
    stop = threading.Event()

    def come(number: int) -> None:
        while not stop.is_set():
            assert queue.take(SECONDS)
            had.append(number)
            # The next one asks while this one works, as requests do.
            time.sleep(0.002)
            queue.give()

    assert queue.take(SECONDS)
    threads = [threading.Thread(target=come, args=(number,)) for number in range(3)]
    for place, thread in enumerate(threads):
        thread.start()
        waits(queue, place + 1)
    queue.give()
    while len(had) < 60:
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert had[:60] == [0, 1, 2] * 20


def test_nobody_waits_for_longer_than_they_said_and_who_went_away_is_passed_over(queue: Turns) -> None:
    assert queue.take(SECONDS)
    found: list[bool] = []
    impatient = threading.Thread(target=lambda: found.append(queue.take(0.2)))
    impatient.start()
    waits(queue, 1)
    patient = threading.Thread(target=lambda: (found.append(queue.take(SECONDS)), queue.give()))
    patient.start()
    impatient.join()
    assert found == [False]
    queue.give()
    patient.join()
    assert found == [False, True]
    assert queue.take(0)


def test_another_process_has_turns_beside_one_that_never_pauses(queue: Turns) -> None:
    """Four threads here take turns of 20 ms without a pause, and another process as many. Each time one of ours has
    ended it is the other's turn, so in 2 s there are some 50 turns of each; without a queue between processes the
    other had hardly any. Half of it is asked for, on a machine that does other things.
    """
    theirs = another(queue._file, 0.02)
    stop, ours = threading.Event(), []

    def come() -> None:
        while not stop.is_set():
            assert queue.take(SECONDS)
            ours.append(time.monotonic())
            time.sleep(0.02)
            queue.give()

    threads = [threading.Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    stop.set()
    for thread in threads:
        thread.join()
    theirs.kill()
    told = theirs.communicate()[0].count("has it")
    assert len(ours) > 5
    assert len(ours) / 2 <= told <= len(ours) * 2


def test_a_process_that_was_killed_gives_its_turn_back(queue: Turns) -> None:
    theirs = another(queue._file, 3600)
    began = time.monotonic()
    assert not queue.take(0.3)
    assert 0.3 <= time.monotonic() - began < SECONDS
    theirs.send_signal(signal.SIGKILL)
    theirs.wait()
    theirs.stdout.close()
    assert queue.take(SECONDS)


def test_a_process_that_stands_still_keeps_others_waiting_for_as_long_as_they_said(queue: Turns) -> None:
    theirs = another(queue._file, 0.0, 0.0)
    theirs.send_signal(signal.SIGSTOP)
    try:
        # It stopped in its turn, or while it waited for one, or between two: then the turn is free.
        began = time.monotonic()
        if queue.take(0.3):
            queue.give()
        assert time.monotonic() - began < SECONDS
    finally:
        ended(theirs)
    assert queue.take(SECONDS)


@pytest.fixture
def _sqlite(ledger: None) -> None:  # noqa: ARG001 - it comes first
    if driver.on_postgresql():
        pytest.skip("PostgreSQL locks customers, first come, first served")


@pytest.mark.usefixtures("_sqlite")
def test_facts_that_wait_too_long_for_their_turn_are_answered_503_with_when_to_come_again() -> None:
    mine = customer()
    caller = by_key("facts:write", customer=mine)
    queue = turns.of(Path(connection.settings_dict["NAME"]))
    assert queue.take(SECONDS)
    try:
        began = time.monotonic()
        with connection.waiting(0.3):
            answer = caller.post("/facts", [row("1", "ana", "2026-01-02T09:00")])
        # Neither is the call counted, nor are the facts tried three times.
        assert time.monotonic() - began < 5
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        [problem] = answer.json()["problems"]
        assert problem["code"] == "busy"
        assert "5 seconds" in problem["remedy"]
    finally:
        queue.give()
    assert caller.post("/facts", [row("1", "ana", "2026-01-02T09:00")]).json()["new"] == 1


@pytest.mark.usefixtures("_sqlite")
def test_writes_in_and_out_of_transactions_have_turns_and_leave_none_behind() -> None:
    queue = turns.of(Path(connection.settings_dict["NAME"]))
    mine = customer()
    assert queue.take(SECONDS)
    try:
        for write in (
            lambda: Customer.objects.filter(pk=mine.pk).update(name="Other"),
            lambda: Customer.objects.create(name="Third"),
            lambda: transaction.atomic().__enter__(),
        ):
            with pytest.raises(base.NoTurnError, match=r"0\.1 seconds") as told, connection.waiting(0.1):
                write()
            assert isinstance(told.value, OperationalError)
            assert not metering.may_pass(told.value)
        # Whoever reads waits for nobody.
        assert Customer.objects.get().name == mine.name
    finally:
        queue.give()
    with transaction.atomic():
        Customer.objects.create(name="Fourth")
        # One that has its turn needs no other, and nobody else gets one.
        assert not queue.take(0.1)
        transaction.set_rollback(True)
    assert queue.take(0.1)
    queue.give()
    Customer.objects.filter(pk=mine.pk).update(name="Other")
    with transaction.atomic():
        connection.close()
    assert queue.take(0.1)
    queue.give()
    assert [it.name for it in Customer.objects.all()] == ["Other"]


@pytest.mark.usefixtures("_sqlite")
def test_the_file_of_the_queue_is_its_owners_alone() -> None:
    customer()
    file = turns.of(Path(connection.settings_dict["NAME"]))._file
    assert file.stat().st_mode & 0o777 == 0o600
    with closing(file.open("rb")) as opened:
        assert opened.read() == b""
