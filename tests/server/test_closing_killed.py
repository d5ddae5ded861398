"""A worker is killed at any moment of a close, again and again: what is there is whole, and nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import date

import pytest
from django.db import connection

from rollbook.books.intact import refuse_damage
from rollbook.server.models import Audit, Endpoint, Message, StatementFile, Subscription
from tests.server.closings import book_of, close_at
from tests.server.test_closing import PLAN
from tests.server.world import customer, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

WORKER = """
import django; django.setup()
from rollbook.server.billing import closing
print("ready", flush=True)
closing.close_due({now_us})
print("done", flush=True)
"""

END_US = 1_785_000_000_000_000
"""25 July 2026: every window of the term is over."""

KILLED_MAX = 12


def url() -> str:
    """The database of this test, for another process."""
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{known['NAME']}"
    port = f":{known['PORT']}" if known["PORT"] else ""
    return f"postgresql://{known['USER']}@{port}/{known['NAME']}?host={known['HOST']}"


def worker() -> subprocess.Popen[bytes]:
    """A process that closes what is due."""
    environment = os.environ | {"DATABASE_URL": url(), "DJANGO_SETTINGS_MODULE": "rollbook.server.settings"}
    command = [sys.executable, "-c", WORKER.format(now_us=END_US)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)


def whole(term: Subscription) -> int:
    """Holds everything that is stored against everything else; how many statements there are."""
    numbers = [*term.statements.order_by("number").values_list("number", flat=True)]
    assert numbers == [*range(1, len(numbers) + 1)]
    with book_of(term) as book:
        refuse_damage(book)
        assert [it.number for it in book.statements] == numbers
    kept = set(StatementFile.objects.filter(subscription=term).values_list("number", flat=True))
    assert kept == set(numbers)
    told = [it.content["data"]["statement"] for it in Message.objects.filter(event="statement.closed").order_by("id")]
    written = [it.details["statement"] for it in Audit.objects.filter(action="statement.closed").order_by("id")]
    assert told == written == numbers
    return len(numbers)


def test_a_worker_that_is_killed_anywhere_leaves_whole_statements_without_gaps_and_nothing_untold() -> None:
    term = subscribe(customer(), PLAN, end=date(2026, 7, 1), kind="pilot")
    Endpoint.objects.create(url="https://vendor.example/hook", secret="whsec_c2VjcmV0")  # noqa: S106 - made up
    send(
        [row(f"{m}-{n}", f"l{n}", f"2026-{m:02}-05T09:00") for m in range(1, 7) for n in range(m + 3)],
        "2026-06-30T00:00",
    )
    chance, killed = random.Random(7), 0
    while whole(term) < 6 and killed < KILLED_MAX:
        process = worker()
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.0, 1.0))
            killed += process.poll() is None
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=30)
    assert killed >= 3, "it was never killed in the midst of anything"
    close_at("2026-07-26T00:00")
    assert whole(term) == 6
    # January has 4 learners, February 5, and so on; 2 are included, each further one costs 3.
    assert [it.record["total"] for it in term.statements.order_by("number")] == [
        f"{3 * (m + 1)}.00" for m in range(1, 7)
    ]
