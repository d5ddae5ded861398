"""Forgetting a person, and learning people's names: the only writes to who a surrogate is, beside taking facts in.

Erasing empties id, name and address of a person, and leaves the keyed digest. Nothing that was counted is touched: no
count, order, evidence or digest of a statement changes, and the same id that comes again is the same person, without
a name. That cannot be undone.

What else a sender wrote of them is searched for, too. Attributes count for nothing, and no statement has them: those of
the person's own facts are emptied, and all others of their customer that have the id, name or address. Facts that wait
become facts of the surrogate. Objects, sessions and ids of facts are what counts and statements rest on: where they
contain the id, that is told and they stay. (Where they *are* the id, they were stored as the surrogate's.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from rollbook.metering.steps import quoted_list
from rollbook.model.fact import LINKED
from rollbook.server.access import audit
from rollbook.server.access.principals import Principal
from rollbook.server.live import archive, metering, people
from rollbook.server.models import (
    Customer,
    HeldFact,
    Organisation,
    Person,
    Refusal,
    Reservation,
    RosterRequest,
    UnknownType,
)

PEOPLE_MAX = 2000
"""People of one call."""

CHUNK = 500
"""Facts that are emptied in one transaction: whoever sends facts waits for it in SQLite."""

LENGTH_SURE = 6
"""A shorter text could be part of anything: it is looked for as a whole value of JSON only."""

PERSONS = ("learner", "actor", "impersonator")
"""Columns of a fact that name people."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done.

    surrogate  what facts and statements carry; None where nothing was ever said of the id
    waiting    facts that wait for an organisation that nobody has, and name the id: kept, because nobody knows whose
               they are, unless they were to be discarded
    elsewhere  facts whose object, session or own id contains the id: they stay
    """

    surrogate: str | None
    erased_at: datetime | None
    before: bool
    waiting: int
    elsewhere: int


@dataclass(frozen=True, slots=True)
class Named:
    """What became of names: written, or left empty because the person was erased."""

    named: int
    erased_before: int


def erase(actor: Principal, customer: Customer, learner: str, *, discard_waiting: bool = False) -> Erased:
    """Forgets one person of a customer. Again it changes no more. The audit says which surrogate, and never the id.

    discard_waiting  facts that wait for an organisation that nobody has, and name this id, are deleted
    """
    if moved := archive.of_customer(Customer.objects.get(pk=customer.pk)):
        # Or half of it would be done when it is missed.
        moved.check()
    with transaction.atomic():
        metering.locked([customer.pk])
        own = HeldFact.objects.filter(organisation__in=customer.organisations.values("name"))
        _map_waiting(customer, own.filter(reason=HeldFact.UNKNOWN), learner)
        surrogate = people.surrogate(customer.pk, learner)
        transaction.on_commit(people.forget)
        person = Person.objects.select_for_update().get(pk=int(surrogate)) if surrogate else None
        said = [learner, *filter(None, (person.name, person.email) if person else ())]
        before = person is not None and person.erased_at is not None
        if person is not None:
            person.learner = person.name = person.email = ""
            person.erased_at = person.erased_at or timezone.now()
            person.save(update_fields=["learner", "name", "email", "erased_at"])
            Reservation.objects.filter(subscription__customer=customer, learner=surrogate).delete()
            RosterRequest.objects.filter(person=person).update(why="")
        _empty_waiting(own, surrogate, said)
        waiting = _unowned(learner)
        if discard_waiting:
            HeldFact.objects.filter(pk__in=waiting).delete()
        quoted = [Q(rule__contains=it) | Q(remedy__contains=it) for it in said if len(it) >= LENGTH_SURE]
        for quotes in quoted:
            Refusal.objects.filter(quotes, Q(customer=customer) | Q(customer=None)).delete()
        for it in said:
            if len(it) >= LENGTH_SURE:
                UnknownType.objects.filter(customer=customer, type__contains=it).delete()
                refused = RosterRequest.objects.filter(customer=customer, state=RosterRequest.REFUSED)
                refused.filter(why__contains=it).update(why="")
        if person is not None or waiting:
            about = f"person {surrogate}" if surrogate else "facts that wait"
            discarded = len(waiting) if discard_waiting else 0
            audit.record(actor, "person.erased", about, customer.pk, discarded=discarded)
    # Without the lock: it may take as long as reading all facts of the customer, and touches nothing that counts.
    organisations = list(customer.organisations.values_list("name", flat=True))
    _empty_attributes(customer.pk, organisations, surrogate, said)
    elsewhere = _carrying(organisations, learner)
    left = 0 if discard_waiting else len(waiting)
    return Erased(surrogate, person.erased_at if person else None, before, left, elsewhere)


def _map_waiting(customer: Customer, rows: QuerySet[HeldFact], learner: str) -> None:
    """Facts that waited for an organisation which is the customer's by now get surrogates, as when they come in."""
    for row in rows.iterator():
        content = row.content
        if learner not in content.values():
            continue
        ids = {content[it] for it in PERSONS} | ({content["object"]} if content["type"] == LINKED else set())
        known = people.surrogates(customer.pk, ids - {""})
        names = {it: f"person {known[content[it]]}" for it in ("object", "session") if content[it] in known}
        if content["type"] == LINKED:
            names["object"] = known[content["object"]]
        row.content = content | names | {it: known.get(content[it], "") for it in PERSONS}
        row.customer, row.reason = customer, HeldFact.FUTURE
        row.save(update_fields=["content", "customer", "reason"])


def _empty_waiting(rows: QuerySet[HeldFact], surrogate: str | None, said: Iterable[str]) -> None:
    """The person's facts that wait lose their attributes, as do those that say who they are."""
    says, changed = _matcher(said), []
    for row in rows.iterator():
        content = row.content
        theirs = surrogate is not None and surrogate in [content[it] for it in PERSONS]
        if content["attributes"] and (theirs or says(content["attributes"])):
            content["attributes"] = ""
            changed.append(row)
    HeldFact.objects.bulk_update(changed, ["content"], batch_size=CHUNK)


def _unowned(learner: str) -> list[int]:
    """Numbers of the facts that wait for an organisation that nobody has, and name an id anywhere."""
    registered = Organisation.objects.values("name")
    rows = HeldFact.objects.filter(reason=HeldFact.UNKNOWN).exclude(organisation__in=registered)
    names = _matcher([learner])
    return [
        row.pk
        for row in rows.iterator()
        if learner in row.content.values() or names(row.content["attributes"]) or learner == row.organisation
    ]


def _matcher(said: Iterable[str]) -> Callable[[str], bool]:
    """Whether a text has any of these, as JSON writes them or as they are."""
    wanted = list(_written(said))
    return lambda text: any(it in text for it in wanted)


def _written(said: Iterable[str]) -> Iterator[str]:
    for it in said:
        for escaped in {json.dumps(it), json.dumps(it, ensure_ascii=False)}:
            yield escaped if len(it) < LENGTH_SURE else escaped[1:-1]


def _empty_attributes(customer: int, organisations: list[str], surrogate: str | None, said: Iterable[str]) -> None:
    has = " or ".join([f"{_POSITION[connection.vendor]} > 0"] * len(wanted := list(_written(said))))
    theirs = "%s in (learner, actor, impersonator)" if surrogate else "%s <> ''"
    where = f"attributes <> '' and ({theirs} or {has})"
    values = [surrogate or "", *wanted]
    found = chain(
        _numbers(organisations, where, values), _numbers(organisations, where, values, table="archived_attributes")
    )
    while part := list(islice(found, CHUNK)):
        with transaction.atomic(), connection.cursor() as cursor:
            # Facts may be moved to the archive meanwhile, with what is said in them.
            metering.locked([customer])
            marks = ", ".join(["%s"] * len(part))
            cursor.execute(f"update fact set attributes = '' where number in ({marks})", part)
            cursor.execute(f"delete from archived_attributes where number in ({marks})", part)


def _carrying(organisations: list[str], learner: str) -> int:
    """How many facts have an id within their object, session or own id."""
    if len(learner) < LENGTH_SURE:
        where, values = "%s in (object, session, id, voids)", [learner]
    else:
        columns = ("object", "session", "id", "voids")
        where = " or ".join(_POSITION[connection.vendor].replace("attributes", it) + " > 0" for it in columns)
        values = [learner] * len(columns)
    return len(_numbers(organisations, f"({where})", values)) + _archived_carrying(organisations, learner)


def _archived_carrying(organisations: list[str], learner: str) -> int:
    """The same of facts that were moved to the archive."""
    moved = archive.of_organisations(organisations)
    if moved is None:
        return 0
    columns = ("object", "session", "id", "voids")
    if len(learner) < LENGTH_SURE:
        where = f"$learner in ({', '.join(columns)})"
    else:
        where = " or ".join(f"contains({column}, $learner)" for column in columns)
    where = f"({where}) and organisation in ({quoted_list(organisations)})"
    [(number,)] = moved.all("count(*)", where, {"learner": learner})
    return int(number)


_POSITION = {"postgresql": "strpos(attributes, %s)", "sqlite": "instr(attributes, %s)"}


def _numbers(organisations: list[str], where: str, values: list[str], *, table: str = "fact") -> list[int]:
    """Numbers of facts, one organisation after the other."""
    found: list[int] = []
    with connection.cursor() as cursor:
        for organisation in organisations:
            cursor.execute(f"select number from {table} where organisation = %s and {where}", [organisation, *values])
            found += [number for (number,) in cursor.fetchall()]
    return found


def name(actor: Principal, customer: Customer, said: Mapping[str, tuple[str, str]]) -> Named:
    """Writes names and addresses of people by id. Whoever is not known yet gets a surrogate; the erased stay empty."""
    with transaction.atomic():
        metering.locked([customer.pk])
        surrogates = people.surrogates(customer.pk, said)
        rows = {str(it.pk): it for it in Person.objects.filter(pk__in=[int(it) for it in surrogates.values()])}
        changed = []
        for learner, surrogate in surrogates.items():
            person = rows[surrogate]
            if person.erased_at is None:
                person.name, person.email = said[learner]
                changed.append(person)
        Person.objects.bulk_update(changed, ["name", "email"], batch_size=200)
        audit.record(actor, "people.named", f"customer {customer.pk}", customer.pk, people=len(changed))
    return Named(len(changed), len(rows) - len(changed))
