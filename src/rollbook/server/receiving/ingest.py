"""A batch is one transaction: its facts are stored, metered and announced together, or not at all.

When it returns, the facts are on disk and in the count, and the same batch again changes nothing: (source, id) is known
once for each customer, for ever. Every fact has one
fate: new, a repeat, held apart, or rejected with a code, a rule and a remedy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import msgspec
import stamina
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from rollbook.engines import database as engine
from rollbook.model.fact import LINKED, Fact
from rollbook.server.live import contracts, driver, metering, people
from rollbook.server.models import HeldFact, Organisation, Refusal, Subscription
from rollbook.server.models.lengths import BYTES_MAX
from rollbook.server.notices import crossings
from rollbook.server.observing import telemetry
from rollbook.server.receiving import links, unknown
from rollbook.server.receiving.reading import Rejected, problems, read_rows

__all__ = ["Receipt", "Rejected", "Sender", "ingest", "ingest_within", "problems", "read_rows", "release_held"]

REFUSALS_KEPT_MAX = 100
"""Rejected facts of one batch that are kept to be looked at; all are answered."""

RELEASE = "release of held facts"
"""Whose refusals those are of facts that waited."""

RELEASED_MAX = 10_000
"""Held facts that are released at once."""

OWN_SOURCE = "rollbook"
"""The source of what is decided here. Nobody else sends under it, so nobody else takes back what was decided here: a
void is of the source of what it voids.
"""

_BOUNDED = attrgetter(*BYTES_MAX)
_FITS_ANYWHERE = min(BYTES_MAX.values()) // 4
"""Characters that are never too many bytes."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends. `customer` is whose facts they may be; None for the vendor's platform, which sends for all."""

    name: str
    customer: int | None = None


@dataclass(slots=True)
class Receipt:
    """What became of a batch: received = new + repeats + held + facts that were rejected.

    still_held  of the repeats those whose first is held yet, so that nothing of it is counted
    """

    received: int = 0
    new: int = 0
    repeats: int = 0
    held: int = 0
    still_held: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    customers: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Batch:
    """The facts of one batch by what is to become of them, each with its index."""

    ready: dict[int, list[tuple[int, Fact]]] = field(default_factory=lambda: defaultdict(list))
    future: list[tuple[int, int, Fact]] = field(default_factory=list)
    unknown: list[tuple[int, Fact]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


@stamina.retry(on=metering.may_pass, attempts=3, wait_initial=0.05, wait_max=1.0)
def ingest(read: Sequence[Fact | tuple[Rejected, ...]], sender: Sender, now_us: int) -> Receipt:
    """Stores and meters a batch in one transaction.

    read    facts, or what is wrong with them, by index
    now_us  what the clock says, UTC microseconds

    Raises django.db.OperationalError where the database could not be written to, where that may pass in three attempts.
    """
    with telemetry.batch(), transaction.atomic():
        receipt = ingest_within(read, sender, now_us)
    telemetry.took_in(receipt.new, receipt.repeats, receipt.held, len({it.index for it in receipt.rejected}))
    return receipt


def ingest_within(
    read: Sequence[Fact | tuple[Rejected, ...]], sender: Sender, now_us: int, *, mapped: bool = False
) -> Receipt:
    """The same in a transaction that runs, and that the caller may still roll back.

    mapped  the facts were decided here: they name people by surrogates of the sender's customer already
    """
    batch = _sorted(read, sender, now_us, mapped=mapped)
    receipt = Receipt(received=len(read), rejected=batch.rejected)
    metering.locked(batch.ready.keys() | {customer for customer, _, _ in batch.future})
    _hold(batch, receipt)
    for customer, facts in sorted(batch.ready.items()):
        _take(customer, facts, receipt, now_us, mapped=mapped)
    receipt.rejected.sort(key=lambda it: it.index)
    _keep_refusals(receipt.rejected, sender)
    return receipt


def customers_waiting(now_us: int) -> list[int]:
    """The customers of held facts whose time has come or whose organisation is known by now."""
    return sorted(set(_owners(_due(now_us).values_list("organisation", flat=True).distinct()).values()))


@transaction.atomic
def release_held(customer: int, now_us: int) -> int:
    """Takes in the held facts of one customer that wait no longer; how many there were."""
    metering.locked([customer])
    own = Organisation.objects.filter(customer=customer).values("name")
    waiting = _due(now_us).filter(organisation__in=own).select_for_update(of=("self",))
    rows = list(waiting.order_by("id")[:RELEASED_MAX])
    # Who waits for their time has a surrogate already; whose organisation was not known could have none.
    facts = {row.pk: Fact(**row.content) for row in rows}
    raw = [row.pk for row in rows if row.reason == HeldFact.UNKNOWN]
    facts.update(zip(raw, _with_surrogates(customer, [facts[pk] for pk in raw]), strict=True))
    receipt = Receipt()
    _take(customer, list(enumerate(facts.values())), receipt, now_us, mapped=True)
    # Nobody waits for an answer: what another fact has come before is told where refused facts are looked for.
    _keep_refusals(receipt.rejected, Sender(RELEASE, customer), RELEASED_MAX)
    HeldFact.objects.filter(pk__in=list(facts)).delete()
    return len(rows)


def _due(now_us: int) -> QuerySet[HeldFact]:
    registered = Organisation.objects.values("name")
    unknown = HeldFact.objects.filter(reason=HeldFact.UNKNOWN, organisation__in=registered, at_us__lt=now_us)
    return HeldFact.objects.filter(reason=HeldFact.FUTURE, at_us__lt=now_us) | unknown


def _sorted(read: Sequence[Fact | tuple[Rejected, ...]], sender: Sender, now_us: int, *, mapped: bool) -> _Batch:
    """Which customer each fact is for, and which cannot be taken in (yet)."""
    batch = _Batch()
    ahead_us = now_us + settings.CONFIGURATION["ROLLBOOK_CLOCK_AHEAD_SECONDS"] * 10**6
    own = _own_organisation(sender)
    owners = _owners(it.organisation or own for it in read if isinstance(it, Fact))
    for index, fact in enumerate(read):
        if not isinstance(fact, Fact):
            batch.rejected.extend(fact)
            continue
        if own and not fact.organisation:
            fact = fact.replace(organisation=own)  # noqa: PLW2901 - a sender with one organisation need not name it
        owner = owners.get(fact.organisation)
        if wrong := (_misfit(index, fact, mapped=mapped) or _forbidden(index, fact, owner, sender)):
            batch.rejected.append(wrong)
        elif owner is None:
            batch.unknown.append((index, fact))
        elif fact.at_us >= ahead_us:
            batch.future.append((owner, index, fact))
        else:
            batch.ready[owner].append((index, fact))
    return batch


def _own_organisation(sender: Sender) -> str:
    """The organisation of a customer that has one."""
    if sender.customer is None:
        return ""
    names = Organisation.objects.filter(customer=sender.customer).values_list("name", flat=True)[:2]
    return names[0] if len(names) == 1 else ""


def _owners(names: Iterable[str]) -> dict[str, int]:
    return dict(Organisation.objects.filter(name__in=set(names)).values_list("name", "customer_id"))


def _misfit(index: int, fact: Fact, *, mapped: bool) -> Rejected | None:
    if not fact.id:
        return Rejected(index, "id-missing", "id is empty", "give an id that is unique within its source, for ever")
    if fact.source == OWN_SOURCE and not mapped:
        rule = f'the source "{OWN_SOURCE}" is what this server decides itself'
        return Rejected(index, "source-reserved", rule, "name the system that the fact comes from, such as lms")
    if max(map(len, _BOUNDED(fact))) <= _FITS_ANYWHERE:
        return None
    for name, most in BYTES_MAX.items():
        text = getattr(fact, name)
        if len(text) * 4 > most and (size := len(text.encode())) > most:
            return Rejected(index, "too-long", f"{name} has {size} bytes, more than {most}", "shorten it")
    return None


def _forbidden(index: int, fact: Fact, owner: int | None, sender: Sender) -> Rejected | None:
    if sender.customer in (None, owner) and (fact.organisation or owner):
        return None
    rule = f'there is no organisation "{fact.organisation}" of yours' if fact.organisation else "organisation is empty"
    return Rejected(index, "organisation", rule, "name one of your organisations, as it was registered")


def _hold(batch: _Batch, receipt: Receipt) -> None:
    """Puts facts apart that wait; those that wait already are repeats, or conflicts where they say something else."""
    future: dict[int, list[tuple[int, Fact]]] = defaultdict(list)
    for customer, index, fact in batch.future:
        future[customer].append((index, fact))
    rows = [
        (index, _held(known, HeldFact.FUTURE, customer))
        for customer, facts in sorted(future.items())
        for (index, _), known in zip(facts, _with_surrogates(customer, [fact for _, fact in facts]), strict=True)
    ]
    rows += [(index, _held(fact, HeldFact.UNKNOWN, None)) for index, fact in batch.unknown]
    if not rows:
        return
    there = HeldFact.objects.filter(
        organisation__in={row.organisation for _, row in rows}, fact_id__in={row.fact_id for _, row in rows}
    )
    waiting = {_held_key(row): row for row in there}
    new: list[HeldFact] = []
    for index, row in rows:
        first = waiting.setdefault(_held_key(row), row)
        if first is row:
            new.append(row)
        elif _is_same(first, row):
            receipt.repeats += 1
            receipt.still_held += 1
        else:
            receipt.rejected.append(_conflict(index))
    receipt.held = len(new)
    HeldFact.objects.bulk_create(new, ignore_conflicts=True)


def _held_key(row: HeldFact) -> tuple[str, str, str]:
    return row.organisation, row.source, row.fact_id


def _is_same(first: HeldFact, again: HeldFact) -> bool:
    one, two = Fact(**first.content), Fact(**again.content)
    if first.reason == HeldFact.UNKNOWN and again.customer_id is not None:
        # The organisation was registered in between: the first names people yet.
        [one] = _with_surrogates(again.customer_id, [one])
    return engine.digest(one) == engine.digest(two)


def _held(fact: Fact, reason: str, customer: int | None) -> HeldFact:
    return HeldFact(
        source=fact.source,
        fact_id=fact.id,
        organisation=fact.organisation,
        customer_id=customer,
        reason=reason,
        at_us=fact.at_us,
        content=msgspec.structs.asdict(fact),
    )


def _conflict(index: int) -> Rejected:
    return Rejected(index, "conflict", "another fact has this source and id", "give each fact an id of its own")


def _take(
    customer: int, facts: Sequence[tuple[int, Fact]], receipt: Receipt, now_us: int, *, mapped: bool = False
) -> None:
    """Stores, meters and announces the facts of one customer, which is locked."""
    known = [fact for _, fact in facts] if mapped else _with_surrogates(customer, [fact for _, fact in facts])
    if too_many := links.beyond(known):
        receipt.rejected += [links.refused(facts[place][0]) for place in sorted(too_many)]
        kept = [place for place in range(len(known)) if place not in too_many]
        facts, known = [facts[place] for place in kept], [known[place] for place in kept]
    with driver.own_database() as database:
        stored = engine.store(database, known, customer, alone=True)
        receipt.repeats += len(stored.duplicates)
        receipt.rejected += [_conflict(facts[place][0]) for place in stored.conflicts]
        new = [known[place] for place, _ in stored.new]
        if new:
            receipt.new += len(new)
            receipt.customers.add(customer)
            unknown.note(customer, new, now_us)
            _meter(database, customer, new, now_us)


def _meter(database: engine.Database, customer: int, new: Sequence[Fact], now_us: int) -> None:
    """The same query that counts files, on the learners that were touched; then whoever has to be told is told."""
    organisations = frozenset(fact.organisation for fact in new)
    latest_us = max(now_us, *(fact.at_us for fact in new))
    subscriptions = [
        metering.begin_windows(it, latest_us)
        for it in metering.concerned(contracts.live_of_customers([customer]), new, organisations)
    ]
    engine.remeter(database, subscriptions, new)
    for live in subscriptions:
        if live.subscription.start_us <= now_us < live.subscription.end_us:
            account = metering.account_in(database, live, now_us + 1)
            if crossings.is_any_reached(account):
                row = Subscription.objects.select_related("customer").get(pk=live.key)
                crossings.record_crossings(row, account)


def _with_surrogates(customer: int, facts: Sequence[Fact]) -> list[Fact]:
    """Facts that name nobody: whoever is an id in them becomes a surrogate."""
    ids = {text for fact in facts for text in (fact.learner, fact.actor, fact.impersonator) if text}
    ids |= {fact.object for fact in facts if fact.type == LINKED}
    known = people.surrogates(customer, ids) | {"": ""}
    # Each field by hand: `replace` takes longer than all the rest of this.
    return [
        Fact(
            id=fact.id,
            at_us=fact.at_us,
            type=fact.type,
            learner=known[fact.learner],
            organisation=fact.organisation,
            role=fact.role,
            mode=fact.mode,
            object=known[fact.object] if fact.type == LINKED else _nobody(fact, fact.object, known),
            source=fact.source,
            recorded_us=fact.recorded_us,
            actor=known[fact.actor],
            impersonator=known[fact.impersonator],
            session=_nobody(fact, fact.session, known),
            voids=fact.voids,
            attributes=fact.attributes,
        )
        for fact in facts
    ]


def _nobody(fact: Fact, text: str, known: Mapping[str, str]) -> str:
    """What an object or a session is called; where it is called as whoever the fact names, by their surrogate."""
    return f"person {known[text]}" if text and text in (fact.learner, fact.actor, fact.impersonator) else text


def _keep_refusals(rejected: Sequence[Rejected], sender: Sender, most: int = REFUSALS_KEPT_MAX) -> None:
    """What was rejected, without its content, for whoever looks after the sender."""
    Refusal.objects.bulk_create(
        Refusal(
            sender=sender.name,
            customer_id=sender.customer,
            index=it.index,
            code=it.code,
            rule=it.rule[:500],
            remedy=it.remedy[:500],
        )
        for it in rejected[:most]
    )
