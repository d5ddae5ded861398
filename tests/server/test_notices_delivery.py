"""What waits is sent at least once, with the same id, until it is taken or given up; real receivers, real threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from standardwebhooks import Webhook

from rollbook.server.configuration import Configuration
from rollbook.server.models import Audit, Endpoint, Message, User
from rollbook.server.notices import delivery, webhooks
from rollbook.server.notices.announce import announce
from rollbook.server.notices.delivery import BATCH_MAX, EACH_MAX, LEASE_SECONDS, RETRIES_SECONDS, claim, deliver, resend

from . import receivers

pytestmark = pytest.mark.usefixtures("ledger")

HELD = {"facts": 3, "organisations": ["nowhere"]}


@pytest.fixture(autouse=True)
def _loopback_allowed(settings: Any) -> None:
    settings.CONFIGURATION = Configuration({**settings.CONFIGURATION.values, "ROLLBOOK_WEBHOOKS_PRIVATE": True})


@pytest.fixture
def receiver() -> Iterator[receivers.Webhooks]:
    with receivers.webhooks() as running:
        yield running


def endpoint(url: str) -> Endpoint:
    return Endpoint.objects.create(url=url, secret=webhooks.new_secret())


def told(times: int = 1) -> None:
    for _ in range(times):
        announce("facts.held", None, HELD)


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Message.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def test_what_waits_is_sent_once_and_is_sent(receiver: receivers.Webhooks) -> None:
    to = endpoint(receiver.url)
    told(3)
    now = soon()
    assert deliver(now) == 3
    assert deliver(now) == 0
    assert states() == {"sent": 3}
    assert sorted(receiver.ids) == sorted(Message.objects.values_list("message_id", flat=True))
    headers, body = receiver.got[0]
    assert Webhook(to.secret).verify(body, headers)["data"] == HELD
    assert {it.sent_at for it in Message.objects.all()} == {now}


def test_what_is_not_due_waits(receiver: receivers.Webhooks) -> None:
    endpoint(receiver.url)
    told()
    assert deliver(datetime.now(UTC) - timedelta(seconds=60)) == 0
    assert receiver.got == []


def test_what_failed_is_tried_again_later_with_the_same_id(receiver: receivers.Webhooks) -> None:
    """500, 500, then 200. The first retry is due after 5 s, the second 30 s after that, each up to a fifth later."""
    endpoint(receiver.url)
    told()
    receiver.statuses = [500, 500, 200]
    now = soon()
    assert deliver(now) == 1
    assert deliver(now + timedelta(seconds=4.9)) == 0
    assert deliver(now + timedelta(seconds=6)) == 1
    assert deliver(now + timedelta(seconds=6 + 29.9)) == 0
    assert deliver(now + timedelta(seconds=6 + 36)) == 1
    [message] = Message.objects.all()
    assert receiver.ids == [message.message_id] * 3
    assert (message.state, message.attempts, message.last_error) == ("sent", 3, "")


def test_a_receiver_that_asks_for_more_time_gets_it(receiver: receivers.Webhooks) -> None:
    endpoint(receiver.url)
    told()
    receiver.statuses, receiver.headers = [503], {"Retry-After": "1000"}
    now = soon()
    deliver(now)
    assert deliver(now + timedelta(seconds=999)) == 0
    assert deliver(now + timedelta(seconds=1201)) == 1


def test_after_the_last_attempt_it_is_a_dead_letter_and_can_be_sent_again(receiver: receivers.Webhooks) -> None:
    endpoint(receiver.url)
    told()
    receiver.statuses = [500]
    now = soon()
    for seconds in (*RETRIES_SECONDS, 0):
        assert deliver(now) == 1
        now += timedelta(seconds=seconds * 1.21)
    message = Message.objects.get()
    assert (message.state, message.attempts) == ("dead", 9)
    assert message.last_error == "the answer was 500"
    assert deliver(now + timedelta(days=30)) == 0
    receiver.statuses = [200]
    assert resend(message, now)
    assert deliver(now) == 1
    message.refresh_from_db()
    assert message.state == "sent"
    assert set(receiver.ids) == {message.message_id}
    assert len(receiver.ids) == 10
    # What was sent is not sent again by mistake.
    assert not resend(message, now)


def test_an_endpoint_that_is_gone_is_switched_off_and_somebody_is_told(receiver: receivers.Webhooks) -> None:
    """410 ends the endpoint: its other messages are dead letters, and the other endpoint learns of it."""
    gone = endpoint(receiver.url)
    told(2)
    User.objects.create(username="operator", email="operator@example.org", role=User.OPERATOR)
    receiver.statuses = [410]
    with receivers.webhooks() as other:
        Endpoint.objects.create(url=other.url, secret=webhooks.new_secret())
        deliver(soon())
        gone.refresh_from_db()
        assert gone.state == "gone"
        assert set(Message.objects.filter(endpoint=gone).values_list("state", flat=True)) == {"dead"}
        assert Audit.objects.get().action == "endpoint.disabled"
        assert Message.objects.filter(channel="mail", event="endpoint.disabled").count() == 1
        deliver(soon())
        assert b'"endpoint.disabled"' in other.got[-1][1]
    told()
    assert not Message.objects.filter(endpoint=gone, state="waiting").exists()


def test_nothing_is_sent_to_an_endpoint_that_was_switched_off_meanwhile(receiver: receivers.Webhooks) -> None:
    to = endpoint(receiver.url)
    told()
    Endpoint.objects.filter(pk=to.pk).update(state="gone")
    deliver(soon())
    assert receiver.got == []
    assert states() == {"dead": 1}


def test_an_endpoint_that_nobody_answers_at_holds_up_no_other(receiver: receivers.Webhooks) -> None:
    """400 messages wait for a dead address before 1 for a living one: a batch takes 8 of the former and the latter."""
    dead = endpoint("http://127.0.0.1:1/")
    told(400)
    living = endpoint(receiver.url)
    Endpoint.objects.filter(pk=dead.pk).update(state="gone")
    told()
    Endpoint.objects.filter(pk=dead.pk).update(state="active")
    now = soon()
    assert deliver(now) == EACH_MAX + 1
    assert Message.objects.get(endpoint=living).state == "sent"
    # All others to the dead address wait for 30 seconds: nobody was there.
    assert deliver(now + timedelta(seconds=4)) == 0
    assert Message.objects.filter(endpoint=dead, attempts=0, next_at__gte=now + timedelta(seconds=30)).count() == 392


def test_a_batch_is_bounded(receiver: receivers.Webhooks) -> None:
    for _ in range(6):
        endpoint(receiver.url)
    told(10)
    assert deliver(soon()) == BATCH_MAX
    assert len(receiver.got) == BATCH_MAX


def test_whoever_claimed_it_has_it_until_the_lease_ends() -> None:
    endpoint("http://127.0.0.1:1/")
    told()
    now = soon()
    assert len(claim(now)) == 1
    assert claim(now + timedelta(seconds=LEASE_SECONDS - 1)) == []
    [again] = claim(now + timedelta(seconds=LEASE_SECONDS))
    assert again.attempts == 2


def test_whoever_comes_too_late_does_not_undo_what_another_worker_found(receiver: receivers.Webhooks) -> None:
    endpoint(receiver.url)
    told()
    now = soon()
    [mine] = claim(now)
    later = now + timedelta(seconds=LEASE_SECONDS)
    assert deliver(later) == 1
    delivery.settle(mine, webhooks.Result("too late"), later)
    assert states() == {"sent": 1}


def test_a_secret_that_is_none_concerns_its_own_messages_only(receiver: receivers.Webhooks) -> None:
    Endpoint.objects.create(url=receiver.url, secret="!")  # noqa: S106 - it is none
    good = endpoint(receiver.url)
    told()
    deliver(soon())
    assert Message.objects.get(endpoint=good).state == "sent"
    assert Message.objects.exclude(endpoint=good).get().last_error.startswith("it could not be made")


def test_several_workers_at_once_send_each_message_once(receiver: receivers.Webhooks) -> None:
    for _ in range(4):
        endpoint(receiver.url)
    told(30)
    now, together = soon(), threading.Barrier(3)

    def worker() -> None:
        together.wait()
        try:
            while deliver(now):
                pass
        finally:
            connections.close_all()

    workers = [threading.Thread(target=worker) for _ in range(3)]
    for it in workers:
        it.start()
    for it in workers:
        it.join()
    # A worker that found everything claimed left early; whatever was claimed was sent.
    assert len(receiver.ids) == len(set(receiver.ids)) == 120
    assert states() == {"sent": 120}


def database_url() -> str:
    """The database of this test, for another process."""
    chosen = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{chosen['NAME']}"
    return f"postgresql://{chosen['USER']}@/{chosen['NAME']}?host={chosen['HOST']}"


def test_a_worker_that_is_killed_between_sending_and_writing_it_down_loses_nothing(
    receiver: receivers.Webhooks,
) -> None:
    """The receiver has the message and has not answered when the worker is killed. Another one sends it again: same id."""
    endpoint(receiver.url)
    told(2)
    holding = threading.Event()

    def never(_: Any) -> None:
        holding.wait(30)

    receiver.answer = never
    process = subprocess.Popen(
        [sys.executable, "-c", "from rollbook.server.operation.worker import main; main()"],
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "rollbook.server.settings",
            "DATABASE_URL": database_url(),
            "ROLLBOOK_WEBHOOKS_PRIVATE": "true",
        },
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while len(receiver.got) < 2 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(receiver.got) == 2
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        holding.set()
    assert states() == {"waiting": 2}
    receiver.answer = None
    assert deliver(soon()) == 0  # the lease of the one that was killed
    assert deliver(soon() + timedelta(seconds=LEASE_SECONDS)) == 2
    assert states() == {"sent": 2}
    assert sorted(receiver.ids[:2]) == sorted(receiver.ids[2:])


def test_without_the_setting_nothing_goes_inside(settings: Any, receiver: receivers.Webhooks) -> None:
    settings.CONFIGURATION = Configuration({**settings.CONFIGURATION.values, "ROLLBOOK_WEBHOOKS_PRIVATE": False})
    endpoint(receiver.url)
    told()
    deliver(soon())
    assert receiver.got == []
    assert Message.objects.get().state == "dead"  # http:// can never be right


def test_claiming_asks_no_question_a_message(receiver: receivers.Webhooks) -> None:
    """Asked for, chosen, locked, claimed, and read with endpoints: five statements however many there are."""
    endpoint(receiver.url)
    told(5)
    with CaptureQueriesContext(connection) as asked:
        claimed = claim(soon())
        assert [it.endpoint.url for it in claimed if it.endpoint] == [receiver.url] * 5
    assert sum("outbox" in it["sql"] for it in asked.captured_queries) == 5
