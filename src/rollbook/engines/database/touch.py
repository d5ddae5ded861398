"""What a batch touched: which learners and guests must be metered again, and from when.

A learner is touched together with everyone linked to it, from the start of the window of the earliest fact; a link
touches from the beginning, for classes look across a cluster. Links that are voided still connect here: who was linked
must be metered again as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rollbook.engines.database.connected import behind
from rollbook.engines.database.dialects import Database, Row
from rollbook.engines.database.subscriptions import BEGINNING_US, LiveSubscription
from rollbook.model.fact import CORRECTIONS, LINKED, VOIDED, Fact

Learner = tuple[str, str]
"""(scope, learner)."""


class Touching(NamedTuple):
    """What is asked of a fact to know what it touches, where the fact itself is not at hand."""

    organisation: str
    learner: str
    type: str
    role: str
    object: str
    session: str
    at_us: int
    source: str
    id: str


@dataclass(slots=True)
class Touched:
    """Learners with the earliest instant that matters, and guests' entries."""

    learners: dict[Learner, int] = field(default_factory=dict)
    guests: dict[tuple[str, ...], Touching | Fact] = field(default_factory=dict)

    def add(self, learner: Learner, at_us: int) -> None:
        """A learner is touched at an instant."""
        self.learners[learner] = min(at_us, self.learners.get(learner, at_us))

    def __bool__(self) -> bool:
        return bool(self.learners or self.guests)


def touched(live: LiveSubscription, facts: Iterable[Touching | Fact]) -> Touched:
    """Whom these facts touch; voids touch nobody by themselves, see `targets`."""
    found = Touched()
    covered, types, meter = set(live.organisations), set(live.meter.types), live.meter
    until_us = min(live.as_of_us, live.subscription.end_us)
    for fact in facts:
        if fact.organisation not in covered or fact.at_us >= until_us:
            continue
        scope = live.scope(fact.organisation)
        if fact.type == LINKED:
            found.add((scope, fact.learner), BEGINNING_US)
            found.add((scope, fact.object), BEGINNING_US)
        elif fact.type not in types:
            continue
        elif fact.role != "guest":
            found.add((scope, fact.learner), fact.at_us)
        elif meter.guests == "each-entry" and fact.type in meter.counts:
            comes_back = bool(meter.reconnect_grace_seconds and fact.session)
            key = (fact.organisation, fact.object, fact.session) if comes_back else (fact.source, fact.id)
            earlier = found.guests.setdefault(key, fact)
            if fact.at_us < earlier.at_us:
                found.guests[key] = fact
    return found


TOUCHING = ", ".join(f"fact.{name}" for name in Touching._fields)
"""The columns of `Touching`."""


def targets(database: Database, live: LiveSubscription, voids: Sequence[Row]) -> list[Touching]:
    """The facts of its owner that voids, (organisation, source, id), take back; those that have come."""
    if not voids:
        return []
    named = database.dialect.rows("voids", {"organisation": "text", "source": "text", "id": "text"})
    find, of_owner = database.dialect.find, f"fact_key.owner = {database.dialect.value('owner')}"
    rows = database.rows(
        f"""select {TOUCHING} from ({named}) as void
            {find("fact_key", f"{of_owner} and fact_key.source = void.source and fact_key.id = void.id")}
            {find("fact", "fact.number = fact_key.number")}
            where fact.organisation = void.organisation""",
        {"voids": list(voids), "owner": live.owner},
    )
    found = [Touching(*row) for row in rows]
    if live.archive:
        there = {(fact.organisation, fact.source, fact.id) for fact in found}
        found += [Touching(*row) for row in live.archive.named([it for it in voids if tuple(it) not in there])]
    return [fact for fact in found if fact.type != VOIDED]


def with_linked(database: Database, live: LiveSubscription, found: Touched) -> bool:
    """Adds everyone linked to those touched, each from the earliest instant of all; whether there is anyone linked.

    Asks for neighbours, mostly once; where they are new, for all of theirs in one question, however long the chain.
    Ask it where there are links at all.
    """
    organisations = _organisations(live, found.learners)
    parents: dict[Learner, Learner] = {}
    _join(parents, _neighbours(database, live, organisations, sorted(found.learners)))
    if new := parents.keys() - found.learners.keys():
        everyone = _reached(database, organisations, sorted(new), across=live.meter.dedupe == "customer")
        _join(parents, _neighbours(database, live, organisations, everyone))
    earliest: dict[Learner, int] = {}
    for learner, at_us in found.learners.items():
        root = _root(parents, learner)
        earliest[root] = min(at_us, earliest.get(root, at_us))
    for learner in parents:
        found.learners[learner] = earliest[_root(parents, learner)]
    return bool(len(parents) > len({_root(parents, learner) for learner in parents}))


def _join(parents: dict[Learner, Learner], links: Iterable[Row]) -> None:
    """Puts both ends of each link, (scope, learner, other), into one cluster."""
    for scope, learner, other in links:
        one, two = _root(parents, (scope, learner)), _root(parents, (scope, other))
        if one != two:
            parents[two] = one


def _root(parents: dict[Learner, Learner], learner: Learner) -> Learner:
    """Who stands for a cluster."""
    parents.setdefault(learner, learner)
    while parents[learner] != learner:
        parents[learner] = parents[parents[learner]]
        learner = parents[learner]
    return learner


def _organisations(live: LiveSubscription, learners: Iterable[Learner]) -> list[str]:
    """Where the facts of these learners can be."""
    if live.meter.dedupe == "customer":
        return list(live.organisations)
    return sorted({scope for scope, _ in learners} & set(live.organisations))


def organisations(live: LiveSubscription, found: Touched) -> list[str]:
    """Where the facts of everyone touched can be."""
    return sorted({*_organisations(live, found.learners), *(guest.organisation for guest in found.guests.values())})


def corrections(database: Database, organisations: Sequence[str]) -> frozenset[str]:
    """Which types of corrections any of these organisations has: links, voids, both or none."""
    within = database.dialect.rows("within", {"organisation": "text"})
    where = "fact.status = true and fact.type = '{}' and fact.organisation = of.organisation"
    exists = ", ".join(
        f"exists (select 1 from ({within}) as of {database.dialect.find('fact', where.format(type_))})"
        for type_ in CORRECTIONS
    )
    [there] = database.rows(f"select {exists}", {"within": [(organisation,) for organisation in organisations]})
    return frozenset(type_ for type_, is_there in zip(CORRECTIONS, there, strict=True) if is_there)


def _neighbours(
    database: Database, live: LiveSubscription, organisations: Sequence[str], learners: Sequence[Learner]
) -> list[Row]:
    """(scope, learner, other): who is linked to these, either way round."""
    dialect = database.dialect
    asked = dialect.rows("asked", {"scope": "text", "learner": "text"})
    across = live.meter.dedupe == "customer"
    within = f"({dialect.rows('within', {'organisation': 'text'})}) as of" if across else ""
    organisation = "of.organisation" if across else "asked.scope"
    sides = (("object", "learner"), ("learner", "object"))
    sql = " union ".join(
        f"""select asked.scope, asked.learner, fact.{other} from ({asked}) as asked
            {f"cross join {within}" if across else ""} {
            dialect.find(
                "fact",
                f"fact.status = true and fact.type = '{LINKED}' and fact.organisation = {organisation} "
                f"and fact.{one} = asked.learner",
            )
        }"""
        for other, one in sides
    )
    return database.rows(
        sql, {"asked": list(learners), "within": [(name,) for name in organisations] if across else []}
    )


def ever_linked(cursor: Any, organisations: Sequence[str], learners: Iterable[str]) -> set[str]:
    """These learners and all that were ever linked to them in any of the organisations, also where it was taken back.

    One question, however long the way from one to the other is.
    """
    asked = [("", learner) for learner in sorted(learners)]
    return {learner for _, learner in _reached(behind(cursor), organisations, asked, across=True)} if asked else set()


def _reached(
    database: Database, organisations: Sequence[str], learners: Sequence[Learner], *, across: bool
) -> list[Row]:
    """(scope, learner): these, and everyone whom links lead to from them.

    across  links of all the organisations lead on; else those of the scope alone
    """
    dialect = database.dialect
    within = dialect.rows("within", {"organisation": "text"})
    organisation = f"in (select organisation from ({within}) as of)" if across else "= met.scope"
    link = f"fact.status = true and fact.type = '{LINKED}' and fact.organisation {organisation}"
    asked = dialect.rows("asked", {"scope": "text", "learner": "text"})
    onward = dialect.onward(
        {"object": f"{link} and fact.learner = met.learner", "learner": f"{link} and fact.object = met.learner"}
    )
    sql = f"with recursive met(scope, learner) as ({asked} union {onward}) select scope, learner from met"
    return database.rows(
        sql, {"asked": list(learners), "within": [(name,) for name in organisations] if across else []}
    )
