"""What must hold however windows were closed: what came late, and in which order, changes no sum and no record.

Each example is a small ledger that is delivered in several parts, in any order and some of it twice, while windows
are closed in between. `make laws` runs many more examples than a commit does.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rollbook import library
from rollbook.accounting.adjustments import Line
from rollbook.accounting.statement import REMOVED
from rollbook.books.book import Book
from rollbook.books.closing import close
from rollbook.metering.calendar import windows
from rollbook.model.allowance import Allowance, Governance, Limit
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.instants import DAY_US, from_us, start_of_day_us
from rollbook.model.money import Money, total
from rollbook.model.plan import Meter, Plan
from rollbook.model.subscription import Approval, Change, Quantity, Subscription
from rollbook.model.tariff import Rate, Tariff, Tier
from tests.metering.ledgers import ORGANISATIONS, ZONES, ledgers, meters, plan, rules, subscription

EXAMPLES = 600 if os.environ.get("ROLLBOOK_LAWS") == "long" else 12
relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=EXAMPLES)
"""Each example reads, meters and writes several times: fewer of them."""

FINAL_US = start_of_day_us(date(2027, 6, 1), ZoneInfo("UTC"))
"""After every term, every grace, and every fact."""


@dataclass(frozen=True)
class Delivery:
    """Facts that come in, and the instant at which whatever can be closed is closed."""

    facts: tuple[Fact, ...]
    as_of_us: int


@dataclass(frozen=True)
class Story:
    """A subscription, and what came in when. The last delivery brings what is left, after the term."""

    subscription: Subscription
    deliveries: tuple[Delivery, ...]
    engine: str = "duckdb"

    @property
    def facts(self) -> list[Fact]:
        """All of them, each once."""
        return list({fact.key: fact for delivery in self.deliveries for fact in delivery.facts}.values())


def rates() -> st.SearchStrategy[Rate]:
    """Prices of every shape, with tiers that few units reach and amounts that have to be rounded."""
    flat = st.builds(Rate, shape=st.just("flat"), tiers=st.just((Tier(1, Decimal("3.335")),)))
    package = st.builds(Rate, shape=st.just("package"), tiers=st.just((Tier(1, Decimal(10)),)), size=st.just(2))
    tiers = st.just((Tier(1, Decimal("4.125")), Tier(3, Decimal("1.05"), Decimal(2)), Tier(5, Decimal("0.5"))))
    graduated = st.builds(Rate, shape=st.just("graduated"), tiers=tiers)
    volume = st.builds(
        Rate, shape=st.just("volume"), tiers=tiers, tier_by=st.sampled_from(("charged", "active", "nominated"))
    )
    return st.one_of(volume, volume, graduated, package, flat)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff | None:
    """A tariff that a plan may have, or none."""
    if not draw(st.integers(0, 5)):
        return None
    base, overage = draw(st.none() | rates()), draw(rates())
    timing, every, charged = draw(
        st.sampled_from(
            (
                ("advance", "allowance", "committed"),
                ("arrears", "window", "committed"),
                ("advance", "term", "committed"),
                ("arrears", "allowance", "used"),
            )
        )
    )
    floor = draw(st.sampled_from((0, 0, 2))) if base is None or charged == "used" else 0
    return Tariff(
        currency=draw(st.sampled_from(("EUR", "JPY"))),
        floor=floor,
        base=base,
        base_timing=timing,
        base_every=every,
        base_charged=charged,
        overage=draw(st.sampled_from((overage, overage, overage, None))) if base else overage,
    )


@st.composite
def allowances(draw: st.DrawFn, meter: Meter) -> Allowance:
    """An allowance per window, per term, or of seats."""
    per = draw(st.sampled_from(("window", "term", *(("held", "held") if meter.holds else ()))))
    quantity = draw(st.integers(0, 3))
    if per == "held":
        return Allowance(
            quantity=quantity,
            per=per,
            basis=draw(st.sampled_from(("peak", "end", "ever"))),
            reuse_requires_approval=draw(st.booleans()),
        )
    scope, each = draw(st.sampled_from((("customer", False), ("customer", True), ("organisation", True))))
    rollover = draw(st.sampled_from((0, 0, 1, 2))) if per == "window" else 0
    return Allowance(quantity=quantity, per=per, per_organisation=each, pool_scope=scope, rollover_windows=rollover)


@st.composite
def subscriptions(draw: st.DrawFn) -> Subscription:
    """Three months of some plan, with more bought and the prices changed on the way."""
    meter, zone = draw(meters()), draw(st.sampled_from(ZONES))
    base = subscription(meter, draw(rules()), zone, "")
    allowance = draw(allowances(meter))

    def version() -> Plan:
        return replace(
            plan(meter, base.plan.window),
            allowance=allowance,
            limit=Limit(policy=draw(st.sampled_from(("bill", "bill", "bill", "notify")))),
            tariff=draw(tariffs()),
            governance=Governance(grace_days=draw(st.sampled_from((0, 0, 10)))),
        )

    first = version()
    changes: tuple[Change, ...] = ()
    at = st.sampled_from([start_of_day_us(day, ZoneInfo(zone)) for day in (date(2026, 2, 14), date(2026, 3, 1))])
    if draw(st.booleans()) and first.tariff:
        second = version()
        if second.tariff and second.tariff.currency == first.tariff.currency:
            changes = (Change(draw(at), replace(second, tariff=_charged_alike(second.tariff, first.tariff))),)
    pools = ORGANISATIONS if allowance.pool_scope == "organisation" else ("",)
    quantities = []
    for pool in pools:
        for step_us in (base.start_us, draw(at)):
            if draw(st.booleans()):
                quantities.append(Quantity(step_us, len(quantities) + 1, pool))
    approvals = (Approval(draw(at), 1),) if allowance.reuse_requires_approval and draw(st.booleans()) else ()
    return replace(
        base, plan=first, changes=changes, quantities=tuple(sorted(quantities)), approvals=approvals, customer="ours"
    )


def _charged_alike(tariff: Tariff, first: Tariff) -> Tariff:
    """With what is bought due as it is by the first: within a term that never changes."""
    if not (tariff.base and first.base):
        return tariff
    return replace(
        tariff,
        floor=tariff.floor if first.base_charged == "used" else 0,
        base_timing=first.base_timing,
        base_every=first.base_every,
        base_charged=first.base_charged,
    )


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """A ledger in parts. A fact may come long after it happened, and may come again."""
    to = draw(subscriptions())
    waiting = draw(st.permutations(draw(ledgers("", to.zone))))
    ends = [window.end_us for window in windows(to)]
    found: list[Delivery] = []
    delivered: list[Fact] = []
    for end_us in sorted(draw(st.lists(st.sampled_from(ends), max_size=3))):
        as_of_us = end_us + draw(st.sampled_from((0, 0, 1, 11 * DAY_US)))
        cut = draw(st.integers(0, len(waiting)))
        coming, waiting = waiting[:cut], waiting[cut:]
        again = draw(st.lists(st.sampled_from(delivered), max_size=2)) if delivered else []
        # What happens after an instant cannot have been in an export before it.
        late = [fact for fact in coming if fact.at_us < as_of_us]
        waiting = [*waiting, *(fact for fact in coming if fact.at_us >= as_of_us)]
        found.append(Delivery((*late, *again), max([as_of_us, *(it.as_of_us for it in found)])))
        delivered += late
    return Story(to, (*found, Delivery(tuple(waiting), FINAL_US)), draw(st.sampled_from(library.ENGINES)))


def metered(story: Story, facts: Sequence[object], as_of_us: int) -> library.Result:
    return library.meter(facts, story.subscription, as_of=from_us(as_of_us), engine=story.engine, assume_members=True)


def closed(story: Story, folder: Path) -> Iterator[Book]:
    """The book after each delivery. What is given while nothing can be closed is kept nowhere: it is given again."""
    secrets = iter(range(10_000))
    given: dict[tuple[str, str], Fact] = {}
    for delivery in story.deliveries:
        book = Book(folder)
        given |= {fact.key: fact for fact in delivery.facts}
        with metered(story, [*book.facts_files(), list(given.values())], delivery.as_of_us) as result:
            assert not result.store.problems.total, list(result.store.problems)
            if list(close(book, result, lambda: next(secrets).to_bytes(32))):
                given.clear()
        yield Book(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


Sums = dict[Line, tuple[int, Decimal | None]]


def lines_of(records: Sequence[Mapping[str, Any]]) -> Sums:
    """Units and money by window, pool and kind, of all charges and adjustments; without lines that cancel out."""
    units: Counter[Line] = Counter()
    money: defaultdict[Line, list[str | None]] = defaultdict(list)
    for record in records:
        lines = [*record["charges"], *(line for it in record["adjustments"] for line in it["charges"])]
        for line in lines:
            key = Line(line["window"], line["pool"], line["kind"])
            units[key] += line["units"]
            money[key].append(line["amount"])
    return _without_nothing(units, money)


def _without_nothing(units: Counter[Line], money: dict[Line, list[str | None]]) -> Sums:
    sums = {
        line: (units[line], None if None in amounts else sum(map(Decimal, filter(None, amounts)), Decimal(0)))
        for line, amounts in money.items()
    }
    return {line: found for line, found in sums.items() if found[0] or found[1]}


def fresh_lines(result: library.Result) -> Sums:
    units: Counter[Line] = Counter()
    money: defaultdict[Line, list[str | None]] = defaultdict(list)
    for charge in result.account.charges:
        line = Line(charge.window, charge.pool, charge.kind)
        units[line] += charge.units
        money[line].append(None if charge.amount is None else str(charge.amount.amount))
    return _without_nothing(units, money)


KEY = ("window", "organisation", "unit", "object", "kind")


def evidence_of(book: Book, meter: Meter) -> Counter[tuple[object, ...]]:
    """The units that the statements say counted: those closed, and those added, less those removed."""
    found: Counter[tuple[object, ...]] = Counter()
    for file in book.evidence_files():
        for row in pq.read_table(file).to_pylist():
            found[_unit(row, meter, row["source"], row["fact"])] += {REMOVED: -1}.get(row["standing"], 1)
    assert set(found.values()) <= {0, 1}, "whoever is added did not count before, and whoever is removed did"
    return +found


def _unit(row: dict[str, object], meter: Meter, source: object, fact: object) -> tuple[object, ...]:
    by_itself = meter.unit == "entry" or row["kind"] == "guest"
    return (*(row[name] for name in KEY), *((source, fact) if by_itself else ()))


def fresh_units(result: library.Result) -> Counter[tuple[object, ...]]:
    meter = result.subscription.plan.meter
    return Counter(_unit(row, meter, row["source"], row["fact"]) for row in result.table("learner").to_pylist())


@relaxed
@given(stories())
def test_statements_together_say_what_a_fresh_rating_of_all_facts_says(story: Story) -> None:
    with tempfile.TemporaryDirectory() as folder:
        *_, book = closed(story, Path(folder))
        with metered(story, [story.facts], FINAL_US) as fresh:
            assert lines_of(book.records) == fresh_lines(fresh)
            assert evidence_of(book, story.subscription.plan.meter) == fresh_units(fresh)
            currency = fresh.account.currency
            totals = [
                None if record["total"] is None else Money(Decimal(record["total"]), currency)
                for record in book.records
            ]
            assert total(totals, currency) == fresh.account.total()
        numbers = [number for number in (it.window for it in book.statements) if number]
        assert numbers == [window.number for window in windows(story.subscription)]


@settings(relaxed, max_examples=relaxed.max_examples // 2)
@given(stories())
def test_what_is_closed_never_changes_by_a_byte_and_closing_again_with_nothing_new_writes_nothing(story: Story) -> None:
    again = Delivery(tuple(story.facts), FINAL_US)
    before: dict[str, bytes] = {}
    numbers: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for book in closed(replace(story, deliveries=(*story.deliveries, again)), Path(folder)):
            after = contents(Path(folder))
            assert {name: after.get(name) for name in before} == before
            before = after
            numbers.append(len(book.statements))
    assert numbers[-1] == numbers[-2]


def late(story: Story) -> Iterator[Fact]:
    """Facts that come after a window in which they may count was closed."""
    grace_us = max(it.governance.grace_days for it in plans_of(story)) * DAY_US
    for earlier, delivery in pairwise(story.deliveries):
        yield from (fact for fact in delivery.facts if fact.at_us < earlier.as_of_us - grace_us)


def plans_of(story: Story) -> list[Plan]:
    return [story.subscription.plan, *(change.plan for change in story.subscription.changes)]


def allowance_of(story: Story) -> Allowance:
    return story.subscription.plan.allowance


HARD: dict[str, Callable[[Story], bool]] = {
    "a fact that comes late": lambda story: any(late(story)),
    "a void that comes late": lambda story: any(fact.type == VOIDED for fact in late(story)),
    "a link that comes late": lambda story: any(fact.type == LINKED for fact in late(story)),
    "a fact that comes twice": lambda story: sum(len(it.facts) for it in story.deliveries) > len(story.facts),
    "several closings": lambda story: len({it.as_of_us for it in story.deliveries}) > 2,
    "an allowance of the term": lambda story: allowance_of(story).per == "term",
    "an allowance that rolls over": lambda story: allowance_of(story).rollover_windows > 0,
    "seats": lambda story: allowance_of(story).per == "held",
    "seats that need an approval": lambda story: bool(story.subscription.approvals),
    "pools of organisations": lambda story: allowance_of(story).pool_scope == "organisation",
    "entries": lambda story: story.subscription.plan.meter.unit == "entry",
    "volume tiers": lambda story: any(
        plan.tariff and plan.tariff.overage and plan.tariff.overage.shape == "volume" for plan in plans_of(story)
    ),
    "another version of the plan": lambda story: bool(story.subscription.changes),
    "more bought within the term": lambda story: len(story.subscription.quantities) > 1,
    "no prices": lambda story: story.subscription.plan.tariff is None,
}


def test_the_stories_produce_the_hard_cases_often() -> None:
    seen: Counter[str] = Counter()

    @settings(relaxed, max_examples=300, derandomize=True, database=None, phases=[Phase.generate])
    @given(stories())
    def look(story: Story) -> None:
        seen["all"] += 1
        seen.update(name for name, holds in HARD.items() if holds(story))

    look()
    rare = {name: seen[name] for name in HARD if seen[name] < seen["all"] / 50}
    assert not rare, f"of {seen['all']} stories too few show {rare}"
