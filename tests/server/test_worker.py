"""The loop: every job has its turn, one that fails stops nobody, and a signal ends it in good order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from rollbook.server.configuration import Configuration
from rollbook.server.models import Done, Endpoint
from rollbook.server.notices.webhooks import new_secret
from rollbook.server.observing import heartbeat
from rollbook.server.operation import jobs, worker

from . import receivers, world
from .test_notices_delivery import database_url

pytestmark = pytest.mark.usefixtures("ledger")


def test_a_round_runs_every_job_and_says_what_it_did() -> None:
    row = world.subscribe(world.customer())
    did = worker.run_once(datetime(2026, 2, 1, tzinfo=UTC))
    assert list(did) == list(jobs.JOBS)
    assert None not in did.values()
    assert did["begin-windows"] == 1
    row.refresh_from_db()
    assert row.windows_begun == 2


def test_a_job_that_fails_stops_no_other_and_is_counted_without_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: datetime) -> int:
        raise ValueError("ann@example.org is wrong")

    monkeypatch.setattr(jobs, "JOBS", {**jobs.JOBS, "begin-windows": broken})
    failed = jobs.RUNS.labels("begin-windows", "failed")
    before = failed._value.get()
    did = worker.run_once(datetime(2026, 2, 1, tzinfo=UTC))
    assert did["begin-windows"] is None
    assert [name for name, it in did.items() if it is None] == ["begin-windows"]
    assert failed._value.get() == before + 1
    printed = capsys.readouterr()
    logged = printed.out + printed.err + caplog.text
    assert "ValueError" in logged
    assert "ann@example.org" not in logged


def test_a_connection_that_was_lost_is_made_again_in_the_next_round() -> None:
    """What a restart of the database leaves: a connection that is closed under us."""
    world.subscribe(world.customer())
    worker.run_once(datetime(2026, 1, 1, tzinfo=UTC))
    connection.connection.close()
    first = worker.run_once(datetime(2026, 2, 1, tzinfo=UTC))
    second = worker.run_once(datetime(2026, 2, 1, tzinfo=UTC))
    assert None not in second.values()
    assert (first["begin-windows"] or 0) + (second["begin-windows"] or 0) == 1


def test_what_a_job_tells_goes_out_in_the_same_round(settings: Any) -> None:
    settings.CONFIGURATION = Configuration({**settings.CONFIGURATION.values, "ROLLBOOK_WEBHOOKS_PRIVATE": True})
    world.send([world.row("1", "ann", "2026-01-05T10:00", organisation="nowhere")], "2026-01-05T11:00")
    with receivers.webhooks() as receiver:
        Endpoint.objects.create(url=receiver.url, secret=new_secret())
        worker.run_once()
    assert [b'"facts.held"' in body for _, body in receiver.got] == [True]


def test_it_ends_between_two_jobs_when_it_is_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def last(_: datetime) -> int:
        stop.set()
        return 0

    monkeypatch.setattr(jobs, "JOBS", {"first": last, "second": last})
    assert list(worker.run_once(datetime(2026, 2, 1, tzinfo=UTC), stop)) == ["first"]


def test_the_loop_ends_when_it_is_told_to() -> None:
    stop = threading.Event()
    stop.set()
    worker.run(stop, every_seconds=60)
    assert not heartbeat.alive(datetime.now(UTC))


def test_a_sign_of_life_is_there_for_ten_minutes() -> None:
    now = datetime(2026, 2, 1, tzinfo=UTC)
    assert not heartbeat.alive(now)
    worker.run_once(now)
    assert heartbeat.alive(now + timedelta(minutes=9))
    assert not heartbeat.alive(now + timedelta(minutes=10))
    assert Done.objects.filter(job=heartbeat.HEARTBEAT).count() == 1


def test_a_process_ends_in_good_order_on_sigterm_and_gives_signs_of_life() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "rollbook.server.operation.worker"],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "rollbook.server.settings", "DATABASE_URL": database_url()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not heartbeat.alive(datetime.now(UTC)) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert heartbeat.alive(datetime.now(UTC))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
