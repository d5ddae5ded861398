"""Runs the reference, one learner at a time, and leaves its result in the same relations as the query does.

Meant for checking and for small data: it holds every fact as an object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa

from rollbook.engines.duckdb import load, load_times
from rollbook.engines.metered import Metered
from rollbook.metering import inputs, reference
from rollbook.metering.outcome import Outcome
from rollbook.metering.steps import COUNTS
from rollbook.model.fact import Fact
from rollbook.model.subscription import Subscription


def meter(
    facts: Iterable[Fact], subscription: Subscription, as_of_us: int, *, assumed: frozenset[str] = frozenset()
) -> Metered:
    """Meters one subscription. `assumed` names the organisations whose learners all count as members."""
    held = list(facts)
    outcome = reference.meter(held, subscription, as_of_us, assumed)
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    first_us = min((fact.at_us for fact in held), default=0)
    load_times(connection, [subscription], as_of_us, first_us)
    organisations = subscription.organisations or sorted({fact.organisation for fact in held})
    load(connection, "covered", [(0, organisation, 0) for organisation in organisations])
    for name, table in _relations(outcome).items():
        connection.register("loading", table)
        connection.execute(f"create temp table {name} as select * from loading")
        connection.unregister("loading")
    connection.execute(f"create temp view counts as {COUNTS}")
    windows = inputs.metered_windows(subscription, as_of_us)
    return Metered(connection, (subscription,), as_of_us, (windows,), (tuple(sorted(outcome.conflicts)),))


def _relations(outcome: Outcome) -> dict[str, pa.Table]:
    active, held = outcome.activations, outcome.holdings
    fates = outcome.dispositions
    return {
        "activations": pa.table(
            {
                "subscription": _numbers(0 for _ in active),
                "window_number": _numbers(it.window for it in active),
                "organisation": _texts([it.organisation for it in active]),
                "unit": _texts([it.unit for it in active]),
                "object": _texts([it.object for it in active]),
                "guest": pa.array([it.guest for it in active], pa.bool_()),
                "class": _texts([it.class_ for it in active]),
                "first_us": _numbers(it.first_us for it in active),
                "source": _texts([it.source for it in active]),
                "id": _texts([it.fact for it in active]),
                "facts": _numbers(it.facts for it in active),
            }
        ),
        "held": pa.table(
            {
                "subscription": _numbers(0 for _ in held),
                **{
                    column: _texts([getattr(it, column) for it in held])
                    for column in ("organisation", "unit", "object", "on_source", "off_source")
                },
                "on_us": _numbers(it.on_us for it in held),
                "off_us": _numbers(it.off_us for it in held),
                "on_id": _texts([it.on_fact for it in held]),
                "off_id": _texts([it.off_fact for it in held]),
            }
        ),
        "fates": pa.table(
            {
                "subscription": _numbers(0 for _ in fates),
                "source": _texts([source for source, _ in fates]),
                "id": _texts([id_ for _, id_ in fates]),
                "fate": _texts(list(fates.values())),
            }
        ),
    }


def _numbers(values: Iterable[int | None]) -> pa.Array:
    return pa.array(list(values), pa.int64())


def _texts(values: Sequence[str]) -> pa.Array:
    return pa.array(list(values), pa.string())
