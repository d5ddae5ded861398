"""The promised functions: facts and a subscription in, who was active out.

This is where files are opened, the clock is asked and an engine is chosen; everything else is handed on.

    with rollbook.meter("facts.csv", subscription) as result:
        result.table("window").to_pandas()
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import Self

import pyarrow as pa

from rollbook.accounting.account import Account, account
from rollbook.engines import duckdb as fast
from rollbook.engines import reference as slow
from rollbook.engines import spark
from rollbook.engines.metered import Metered
from rollbook.errors import Problem, RejectedRowsError, UsageError
from rollbook.intake import FactStore, ReadOptions
from rollbook.intake.producers import named_types
from rollbook.ledger import LedgerStore, opened
from rollbook.metering import reference
from rollbook.metering.inputs import metered_windows
from rollbook.metering.outcome import DUPLICATE, ELSEWHERE
from rollbook.metering.steps import quoted, quoted_list
from rollbook.model.fact import LINKED, TYPES, VOIDED, Fact
from rollbook.model.instants import iso, to_us
from rollbook.model.keys import nearest
from rollbook.model.roster import Roster
from rollbook.model.subscription import Subscription
from rollbook.persons import facts_of, unknown_learner
from rollbook.render.arrow import batches
from rollbook.render.words import either
from rollbook.reports.explain import Explanation, explain
from rollbook.reports.named import find
from rollbook.reports.tables import FATES_SQL, REPORTS, in_order
from rollbook.roster.view import KINDS, roster_of

NOTES_MAX = 5
"""Notes of one kind; more are counted."""

ENGINES = ("duckdb", "reference", "spark")


@dataclass(frozen=True)
class Result:
    """One metered subscription. Close it, or use it in a `with` statement: it may hold temporary files.

    subscription  what was metered
    as_of         nothing at or after this instant was metered
    store         the facts, with `problems`, `sources` (coverage), and counts of rows
    master        of the Spark that counted, where one did
    """

    subscription: Subscription
    as_of: datetime
    store: FactStore
    metered: Metered
    assumed: frozenset[str]
    master: str = ""

    def table(self, name: str = "window") -> pa.Table:
        """A report as an Arrow table: `window`, `organisation`, `learner` or `holding`.

        Columns are documented in `rollbook.reports.tables`; instants are UTC with microseconds. Arrow tables
        convert with `.to_pandas()`, or `polars.from_arrow(table)`.
        """
        if name not in REPORTS:
            rule = f'there is no report "{name}"{nearest(name, REPORTS)}'
            raise UsageError(Problem("table", rule, "use one of " + ", ".join(REPORTS)))
        return self.metered.table(REPORTS[name].sql)

    @cached_property
    def dispositions(self) -> Mapping[str, int]:
        """What became of the facts: with `store.rejected` they add up to `store.rows`."""
        known = self.metered.fate_counts
        found = [(fate, n) for (_, fate), n in known.items()] if known else self.metered.rows(FATES_SQL)
        counts = {str(fate): int(str(count)) for fate, count in found}
        counts[ELSEWHERE] = self.store.facts - sum(counts.values())
        counts[DUPLICATE] = self.store.duplicates
        return in_order(counts)

    @cached_property
    def account(self) -> Account:
        """What was used of what is included, and what that costs, window by window."""
        return account(self.subscription, self.organisations, self.metered.as_of_us, self.metered.rows)

    def report(self, name: str, by: str = "") -> pa.Table:
        """A named report, such as `usage`, by `company` or `learner`; see `rollbook.reports.named.REPORTS`.

        Each field carries its meaning as metadata. Raises UsageError for a report or a level that does not exist.
        """
        return self.report_batches(name, by).read_all()

    def report_batches(self, name: str, by: str = "") -> pa.RecordBatchReader:
        """The same in batches, for reports of millions of rows. Read them before anything else is asked."""
        shape = find(name).shape(self.subscription.plan, by)
        steps = self.steps
        return batches(shape.answer(self.account, steps.rows), shape.columns, steps.connection)

    def report_notes(self, name: str, by: str = "") -> tuple[str, ...]:
        """What is to be said beside the rows of a report, in sentences. Raises UsageError as `report` does."""
        shape = find(name).shape(self.subscription.plan, by)
        return tuple(shape.notes(self.account, self.steps.rows))

    @cached_property
    def steps(self) -> Metered:
        """The relations of the query with all of its steps, and `facts`, whichever engine counted."""
        if self.metered.connection is self.store.connection:
            return self.metered
        assumed = [(0, name) for name in sorted(self.assumed)]
        [subscription] = self.metered.subscriptions
        return _fast(self.store, subscription, self.metered.as_of_us, assumed)

    @property
    def organisations(self) -> tuple[str, ...]:
        """The organisations that were metered: the subscription's, or all that were met."""
        return self.metered.subscriptions[0].organisations or ()

    @cached_property
    def conflicts(self) -> tuple[Problem, ...]:
        """Links that contradict each other and were not applied."""
        found = self.metered.conflicts[0]
        places = self.store.places([(conflict.source, conflict.fact) for conflict in found])
        return tuple(
            Problem(places[conflict.source, conflict.fact], conflict.rule, "void the wrong one") for conflict in found
        )

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What is not wrong and yet may surprise: unknown types, types that never occur, unknown organisations."""
        types: Counter[str] = Counter()
        for source in self.store.sources:
            types.update(source.types)
        return (
            *_unknown_types(types, self.subscription),
            *_strangers(self.store, self.subscription),
            *_outside(self.store, self.metered, self.as_of),
            *_aimless_voids(self.store),
        )

    def explain(self, learner: str) -> Explanation:
        """Why this learner counted or did not, with every id linked to it. Raises UsageError for an unknown id."""
        if not learner:
            raise UsageError(Problem("learner", "no learner is named", "give an id as it stands in the facts"))
        as_of_us = to_us(self.as_of)
        refused = frozenset((conflict.source, conflict.fact) for conflict in self.metered.conflicts[0])
        ids, facts = facts_of(self.store, self.subscription, as_of_us, refused, learner)
        if not facts:
            raise UsageError(unknown_learner(self.store, learner))
        outcome = reference.meter(facts, self.subscription, as_of_us, self.assumed, refused)
        return explain(ids, facts, outcome, metered_windows(self.subscription, as_of_us))

    def close(self) -> None:
        """Releases connections and temporary files."""
        if self.metered.connection is not self.store.connection:
            self.metered.connection.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def meter(
    facts: object,
    subscription: Subscription,
    *,
    as_of: datetime | None = None,
    engine: str = "duckdb",
    master: str = "",
    options: ReadOptions | None = None,
    assume_members: bool = False,
    assumed: Collection[str] | None = None,
    strict: bool = False,
) -> Result:
    """Who was active in each window of the subscription's term, and why.

    facts           a path, an Arrow table, a pandas or Polars frame, an iterable of `Fact` or of mappings with
                    the canonical columns; or a list or tuple of any of these
    as_of           nothing at or after this instant is metered; with its offset; by default now
    engine          `duckdb`; `spark`, on a cluster; or `reference`: slow, plain Python, the specification
    master          of Spark: `local[2]`, or `spark://HOST:PORT`; by default all processors of this machine
    options         how exports are to be read
    assume_members  take everyone for a member in organisations whose facts never say who is one
    assumed         the organisations in which everyone is a member, where that was agreed: nobody looks then whose
                    facts say who is one
    strict          raise RejectedRowsError, with every problem, where any row is rejected

    Bad rows never raise: they are counted and described in `result.store.problems`. Raises UsageError for a wrong
    call, MembershipUnknownError for a plan that counts members only where `assume_members` is not given, and
    ClusterError where Spark cannot be reached or cannot do it.
    """
    if engine not in ENGINES:
        rule = f'there is no engine "{engine}"{nearest(engine, ENGINES)}'
        raise UsageError(Problem("engine", rule, "use " + " or ".join(ENGINES)))
    if master and engine != "spark":
        raise UsageError(Problem("master", f"the engine {engine} has none", "leave it out, or use the engine spark"))
    as_of = aware(as_of or datetime.now(UTC))
    store = opened(inputs(facts), options)
    try:
        if strict:
            _refuse(store.problems)
        result = _run(store, subscription, as_of, engine, master, assume_members=assume_members, assumed=assumed)
        if strict:
            _refuse(result.conflicts)
    except BaseException:
        store.close()
        raise
    return result


def roster_at(facts: object, *, as_of: datetime | None = None, options: ReadOptions | None = None) -> Roster:
    """Who is there, who is enrolled from when to when, and who of them is enabled, as it follows from the facts.

    facts    as for `meter`
    as_of    nothing at or after this instant is known; with its offset; by default now
    options  how exports are to be read

    Says of everybody what `meter` says of them. Bad rows never raise, and are not in it: `meter` counts them. Raises
    UsageError for a wrong call.
    """
    as_of = aware(as_of or datetime.now(UTC))
    with closing(opened(inputs(facts), options)) as store:
        concerned = quoted_list((*KINDS, LINKED, VOIDED))
        return roster_of(store.iterate(f"type in ({concerned})"), to_us(as_of))


def meter_again(
    result: Result,
    subscription: Subscription,
    *,
    as_of: datetime | None = None,
    engine: str = "duckdb",
    assume_members: bool = False,
    assumed: Collection[str] | None = None,
) -> Result:
    """The facts of `result` under another subscription or up to another instant, without reading them again.

    Both share the facts: close `result` alone, and ask it nothing about what it counted any more. Raises like `meter`.
    """
    as_of = as_of or result.as_of
    return _run(
        result.store, subscription, as_of, engine, result.master, assume_members=assume_members, assumed=assumed
    )


def _refuse(problems: Iterable[Problem]) -> None:
    if found := tuple(problems):
        raise RejectedRowsError(found)


def _run(
    store: FactStore,
    subscription: Subscription,
    as_of: datetime,
    engine: str,
    master: str,
    *,
    assume_members: bool,
    assumed: Collection[str] | None = None,
) -> Result:
    as_of_us = to_us(as_of)
    asked = subscription
    if subscription.organisations is None and store.organisations:
        asked = replace(subscription, organisations=store.organisations)
    if assumed is None:
        covered = [(0, name) for name in asked.organisations or ()]
        silent = fast.assumed_members(store.connection, asked.plan.meter, covered, assume_members=assume_members)
        assumed = [str(name) for _, name in silent]
    members = frozenset(assumed)
    if engine == "reference":
        metered = slow.meter(store.iterate(), asked, as_of_us, assumed=members)
    elif engine == "spark":
        master = master or spark.LOCAL
        metered = spark.meter(store, [asked], as_of_us, master=master, assumed=[(0, name) for name in sorted(members)])
    else:
        rows = [(0, name) for name in sorted(members)]
        metered = _fast(store, asked, as_of_us, rows)
    return Result(subscription, as_of, store, metered, members, master)


def _fast(
    store: FactStore, subscription: Subscription, as_of_us: int, assumed: Sequence[tuple[int | str, ...]]
) -> Metered:
    """The facts of a store, counted by the query."""
    ledger = store if isinstance(store, LedgerStore) else None
    return fast.meter(
        store.connection, [subscription], as_of_us, first_us=store.first_us, assumed=assumed, ledger=ledger
    )


def aware(as_of: datetime) -> datetime:
    """The instant itself. Raises UsageError where it has no offset from UTC."""
    if as_of.tzinfo is None:
        raise UsageError(Problem("as_of", f"{as_of} has no offset from UTC", "give it a time zone"))
    return as_of


def inputs(facts: object) -> Sequence[object]:
    """A list of inputs, whether one was given or several. A list of facts or of mappings is one input."""
    if isinstance(facts, list | tuple) and not (facts and all(isinstance(item, Fact | Mapping) for item in facts)):
        return facts
    return [facts]


def _unknown_types(types: Mapping[str, int], subscription: Subscription) -> Iterator[Problem]:
    """Types that nobody knows, and a plan whose types never occur."""
    meter = subscription.plan.meter
    for type_, count in sorted(types.items()):
        if type_ not in {*TYPES, *meter.types} | named_types():
            rule = f"{count:,} facts are of a type that is not known{nearest(type_, TYPES)}"
            yield Problem(type_, rule, "they are kept and not counted; correct the type, or name it in a plan")
    wanted = meter.holds.on if meter.holds else meter.counts
    if types and not types.keys() & set(wanted):
        rule = f"no fact is of a type that this plan counts ({either(wanted)})"
        yield Problem(subscription.plan.id, rule, "add such facts, or meter by another plan")


def _strangers(store: FactStore, subscription: Subscription) -> Iterator[Problem]:
    """Organisations of the subscription that no fact names."""
    if subscription.organisations:
        for name in subscription.organisations:
            if name not in store.organisations:
                rule = f"this organisation has no facts{nearest(name, store.organisations)}"
                yield Problem(name, rule, "check the spelling")


def _aimless_voids(store: FactStore) -> Iterator[Problem]:
    """Voids that take nothing back: they may have come before their target, or name it wrongly."""
    rows = store.connection.execute(
        f"""select source, id, organisation, voids from {store.correcting} as void
            where type = {quoted(VOIDED)} and not exists (
                select 1 from targets where targets.organisation = void.organisation
                                        and targets.source = void.source and targets.id = void.voids)
            order by source, id"""
    ).fetchall()
    places = store.places([(source, id_) for source, id_, _, _ in rows[:NOTES_MAX]])
    for source, id_, organisation, voids in rows[:NOTES_MAX]:
        rule = f'it voids {voids}, and no fact of source "{source}" and organisation "{organisation}" has that id'
        yield Problem(places[source, id_], rule, "give the void the source and organisation of its target")
    if len(rows) > NOTES_MAX:
        yield Problem(
            "facts", f"{len(rows) - NOTES_MAX:,} more voids take nothing back", "look at them in the same way"
        )


def _outside(store: FactStore, metered: Metered, as_of: datetime) -> Iterator[Problem]:
    """A term of which nothing has begun, or in which no fact lies."""
    [subscription] = metered.subscriptions
    last_us = max((source.last_us for source in store.sources), default=0)
    if store.facts and (last_us < subscription.start_us or store.first_us >= subscription.end_us):
        rule = f"no fact lies within the term; they run from {iso(store.first_us)} to {iso(last_us)}"
        yield Problem(subscription.plan.id, rule, "look at --start and --end")
    if not metered.windows[0]:
        rule = f"the term begins on {subscription.start}, and nothing after {iso(to_us(as_of))} is counted"
        yield Problem(subscription.plan.id, rule, "wait, or give a later instant with --as-of")
