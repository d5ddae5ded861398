"""Facts of types that nobody knows: they are kept and not counted, and noted here so that somebody is told.

What is noted is bounded: of a customer that sends more than `TYPES_MAX` of them, the rest share one row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rollbook.model.fact import TYPES, Fact
from rollbook.model.instants import from_us
from rollbook.server.models import UnknownType

TYPES_MAX = 500
"""Of one customer, each with a row of its own."""

OTHERS = ""
"""The type of the row of all others."""

_KNOWN = frozenset(TYPES)


def note(customer: int, new: Iterable[Fact], now_us: int) -> None:
    """Notes facts of unknown types that were stored just now. Call it while the customer is locked."""
    strange = [fact for fact in new if fact.type not in _KNOWN]
    if not strange:
        return
    now = from_us(now_us)
    rows = {row.type: row for row in UnknownType.objects.filter(customer=customer)}
    last = {fact.type: fact for fact in strange}
    touched = set()
    for type_, facts in Counter(fact.type for fact in strange).items():
        name = type_ if type_ in rows or len(rows) < TYPES_MAX else OTHERS
        row = rows.setdefault(name, UnknownType(customer_id=customer, type=name, first_at=now))
        row.facts += facts
        row.organisation, row.source = last[type_].organisation, last[type_].source
        row.last_at, row.resolved_at = now, None
        touched.add(name)
    UnknownType.objects.bulk_create(
        [rows[name] for name in sorted(touched)],
        update_conflicts=True,
        unique_fields=["customer", "type"],
        update_fields=["facts", "organisation", "source", "last_at", "resolved_at"],
    )
