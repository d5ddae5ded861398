"""Who did something in a window and did not count in it, and why: in the words of the library's dispositions.

The live counts keep nobody who did not count. So the people of the customer are walked in the order of their numbers:
who has facts in the window and is not live in it is read, with everyone linked to them, and those facts are counted by
the library. A page costs what its own learners did, however many there are; and it ends early where many in a row
counted, so that it never takes long. Whoever counted under another id of theirs has counted.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Collection
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from django.db.models import Max

from rollbook.engines.database import LiveSubscription
from rollbook.metering.calendar import windows
from rollbook.metering.outcome import CORRECTION, COUNTED, DISPOSITIONS
from rollbook.metering.steps import quoted, quoted_list
from rollbook.model.fact import CORRECTIONS
from rollbook.model.instants import iso
from rollbook.model.window import Window
from rollbook.server.live import archive, clusters, contracts, driver, people, snapshots
from rollbook.server.models import Person, Subscription
from rollbook.server.refusals import missing

PEOPLE_ROUND = 20_000
"""People, whosever they are, whose numbers are walked by one question."""

LEARNERS_MIN = 50
"""Learners that are counted at once at least: some of them may have counted under another id."""

PAGE_SECONDS = 2.0
"""After which a page begins no other round."""

Rows = list[tuple[Any, ...]]
"""(learner, organisation, disposition, type, facts, the first and the last of them in UTC microseconds)."""

_IN_ORDER = {disposition: place for place, disposition in enumerate(DISPOSITIONS)}

_SQL = f"""
    with clusters as (select distinct scope, learner, cluster from identities),
         there as (
            select named.organisation, named.scope, named.cluster, try_cast(named.learner as bigint) as learner, fate,
                   named.type, named.at_us
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
            anti join counted on counted.scope = there.scope and counted.cluster = there.cluster)
    select learner, organisation, fate, type, count(*), min(at_us), max(at_us) from rest where list_contains(?, learner)
    group by learner, organisation, fate, type order by learner, organisation
    """
"""Parameters: the window's start, end and number, and the learners who are asked about."""


def not_counted(row: Subscription, window: int, now_us: int, *, after: int = 0, limit: int = 100) -> dict[str, Any]:
    """One page of the learners with facts in a window in which they did not count, with people's ids and names.

    window  a number within the term, from 1
    now_us  UTC microseconds; nothing later is counted
    after   `next` of the page before
    limit   how many learners at most; there may be fewer, and none, before the end

    Facts that correct others (voids, links) are nothing that a learner did, and are left out. Raises RefusedError 404
    for a window that has not begun, 503 where too many such counts run, and BookError as `snapshots.counted`.
    """
    live = contracts.live(Subscription.objects.select_related("plan", "customer").get(pk=row.pk))
    found = next((it for it in windows(live.subscription) if it.number == window and it.start_us <= now_us), None)
    if found is None:
        raise missing("window")
    last = Person.objects.aggregate(last=Max("pk"))["last"] or 0
    until = time.monotonic() + PAGE_SECONDS
    rows: Rows = []
    learners = 0
    with snapshots.turn():
        while after < last and learners < limit:
            more, after = _round(live, row.customer_id, found, now_us, after, max(limit - learners, LEARNERS_MIN))
            rows += more
            learners += len({learner for learner, *_ in more})
            if time.monotonic() >= until:
                break
    return _page(found, rows, limit, after if after < last else None)


def _round(
    live: LiveSubscription, customer: int, window: Window, now_us: int, after: int, wanted: int
) -> tuple[Rows, int]:
    """What became of the facts of the next learners who are not live, and up to which number people were walked."""
    within = live.subscription.organisations or ()
    with tempfile.TemporaryDirectory(prefix=snapshots.FOLDER) as folder:
        file = Path(folder) / "facts.parquet"
        with snapshots.one_view():
            learners = _not_live(live, customer, window, after, wanted)
            walked = learners[-1] if len(learners) == wanted else after + PEOPLE_ROUND
            if not learners:
                return [], walked
            asked = clusters.ever_linked(within, {str(it) for it in learners})
            clusters.copy_facts(within, asked, file)
        with snapshots.counted([str(file)], live, now_us + 1) as result:
            rows = result.steps.rows(_SQL, [window.start_us, window.end_us, window.number, learners])
    return cast("Rows", rows), walked


def _not_live(live: LiveSubscription, customer: int, window: Window, after: int, wanted: int) -> list[int]:
    """The numbers of the next people with facts in a window in which they, by this id, are not live."""
    within = live.subscription.organisations or ()
    scope = "''" if live.meter.dedupe == "customer" else "fact.organisation"
    # Scalar questions, each answered by an index: as joins, the database read all facts of the window.
    active = f"""
        select 1 from activation where subscription = %s and activation.scope = {scope}
        and activation.unit = fact.learner and window_number = %s and not guest limit 1"""
    did = f"""
        select 1 from fact where organisation in ({_marks(within)}) and learner = cast(person.id as text)
        and status in (true, false) and at_us >= %s and at_us < %s
        and type not in ({quoted_list(CORRECTIONS)}) and ({active}) is null limit 1"""
    sql = f"""
        select person.id from person where customer_id = %s and id > %s and id <= %s and ({did}) is not null
        order by id limit %s"""
    parameters = [
        *(customer, after, after + PEOPLE_ROUND),
        *(*within, window.start_us, window.end_us, live.key, window.number),
        wanted,
    ]
    stored = {number for (number,) in _asked(sql, parameters)}
    return sorted(stored | _archived(live, window, after))[:wanted]


def _archived(live: LiveSubscription, window: Window, after: int) -> set[int]:
    """The same of facts that were moved to the archive, of all people whose numbers are walked by this question."""
    within = live.subscription.organisations or ()
    moved = archive.of_organisations(within)
    if moved is None or window.start_us >= moved.until_us:
        return set()
    where = f"""organisation in ({quoted_list(within)}) and at_us >= $from_us and at_us < $to_us
                and try_cast(learner as bigint) > $after and try_cast(learner as bigint) <= $last"""
    given = {"from_us": window.start_us, "to_us": window.end_us, "after": after, "last": after + PEOPLE_ROUND}
    there = set(moved.all("distinct organisation, learner", where, given))
    scopes = sorted({live.scope(organisation) for organisation in within})
    learners = sorted({learner for _, learner in there})
    among = "= any(%s)" if driver.on_postgresql() else "in (select value from json_each(%s))"
    sql = f"""select scope, unit from activation where subscription = %s and scope in ({_marks(scopes)})
              and unit {among} and window_number = %s and not guest"""
    asked = learners if driver.on_postgresql() else json.dumps(learners)
    active = set(_asked(sql, [live.key, *scopes, asked, window.number]))
    return {int(learner) for organisation, learner in there if (live.scope(organisation), learner) not in active}


def _asked(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with driver.own_cursor() as cursor:
        cursor.execute(sql if driver.on_postgresql() else sql.replace("%s", "?"), parameters)
        return list(cursor.fetchall())


def _marks(values: Collection[str]) -> str:
    return ", ".join(["%s"] * len(values))


def _page(window: Window, rows: Rows, limit: int, following: int | None) -> dict[str, Any]:
    groups = [(learner, list(lines)) for learner, lines in groupby(rows, key=lambda line: line[0])]
    shown = groups[:limit]
    known = people.named({str(learner) for learner, _ in shown})
    return {
        "window": window.number,
        "start": iso(window.start_us),
        "end": iso(window.end_us),
        "learners": [_who(known.get(str(learner))) | {"reasons": _reasons(lines)} for learner, lines in shown],
        # Of those that were counted with the page and do not fit on it, the next page tells.
        "next": shown[-1][0] if len(groups) > limit else following,
    }


def _who(person: Person | None) -> dict[str, Any]:
    erased = person is None or person.erased_at is not None
    return {
        "learner": "" if person is None else person.learner,
        "erased": erased,
        "name": "" if person is None else person.name,
        "email": "" if person is None else person.email,
    }


def _reasons(lines: Rows) -> list[dict[str, Any]]:
    """By organisation and disposition, in their order, with the types of its facts as they first happened."""
    in_order = sorted(lines, key=lambda it: (str(it[1]), _IN_ORDER[str(it[2])], it[5], str(it[3])))
    reasons = []
    for (organisation, fate), found in groupby(in_order, key=lambda it: (it[1], it[2])):
        types = [
            {"type": type_, "facts": facts, "first_at": iso(first_us), "last_at": iso(last_us)}
            for *_, type_, facts, first_us, last_us in found
        ]
        reasons.append(
            {
                "organisation": organisation,
                "disposition": fate,
                "meaning": DISPOSITIONS[str(fate)],
                "facts": sum(it["facts"] for it in types),
                "types": types,
            }
        )
    return reasons
