"""The steps of plans that count facts when they happen: what `reference` says in `_Cluster.instants`.

named (⟕ holdings, of members) → known → eligible → placed → active → clustered → activations, counts
                                   └▶ fates
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rollbook.metering import outcome
from rollbook.metering.identities import FOREVER_US
from rollbook.metering.reasons import Reasons, first_of, ineligible, none_of, unfit_to_switch
from rollbook.metering.steps import COUNTS, Step, quoted, quoted_list, slot_columns
from rollbook.model.plan import Meter


@dataclass(frozen=True, slots=True)
class Fragments:
    """Where dialects differ.

    first_facts  the SELECT that gives, for each unit (these columns) in `placed` where not `single`, its first fact
                 by (at_us, source, id) as first_us, source, id and these further columns, and `facts`, their number
    class_counts the SELECT that counts the rows of `clustered` in the term by subscription, window_number and class,
                 as `active`, where these columns are an identity cluster
    """

    first_facts: Callable[[Sequence[str], Sequence[str]], str]
    class_counts: Callable[[Sequence[str]], str]


def instant_steps(
    meter: Meter, fragments: Fragments, *, resumed: bool = False, swept: bool = False
) -> tuple[Step, ...]:
    """The steps from `named`, and `holdings` where the plan asks for members, to `activations` and `fates`."""
    found = () if swept else (active(meter, fragments),)
    return (
        known(meter),
        eligible(meter),
        placed(),
        *found,
        clustered(meter, resumed=resumed, swept=swept),
        firsts(meter),
        activations(meter, resumed=resumed, swept=swept),
        counts(meter, fragments),
        fates(meter),
    )


def known(meter: Meter) -> Step:
    """Facts with what the plan asks beside them: whether the learner was a member, whether a guest only came back."""
    member, joins, reconnected = "true", "", "false"
    if meter.member_while:
        member = "holdings.unit is not null or assumed.organisation is not null"
        joins = """
        left join holdings
               on holdings.subscription = named.subscription and holdings.scope = named.scope
              and holdings.unit = named.unit and named.role <> 'guest' and holdings.on_us <= named.at_us
              and (named.at_us < holdings.until_us or named.at_us = holdings.on_us)
        left join assumed
               on assumed.subscription = named.subscription and assumed.organisation = named.organisation
        """
    if meter.reconnect_grace_seconds:
        whether_entry = none_of(ineligible(meter)) + f" and ({member}) and role = 'guest' and session <> ''"
        reconnected = f"""
            {whether_entry} and coalesce(at_us - lag(at_us) over (
                partition by named.subscription, named.organisation, named.object, session, {whether_entry}
                order by at_us, named.source, named.id), {FOREVER_US}) <= {meter.reconnect_grace_seconds * 10**6}"""
    return Step("known", f"select named.*, {member} as member, {reconnected} as reconnected from named {joins}")


def _uncounted(meter: Meter) -> Reasons:
    """Why a known fact does not count, whenever it happened."""
    return (*ineligible(meter), (outcome.NOT_MEMBER, "not member"), (outcome.RECONNECTED, "reconnected"))


def eligible(meter: Meter) -> Step:
    """The facts that count in whichever window they fall into; those before the term inform the classes."""
    single = "role = 'guest'" if meter.unit != "entry" else "true"
    return Step(
        "eligible",
        f"""
        select subscription, scope, scope_number, organisation, unit, cluster, object, role = 'guest' as guest,
               {single} as single, source, id, at_us, day, number
        from known
        where {none_of(_uncounted(meter))}
        """,
    )


def placed() -> Step:
    """Each fact in its window: an equality join on the UTC day, exact for every zone, anchor and clock change."""
    return Step(
        "placed",
        """
        select eligible.*, window_number
        from eligible
        join calendar
          on calendar.subscription = eligible.subscription and calendar.day = eligible.day
         and eligible.at_us >= calendar.from_us and eligible.at_us < calendar.to_us
        """,
    )


def active(meter: Meter, fragments: Fragments) -> Step:
    """Units by window: the deciding fact (the n-th, where a minimum of n is asked) and the number of facts.

    Scopes are grouped by number and named afterwards: a sixth less than grouping by name.
    """
    slot = slot_columns(meter)
    unit = ("subscription", "window_number", "scope_number", "unit", *slot)
    # Within a scope there is one organisation, unless learners are told apart across them.
    proof = ("organisation",) if meter.dedupe == "customer" and not slot else ()
    if meter.minimum == 1:
        first_facts = fragments.first_facts(unit, proof)
        if meter.dedupe == "customer":
            return Step("active", f"select first_facts.*, '' as scope from ({first_facts}) as first_facts", keep=True)
        sql = f"""
        select first_facts.*, covered.organisation as scope
        from ({first_facts}) as first_facts
        join covered on covered.subscription = first_facts.subscription and covered.ordinal = scope_number
        """
        return Step("active", sql, keep=True)
    columns = ", ".join(unit)
    return Step(
        "active",
        f"""
        select {columns}, scope, at_us as first_us, source, id, {"".join(f"{column}, " for column in proof)}facts
        from (select placed.*, count(*) over (partition by {columns}) as facts,
                     row_number() over (partition by {columns} order by at_us, source, id) as nth
              from placed where not single) as counted
        where nth = {meter.minimum}
        """,
        keep=True,
    )


def clustered(meter: Meter, *, resumed: bool = False, swept: bool = False) -> Step:
    """Active units with the identity cluster they belong to; those known from before have no facts."""
    if swept:
        return Step(
            "clustered",
            """
            select subscription, window_number, scope, scope_number, scope as organisation, unit, '' as object,
                   first_us, number, facts, cluster
            from active
            """,
        )
    slot = slot_columns(meter)
    organisation = "active.organisation" if meter.dedupe == "customer" or slot else "active.scope"
    object_ = "active.object" if slot else "''"
    scope_number, numbered = "covered.ordinal", "join covered on covered.organisation = before.scope"
    if meter.dedupe == "customer":
        scope_number, numbered = "0", ""
    known_before = f"""
        union all
        select before.subscription, window_number, scope, {scope_number}, before.organisation, cluster, object,
               0, '', '', 0, cluster
        from before {numbered}
        """
    return Step(
        "clustered",
        f"""
        select active.subscription, window_number, active.scope, scope_number, {organisation} as organisation,
               active.unit, {object_} as object, first_us, active.source, active.id, facts,
               coalesce(identities.cluster, active.unit) as cluster
        from active
        left join identities
               on identities.subscription = active.subscription and identities.scope = active.scope
              and identities.learner = active.unit
              and active.first_us >= identities.from_us and active.first_us < identities.to_us
        {known_before if resumed else ""}""",
    )


def _cluster(meter: Meter) -> tuple[str, ...]:
    # The most telling column first: sorting compares the others only where it ties, which is worth a third.
    return ("cluster", *slot_columns(meter), "scope_number", "subscription")


def classed(cluster: Sequence[str], relation: str) -> str:
    """SQL of the rows of a relation such as `clustered`, with their class and `window_before`."""
    return f"""
        select *, case when window_before is null then {quoted(outcome.NEW)}
                       when window_before = window_number - 1 then {quoted(outcome.CONTINUING)}
                       else {quoted(outcome.REACTIVATED)} end as class
        from (select *, max(window_number) over (
                  partition by {", ".join(cluster)} order by window_number
                  range between unbounded preceding and 1 preceding) as window_before
              from {relation}) as followed
        """


def firsts(meter: Meter) -> Step:
    """The first window in which an identity cluster was ever active."""
    cluster = ", ".join(("subscription", "scope", "cluster", *slot_columns(meter)))
    return Step("firsts", f"select {cluster}, min(window_number) as first_window from clustered group by {cluster}")


def activations(meter: Meter, *, resumed: bool = False, swept: bool = False) -> Step:
    """Active units of the term with their class: the windows before look across the identity cluster."""
    unit, proof, names = "unit", "source, id", ""
    if swept:
        unit, proof = "units.name as unit", "proofs.source, proofs.id"
        names = """
        join units on units.unit = classed.unit
        join (select number, source, id from facts) as proofs on proofs.number = classed.number
        """
    once = "and window_before is null" if meter.first_ever else ""
    here = "and facts > 0" if resumed else ""
    sql = f"""
        select subscription, window_number, scope, organisation, {unit}, object, false as guest, class,
               first_us, {proof}, facts
        from ({classed(_cluster(meter), "clustered")}) as classed {names}
        where window_number >= 1 {once} {here}
        """
    if meter.unit == "entry" or meter.guests == "each-entry":
        sql += f"""
        union all
        select subscription, window_number, scope, organisation, case when guest then id else unit end,
               case when guest then '' else object end, guest, {quoted(outcome.NEW)}, at_us, source, id, 1
        from placed
        where single and window_number >= 1
        """
    return Step("activations", sql)


def counts(meter: Meter, fragments: Fragments) -> Step:
    """How many activations each window has, by class; singles are always new."""
    if meter.first_ever or meter.unit == "entry":
        return Step("counts", COUNTS)
    sql = fragments.class_counts(_cluster(meter))
    if meter.guests == "each-entry":
        sql += f"""
        union all
        select subscription, window_number, {quoted(outcome.NEW)}, count(*)
        from placed where single and window_number >= 1 group by subscription, window_number
        """
    return Step("counts", sql)


def fates(meter: Meter) -> Step:
    """What became of each fact: exactly one disposition."""
    switching = meter.member_while.types if meter.member_while else ()
    before = ((outcome.HISTORY, "at_us < start_us"), (outcome.OUTSIDE, "at_us >= end_us"))
    otherwise = quoted(outcome.COUNTED)
    joins = ""
    if meter.minimum > 1 or meter.first_ever:
        joins, otherwise = _judged_by_window(meter)
    columns = ", ".join(f"known.{column}" for column in ("subscription", "source", "id"))
    fate = first_of((*_uncounted(meter), *before), otherwise)
    if not switching:
        return Step("fates", f"select {columns}, {fate} as fate from known {joins}")
    switched = first_of((*unfit_to_switch(meter), *before), f"coalesce(did.did, {quoted(outcome.REDUNDANT)})")
    joins += """
        left join did on did.subscription = known.subscription and did.source = known.source and did.id = known.id
        """
    fate = f"case when type in ({quoted_list(switching)}) then {switched} else {fate} end"
    return Step("fates", f"select {columns}, {fate} as fate from known {joins}")


def _judged_by_window(meter: Meter) -> tuple[str, str]:
    """The joins that bring each known fact to its window and unit, and what then becomes of it."""
    slot = slot_columns(meter)
    same = " and ".join(f"active.{column} = known.{column}" for column in ("subscription", "scope", "unit", *slot))
    cluster = ("subscription", "scope", "cluster", *slot)
    alike = " and ".join(f"firsts.{column} = known.{column}" for column in cluster)
    joins = f"""
        left join calendar
               on calendar.subscription = known.subscription and calendar.day = known.day
              and at_us >= calendar.from_us and at_us < calendar.to_us
        left join active on active.window_number = calendar.window_number and {same}
        left join firsts on {alike}
        """
    once = "first_window < calendar.window_number" if meter.first_ever else "false"
    single = "true" if meter.unit == "entry" else "role = 'guest'"
    judged = f"""case when {single} then {quoted(outcome.COUNTED)}
             when {once} then {quoted(outcome.COUNTED_BEFORE)}
             when active.unit is null then {quoted(outcome.BELOW_MINIMUM)}
             else {quoted(outcome.COUNTED)} end"""
    return joins, judged
