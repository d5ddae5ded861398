"""Who did what, when: one row for each act that changes who may do what, what is agreed, or what is owed.

Rows are only ever added, in the transaction of the act. No learner is named: ids, names and addresses of learners are
never among the details, and secrets are not either.
"""

from __future__ import annotations

from typing import Any

from rollbook.server.access.principals import Principal
from rollbook.server.models import Audit

ACTOR_LENGTH, OBJECT_LENGTH = 200, 300


def record(actor: Principal | str, action: str, thing: str = "", customer: int | None = None, **details: Any) -> None:
    """Adds a row.

    actor     who asked, or the name of the job that did it
    action    dotted, such as `statement.closed`
    thing     what it was done to, such as `subscription 7`
    customer  the number of the customer that it is about
    details   JSON values; no learner, no secret
    """
    Audit.objects.create(
        actor=named(actor), action=action, object=thing[:OBJECT_LENGTH], customer_id=customer, details=details
    )


def named(actor: Principal | str) -> str:
    """How rows call somebody."""
    return (actor if isinstance(actor, str) else actor.label)[:ACTOR_LENGTH]
