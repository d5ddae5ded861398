"""Why one learner counted, or did not: the reference, on the facts of this learner and every id linked to it.

Only the facts of one identity cluster are read, so it costs the same however many others there are. Of somebody with
more than `FACTS_MAX` facts the account is `abridged`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from django.db import connection

from rollbook.engines.database import LiveSubscription
from rollbook.errors import Problem, UsageError
from rollbook.metering import reference
from rollbook.metering.identities import accept, cluster_of
from rollbook.metering.inputs import metered_windows
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.reports.explain import Explanation, explain
from rollbook.server.live import archive, clusters, contracts, driver, snapshots
from rollbook.server.live.abridged import abridged
from rollbook.server.models import Subscription
from rollbook.server.refusals import refused

_COLUMNS = (
    *("id", "at_us", "type", "learner", "organisation", "role", "mode", "object", "source", "recorded_us"),
    *("actor", "impersonator", "session", "voids", "attributes"),
)
FACTS_MAX = 5_000
"""Facts of one person that are judged one by one, and all told; it takes some hundredths of a second."""


class _TooManyError(Exception):
    """There are more than `FACTS_MAX`."""


def explain_learner(row: Subscription, learner: str, now_us: int, *, is_entry: bool = False) -> Explanation:
    """The account of one surrogate; or, where `is_entry`, of a guest's entry by its fact's id, which may look like one.

    Raises RefusedError 404 where nothing is known of them, 503 where too many long accounts are made at once, and
    UsageError where more came over a guest's connection than can be told.
    """
    live = contracts.live(row)
    organisations = live.subscription.organisations or ()
    as_of_us = now_us + 1
    unapplied: frozenset[tuple[str, str]] = frozenset()
    try:
        with snapshots.one_view():
            if is_entry:
                ids, facts = {learner}, _entry(organisations, learner)
            else:
                ids, facts, unapplied = _person(live, organisations, learner, as_of_us)
            facts += _voids_of(organisations, facts)
    except _TooManyError:
        if not is_entry:
            return abridged(live, learner, as_of_us)
        rule = f"more than {FACTS_MAX:,} entries came over this connection"
        raise UsageError(Problem("learner", rule, "see which program sends them")) from None
    if not facts:
        rule = "no fact of this subscription's organisations names this learner"
        raise refused(404, "not-found", "learner", rule, "give the id as facts carry it, percent-encoded")
    facts = list({fact.key: fact for fact in facts}.values())
    outcome = reference.meter(facts, live.subscription, as_of_us, live.assumed, unapplied)
    return explain(sorted(ids), facts, outcome, metered_windows(live.subscription, as_of_us))


def _of_people(organisations: Sequence[str], ids: set[str]) -> list[Fact]:
    """Every fact that names one of these, as its learner or as who was linked to another."""
    linked = _facts(organisations, "object", ids, extra=f"and status = true and type = '{LINKED}'")
    found = [*_archived(organisations, ids), *_facts(organisations, "learner", ids), *linked]
    if len(found) > FACTS_MAX:
        raise _TooManyError
    return list({fact.key: fact for fact in found}.values())


def _archived(organisations: Sequence[str], ids: set[str]) -> list[Fact]:
    """The facts of these that were moved to the archive, with what senders wrote beside them."""
    moved = archive.of_organisations(organisations)
    if moved is None:
        return []
    asked = [(organisation, id_) for organisation in organisations for id_ in ids]
    columns = ", ".join(f"archived.{name}" for name in ("number", *_COLUMNS))
    rows = list(islice(moved.of(asked, columns), FACTS_MAX + 1))
    said = archive.attributes([number for number, *_ in rows])
    facts = [Fact(**dict(zip(_COLUMNS, row[1:], strict=True))) for row in rows]
    return [
        fact.replace(attributes=said[row[0]]) if row[0] in said else fact for fact, row in zip(facts, rows, strict=True)
    ]


def _person(
    live: LiveSubscription, organisations: Sequence[str], learner: str, as_of_us: int
) -> tuple[set[str], list[Fact], frozenset[tuple[str, str]]]:
    """The ids that are one person, the facts of theirs, and links that contradict each other, by (source, id).

    Links that were taken back, or are refused, join nobody: they would tell of somebody else. Where organisations
    count people apart, a link joins ids in its own.
    """
    links = _ever_linked(organisations, learner)
    voids = _voids_of(organisations, links)
    voided = {(it.organisation, it.source, it.voids) for it in voids if it.at_us < as_of_us}
    until_us = min(as_of_us, live.subscription.end_us)
    standing: dict[str, list[Fact]] = {}
    for link in links:
        if link.at_us < until_us and (link.organisation, *link.key) not in voided:
            standing.setdefault(live.scope(link.organisation), []).append(link)
    accepted = {scope: accept(found) for scope, found in standing.items()}
    unapplied = frozenset((it.source, it.fact) for _, conflicts in accepted.values() for it in conflicts)
    known_as = {scope: cluster_of(found, learner) for scope, (found, _) in accepted.items()}
    ids = {learner}.union(*known_as.values())
    facts = [
        fact
        for fact in _of_people(organisations, ids)
        if {fact.learner, fact.object if fact.type == LINKED else fact.learner}
        & known_as.get(live.scope(fact.organisation), {learner})
    ]
    return ids, facts, unapplied


def _ever_linked(organisations: Sequence[str], learner: str) -> list[Fact]:
    """Every link that ever joined an id to this one, over any others, whether or not it stands."""
    joined = clusters.ever_linked(organisations, [learner])
    # Whoever survives in a link of these is one of these.
    return _facts(organisations, "learner", joined, extra=f"and status = true and type = '{LINKED}'")


def _entry(organisations: Sequence[str], id_: str) -> list[Fact]:
    """A guest's entry by its id, with all that came over the same connection."""
    entries = _facts(organisations, "id", {id_}, extra="and role = 'guest'")
    for entry in [entry for entry in entries if entry.session]:
        same = _facts([entry.organisation], "session", {entry.session}, extra="and role = 'guest'")
        entries += [fact for fact in same if fact.object == entry.object]
    return list({fact.key: fact for fact in entries}.values())


def _voids_of(organisations: Sequence[str], facts: Sequence[Fact]) -> list[Fact]:
    targets = {(fact.organisation, *fact.key) for fact in facts}
    voids = _facts(
        organisations, "voids", {fact.id for fact in facts}, extra=f"and status = true and type = '{VOIDED}'"
    )
    return [void for void in voids if (void.organisation, void.source, void.voids) in targets]


def _facts(organisations: Sequence[str], column: str, values: set[str], extra: str = "") -> list[Fact]:
    """Facts of organisations whose column is one of some values."""
    if driver.on_postgresql():
        where = f"organisation = any(%s) and {column} = any(%s)"
        parameters: list[Any] = [list(organisations), list(values)]
    else:
        among = "in (select value from json_each(%s))"
        where = f"organisation {among} and {column} {among}"
        parameters = [json.dumps(list(it), ensure_ascii=False) for it in (organisations, values)]
    with connection.cursor() as cursor:
        sql = f"select {', '.join(_COLUMNS)} from fact where {where} {extra} limit {FACTS_MAX + 1}"
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    if len(rows) > FACTS_MAX:
        raise _TooManyError
    return [Fact(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]
