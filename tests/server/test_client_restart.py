"""A client whose server is restarted, and what lies in files for its owner alone."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from rollbook.client import Client

from .operated import Operated, free_port

KEY = """
from rollbook.server.access import keys
from rollbook.server.models import Customer, Organisation
customer = Customer.objects.create(name="Northern Academy")
Organisation.objects.create(name="north", customer=customer)
print(keys.make(name="lms", scopes=["facts:write"], customer=customer)[1])
"""

MESSAGE = """
from django.db import transaction
from rollbook.server.models import User
from rollbook.server.notices.announce import announce
User.objects.create(username="olga", email="olga@example.org", role="operator")
with transaction.atomic():
    assert announce("facts.held", None, {"facts": 3, "organisations": ["nowhere"]}) == 1
"""


@pytest.fixture
def operated(tmp_path: Path) -> Operated:
    folder = tmp_path / "server"
    folder.mkdir()
    made = Operated(folder, f"sqlite:///{folder}/rollbook.db")
    made.done("migrate")
    return made


def login(number: int) -> dict[str, str]:
    return {
        "id": str(number),
        "source": "lms",
        "occurred_at": "2026-03-02T09:00:00Z",
        "learner": f"learner {number}",
        "type": "login",
    }


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_flush_waits_through_a_restart_and_no_longer_than_it_is_told(operated: Operated, tmp_path: Path) -> None:
    key, port = operated.python(KEY), free_port()
    with Client(
        f"http://127.0.0.1:{port}",
        key,
        spool=tmp_path / "spool",
        retry_seconds=0,
        batch_facts_max=10,
        timeout_seconds=60,
    ) as client:
        with operated.serving(port=port):
            assert client.send([login(0)]).new == 1
        # The server is stopped. Three calls wait, each a file of its own.
        assert client.send([login(number) for number in range(1, 31)]).waiting == 30
        began = time.monotonic()
        assert client.flush(seconds=2).waiting == 30
        assert 1 < time.monotonic() - began < 15
        assert client.flush(seconds=0).waiting == 30

        flushed = []
        waits = threading.Thread(target=lambda: flushed.append(client.flush(seconds=120)))
        waits.start()
        time.sleep(1)
        with operated.serving(port=port):
            waits.join(150)
            [receipt] = flushed
            assert (receipt.new, receipt.repeats, receipt.rejected, receipt.waiting) == (30, 0, [], 0)
    counted = operated.python("from rollbook.server.models import Person; print(Person.objects.count())")
    assert counted == "31"


def test_what_sqlite_puts_beside_the_database_is_its_owners_alone_whatever_the_umask(operated: Operated) -> None:
    before = os.umask(0)
    try:
        # Whoever opens the database keeps both files there, so that they can be looked at.
        with operated.serving() as server, closing(sqlite3.connect(operated.folder / "rollbook.db")) as opened:
            opened.execute("select * from customer").fetchall()
            key = operated.python(KEY)
            with Client(server.url, key) as client:
                assert client.send([login(0)]).new == 1
            assert opened.execute("select count(*) from person").fetchone() == (1,)
            modes = {it.name: mode(it) for it in operated.folder.glob("rollbook.db*")}
    finally:
        os.umask(before)
    assert modes.keys() >= {"rollbook.db", "rollbook.db-wal", "rollbook.db-shm"}
    assert set(modes.values()) == {"0o600"}, modes


def test_mail_that_is_kept_as_files_is_its_owners_alone_whatever_the_umask(operated: Operated) -> None:
    """The worker sends it: a report would name learners."""
    operated.python(MESSAGE)
    before = os.umask(0)
    try:
        worker = operated.start("worker")
    finally:
        os.umask(before)
    folder = operated.folder / "rollbook-mail"
    try:
        until = time.monotonic() + 90
        while not (folder.is_dir() and list(folder.iterdir())) and time.monotonic() < until:
            assert worker.poll() is None
            time.sleep(0.2)
        assert mode(folder) == "0o700"
        assert [mode(it) for it in folder.iterdir()] == ["0o600"]
    finally:
        worker.terminate()
        worker.communicate(timeout=150)
