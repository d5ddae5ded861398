"""Fills the step `active` from a ledger by one pass over it; everything after that step is the query's.

Three things are left to the query: learners with several ids, guests (each entry counts by itself), and the choice
between the segments of a learner who is in several of them.
"""

from __future__ import annotations

import duckdb
import numpy as np
from numpy.typing import NDArray

from rollbook.engines.fragments import first_facts
from rollbook.engines.making import make
from rollbook.engines.passing import Pass
from rollbook.ledger import LedgerStore
from rollbook.metering.sweep import can_sweep
from rollbook.model.plan import Meter


def sweeps(store: object, meter: Meter) -> bool:
    """Whether the pass serves these facts under this plan."""
    return (
        isinstance(store, LedgerStore)
        and can_sweep(meter)
        and all(segment.kinds or not segment.rows for segment in store.segments)
    )


def fill_active(store: LedgerStore, passing: Pass) -> None:
    """Makes the relations `active`, for the steps after it, and `units`, with the names of its units."""
    connection = store.connection
    connection.register("swept_numbers", passing.activations())
    # Of the learners of later segments the number of the segment stands above the lower 32 bits.
    cases = "".join(
        f"when number < {first << 46} then {segment}::bigint << 32 | learner_number "
        for segment, first in enumerate(store.first_files[1:-1])
    )
    last = f"{max(len(store.segments) - 1, 0)}::bigint << 32 | learner_number"
    unit = f"case {cases} else {last} end" if cases else last
    make(connection, "view", "swept", f"select *, {unit} as unit from swept_numbers")
    relation = "swept"
    if len(store.segments) > 1:
        relation = _settle_shared(connection)
    named = "select segment::bigint << 32 | learner_number as unit, learner as name from learners"
    found = f"""
        select covered.subscription, window_number::integer as window_number, covered.ordinal as scope_number,
               covered.organisation as scope, unit, unit as cluster, first_us, number, facts::bigint as facts
        from {relation} join covered using (ordinal)
        """
    if store.linked:
        found += _linked_activations(connection)
        named += " union all select unit, name from linked_units"
    make(connection, "view", "active", found)
    make(connection, "view", "units", named)


def linked_learners(store: LedgerStore) -> dict[int, NDArray[np.bool_]]:
    """By segment, whether a learner is one of several ids of a person."""
    found: dict[int, NDArray[np.bool_]] = {}
    rows = store.connection.execute(
        """select segment, learner_number from learners
           semi join (select scope as organisation, learner from identities) using (organisation, learner)"""
    ).fetchall()
    for segment, learner in rows:
        found.setdefault(segment, np.zeros(store.segments[segment].learners, np.bool_))[learner] = True
    return found


def _linked_activations(connection: duckdb.DuckDBPyConnection) -> str:
    """SQL of what persons with several ids add to `active`; makes `linked_units`, whose numbers are negative."""
    connection.execute(
        """create or replace temp table linked_units as
           select -row_number() over (order by scope, unit) as unit, scope, unit as name
           from (select distinct scope, unit from identities)"""
    )
    of_persons = """
        (select * from placed where (subscription, scope, unit) in (select (subscription, scope, unit) from identities))
        """
    unit = ("subscription", "window_number", "scope_number", "scope", "unit")
    connection.execute(
        f"""create or replace temp table active_linked as
            select active.subscription, window_number, scope_number, active.scope, units.unit,
                   clusters.unit as cluster, first_us, number, facts
            from ({first_facts(unit, ("number",), f"{of_persons} as placed")}) as active
            join linked_units as units on units.scope = active.scope and units.name = active.unit
            join identities
              on identities.subscription = active.subscription and identities.scope = active.scope
             and identities.learner = active.unit
             and active.first_us >= identities.from_us and active.first_us < identities.to_us
            join linked_units as clusters on clusters.scope = active.scope and clusters.name = identities.cluster"""
    )
    return "union all from active_linked"


def _settle_shared(connection: duckdb.DuckDBPyConnection) -> str:
    """Makes one activation of those that a learner of several segments has in the same window; returns their relation.

    Such a learner goes by the number in the first of these segments. Instants decide; where they tie, (source, id).
    """
    connection.execute(
        """create or replace temp table shared as
           select segment << 32 | learner_number as unit,
                  min(segment << 32 | learner_number) over (partition by organisation, learner) as known
           from (select segment::bigint as segment, learner_number, organisation, learner from learners
                 where (organisation, learner) in (
                     select (organisation, learner) from learners group by all having count(*) > 1))"""
    )
    connection.execute(
        """create or replace temp table several as
           select ordinal, known as unit, window_number, first_us, number, facts::bigint as facts
           from swept join shared using (unit)"""
    )
    unit = "ordinal, unit, window_number"
    connection.execute(
        f"""create or replace temp table tied as
            select several.* exclude facts, total as facts, count(*) over (partition by {unit}) as tying
            from several
            join (select {unit}, min(first_us) as first_us, sum(facts)::bigint as total from several group by all)
              using ({unit}, first_us)"""
    )
    connection.execute(
        f"""create or replace temp table settled as
            select {unit}, first_us, number, facts from tied where tying = 1
            union all
            select {unit}, first_us, proof.number, facts
            from (select {unit}, first_us, facts, min({{'source': source, 'id': id, 'number': number}}) as proof
                  from (from tied where tying > 1) join facts using (number) group by all)"""
    )
    return "(from swept anti join shared using (unit) union all by name from settled) as swept"
