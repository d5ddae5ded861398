"""Reports by learner: who was active (D-10), how everybody stands (S-27, S-32), and a list to reconcile (W-33).

All of them are questions over the relations of the query: they may have millions of rows.
"""

from __future__ import annotations

from rollbook.accounting.account import Account, Ask, beyond
from rollbook.accounting.questions import IN_ORDER, ranked_sql
from rollbook.metering.steps import quoted
from rollbook.reports.columns import (
    BOUNDS,
    CLASS,
    INSTANT,
    LEARNER,
    PROOF,
    TEXT,
    WINDOW,
    YES,
    Column,
    instant,
    pooled,
    told_apart_by,
)

_KIND = {"kind": Column("learner or guest", TEXT)}

ACTIVE_COLUMNS = {
    **WINDOW,
    **LEARNER,
    **_KIND,
    **CLASS,
    "first_at": Column("first instant of presence inside the window: who comes first is included first", INSTANT),
    "standing": Column("included, or extra: beyond the allowance", TEXT),
    **PROOF,
}

USED_COLUMNS = {
    "organisation": Column("of the learner's first proving fact", TEXT),
    "learner": Column("their id; empty for the guests of an organisation together", TEXT),
    "object": Column("the course or enrolment, where the unit is a learner in one", TEXT),
    "kind": Column("learner or guests", TEXT),
    "windows": Column("windows in which they were active"),
    "used": Column("units used in the term so far"),
    "included": Column("of these, within the allowance"),
    "extra": Column("of these, beyond it"),
    "first_at": Column("first activity that counted", INSTANT),
    "last_at": Column("last activity of the kind that counts", INSTANT),
    "active_now": Column("active in the last window that has begun", YES),
}

HELD_COLUMNS = {
    "organisation": Column("of the fact that began the state", TEXT),
    "learner": Column("their id", TEXT),
    "object": Column("the course or enrolment, where the unit is a learner in one", TEXT),
    "windows": Column("windows in which they were active"),
    "extra": Column("of these, beyond the allowance"),
    "taken_at": Column(
        "when the state began, such as a seat that was taken; the first time that reaches the term", INSTANT
    ),
    "released_at": Column("when it last ended; empty while it lasts", INSTANT),
    "times": Column("how many times it began"),
    "holds_now": Column("whether it lasts", YES),
}

STATUS_COLUMNS = {
    **WINDOW,
    **LEARNER,
    "active": Column("whether they were active in the window", YES),
    "since": Column("first instant of presence inside the window; empty where not active", INSTANT),
    **CLASS,
    "objects": Column("different courses or enrolments that counted, or were on, within the window"),
    "facts": Column("facts that counted; for a state: spans that overlap the window"),
    **PROOF,
}


def standing_sql(found: Account, ask: Ask) -> str:
    """Every activation, with `extra`: whether it lies beyond the allowance."""
    if found.seats:
        keys = ", ".join(
            f"({number}, {quoted(organisation)}, {quoted(unit)}, {quoted(object_)})"
            for number, organisation, unit, object_ in beyond(found, ask)
        )
        extra = f"(window_number, organisation, unit, object) in ({keys})" if keys else "false"
        return f"select *, {extra} as extra from activations"
    pool = pooled(found)
    ranges = [
        f"(window_number = {it.window.number} and {pool} = {quoted(it.pool)} and rank between {first} and {last})"
        for it in found.consumption
        for first, last in it.beyond
    ]
    if not ranges:
        return "select *, false as extra from activations"
    return f"select *, {' or '.join(ranges)} as extra from ({ranked_sql(pool)})"


def active_sql(found: Account, ask: Ask) -> str:
    """Everyone active, in the order in which the allowance is used."""
    return f"""
        select {BOUNDS}, organisation, unit as learner, object, case when guest then 'guest' else 'learner' end as kind,
               class, {instant("first_us")} as first_at, case when extra then 'extra' else 'included' end as standing,
               source, id as fact
        from ({standing_sql(found, ask)}) as activations
        join windows on windows.window_number = activations.window_number
        order by windows.window_number, {IN_ORDER}
        """


def used_sql(found: Account, ask: Ask) -> str:
    """A row for each learner; the guests of an organisation together, so that the units add up."""
    unit = told_apart_by(found)
    same = " and ".join(f"standing.{column} = acted.{column}" for column in unit)
    last = len(found.consumption) and max(it.window.number for it in found.consumption)
    meter = found.subscription.plan.meter
    guests = f"""
        union all
        select organisation, '', '', 'guests', count(distinct window_number), count(*),
               count(*) filter (not extra), count(*) filter (extra), {instant("min(first_us)")},
               {instant("max(first_us)")}, bool_or(window_number = {last})
        from standing where guest group by organisation
        """
    return f"""
        with standing as ({standing_sql(found, ask)}),
             acted as (select {", ".join(unit)}, max(at_us) as last_us from placed
                       where window_number >= 1 and not guest group by {", ".join(unit)})
        select min_by(standing.organisation, (first_us, standing.source, standing.id)) as organisation,
               standing.unit as learner, {"standing.object" if "object" in unit else "''"} as object,
               'learner' as kind, count(distinct window_number) as windows, count(*) as used,
               count(*) filter (not extra) as included, count(*) filter (extra) as extra,
               {instant("min(first_us)")} as first_at, {instant("max(last_us)")} as last_at,
               bool_or(window_number = {last}) as active_now
        from standing join acted on {same}
        where not standing.guest
        group by {", ".join(f"standing.{column}" for column in unit)}
        {guests if meter.guests == "each-entry" else ""}
        order by organisation, learner, object
        """


def held_sql(found: Account, ask: Ask) -> str:
    """A row for each learner whom the state reached within the term."""
    unit = told_apart_by(found)
    columns = ", ".join(unit)
    same = " and ".join(f"spans.{column} = counted.{column}" for column in unit)
    return f"""
        with counted as (select {columns}, count(*) as windows, count(*) filter (extra) as extra
                         from ({standing_sql(found, ask)}) group by {columns}),
             spans as (select {columns}, min_by(held.organisation, (on_us, on_source, on_id)) as began,
                              min(on_us) as on_us, max(off_us) as off_us, count(*) as times,
                              bool_or(off_us is null) as lasts
                       from held group by {columns})
        select began as organisation, spans.unit as learner, {"spans.object" if "object" in unit else "''"} as object,
               windows, extra, {instant("on_us")} as taken_at,
               case when not lasts then {instant("off_us")} end as released_at, times, lasts as holds_now
        from spans join counted on {same}
        order by organisation, learner, object
        """


def status_sql(found: Account, ask: Ask) -> str:  # noqa: ARG001 - standing plays no part
    """Every learner who was active in some window of the term, in every window that has begun."""
    unit = told_apart_by(found)
    columns = ", ".join(unit)
    in_window = (
        " and ".join(f"{{0}}.{column} = everyone.{column}" for column in unit)
        + " and {0}.window_number = windows.window_number"
    )
    organisation = "everyone.organisation" if "organisation" in unit else "coalesce(now.first.organisation, '')"
    objects = _objects_held(columns) if found.subscription.plan.meter.holds else _objects_used(columns)
    return f"""
        with everyone as (select distinct {columns} from activations where not guest),
             now as (select {columns}, window_number, min_by({{'organisation': organisation, 'class': class,
                            'first_us': first_us, 'source': source, 'id': id}}, (first_us, source, id)) as first,
                            sum(facts)::bigint as facts
                     from activations where not guest group by {columns}, window_number),
             objects as ({objects})
        select {BOUNDS}, {organisation} as organisation, everyone.unit as learner,
               {"everyone.object" if "object" in unit else "''"} as object,
               now.facts is not null as active, {instant("now.first.first_us")} as since,
               coalesce(now.first.class, '') as class, coalesce(objects.number, 0) as objects,
               coalesce(now.facts, 0) as facts, coalesce(now.first.source, '') as source,
               coalesce(now.first.id, '') as fact
        from windows
        cross join everyone
        left join now on {in_window.format("now")}
        left join objects on {in_window.format("objects")}
        order by windows.window_number, organisation, learner, object
        """


def _objects_used(columns: str) -> str:
    return f"""
        select {columns}, window_number, count(distinct object) filter (object <> '') as number
        from placed where window_number >= 1 and not guest group by {columns}, window_number
        """


def _objects_held(columns: str) -> str:
    """What was on at any time of the window, as the meter says it of a unit."""
    return f"""
        select {columns}, window_number, count(distinct object) filter (object <> '') as number
        from pieces
        join windows on on_us < end_us and (until_us > start_us or on_us >= start_us)
        group by {columns}, window_number
        """
