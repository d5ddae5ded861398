"""The rule as one relational query in named steps. What it must say is said in `reference`.

    facts → scoped → voids → voided, links → named ─┬▶ eligible → placed → active ──────────────▶ activations
                                                    └▶ switches → … → holdings → overlapping ──▶ activations
    every fact of a subscription ─▶ fates

Each step is a SELECT over the inputs and the steps before it, in a common subset of SQL; where dialects differ
an engine supplies a named fragment (`Fragments`). An engine may chain the steps as it likes; `keep` marks those
whose result is small or used more than once and is worth keeping. Facts that count when they
happen are in `query_instants`, states that last in `query_spans`.

Inputs, all text not null and empty where absent, instants as UTC microseconds:

    facts          source, id, at_us, day, organisation, learner, type, role, mode, object, session,
                   impersonator, voids, number: unique by (source, id), and by number, an integer
    targets        organisation, source, id, number: of the facts, all that a void names, and whichever others; of a
                   ledger, all that a void names, with `voided_us`, when the first one took it back, null where none did
    subscriptions  subscription, start_us, end_us, as_of_us, reset_us (-1: spans carry in)
    covered        subscription, organisation, ordinal: a number of its own for each, from 1
    calendar       subscription, day, from_us, to_us, window_number: the windows by UTC day
    windows        subscription, window_number, start_us, end_us
    identities     subscription, scope, learner, unit, cluster, from_us, to_us, source, id, next_source, next_id
    assumed        subscription, organisation: whose learners all count as members
    corrections    of the facts, those that take back or link others: read where it is known to be smaller
    before         subscription, scope, cluster, organisation, object, window_number: activity in windows earlier
                   than the facts, of plans that count; read where metering is resumed (`steps`), and absent elsewhere

A query serves all subscriptions whose plans share one meter, whatever their windows, terms and zones.
"""

from __future__ import annotations

from rollbook.metering.query_instants import Fragments, instant_steps
from rollbook.metering.query_spans import held, no_holdings, span_activations, span_fates, span_steps
from rollbook.metering.reasons import ineligible, unfit_to_switch
from rollbook.metering.steps import COUNTS, Step, quoted
from rollbook.model.fact import LINKED, VOIDED
from rollbook.model.plan import Meter


def corrections(meter: Meter) -> tuple[Step, ...]:
    """The steps that find what corrects other facts. From `links` the engine fills the input `identities`."""
    return (scoped(meter), voids(), voided(), links())


def corrections_apart(meter: Meter, *, linked: bool, keep: bool = True) -> tuple[Step, ...]:
    """The same where there is an input `corrections`, and `targets` says when each was taken back.

    linked  whether there is any link
    keep    whether facts are looked at one by one afterwards
    """
    own = "scoped_corrections"
    known = Step(
        "voided",
        """
        select covered.subscription, number
        from targets
        join covered on covered.organisation = targets.organisation
        join subscriptions on subscriptions.subscription = covered.subscription
        where voided_us < as_of_us
        """,
        keep,
    )
    return (scoped(meter), known, *((scoped(meter, "corrections", own), links(own)) if linked else ()))


def uncorrected(meter: Meter) -> tuple[Step, ...]:
    """The same where it is known that no fact is taken back."""
    return (scoped(meter), Step("voided", "select 0 as subscription, 0 as number where false"), links())


def steps(meter: Meter, fragments: Fragments, *, resumed: bool = False, swept: bool = False) -> tuple[Step, ...]:
    """The steps after `corrections`. Results are `activations`, `counts`, `held` and `fates`.

    resumed  the facts of clusters begin with some window, and `before` says when they were active earlier
    swept    the engine finds `active` itself: subscription, window_number, scope, scope_number, first_us, facts, and
             by number alone the unit, its cluster, and the proving fact; `units` has the names (unit, name)
    """
    if meter.holds:
        fold = span_steps(meter, meter.holds, ineligible(meter))
        return (named(), *fold, span_activations(meter), Step("counts", COUNTS), span_fates(meter))
    member: tuple[Step, ...] = (no_holdings(), held(meter))
    if meter.member_while:
        member = span_steps(meter, meter.member_while, unfit_to_switch(meter))
    return (named(), *member, *instant_steps(meter, fragments, resumed=resumed, swept=swept))


# Facts, corrected.


def scoped(meter: Meter, relation: str = "facts", name: str = "scoped") -> Step:
    """The facts of every subscription's organisations. Learners are told apart within a scope.

    A scope has a number too, by which it is cheaper to group than by its name.
    """
    scope, number = ("''", "0") if meter.dedupe == "customer" else ("facts.organisation", "covered.ordinal")
    return Step(
        name,
        f"""
        select subscriptions.subscription, start_us, end_us, as_of_us, reset_us, {scope} as scope,
               {number} as scope_number, source, id, at_us, day, facts.organisation, learner, type, role, mode, object,
               session, impersonator, voids, number
        from {relation} as facts
        join covered on covered.organisation = facts.organisation
        join subscriptions on subscriptions.subscription = covered.subscription
        """,
    )


def voids(relation: str = "scoped") -> Step:
    """What voids take back, by source and id within an organisation: backwards in time, and even before it arrives."""
    return Step(
        "voids",
        f"""
        select distinct subscription, organisation, source, voids as id
        from {relation} as scoped
        where type = {quoted(VOIDED)} and at_us < as_of_us
        """,
        keep=True,
    )


def voided() -> Step:
    """The facts that voids take back, by number: found once, and then told by an integer.

    What `voids` holds is scoped already. Joined to `scoped`, a database may begin with each void beside each
    organisation of its subscription, which took two seconds on ten million facts.
    """
    return Step(
        "voided",
        """
        select subscription, number
        from targets
        join voids on voids.organisation = targets.organisation and voids.source = targets.source
                  and voids.id = targets.id
        """,
        keep=True,
    )


def _is_voided() -> str:
    same = "voided.subscription = scoped.subscription and voided.number = scoped.number"
    return f"exists (select 1 from voided where {same})"


def links(relation: str = "scoped") -> Step:
    """Links that stand: in force before the term ends, and not voided."""
    return Step(
        "links",
        f"""
        select subscription, scope, source, id, at_us, learner, object
        from {relation} as scoped
        where type = {quoted(LINKED)} and at_us < as_of_us and at_us < end_us and not {_is_voided()}
        """,
        keep=True,
    )


def named() -> Step:
    """Each fact on its unit, the learner as linked at that instant, and whether it was voided."""
    return Step(
        "named",
        f"""
        select scoped.*, {_is_voided()} as voided,
               coalesce(identities.unit, scoped.learner) as unit,
               coalesce(identities.cluster, scoped.learner) as cluster
        from scoped
        left join identities
               on identities.subscription = scoped.subscription and identities.scope = scoped.scope
              and identities.learner = scoped.learner
              and scoped.at_us >= identities.from_us and scoped.at_us < identities.to_us
        """,
    )
