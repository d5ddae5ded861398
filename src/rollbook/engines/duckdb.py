"""Runs the query on DuckDB, over the relation `facts` of a connection.

Small or repeatedly used steps are kept as temporary tables, all others are views: DuckDB then reads from a file
only the columns and rows that a question needs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa

from rollbook.engines import sweep
from rollbook.engines.fragments import CALENDAR, FRAGMENTS
from rollbook.engines.making import make
from rollbook.engines.metered import Metered
from rollbook.engines.passing import Pass
from rollbook.errors import MembershipUnknownError, Problem, UsageError
from rollbook.ledger import LedgerStore
from rollbook.ledger.arrays import texts
from rollbook.ledger.trust import in_words
from rollbook.metering import inputs, query
from rollbook.metering.identities import accept
from rollbook.metering.outcome import Conflict
from rollbook.metering.steps import Step, quoted_list
from rollbook.model.fact import LINKED, Fact
from rollbook.model.plan import Meter
from rollbook.model.subscription import Subscription

NAMES_SHOWN = 5
"""Organisations named in a message."""

ARROW_TYPES = {"integer": (pa.int32(), "i"), "bigint": (pa.int64(), "q")}
"""Of whole numbers: the type in Arrow, and that of an array."""


def meter(
    connection: duckdb.DuckDBPyConnection,
    subscriptions: Sequence[Subscription],
    as_of_us: int,
    *,
    first_us: int | None = None,
    assumed: Sequence[inputs.Row] | None = None,
    assume_members: bool = False,
    ledger: LedgerStore | None = None,
) -> Metered:
    """Meters subscriptions whose plans share one meter, all in one query.

    first_us  the first instant of all facts, where it is known
    assumed   what `assumed_members` found, where it was asked already
    ledger    where the facts of the connection lie, if that is a ledger

    Raises MembershipUnknownError where the plan counts members only and an organisation's facts never say who
    is one, unless `assume_members`.
    """
    meters = {subscription.plan.meter for subscription in subscriptions}
    if len(meters) != 1:
        raise UsageError(Problem("meter", f"{len(meters)} different meters in one query", "meter one plan at a time"))
    [shared] = meters
    if first_us is None:
        first_us = connection.execute("select coalesce(min(at_us), 0) from facts").fetchall()[0][0]
    if ledger is not None and sweep.sweeps(ledger, shared):
        conflicts = _run_swept(ledger, shared, subscriptions, as_of_us, first_us)
    else:
        covered = load_inputs(connection, subscriptions, as_of_us, first_us)
        if assumed is None:
            assumed = assumed_members(connection, shared, covered, assume_members=assume_members)
        load(connection, "assumed", assumed)
        linked = ledger is None or ledger.linked
        run(
            connection,
            query.corrections_apart(shared, linked=linked) if ledger is not None else query.corrections(shared),
        )
        conflicts = load_identities(connection, len(subscriptions), linked=linked)
        run(connection, query.steps(shared, FRAGMENTS))
    windows = tuple(inputs.metered_windows(subscription, as_of_us) for subscription in subscriptions)
    return Metered(connection, tuple(subscriptions), as_of_us, windows, conflicts)


def _run_swept(
    ledger: LedgerStore, meter: Meter, subscriptions: Sequence[Subscription], as_of_us: int, first_us: int
) -> tuple[tuple[Conflict, ...], ...]:
    """The inputs and the steps, with `active` found by a pass over the ledger; returns what contradicts itself.

    The pass begins as soon as is known who has several ids, and the database makes its views meanwhile.
    """
    connection = ledger.connection
    steps = query.steps(meter, FRAGMENTS, swept=True)
    placed = next(number for number, step in enumerate(steps) if step.name == "placed")
    covered = all_covered(connection, subscriptions)
    with in_words(ledger.folder), Pass(ledger, meter, subscriptions, covered, as_of_us, first_us) as passing:
        if not ledger.linked:
            passing.begin()
        load_inputs(connection, subscriptions, as_of_us, first_us, by_day=False)
        load(connection, "assumed", [])
        run(connection, query.corrections_apart(meter, linked=ledger.linked, keep=False))
        conflicts = load_identities(connection, len(subscriptions), linked=ledger.linked)
        if ledger.linked:
            passing.begin(sweep.linked_learners(ledger))
        run(connection, steps[: placed + 1])
        sweep.fill_active(ledger, passing)
    run(connection, steps[placed + 1 :])
    return conflicts


def run(connection: duckdb.DuckDBPyConnection, steps: Iterable[Step]) -> None:
    """Makes each step a view, or a table where it is worth keeping."""
    for step in steps:
        make(connection, "table" if step.keep else "view", step.name, step.sql)


def load(connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[inputs.Row]) -> None:
    """Fills one input table."""
    columns = inputs.COLUMNS[name]
    if not rows:
        nothing = ", ".join(f"null::{kind} as {column}" for column, kind in columns.items())
        make(connection, "table", name, f"select {nothing} where false")
        return
    table = pa.table(
        {
            column: texts(values) if kind == "text" else _numbers(values, kind)
            for (column, kind), values in zip(columns.items(), zip(*rows, strict=True), strict=True)
        }
    )
    connection.register("loading", table)
    make(connection, "table", name, "select * from loading")
    connection.unregister("loading")


def _numbers(values: Iterable[int | str], kind: str) -> pa.Array:
    """Whole numbers as Arrow: `pa.array` of a list imports pandas, where it is installed, which takes 0.2 s."""
    type_, code = ARROW_TYPES[kind]
    found = array(code, [int(value) for value in values])
    return pa.Array.from_buffers(type_, len(found), [None, pa.py_buffer(found)])


def load_inputs(
    connection: duckdb.DuckDBPyConnection,
    subscriptions: Sequence[Subscription],
    as_of_us: int,
    first_us: int,
    *,
    by_day: bool = True,
) -> list[tuple[int, str]]:
    """Fills the input tables of subscriptions and time; returns the organisations that are covered.

    by_day  whether facts are joined to the calendar by day, which is a view otherwise, for whoever asks
    """
    load_times(connection, subscriptions, as_of_us, first_us, by_day=by_day)
    covered = all_covered(connection, subscriptions)
    load(connection, "covered", [(*row, ordinal) for ordinal, row in enumerate(covered, 1)])
    return covered


def all_covered(connection: duckdb.DuckDBPyConnection, subscriptions: Sequence[Subscription]) -> list[tuple[int, str]]:
    """Which subscription, by its place, covers which organisation. From 1 on their places are their `ordinal`."""
    everyone = None
    covered: list[tuple[int, str]] = []
    for number, subscription in enumerate(subscriptions):
        organisations = subscription.organisations
        if organisations is None:
            everyone = everyone or all_organisations(connection)
            organisations = everyone
        covered += [(number, organisation) for organisation in organisations]
    return covered


def load_times(
    connection: duckdb.DuckDBPyConnection,
    subscriptions: Sequence[Subscription],
    as_of_us: int,
    first_us: int,
    *,
    by_day: bool = True,
) -> None:
    """Fills the input tables of subscriptions, windows and days."""
    for name, rows in inputs.time_rows(subscriptions, as_of_us, first_us).items():
        load(connection, name, rows)
    make(connection, "table" if by_day else "view", "calendar", CALENDAR)


def all_organisations(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Every organisation in the facts."""
    return tuple(row[0] for row in connection.execute("select distinct organisation from facts order by 1").fetchall())


def assumed_members(
    connection: duckdb.DuckDBPyConnection, meter: Meter, covered: Sequence[inputs.Row], *, assume_members: bool
) -> list[inputs.Row]:
    """The covered organisations whose facts count members but never say who is one."""
    if meter.member_while is None:
        return []
    silent = {
        row[0]
        for row in connection.execute(
            f"""select organisation from facts where type in ({quoted_list(meter.types)}) group by organisation
                having not bool_or(type in ({quoted_list(meter.member_while.types)}))"""
        ).fetchall()
    }
    rows = [row for row in covered if row[1] in silent]
    if rows and not assume_members:
        names = sorted({str(row[1]) or "(no organisation)" for row in rows})
        rest = len(names) - NAMES_SHOWN
        shown = ", ".join(names[:NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
        types = " or ".join(meter.member_while.on)
        raise MembershipUnknownError(
            Problem(
                shown,
                f"this plan counts members only, and no fact says who is one ({types})",
                "add these facts, or take everyone for a member with --assume-members",
            )
        )
    return rows


def load_identities(
    connection: duckdb.DuckDBPyConnection, subscriptions: int, *, linked: bool = True
) -> tuple[tuple[Conflict, ...], ...]:
    """Fills `identities` from the links that stand, if there are `linked` ones; returns those that contradict."""
    by_scope: dict[tuple[int, str], list[Fact]] = {}
    asked = "select subscription, scope, source, id, at_us, learner, object from links"
    for number, scope, source, id_, at_us, learner, object_ in connection.execute(asked).fetchall() if linked else ():
        link = Fact(id=id_, source=source, at_us=at_us, type=LINKED, learner=learner, object=object_)
        by_scope.setdefault((number, scope), []).append(link)
    rows: list[inputs.Row] = []
    conflicts: list[list[Conflict]] = [[] for _ in range(subscriptions)]
    for (number, scope), found in by_scope.items():
        accepted, refused = accept(found)
        conflicts[number] += refused
        rows += inputs.identity_rows(number, scope, accepted)
    load(connection, "identities", rows)
    return tuple(tuple(sorted(refused)) for refused in conflicts)
