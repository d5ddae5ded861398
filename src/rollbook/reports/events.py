"""Metering events (W-02 to W-04, W-18 to W-22): who became active, went on or ceased to be, and when.

Continuing happens when a window begins, and nobody acts: it is there without a fact of its own, and names the fact
that switched the state on. The class looks at the learner and all ids linked to them, an event at one id.
"""

from __future__ import annotations

from rollbook.accounting.account import Account, Ask
from rollbook.metering.outcome import CLASSES
from rollbook.reports.columns import BOUNDS, INSTANT, LEARNER, TEXT, WINDOW, Column, instant, told_apart_by

COLUMNS = {
    **WINDOW,
    **LEARNER,
    "event": Column("continuing, activated or deactivated", TEXT),
    "at": Column("when; continuing is at the start of the window", INSTANT),
    "class": Column(
        "new, continuing or reactivated in this window; empty where its first instant only ends the one before", TEXT
    ),
    "source": Column("of the fact that switched, or for continuing had switched on", TEXT),
    "fact": Column("its id", TEXT),
}

COUNTS = {
    **WINDOW,
    "organisation": Column("whose learners", TEXT),
    "active": Column("learners that were active"),
    "new": Column("of these, never active in an earlier window"),
    "continuing": Column("of these, active in the window before; for a state: held when this window began"),
    "reactivated": Column("of these, active earlier, but not in the window before"),
    "activated": Column("events: became active"),
    "deactivated": Column("events: ceased to be; none where a plan counts what happens"),
}

_ORDER = "case event when 'continuing' then 0 when 'activated' then 1 else 2 end"


def _state(found: Account) -> str:
    """Events of spans, with the class of the learner in that window."""
    key = told_apart_by(found)
    same = " and ".join(f"activations.{column} = events.{column}" for column in key)
    unit = "held.organisation, unit, object"
    return f"""
        select events.*, coalesce(activations.class, '') as class
        from (
            select window_number, {unit}, 'continuing' as event, start_us as at_us, on_source as source, on_id as id
            from held join windows on on_us < start_us and (off_us is null or off_us > start_us)
            union all
            select window_number, {unit}, 'activated', on_us, on_source, on_id
            from held join windows on on_us >= start_us and on_us < end_us
            union all
            select window_number, {unit}, 'deactivated', off_us, off_source, off_id
            from held join windows on off_us >= start_us and off_us < end_us
        ) as events
        left join activations on activations.window_number = events.window_number and {same}
        """


_DEEDS = """
    select window_number, organisation, unit, object, 'activated' as event, first_us as at_us, source, id, class
    from activations
    """


def _listed(events: str) -> str:
    return f"""
        select {BOUNDS}, organisation, unit as learner, object, event, {instant("at_us")} as at, class, source,
               id as fact
        from ({events}) as events
        join windows on windows.window_number = events.window_number
        order by windows.window_number, at_us, {_ORDER}, source, id, organisation, unit, object
        """


def state_sql(found: Account, ask: Ask) -> str:  # noqa: ARG001 - one question is enough
    """Every event of a plan that counts a state."""
    return _listed(_state(found))


def deed_sql(found: Account, ask: Ask) -> str:  # noqa: ARG001 - one question is enough
    """Every event of a plan that counts what happens: the first in each window activates, and nothing undoes it."""
    return _listed(_DEEDS)


def counts_sql(found: Account, ask: Ask) -> str:  # noqa: ARG001 - one question is enough
    """A row a window and organisation, with its active learners by class, and its events."""
    classes = ", ".join(f"count(*) filter (class = '{class_}') as {class_}" for class_ in CLASSES)
    filled = ", ".join(f"coalesce({column}, 0) as {column}" for column in ("active", *CLASSES))
    return f"""
        select {BOUNDS}, covered.organisation, {filled}, coalesce(activated, 0) as activated,
               coalesce(deactivated, 0) as deactivated
        from windows
        cross join covered
        left join (select window_number, organisation, count(*) as active, {classes}
                   from activations group by window_number, organisation) as counted
               on counted.window_number = windows.window_number and counted.organisation = covered.organisation
        left join (select window_number, organisation, count(*) filter (event = 'activated') as activated,
                          count(*) filter (event = 'deactivated') as deactivated
                   from ({_state(found) if found.subscription.plan.meter.holds else _DEEDS})
                   group by window_number, organisation) as events
               on events.window_number = windows.window_number and events.organisation = covered.organisation
        order by windows.window_number, covered.organisation
        """
