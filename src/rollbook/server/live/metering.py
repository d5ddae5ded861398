"""The live counts of subscriptions: what `engines.database` keeps, in Django's connection and transaction.

Whoever changes anything holds the customer's lock: see `locked`. What is asked of one customer is so one thing at a
time, and two customers never wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import OperationalError, connection, transaction

from rollbook.accounting.account import Account, account
from rollbook.engines import database as engine
from rollbook.engines.database import LiveSubscription
from rollbook.model.fact import CORRECTIONS, Fact
from rollbook.server.live import contracts
from rollbook.server.live.driver import asked, on_postgresql, own_cursor, own_database
from rollbook.server.models import Subscription
from rollbook.server.refusals import RefusedError


def locked(customers: Iterable[int]) -> None:
    """Locks customers in the order of their numbers, until the transaction ends. SQLite has one writer anyway."""
    if on_postgresql():
        numbers = "{" + ",".join(map(str, sorted(set(customers)))) + "}"
        # The driver begins the transaction by the way.
        with asked() as database, database.pipelined():
            database.run(_LOCK, {"numbers": numbers})


_LOCK = """
    select id from customer where id = any(cast(%(numbers)s as bigint[])) order by id for no key update"""


def may_pass(error: Exception) -> bool:
    """Whether a transaction may well succeed when it is tried again at once; whoever waited for a turn has waited."""
    return isinstance(error, OperationalError) and not isinstance(error, RefusedError)


def concerned(
    subscriptions: Iterable[LiveSubscription], facts: Sequence[Fact], organisations: frozenset[str]
) -> list[LiveSubscription]:
    """Those for which facts could change anything: none of a term that is over, unless something is corrected."""
    corrects = any(fact.type in CORRECTIONS for fact in facts)
    first_us = min((fact.at_us for fact in facts), default=0)
    return [
        it
        for it in subscriptions
        if (corrects or first_us < it.subscription.end_us) and organisations & set(it.subscription.organisations or ())
    ]


def begin_windows(live: LiveSubscription, at_us: int) -> LiveSubscription:
    """Begins the windows whose start has come. Raises RuntimeError outside the transaction that locked the customer."""
    if not connection.in_atomic_block:
        raise RuntimeError("windows begin in the transaction that locked their customer")
    due = contracts.windows_begun(live.subscription, at_us)
    while live.windows_begun < due:
        with own_cursor() as cursor:
            live = engine.begin_window(cursor, live)
        Subscription.objects.filter(pk=live.key).update(windows_begun=live.windows_begun)
    return live


@transaction.atomic
def rebuild(row: Subscription, at_us: int) -> None:
    """Counts a subscription anew from all facts: after it was made, or what was agreed changed."""
    locked([row.customer_id])
    row.refresh_from_db()
    row.windows_begun = contracts.windows_begun(contracts.subscription_of(row), at_us)
    row.save(update_fields=["windows_begun"])
    with own_cursor() as cursor:
        engine.rebuild(cursor, contracts.live(row))


def account_of(live: LiveSubscription, as_of_us: int) -> Account:
    """What was used and what it costs, from the live counts: the function that statements and reports use."""
    with own_database() as database:
        return account_in(database, live, as_of_us)


def account_in(database: engine.Database, live: LiveSubscription, as_of_us: int) -> Account:
    """The same where the database is at hand."""
    subscription = live.subscription
    return account(subscription, subscription.organisations or (), as_of_us, engine.ask(database, live))
