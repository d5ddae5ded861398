"""The steps of states that last: `spans` said again as relational steps, and `reference` in `_Cluster.spans`.

    named → switches → slots → moves → carried → instants → changes → slot_spans → pieces → islands ┐
                                                       └▶ did   └▶ touches ────────────────────────┴▶ holdings → held

A slot is one object within one organisation. The state of a slot is carried by an id, from before a link to
after it: each id of an identity cluster sees what is switched on its unit (`carried`), keeps its own state, and
its spans are cut where its unit changes (`pieces`). A unit is present while any of its carriers is on; so no
step has to wait for another id's result, and the query needs no recursion.
"""

from __future__ import annotations

from collections.abc import Sequence

from rollbook.metering import outcome
from rollbook.metering.identities import FOREVER_US
from rollbook.metering.reasons import Reasons, first_of, ineligible, none_of
from rollbook.metering.steps import Step, quoted, quoted_list, slot_columns
from rollbook.model.plan import Meter, State

IN_TERM = "start_us < as_of_us and on_us < end_us and (until_us > start_us or on_us >= start_us)"
"""Whether a holding overlaps the term as far as it was metered."""


def span_steps(meter: Meter, state: State, reasons: Reasons) -> tuple[Step, ...]:
    """The steps from `named` to `holdings` and `did`. `reasons` say why a fact could not switch anything."""
    slot = slot_columns(meter) if meter.holds else ()
    return (
        switches(state, reasons),
        slots(state),
        moves(state),
        carried(),
        instants(),
        did(),
        changes(),
        slot_spans(),
        pieces(),
        islands(slot),
        touches(slot),
        holdings(slot),
        held(meter),
    )


def switches(state: State, reasons: Reasons) -> Step:
    """The facts that switch, before the term ends. Where spans do not carry in, the time before is its own era."""
    return Step(
        "switches",
        f"""
        select subscription, scope, cluster, unit, organisation, object, type, at_us, source, id, reset_us,
               case when at_us < reset_us then 0 else 1 end as era
        from named
        where type in ({quoted_list(state.types)}) and at_us < end_us and {none_of(reasons)}
        """,
        keep=True,
    )


def slots(state: State) -> Step:
    """The objects that an id of a cluster was ever switched on for: what an off without an object closes."""
    return Step(
        "slots",
        f"""
        select distinct subscription, scope, cluster, organisation, object
        from switches where type in ({quoted_list(state.on)})
        """,
    )


def moves(state: State) -> Step:
    """One row for each slot a fact switches, on (1) or off (0), numbered among its like at that instant."""
    columns = "subscription, scope, cluster, unit, organisation, object, era, reset_us, at_us, source, id"
    named = ", ".join(f"switches.{c}" if c != "object" else "slots.object" for c in columns.split(", "))
    return Step(
        "moves",
        f"""
        select *, row_number() over (
                   partition by subscription, scope, unit, organisation, object, at_us, turns_on
                   order by source, id) as nth
        from (
            select {columns}, 1 as turns_on from switches where type in ({quoted_list(state.on)})
            union all
            select {columns}, 0 from switches where type not in ({quoted_list(state.on)}) and object <> ''
            union all
            select {named}, 0
            from switches
            join slots on slots.subscription = switches.subscription and slots.scope = switches.scope
                      and slots.cluster = switches.cluster and slots.organisation = switches.organisation
            where type not in ({quoted_list(state.on)}) and switches.object = ''
        ) as every
        """,
    )


def carried() -> Step:
    """The first moves of their like, seen by every id that is the unit at that instant."""
    return Step(
        "carried",
        """
        select moves.*, coalesce(identities.learner, moves.unit) as carrier
        from moves
        left join identities
               on identities.subscription = moves.subscription and identities.scope = moves.scope
              and identities.unit = moves.unit
              and moves.at_us >= identities.from_us and moves.at_us < identities.to_us
        where nth = 1
        """,
    )


def instants() -> Step:
    """What one instant does to one carrier's slot, and whether the slot was on before it.

    The state before is the last switch that was not both on and off: the largest of 2 * instant + state.
    """
    carrier = "subscription, scope, cluster, unit, carrier, organisation, object, era, reset_us"
    return Step(
        "instants",
        f"""
        select judged.*, coalesce(max(case when turns <> 2 then 2 * at_us + turns end) over (
                   partition by subscription, scope, carrier, organisation, object, era
                   order by at_us rows between unbounded preceding and 1 preceding), 0) % 2 as was_on
        from (
            select {carrier}, at_us,
                   case when min(turns_on) <> max(turns_on) then 2 else max(turns_on) end as turns,
                   max(case when turns_on = 1 then source end) as on_source,
                   max(case when turns_on = 1 then id end) as on_id,
                   max(case when turns_on = 0 then source end) as off_source,
                   max(case when turns_on = 0 then id end) as off_id
            from carried
            group by {carrier}, at_us
        ) as judged
        """,
        keep=True,
    )


def did() -> Step:
    """The facts that opened or closed a slot of their unit; all other switches are redundant."""
    unit = "subscription, scope, unit, organisation, object, at_us"
    return Step(
        "did",
        f"""
        select distinct subscription, on_source as source, on_id as id, {quoted(outcome.OPENED)} as did
        from (select {unit}, turns, on_source, on_id, max(was_on) as was_on
              from instants where turns <> 0 group by {unit}, turns, on_source, on_id) as ons
        where was_on = 0
        union
        select distinct subscription, off_source, off_id, {quoted(outcome.CLOSED)}
        from (select {unit}, turns, off_source, off_id, max(was_on) as was_on
              from instants where turns <> 1 group by {unit}, turns, off_source, off_id) as offs
        where (turns = 0 and was_on = 1) or (turns = 2 and was_on = 0)
        """,
        keep=True,
    )


def changes() -> Step:
    """The switches that change their carrier's slot: on, off, on, … in turn."""
    return Step("changes", "select * from instants where turns <> 2 and turns <> was_on")


def slot_spans() -> Step:
    """From each on to the off after it. Without one it lasts: for ever, or to the reset where spans do not carry in."""
    order = "over (partition by subscription, scope, carrier, organisation, object, era order by at_us)"
    return Step(
        "slot_spans",
        f"""
        select subscription, scope, cluster, carrier, organisation, object, era,
               at_us as on_us, on_source, on_id,
               coalesce(next_us, case when era = 0 then reset_us else {FOREVER_US} end) as until_us,
               coalesce(next_source, '') as off_source, coalesce(next_id, '') as off_id
        from (select changes.*, lead(at_us) {order} as next_us, lead(off_source) {order} as next_source,
                     lead(off_id) {order} as next_id
              from changes) as paired
        where turns = 1
        """,
    )


def pieces() -> Step:
    """Spans cut where a link gives their carrier another unit; the link is then the fact at that end."""
    began = "identities.learner is null or slot_spans.on_us >= identities.from_us"
    ended = f"identities.to_us <= slot_spans.until_us and identities.to_us < {FOREVER_US}"
    return Step(
        "pieces",
        f"""
        select slot_spans.subscription, slot_spans.scope, slot_spans.cluster, carrier, organisation, object, era,
               coalesce(identities.unit, carrier) as unit,
               case when {began} then on_us else identities.from_us end as on_us,
               case when {began} then on_source else identities.source end as on_source,
               case when {began} then on_id else identities.id end as on_id,
               case when {ended} then identities.to_us else until_us end as until_us,
               case when {ended} then next_source else off_source end as off_source,
               case when {ended} then next_id else off_id end as off_id
        from slot_spans
        left join identities
               on identities.subscription = slot_spans.subscription and identities.scope = slot_spans.scope
              and identities.learner = carrier
              and slot_spans.on_us < identities.to_us and slot_spans.until_us > identities.from_us
        """,
        keep=True,
    )


def _unit(slot: Sequence[str]) -> str:
    return ", ".join(("subscription", "scope", "unit", *slot))


def islands(slot: Sequence[str]) -> Step:
    """A unit's pieces merged where they overlap or touch; the first fact began it, the last one ended it."""
    unit = _unit(slot)
    order = "order by on_us, on_source, on_id, organisation, object, carrier"
    return Step(
        "islands",
        f"""
        select subscription, scope, cluster, unit, organisation, object, on_us, on_source, on_id, era,
               last_us as until_us,
               off_source_last as off_source, off_id_last as off_id
        from (
            select numbered.*, max(until_us) over (partition by {unit}, era, island) as last_us,
                   first_value(off_source) over (partition by {unit}, era, island {{last}}) as off_source_last,
                   first_value(off_id) over (partition by {unit}, era, island {{last}}) as off_id_last,
                   row_number() over (partition by {unit}, era, island {order}) as nth
            from (
                select flagged.*, sum(begins) over (partition by {unit}, era {order}
                                                    rows between unbounded preceding and current row) as island
                from (
                    select pieces.*, case when on_us <= max(until_us) over (
                               partition by {unit}, era {order}
                               rows between unbounded preceding and 1 preceding) then 0 else 1 end as begins
                    from pieces
                ) as flagged
            ) as numbered
        ) as ranked
        where nth = 1
        """.replace("{last}", "order by until_us desc, off_source, off_id"),
    )


def touches(slot: Sequence[str]) -> Step:
    """Instants at which something was switched on and off at once: presences of no length (W-12)."""
    unit = _unit(slot)
    return Step(
        "touches",
        f"""
        select *
        from (
            select subscription, scope, cluster, unit, organisation, object, at_us, on_source, on_id,
                   first_value(off_source) over (partition by {unit}, at_us order by off_source, off_id) as off_source,
                   first_value(off_id) over (partition by {unit}, at_us order by off_source, off_id) as off_id,
                   row_number() over (partition by {unit}, at_us
                                      order by on_source, on_id, organisation, object, carrier) as nth
            from instants where turns = 2
        ) as ranked
        where nth = 1
        """,
    )


def holdings(slot: Sequence[str]) -> Step:
    """Every span of presence of a unit, with the fact at each end. `until_us` is for ever where it is open."""
    object_ = "{0}.object" if slot else "''"
    same = " and ".join(f"islands.{c} = touches.{c}" for c in ("subscription", "scope", "unit", *slot))
    return Step(
        "holdings",
        f"""
        select subscription, scope, cluster, unit, organisation, {object_.format("islands")} as object,
               on_us, until_us, on_source, on_id, off_source, off_id
        from islands
        union all
        select subscription, scope, cluster, unit, organisation, {object_.format("touches")}, at_us, at_us,
               on_source, on_id, off_source, off_id
        from touches
        where not exists (select 1 from islands
                          where {same} and islands.on_us <= touches.at_us and touches.at_us < islands.until_us)
        """,
        keep=True,
    )


def held(meter: Meter) -> Step:
    """The holdings that overlap the term as far as it was metered; `off_us` is null where they go on.

    None for a plan that counts: spans of membership are no presence.
    """
    presence = IN_TERM if meter.holds else "false"
    return Step(
        "held",
        f"""
        select holdings.subscription, organisation, unit, object, on_us,
               case when until_us < {FOREVER_US} then until_us end as off_us,
               on_source, on_id, off_source, off_id
        from holdings
        join subscriptions on subscriptions.subscription = holdings.subscription
        where {presence}
        """,
    )


def no_holdings() -> Step:
    """A plan that counts, and asks nothing of its members, holds nothing."""
    return Step(
        "holdings",
        """
        select subscription, scope, cluster, unit, organisation, object, at_us as on_us, at_us as until_us,
               source as on_source, id as on_id, source as off_source, id as off_id
        from named where false
        """,
    )


def span_activations(meter: Meter) -> Step:
    """Units whose holdings overlap a window, by the first of them; carried over, new, or come back."""
    slot = slot_columns(meter)
    unit = ", ".join(("subscription", "window_number", "scope", "unit", *slot))
    cluster = ", ".join(("subscription", "scope", "cluster", *slot))
    return Step(
        "activations",
        f"""
        select subscription, window_number, scope, organisation, unit, object, false as guest,
               case when carried = 1 then {quoted(outcome.CONTINUING)}
                    when cluster_first_us < start_us then {quoted(outcome.REACTIVATED)}
                    else {quoted(outcome.NEW)} end as class,
               case when on_us < start_us then start_us else on_us end as first_us,
               on_source as source, on_id as id, facts
        from (
            select overlapping.*,
                   count(*) over (partition by {unit}) as facts,
                   row_number() over (partition by {unit} order by on_us) as nth,
                   max(case when on_us < start_us and until_us > start_us then 1 else 0 end)
                       over (partition by window_number, {cluster}) as carried
            from (
                select began.*, window_number, windows.start_us, windows.end_us
                from (select *, min(on_us) over (partition by {cluster}) as cluster_first_us from holdings) as began
                join windows
                  on windows.subscription = began.subscription and on_us < windows.end_us
                 and (until_us > windows.start_us or on_us >= windows.start_us)
            ) as overlapping
        ) as present
        where nth = 1
        """,
    )


def span_fates(meter: Meter) -> Step:
    """What became of each fact: exactly one disposition."""
    reasons = (*ineligible(meter), (outcome.HISTORY, "at_us < start_us"), (outcome.OUTSIDE, "at_us >= end_us"))
    return Step(
        "fates",
        f"""
        select named.subscription, named.source, named.id,
               {first_of(reasons, f"coalesce(did.did, {quoted(outcome.REDUNDANT)})")} as fate
        from named
        left join did on did.subscription = named.subscription and did.source = named.source and did.id = named.id
        """,
    )
