"""Sends what waits in the outbox: at least once, with the same id each time, until it is taken or given up.

A worker claims a message by moving the time at which it is due behind the time that sending may take. Whoever is
killed before marking what was sent leaves a message that is due again by itself. Claims are one transaction, so two
workers never send the same message at once; nothing is locked while something is sent.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber

from rollbook.server.models import Audit, Endpoint, Message, Subscription
from rollbook.server.notices import failures, mail, reports, standing, webhooks
from rollbook.server.notices.announce import announce
from rollbook.server.notices.events import EVENTS
from rollbook.server.notices.webhooks import Result

log = structlog.get_logger(__name__)

RETRIES_SECONDS = (5, 30, 120, 600, 3_600, 21_600, 86_400, 86_400)
"""After each failure it is tried again so much later, about; after the last it is given up: in a little over 2 days.
Events that are told `once` are given up after the first."""

JITTER = 0.2
"""Times to try again are longer by up to this share, so that not everything comes back at once."""

LEASE_SECONDS = 300
"""How long a claimed message is left alone: longer than a batch can take."""

BATCH_MAX = 32
"""Messages that are claimed at once."""

EACH_MAX = 8
"""Of these, messages to one endpoint: one that is slow holds up nobody else."""

REPORTS_MAX = 2
"""Of these, reports: each is made when it is sent, which takes as long as counting does."""

REPORT_LEASE_SECONDS = 3_600
"""How long a report that is being made is left alone."""

SENDERS = 8
"""Messages that are sent at the same time."""

UNREACHABLE_SECONDS = 30
"""After an endpoint could not be reached, its other messages wait at least so long."""


def deliver(now: datetime) -> int:
    """Sends one batch of what is due; how many messages were tried. Safe to run in several workers at once."""
    claimed = claim(now)
    private = settings.CONFIGURATION["ROLLBOOK_WEBHOOKS_PRIVATE"]
    mails = [it for it in claimed if it.channel == Message.MAIL]
    ordered = [it for it in mails if it.event == reports.REPORT]
    kept = {it.pk: standing.withheld(it) for it in mails if it not in ordered}
    languages = mail.languages_of(mails) if mails else {}
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="sender") as senders:
        # Only the network is used side by side: what belongs to the database is read before and written after.
        tried = [
            (it, senders.submit(_send, it, reports.Attached(failed=kept.get(it.pk)), languages, private=private))
            for it in claimed
            if it not in ordered
        ]
        for message, attempt in tried:
            settle(message, attempt.result(), now)
    for place, message in enumerate(ordered):
        until = now + timedelta(seconds=REPORT_LEASE_SECONDS)
        Message.objects.filter(pk__in=[it.pk for it in ordered[place:]], state=Message.WAITING).update(next_at=until)
        settle(message, _send(message, reports.attached(message), languages, private=private), now)
    return len(claimed)


def claim(now: datetime) -> list[Message]:
    """Messages that are due, for the caller alone until the lease ends."""
    due = Message.objects.filter(state=Message.WAITING, next_at__lte=now)
    if not due.exists():  # a transaction of SQLite begins as a write, for which others would wait
        return []
    with transaction.atomic():
        # SQLite has one writer, and its transactions begin as writes; PostgreSQL skips what another worker claims.
        mine = due.select_for_update(skip_locked=True, of=("self",)).filter(pk__in=_chosen(due))
        claimed = [message.pk for message in mine]
        until = now + timedelta(seconds=LEASE_SECONDS)
        Message.objects.filter(pk__in=claimed).update(next_at=until, attempts=F("attempts") + 1)
    return list(Message.objects.filter(pk__in=claimed).select_related("endpoint__customer", "customer").order_by("id"))


def _chosen(due: QuerySet[Message]) -> list[int]:
    """The first few to each endpoint, the first few mails, and the first few reports, in turns."""
    report = Q(event=reports.REPORT, channel=Message.MAIL)
    is_report = Case(When(report, then=Value(value=True)), default=Value(value=False))
    place = Window(RowNumber(), partition_by=[F("endpoint_id"), is_report], order_by=[F("next_at"), F("pk")])
    few = Q(place__lte=EACH_MAX) & (~report | Q(place__lte=REPORTS_MAX))
    found = due.annotate(place=place).filter(few).order_by("place", "next_at", "pk")
    return list(found.values_list("pk", flat=True)[:BATCH_MAX])


def _send(message: Message, attached: reports.Attached, languages: Mapping[str, str], *, private: bool) -> Result:
    """One attempt, on a thread that never touches the database."""
    try:
        if message.channel == Message.MAIL:
            return attached.failed or mail.send(message, attached.file, languages.get(message.address, ""))
        endpoint = message.endpoint
        if endpoint is None or endpoint.state != Endpoint.ACTIVE:
            return Result("nothing is sent to the endpoint any more", final=True)
        return webhooks.send(endpoint.url, endpoint.secret, message.message_id, message.content, private=private)
    except Exception as error:  # noqa: BLE001 - see below
        # What a template or a secret does wrong concerns one message; the others go on.
        log.error("message.failed", message=message.message_id, **failures.told(error))  # noqa: TRY400 - no words of it
        return Result(f"it could not be made: {type(error).__name__}")


@transaction.atomic
def settle(message: Message, result: Result, now: datetime) -> None:
    """Writes down what came of an attempt."""
    mine = Message.objects.filter(pk=message.pk).exclude(state=Message.SENT)
    status = result.status or None
    if not result.error:
        if (
            mine.update(state=Message.SENT, sent_at=now, last_error="", answered=status)
            and message.event == reports.REPORT
        ):
            _report_sent(message)
        return
    log.warning("message.not-taken", message=message.message_id, attempt=message.attempts, error=result.error)
    # Whoever claimed it after this lease ended decides what comes next.
    mine = mine.filter(attempts=message.attempts)
    if result.final or _once(message) or message.attempts > len(RETRIES_SECONDS):
        mine.update(state=Message.DEAD, last_error=result.error[:500], answered=status)
    else:
        later = now + _later(message.attempts, result.wait)
        mine.update(next_at=later, last_error=result.error[:500], answered=status)
    if message.endpoint and result.gone:
        _disable(message.endpoint)
    elif message.endpoint and result.unreachable:
        until = now + timedelta(seconds=UNREACHABLE_SECONDS)
        others = Message.objects.filter(endpoint=message.endpoint, state=Message.WAITING, next_at__lt=until)
        others.exclude(pk=message.pk).update(next_at=until)


def _once(message: Message) -> bool:
    """Whether it is not tried again; an event that this version does not know is."""
    kind = EVENTS.get(message.event)
    return kind is not None and kind.once


def _later(attempts: int, wait: int) -> timedelta:
    """How long until the next attempt; longer where the receiver asked for it."""
    seconds = RETRIES_SECONDS[min(max(attempts, 1), len(RETRIES_SECONDS)) - 1]
    return timedelta(seconds=max(seconds, wait) * (1 + JITTER * random.random()))  # noqa: S311 - no secret


def _report_sent(message: Message) -> None:
    """Programs learn that a report went out; it is mail to one address, and this is none."""
    if message.channel == Message.MAIL:
        data = message.content["data"]
        row = Subscription.objects.select_related("customer", "plan").get(pk=data["subscription"])
        announce(reports.REPORT, row.customer, data, row, mail=())


def _disable(endpoint: Endpoint) -> None:
    """Nothing is sent to an endpoint that is gone, until somebody switches it on again."""
    if Endpoint.objects.filter(pk=endpoint.pk, state=Endpoint.ACTIVE).update(state=Endpoint.GONE):
        name = f"endpoint {endpoint.pk}"
        Audit.objects.create(actor="worker", action="endpoint.disabled", object=name, customer=endpoint.customer)
        give_up(endpoint, "the endpoint was switched off: it said that it is gone (410)")
        data = {"host": urlsplit(endpoint.url).hostname or "", "endpoint": endpoint.pk}
        announce("endpoint.disabled", endpoint.customer, data)


def give_up(endpoint: Endpoint, why: str) -> None:
    """What waits for an endpoint becomes dead letters."""
    waiting = Message.objects.filter(endpoint=endpoint, state=Message.WAITING)
    waiting.update(state=Message.DEAD, last_error=why)


def resend(message: Message, now: datetime) -> bool:
    """Lets a message that was given up start over, with the same id; False where it was not given up."""
    dead = Message.objects.filter(pk=message.pk, state=Message.DEAD)
    return bool(dead.update(state=Message.WAITING, attempts=0, next_at=now, last_error="", answered=None))
