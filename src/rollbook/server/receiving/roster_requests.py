"""Asks a platform to do what was decided here, and takes its answers.

What is decided is a fact at once, and counts. Where an endpoint names `roster.requested` among its events, each change
of a status is a request as well, written in the transaction of its fact. `done` changes nothing, for the fact is there;
`refused` takes the fact back by a `fact.voided`, in the transaction of the answer. Nothing is edited: whatever closed
in between is adjusted as for any fact that comes late.

An answer is taken for `OPEN_DAYS` after the asking, by this server's clock and whatever instant the fact carries. So
whoever gets hold of a key takes back what was decided lately, and not what was decided in a year.

Each request is answered for itself. If the same enrolment was switched again meanwhile, that later fact stands,
whatever becomes of the earlier one. So the roster is that of the facts without the refused ones, in whichever order
answers come.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import stamina
from django.db import transaction
from django.db.models import Q

from rollbook.errors import Problem
from rollbook.model.fact import VOIDED, Fact
from rollbook.model.instants import from_us
from rollbook.roster.statuses import DISABLED, ENABLED, ENROLMENT_DISABLED, ENROLMENT_ENABLED, digest
from rollbook.server.access import audit
from rollbook.server.access.principals import Principal, customers_of
from rollbook.server.live import metering
from rollbook.server.models import Customer, Endpoint, RosterRequest
from rollbook.server.notices import roster_told
from rollbook.server.notices.announce import announce
from rollbook.server.receiving.ingest import OWN_SOURCE, Sender, ingest_within
from rollbook.server.refusals import refused

ASKED = (ENABLED, DISABLED, ENROLMENT_ENABLED, ENROLMENT_DISABLED)
"""What a platform is asked for: statuses. All else that facts say is the platform's to say."""

ANSWERS_MAX = 1_000
"""Answers of one call."""

OPEN_DAYS = 60
"""Days after it was asked for, in which a request is answered: a platform that was away for a month is back by then."""

WHY_LENGTH_MAX = 500
"""Characters of a reason."""

PIECE = 500
"""Rows that are looked up or written at once."""

_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Controls, halves of letters, and what breaks a line."""

_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What makes text run the other way: a reason could look like other words of the page."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform says of a request. `state` is done or refused; `why` is needed of what was refused."""

    request: int
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of answers: done + refused + repeats + problems are all of them.

    repeats   said before, and changed nothing
    problems  of those that were not taken; the place is `body.answers.N`
    """

    done: int
    refused: int
    repeats: int
    problems: tuple[Problem, ...]


def asks(customer: Customer) -> bool:
    """Whether there is a platform to ask: an endpoint of the customer or of the vendor that names the event.

    One without events of its own is told of everything, and says of nothing that it does it.
    """
    active = Endpoint.objects.filter(Q(customer=None) | Q(customer=customer), state=Endpoint.ACTIVE)
    return any(roster_told.REQUESTED in events for events in active.values_list("events", flat=True))


def ask(customer: Customer, facts: Iterable[Fact], now_us: int) -> int:
    """Asks the platform for the changes of a decision that was just taken in; how many. None without a platform.

    facts  as they were stored: of the source `rollbook`, learners as surrogates; others than `ASKED` are left out

    Call it in their transaction, with the customer locked. Asked again, it does nothing.
    """
    wanted = {it.id: it for it in facts if it.type in ASKED and it.source == OWN_SOURCE}
    if not wanted or not asks(customer):
        return 0
    rows = RosterRequest.objects.filter(customer=customer)
    for some in _pieces(list(wanted)):
        for known in rows.filter(fact_id__in=some).values_list("fact_id", flat=True):
            del wanted[known]
    now = from_us(now_us)
    made = RosterRequest.objects.bulk_create(
        [
            RosterRequest(
                customer=customer,
                organisation=it.organisation,
                person_id=int(it.learner),
                object=it.object,
                what=it.type,
                fact_id=it.id,
                at_us=it.at_us,
                asked_at=now,
            )
            for it in sorted(wanted.values(), key=lambda it: (it.organisation, int(it.learner), it.object, it.type))
        ],
        batch_size=PIECE,
    )
    numbers = defaultdict(list)
    for it in made:
        numbers[it.organisation].append(it.pk)
    for organisation, found in sorted(numbers.items()):
        data = {"customer_number": customer.pk, "organisation": organisation, "requests": len(found)}
        announce(roster_told.REQUESTED, customer, data | {"after": min(found) - 1})
    return len(made)


def expire(now_us: int, most: int) -> int:
    """Ends requests that are open no more, so many at most; how many. What was decided stands."""
    rows = RosterRequest.objects.filter(state=RosterRequest.REQUESTED, asked_at__lt=_open_since(now_us))
    ended = 0
    while ended < most and (some := list(rows.order_by("asked_at").values_list("pk", flat=True)[:PIECE])):
        ended += rows.filter(pk__in=some).update(state=RosterRequest.EXPIRED)
    return ended


def _open_since(now_us: int) -> datetime:
    """What was asked for before that is answered no more."""
    return from_us(now_us) - timedelta(days=OPEN_DAYS)


@stamina.retry(on=metering.may_pass, attempts=3, wait_initial=0.05, wait_max=1.0)
def answer(principal: Principal, answers: Sequence[Answer], now_us: int) -> Answered:
    """Takes the answers of a platform, in one transaction: the good ones, and says what is wrong with the others.

    A number that is another customer's is as unknown as one that is nobody's. Raises django.db.OperationalError where
    the database could not be written to, where that may pass in three attempts.
    """
    with transaction.atomic():
        return _Answering(principal, now_us).take(answers[:ANSWERS_MAX])


class _Answering:
    """One call."""

    def __init__(self, principal: Principal, now_us: int) -> None:
        self.principal, self.now_us = principal, now_us
        self.problems: list[Problem] = []
        self.changed: dict[int, RosterRequest] = {}
        self.repeats = 0

    def take(self, answers: Sequence[Answer]) -> Answered:
        """All of them, in their order."""
        rows = self._rows({it.request for it in answers})
        for nth, it in enumerate(answers):
            self._one(f"body.answers.{nth}", it, rows.get(it.request))
        RosterRequest.objects.bulk_update(
            self.changed.values(), ["state", "why", "answered_at", "answered_by"], batch_size=PIECE
        )
        by_customer: dict[int, list[RosterRequest]] = defaultdict(list)
        for row in self.changed.values():
            by_customer[row.customer_id].append(row)
        for customer, found in sorted(by_customer.items()):
            self._of_customer(customer, found)
        back = sum(it.state == RosterRequest.REFUSED for it in self.changed.values())
        return Answered(len(self.changed) - back, back, self.repeats, tuple(self.problems))

    def _rows(self, numbers: set[int]) -> dict[int, RosterRequest]:
        """Those that are whoever's who asks, read again when their customers are locked."""
        own = RosterRequest.objects.filter(pk__in=numbers, customer__in=customers_of(self.principal).order_by())
        metering.locked(set(own.values_list("customer_id", flat=True)))
        return {it.pk: it for it in own}

    def _one(self, place: str, it: Answer, row: RosterRequest | None) -> None:
        if row is None:
            rule = f"there is no request {it.request}"
            self._wrong(f"{place}.request", rule, "answer the numbers that GET /v1/roster/requests gives")
        elif it.state not in (RosterRequest.DONE, RosterRequest.REFUSED):
            self._wrong(f"{place}.state", "it is none of the answers", "use done or refused")
        elif wrong := _wrong_reason(it):
            self._wrong(f"{place}.why", *wrong)
        elif row.state == it.state:
            self.repeats += 1
        elif row.state == RosterRequest.EXPIRED or self._is_late(row):
            rule = f"it was asked for more than {OPEN_DAYS} days ago, and is answered no more"
            self._wrong(f"{place}.request", rule, "leave it out; what is so now, say by facts")
        elif row.state != RosterRequest.REQUESTED:
            rule = f"it was answered before, with {row.state}"
            self._wrong(f"{place}.state", rule, "leave it out; what is so now, say by facts")
        else:
            row.state, row.why = it.state, it.why if it.state == RosterRequest.REFUSED else ""
            row.answered_at, row.answered_by = from_us(self.now_us), audit.named(self.principal)
            self.changed[row.pk] = row

    def _is_late(self, row: RosterRequest) -> bool:
        """Whether it waits, and does so no more, though no worker has come to say so."""
        return row.state == RosterRequest.REQUESTED and row.asked_at < _open_since(self.now_us)

    def _wrong(self, place: str, rule: str, remedy: str) -> None:
        self.problems.append(Problem(place, rule, remedy))

    def _of_customer(self, number: int, rows: Sequence[RosterRequest]) -> None:
        """Takes back what one customer's platform refused, and says who answered."""
        back = [it for it in rows if it.state == RosterRequest.REFUSED]
        if back:
            voids = [_void(it, self.now_us) for it in back]
            receipt = ingest_within(voids, Sender(self.principal.name, number), self.now_us, mapped=True)
            if receipt.rejected:
                rule = "what was refused cannot be taken back: another fact of the source rollbook has the id of that"
                raise refused(409, "conflict", "answers", rule, "send no facts of the source rollbook")
            roster_told.tell_refused(number, from_us(self.now_us))
        said = {"done": len(rows) - len(back), "refused": len(back)}
        audit.record(self.principal, "roster.answered", "", number, **said)


def _wrong_reason(it: Answer) -> tuple[str, str] | None:
    """What is wrong with why something was refused, and what to do."""
    if it.state == RosterRequest.REFUSED and not it.why.strip():
        return "it is empty", "say why it was not done: administrators read it"
    if len(it.why) > WHY_LENGTH_MAX:
        return f"it has more than {WHY_LENGTH_MAX} characters", "shorten it"
    if any(unicodedata.category(letter) in _UNSEEN or letter in _TURNING for letter in it.why):
        return "it has control characters, or more than one line", "leave them out"
    return None


def _void(row: RosterRequest, now_us: int) -> Fact:
    """What takes the fact of a request back. Its id follows from the fact's, so there is one."""
    return Fact(
        id=digest([VOIDED, row.fact_id]),
        at_us=now_us,
        type=VOIDED,
        organisation=row.organisation,
        role="system",
        source=OWN_SOURCE,
        voids=row.fact_id,
    )


def _pieces(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[first : first + PIECE] for first in range(0, len(ids), PIECE))
