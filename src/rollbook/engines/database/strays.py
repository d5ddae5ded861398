"""Who is live and should not be: rows of somebody, or of a guest, of whom there are no facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollbook.engines.database.dialects import Database, Row
from rollbook.engines.database.everyone import CHUNK
from rollbook.engines.database.subscriptions import BEGINNING_US, LiveSubscription
from rollbook.engines.database.touch import Touched, targets

PLACES = (("activation", "unit"), ("holding", "unit"), ("opening", "cluster"))
"""Where somebody may be live, and under which column."""


def misplaced(database: Database, live: LiveSubscription) -> list[Row]:
    """(table, scope) of rows in a scope that the subscription does not have."""
    key = database.dialect.value("key")
    scopes = {live.scope(organisation) for organisation in live.organisations}
    return [
        (table, scope)
        for table, _ in PLACES
        for (scope,) in database.rows(
            f"select distinct scope from {table} where subscription = {key} order by scope", {"key": live.key}
        )
        if scope not in scopes
    ]


def without_facts(database: Database, live: LiveSubscription) -> Iterator[Touched]:
    """Learners that are live and have no facts, in chunks: metering them finds nothing."""
    dialect = database.dialect
    scopes = {live.scope(organisation) for organisation in live.organisations}
    for table, who in PLACES:
        guests = "and not guest" if table == "activation" else ""
        last: Row | None = None
        while True:
            after = f"and (scope, {who}) > ({dialect.value('scope', 'text')}, {dialect.value('who', 'text')})"
            rows = database.rows(
                f"""select distinct scope, {who} from {table}
                    where subscription = {dialect.value("key")} {guests} {after if last else ""}
                    order by scope, {who} limit {CHUNK}""",
                {"key": live.key, **({"scope": last[0], "who": last[1]} if last else {})},
            )
            if not rows:
                break
            last = rows[-1]
            known = _with_facts(database, live, rows)
            unknown = [row for row in rows if row not in known and row[0] in scopes]
            if unknown:
                yield Touched(dict.fromkeys(unknown, BEGINNING_US))


def _with_facts(database: Database, live: LiveSubscription, learners: Sequence[Row]) -> set[Row]:
    """Those of these, (scope, learner), who have facts."""
    dialect = database.dialect
    across = live.meter.dedupe == "customer"
    asked = dialect.rows("asked", {"scope": "text", "learner": "text"})
    of = f"cross join ({dialect.rows('within', {'organisation': 'text'})}) as of" if across else ""
    organisation = "of.organisation" if across else "asked.scope"
    rows = database.rows(
        f"""select distinct asked.scope, asked.learner from ({asked}) as asked {of}
            where (select min(at_us) from fact
                   where fact.organisation = {organisation} and fact.learner = asked.learner) is not null""",
        {"asked": list(learners), "within": [(name,) for name in live.organisations]},
    )
    known = set(rows)
    if live.archive:
        within = live.organisations if across else ()
        left = [(name, row[1]) for row in learners if row not in known for name in within or (row[0],)]
        known |= {(live.scope(organisation), learner) for organisation, learner in live.archive.of_these(left)}
    return known


def guests(database: Database, live: LiveSubscription) -> Iterator[Row]:
    """(unit, source, id) of entries of guests that no guest has made."""
    dialect = database.dialect
    if live.meter.guests != "each-entry":
        return
    last = ""
    while True:
        rows = database.rows(
            f"""select activation.unit, organisation, source, id from activation
                where subscription = {dialect.value("key")} and guest
                  and activation.unit > {dialect.value("last", "text")}
                  and (activation.unit <> id or (
                       select min(fact.at_us) from fact
                       where fact.organisation = activation.organisation and fact.learner = ''
                         and fact.at_us = activation.first_us and fact.source = activation.source
                         and fact.id = activation.id and fact.role = 'guest') is null)
                order by activation.unit limit {CHUNK}""",
            {"key": live.key, "last": last},
        )
        named = {
            (fact.source, fact.id)
            for fact in targets(database, live, [row[1:] for row in rows])
            if fact.role == "guest" and fact.organisation in live.organisations
        }
        yield from ((row[0], *row[2:]) for row in rows if row[0] != row[3] or row[2:] not in named)
        if len(rows) < CHUNK:
            return
        last = rows[-1][0]
