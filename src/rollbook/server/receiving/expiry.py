"""Facts that wait for an organisation that nobody has do not wait for ever: after some days they are refused, in words.

Nothing is lost silently: how many they were, whose they were to be, where they came from and when they happened stands
where refused facts are looked for, with what to do. Sent again, they wait anew, or count.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from rollbook.model.instants import from_us, iso
from rollbook.server.models import HeldFact, Organisation, Refusal

EXPIRED_MAX = 10_000
"""Facts that are refused at once; the next run goes on."""

SENDER, CODE = "facts that waited", "expired"
"""Whose refusals they are, and which."""

_NAME_MAX = 100
"""Characters of a name that are told: two of them stand in a rule of 500."""


def waits() -> timedelta:
    """How long a fact waits for its organisation."""
    return timedelta(days=settings.CONFIGURATION["ROLLBOOK_WAIT_DAYS"])


@transaction.atomic
def expire(now_us: int) -> int:
    """Refuses facts that waited too long for their organisation, by organisation and source; how many they were."""
    registered = Organisation.objects.values("name")
    due = HeldFact.objects.filter(reason=HeldFact.UNKNOWN, received_at__lt=from_us(now_us) - waits())
    # Whoever takes them in at this moment holds them, and they are left to it.
    held = due.exclude(organisation__in=registered).select_for_update(of=("self",), skip_locked=True)
    rows = list(held.order_by("received_at", "pk")[:EXPIRED_MAX])
    groups: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        groups.setdefault((row.organisation, row.source), []).append(row.at_us)
    Refusal.objects.bulk_create(
        Refusal(
            sender=SENDER,
            index=0,
            code=CODE,
            facts=len(instants),
            rule=(
                f'no customer has the organisation "{_short(organisation)}", and its facts from the source '
                f'"{_short(source)}" waited for {waits().days} days'
            ),
            remedy=(
                f"add the organisation to its customer, then let the source send again what happened from "
                f"{iso(min(instants))} to {iso(max(instants))}"
            ),
        )
        for (organisation, source), instants in groups.items()
    )
    HeldFact.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def _short(name: str) -> str:
    return name if len(name) <= _NAME_MAX else f"{name[: _NAME_MAX - 1]}…"
