"""Everyone with facts in a stretch of time, in chunks that bound the work and the memory of each step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollbook.engines.database.archived import together
from rollbook.engines.database.dialects import Database, Parameter, Row
from rollbook.engines.database.subscriptions import BEGINNING_US, LiveSubscription
from rollbook.engines.database.touch import TOUCHING, Touched, Touching, targets
from rollbook.engines.database.touch import touched as touched_by
from rollbook.metering.steps import quoted_list
from rollbook.model.fact import LINKED, VOIDED

CHUNK = 2000
"""Clusters at a time."""


def touched(database: Database, live: LiveSubscription, from_us: int, to_us: int) -> Iterator[Touched]:
    """Whom facts in [from_us, to_us) touch; everybody from the beginning, if the stretch begins there."""
    for organisation in live.organisations:
        if from_us > BEGINNING_US:
            corrected = touched_by(live, _corrections(database, live, organisation, from_us, to_us))
            if corrected:
                yield corrected
        for learners in _all_learners(database, live, organisation, from_us, to_us):
            at_us = BEGINNING_US if from_us == BEGINNING_US else None
            found = Touched()
            for learner, first_us in learners:
                found.add((live.scope(organisation), learner), first_us if at_us is None else at_us)
            yield found
        if live.meter.guests == "each-entry":
            for guests in _guests(database, live, organisation, from_us, to_us):
                yield touched_by(live, guests)


def _corrections(
    database: Database, live: LiveSubscription, organisation: str, from_us: int, to_us: int
) -> list[Touching]:
    """Links in a stretch of time, and the facts that voids in it take back."""
    dialect = database.dialect
    where = f"""fact.status = true and fact.organisation = {dialect.value("organisation", "text")}
                and fact.at_us >= {dialect.value("from_us")} and fact.at_us < {dialect.value("to_us")}"""
    values: dict[str, Parameter] = {"organisation": organisation, "from_us": from_us, "to_us": to_us}
    links = database.rows(f"select {TOUCHING} from fact where fact.type = '{LINKED}' and {where}", values)
    voids = database.rows(
        f"select organisation, source, voids from fact where fact.type = '{VOIDED}' and {where}", values
    )
    return [*(Touching(*row) for row in links), *targets(database, live, voids)]


def _all_learners(
    database: Database, live: LiveSubscription, organisation: str, from_us: int, to_us: int
) -> Iterator[list[Row]]:
    """(learner, first instant) of an organisation, in order, wherever their facts lie."""
    stored = _learners(database, organisation, from_us, to_us)
    if live.archive is None or from_us >= live.archive.until_us:
        return stored
    return together(stored, live.archive.learners(organisation, from_us, to_us), CHUNK)


def _learners(database: Database, organisation: str, from_us: int, to_us: int) -> Iterator[list[Row]]:
    """(learner, first instant) of an organisation, in order."""
    dialect = database.dialect
    last, compared = "", ">="
    while True:
        rows = database.rows(
            f"""select learner, min(at_us) from fact
                where organisation = {dialect.value("organisation", "text")}
                  and learner {compared} {dialect.value("last", "text")}
                  and at_us >= {dialect.value("from_us")} and at_us < {dialect.value("to_us")}
                group by learner order by learner limit {CHUNK}""",
            {"organisation": organisation, "last": last, "from_us": from_us, "to_us": to_us},
        )
        if not rows:
            return
        yield rows
        last, compared = rows[-1][0], ">"


def _guests(
    database: Database, live: LiveSubscription, organisation: str, from_us: int, to_us: int
) -> Iterator[Iterable[Touching]]:
    """Guests' entries of an organisation, in order of time."""
    dialect = database.dialect
    learner, at_us, number = "", from_us, -1
    while True:
        rows = database.rows(
            f"""select {TOUCHING}, fact.number from fact
                where fact.organisation = {dialect.value("organisation", "text")}
                  and fact.role = 'guest' and fact.type in ({dialect.text(quoted_list(live.meter.counts))})
                  and fact.at_us < {dialect.value("to_us")} and fact.at_us >= {dialect.value("from_us")}
                  and fact.learner >= {dialect.value("learner", "text")}
                  and (fact.learner, fact.at_us, fact.number)
                    > ({dialect.value("learner", "text")}, {dialect.value("at_us")}, {dialect.value("number")})
                order by fact.learner, fact.at_us, fact.number limit {CHUNK}""",
            {
                "organisation": organisation,
                "to_us": to_us,
                "from_us": from_us,
                "learner": learner,
                "at_us": at_us,
                "number": number,
            },
        )
        if not rows:
            return
        guests = [Touching(*row[:-1]) for row in rows]
        yield guests
        learner, at_us, number = guests[-1].learner, guests[-1].at_us, rows[-1][-1]


def open_units(database: Database, live: LiveSubscription) -> Iterator[list[Row]]:
    """(scope, unit) of those who hold something at the start of the last window that has begun."""
    dialect = database.dialect
    last: Row | None = None
    while True:
        after = f"and (scope, unit) > ({dialect.value('scope', 'text')}, {dialect.value('unit', 'text')})"
        rows = database.rows(
            f"""select distinct scope, unit from holding
                where subscription = {dialect.value("key")} and until_us > {dialect.value("from_us")}
                  {after if last else ""} order by scope, unit limit {CHUNK}""",
            {
                "key": live.key,
                "from_us": live.begun[-1].start_us,
                **({"scope": last[0], "unit": last[1]} if last else {}),
            },
        )
        if not rows:
            return
        yield rows
        last = rows[-1]
