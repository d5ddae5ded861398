"""The steps of `metering.query` as one statement, with small relations as parameters.

Steps that are worth keeping become `AS MATERIALIZED`; steps that nothing asks for are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rollbook.engines.database import schema
from rollbook.engines.database.dialects import Dialect
from rollbook.metering import inputs
from rollbook.metering.query_instants import Fragments
from rollbook.metering.steps import Step
from rollbook.model.plan import Meter

SEPARATOR = "\x1f"
"""Between the texts of a `part`."""


def first_facts(unit: Sequence[str], proof: Sequence[str]) -> str:
    """The first fact of each unit, by its place in order: neither database compares records faster."""
    columns, further = ", ".join(unit), "".join(f"{column}, " for column in proof)
    return f"""
        select {columns}, at_us as first_us, source, id, {further}facts
        from (select placed.*, count(*) over (partition by {columns}) as facts,
                     row_number() over (partition by {columns} order by at_us, source, id) as nth
              from placed where not single) as counted
        where nth = 1
        """


def class_counts(cluster: Sequence[str]) -> str:
    """Nothing asks: tallies are kept as activations change."""
    return f"select {', '.join(cluster)} from clustered where false"


FRAGMENTS = Fragments(first_facts=first_facts, class_counts=class_counts)


def given(dialect: Dialect) -> tuple[Step, ...]:
    """The inputs of the query that are few rows, as parameters of their names; and the facts that were gathered."""
    small = tuple(Step(name, dialect.rows(name, columns), keep=True) for name, columns in inputs.COLUMNS.items())
    return (
        *small,
        Step("facts", "select * from live_facts"),
        Step("targets", "select organisation, source, id, number from live_facts"),
    )


def chain(dialect: Dialect, steps: Iterable[Step], select: str) -> str:
    """`select` after the steps that it needs. Inputs may hold placeholders; other steps and `select` hold none."""
    every = list(steps)
    needed = _names(select)
    chosen: list[Step] = []
    for step in reversed(every):
        if step.name in needed:
            chosen.append(step)
            needed |= _names(step.sql)
    ready = {*inputs.COLUMNS, "last_active"}
    withs = ", ".join(
        f"{step.name} as {'materialized ' if step.keep else ''}"
        f"({step.sql if step.name in ready else dialect.text(step.sql)})"
        for step in reversed(chosen)
    )
    return f"with {withs} {dialect.text(select)}"


def _names(sql: str) -> set[str]:
    """Every word of a statement: those that are steps are what it reads, and one too many costs little."""
    return set(re.findall(r"\b[a-z_]+\b", sql))


def part(meter: Meter, relation: str) -> str:
    """What tells apart the rows of one unit in one window."""
    fact = f"{relation}.source || '{SEPARATOR}' || {relation}.id"
    if meter.unit == "entry":
        return fact
    slot = f"{relation}.organisation || '{SEPARATOR}' || {relation}.object" if meter.unit == "enrolment" else "''"
    return f"case when {relation}.guest then {fact} else {slot} end" if meter.guests == "each-entry" else slot


def activations(meter: Meter) -> str:
    """The rows of `live_new`."""
    computed = {"part": part(meter, "a"), "cluster": "coalesce(cluster_of.cluster, a.unit)"}
    columns = ", ".join(computed.get(column, f"a.{column}") for column in schema.ACTIVATION)
    return f"""
        select {columns} from activations as a
        left join identities as cluster_of
               on cluster_of.scope = a.scope and cluster_of.learner = a.unit and cluster_of.from_us = -1 and not a.guest
        """


def openings(meter: Meter) -> str:
    """The rows of `live_opening`: when clusters were first and last active before the term."""
    by_slot = meter.unit == "enrolment"
    slot = ("organisation", "object") if by_slot else ("''", "''")
    name = f"organisation || '{SEPARATOR}' || object" if by_slot else "''"
    grouped = ", ".join(("scope", "cluster", *(slot if by_slot else ())))
    return f"""
        select scope, cluster, {name}, {", ".join(slot)}, min(window_number), max(window_number)
        from clustered where window_number < 1 and facts > 0 group by {grouped}
        """
