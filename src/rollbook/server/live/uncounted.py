"""Who did something in a window and did not count in it, and why: in the words of the library's dispositions.

The live counts keep nobody who did not count, so this is the library's count of a copy of all facts, like reports: a
page costs as much as a report does. Whoever counted under another id of theirs has counted.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, cast

from rollbook.metering.outcome import CORRECTION, COUNTED, DISPOSITIONS
from rollbook.metering.steps import quoted
from rollbook.model.instants import iso
from rollbook.model.window import Window
from rollbook.server.live import people, snapshots
from rollbook.server.models import Person, Subscription
from rollbook.server.refusals import missing

_IN_ORDER = {disposition: place for place, disposition in enumerate(DISPOSITIONS)}

_SQL = f"""
    with clusters as (select distinct scope, learner, cluster from identities),
         there as (
            select named.organisation, named.scope, named.cluster, try_cast(named.learner as bigint) as learner, fate
            from named join fates on fates.source = named.source and fates.id = named.id
            where named.at_us >= ? and named.at_us < ? and named.learner <> '' and fate <> {quoted(CORRECTION)}),
         counted as (
            select activations.scope, coalesce(clusters.cluster, activations.unit) as cluster
            from activations
            left join clusters on clusters.scope = activations.scope and clusters.learner = activations.unit
            where window_number = ? and not guest
            union
            select scope, cluster from there where fate = {quoted(COUNTED)}),
         rest as (
            select there.* from there
            anti join counted on counted.scope = there.scope and counted.cluster = there.cluster),
         page as (select distinct learner from rest where learner > ? order by learner limit ?)
    select learner, organisation, fate, count(*)
    from rest semi join page using (learner)
    group by learner, organisation, fate order by learner, organisation
    """
"""Parameters: the window's start, end and number; after which surrogate, and how many of them."""


def not_counted(row: Subscription, window: int, now_us: int, *, after: int = 0, limit: int = 100) -> dict[str, Any]:
    """One page of the learners with facts in a window in which they did not count, with people's ids and names.

    window  a number within the term, from 1
    now_us  UTC microseconds; nothing later is counted
    after   `next` of the page before
    limit   how many learners at most

    Facts that correct others (voids, links) are nothing that a learner did, and are left out. Raises RefusedError 404
    for a window that has not begun, and what `snapshots.snapshot` raises.
    """
    with snapshots.snapshot(row, now_us + 1) as result:
        steps = result.steps
        found = next((it for it in steps.windows[0] if it.number == window), None)
        if found is None:
            raise missing("window")
        rows = steps.rows(_SQL, [found.start_us, found.end_us, window, after, limit + 1])
    return _page(found, rows, limit)


def _page(window: Window, rows: list[tuple[object, ...]], limit: int) -> dict[str, Any]:
    groups = [(int(cast("int", it)), list(lines)) for it, lines in groupby(rows, key=lambda line: line[0])]
    shown = groups[:limit]
    known = people.named({str(learner) for learner, _ in shown})
    return {
        "window": window.number,
        "start": iso(window.start_us),
        "end": iso(window.end_us),
        "learners": [_who(known.get(str(learner))) | {"reasons": _reasons(lines)} for learner, lines in shown],
        "next": shown[-1][0] if len(groups) > limit else None,
    }


def _who(person: Person | None) -> dict[str, Any]:
    erased = person is None or person.erased_at is not None
    return {
        "learner": "" if person is None else person.learner,
        "erased": erased,
        "name": "" if person is None else person.name,
        "email": "" if person is None else person.email,
    }


def _reasons(lines: list[tuple[object, ...]]) -> list[dict[str, Any]]:
    return [
        {"organisation": organisation, "disposition": fate, "meaning": DISPOSITIONS[str(fate)], "facts": facts}
        for _, organisation, fate, facts in sorted(lines, key=lambda it: (str(it[1]), _IN_ORDER[str(it[2])]))
    ]
