"""Whoever leaves takes with them what acts in their name: sessions, links and orders of reports end or pause.

Keys and endpoints that they made are their customer's, or the vendor's, and hold, unless they are to end too.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from rollbook.server.access import accounts
from rollbook.server.access.principals import Principal
from rollbook.server.models import ApiKey, Endpoint, User
from rollbook.server.notices import endpoints, ordering, standing


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody who signs in no more: keys and endpoints that they made and that hold, and orders that were paused."""

    user: User
    keys: list[ApiKey]
    endpoints: list[Endpoint]
    orders: list[int]


@transaction.atomic
def disable(principal: Principal, number: int, *, revoke: bool = False) -> Left:
    """Disables somebody; `revoke` ends what they made too. Raises 403, 404, and 409 for oneself."""
    row = accounts.user_for(principal, number)
    accounts.enable(principal, row, active=False)
    ordered = [it.pk for it in ordering.orders_of(principal).filter(created_by=row) if standing.pause(it.pk)]
    made = accounts.keys_of(principal).filter(created_by=row, revoked_at=None).order_by("pk")
    receiving = endpoints.endpoints_of(principal).filter(created_by=row).exclude(state=Endpoint.REMOVED).order_by("pk")
    if revoke:
        for key in list(made):
            accounts.revoke_key(principal, key)
        for endpoint in list(receiving):
            endpoints.remove(principal, endpoint)
    return Left(row, list(made.all()), list(receiving.all()), ordered)
