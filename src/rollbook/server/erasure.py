"""Forgetting a person, and learning people's names: the only writes to who a surrogate is, beside taking facts in.

Erasing empties id, name and address of a person, and leaves the keyed digest. Nothing that was counted is touched: no
count, order, evidence or digest of a statement changes, and the same id that comes again is the same person, without
a name. That cannot be undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from rollbook.server.access import audit
from rollbook.server.access.principals import Principal
from rollbook.server.live import metering, people
from rollbook.server.models import Customer, Person

PEOPLE_MAX = 2000
"""People of one call."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done. `surrogate` is what facts and statements carry; None where nothing was ever said of the id."""

    surrogate: str | None
    erased_at: datetime | None
    before: bool


@dataclass(frozen=True, slots=True)
class Named:
    """What became of names: written, or left empty because the person was erased."""

    named: int
    erased_before: int


def erase(actor: Principal, customer: Customer, learner: str) -> Erased:
    """Forgets one person of a customer. Again it changes nothing. The audit says which surrogate, and never the id."""
    with transaction.atomic():
        metering.locked([customer.pk])
        surrogate = people.surrogate(customer.pk, learner)
        if surrogate is None:
            return Erased(None, None, before=False)
        person = Person.objects.select_for_update().get(pk=int(surrogate))
        before = person.erased_at is not None
        person.learner = person.name = person.email = ""
        person.erased_at = person.erased_at or timezone.now()
        person.save(update_fields=["learner", "name", "email", "erased_at"])
        audit.record(actor, "person.erased", f"person {surrogate}", customer.pk)
    return Erased(surrogate, person.erased_at, before)


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
