"""Why somebody counted who did very much: the library's count of a copy of their facts, of which a part is told.

Everything is judged and summed up; of each window the first facts are listed, with those that prove. So the account of
a program that sent a hundred thousand facts under one id is as short as anybody's.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from rollbook.engines.database import LiveSubscription
from rollbook.engines.metered import Metered
from rollbook.metering.identities import FOREVER_US
from rollbook.metering.inputs import metered_windows
from rollbook.metering.outcome import COUNTED, Activation
from rollbook.metering.steps import quoted
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.reports.explain import AFTER, BEFORE, Explanation, FactLine, WindowAccount
from rollbook.server.live import clusters, snapshots

LINES_MAX = 200
"""Facts of one window that are listed, beside those that prove."""

_COLUMNS = (
    *("id", "at_us", "type", "learner", "organisation", "role", "mode", "object", "source", "recorded_us"),
    *("actor", "impersonator", "session", "voids", "attributes"),
)
_RANK = "at_us, source, id"

Left = dict[int, dict[str, int]]
"""How many facts, by window and disposition."""


def abridged(live: LiveSubscription, learner: str, as_of_us: int) -> Explanation:
    """The account of a surrogate up to an instant. Raises as `snapshots.turn` and `snapshots.counted` do."""
    within = live.subscription.organisations or ()
    with snapshots.turn(), tempfile.TemporaryDirectory(prefix=snapshots.FOLDER) as folder:
        file = Path(folder) / "facts.parquet"
        with snapshots.one_view():
            clusters.copy_facts(within, clusters.ever_linked(within, [learner]), file)
        with snapshots.counted([str(file)], live, as_of_us) as result:
            return _account(result.steps, live, learner, as_of_us)


def _account(steps: Metered, live: LiveSubscription, learner: str, as_of_us: int) -> Explanation:
    windows = metered_windows(live.subscription, as_of_us)
    scope = "''" if live.meter.dedupe == "customer" else "{}.organisation"
    steps.connection.execute(_OWN, [learner])
    steps.connection.execute(
        _told(scope), {"learner": learner, "first_us": windows[0].start_us if windows else FOREVER_US}
    )
    lines: dict[int, list[FactLine]] = defaultdict(list)
    left: Left = defaultdict(dict)
    summed = steps.rows("select window_number, fate, count(*) from told group by all")
    for window, fate, facts in cast("list[tuple[Any, ...]]", summed):
        left[window][fate] = facts
    columns = ", ".join(f"facts.{name}" for name in _COLUMNS)
    listed = f"""
        select window_number, fate, proves, {columns} from told
        join facts on facts.source = told.source and facts.id = told.id
        where place <= ? or proves order by facts.at_us, facts.source, facts.id"""
    rows = cast("list[tuple[Any, ...]]", steps.rows(listed, [LINES_MAX]))
    for window, fate, proves, *values in rows:
        lines[window].append(FactLine(Fact(**dict(zip(_COLUMNS, values, strict=True))), fate, proves))
        left[window][fate] -= 1
    activations = list(_activations(steps, learner))
    known = {str(it) for (it,) in steps.rows("select learner from own")}
    return Explanation(
        learners=tuple(sorted(known | {learner})),
        before=tuple(lines[BEFORE]),
        windows=tuple(
            WindowAccount(it, tuple(a for a in activations if a.window == it.number), tuple(lines[it.number]))
            for it in windows
        ),
        after=tuple(lines[AFTER]),
        left_out={number: rest for number, facts in left.items() if (rest := {k: n for k, n in facts.items() if n})},
    )


def _activations(steps: Metered, learner: str) -> Iterator[Activation]:
    rows = steps.rows(
        """select window_number, activations.organisation, unit, object, guest, class, first_us, source, id, facts
           from activations left join own on own.scope = activations.scope and own.learner = unit
           where not guest and window_number >= 1 and (unit = ? or own.learner is not null)
           order by window_number, first_us, source, id""",
        [learner],
    )
    yield from (Activation(*row) for row in cast("list[tuple[Any, ...]]", rows))


_OWN = """
    create temp table own as
    select distinct mine.scope, other.learner from identities as mine
    join identities as other on other.scope = mine.scope and other.cluster = mine.cluster
    where mine.learner = ?
    """
"""The ids that are this learner, in each scope in which any other is."""


def _told(scope: str) -> str:
    """SQL of a table of the facts that are this learner's, with what took them back, each judged."""
    among = f"select 1 from own where own.scope = {scope.format('facts')} and own.learner = {{0}}"
    of = f"({{0}} = $learner or exists ({among}))"
    named = f"({of.format('facts.learner')} or (type = {quoted(LINKED)} and {of.format('facts.object')}))"
    return f"""
    create temp table told as
    with named as (select organisation, source, id from facts where {named}),
    theirs as (
        select source, id, at_us from facts
        where {named} or (type = {quoted(VOIDED)} and exists (
            select 1 from named where named.organisation = facts.organisation
            and named.source = facts.source and named.id = facts.voids))),
    judged as (
        select theirs.*, fate,
               coalesce(windows.window_number, if(theirs.at_us < $first_us, {BEFORE}, {AFTER})) as window_number
        from theirs join fates on fates.source = theirs.source and fates.id = theirs.id
        left join windows on windows.window_number >= 1
            and theirs.at_us >= windows.start_us and theirs.at_us < windows.end_us)
    select judged.*, row_number() over (partition by judged.window_number order by {_RANK}) as place,
           fate = {quoted(COUNTED)} and exists (
               select 1 from activations where activations.window_number = judged.window_number
               and activations.source = judged.source and activations.id = judged.id) as proves
    from judged
    """
