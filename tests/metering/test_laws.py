"""What must hold for every ledger, every plan and every engine.

Each example meters a batch of ledgers as so many subscriptions of one query, so hundreds of them cost little.
`make laws` runs many more examples than a commit does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rollbook.metering import reference
from rollbook.metering.calendar import history, windows
from rollbook.metering.outcome import CLASSES, COUNTED, DISPOSITIONS, NEW, Outcome
from rollbook.model.fact import CORRECTIONS, LINKED, VOIDED, Fact
from rollbook.model.instants import LATEST_US, start_of_day_us
from rollbook.model.plan import Meter, WindowRule
from rollbook.model.subscription import Subscription
from tests.metering.ledgers import (
    LEARNERS,
    START,
    ZONES,
    boundaries,
    comparable,
    ledgers,
    meters,
    rules,
    run_fast,
    subscription,
)

BATCH = 20
AS_OF = (
    LATEST_US,
    LATEST_US,
    start_of_day_us(date(2026, 3, 1), ZoneInfo("UTC")),
    start_of_day_us(START, ZoneInfo("UTC")),
)

relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))

Batch = tuple[Meter, list[tuple[list[Fact], Subscription]], int]


@st.composite
def batches(draw: st.DrawFn, size: int = BATCH) -> Batch:
    """One meter, several ledgers each with a subscription of its own, and an instant up to which to meter."""
    meter = draw(meters())
    pairs = []
    for n in range(draw(st.integers(1, size))):
        zone = draw(st.sampled_from(ZONES))
        pairs.append((draw(ledgers(f"{n}:", zone)), subscription(meter, draw(rules()), zone, f"{n}:")))
    return meter, pairs, draw(st.sampled_from(AS_OF))


def assumed(meter: Meter, facts: list[Fact]) -> frozenset[str]:
    """The organisations of which no fact says who is a member."""
    if meter.member_while is None:
        return frozenset()
    silent = {fact.organisation for fact in facts if fact.type in meter.types}
    return frozenset(silent - {fact.organisation for fact in facts if fact.type in meter.member_while.types})


def refer(meter: Meter, facts: list[Fact], to: Subscription, as_of_us: int) -> Outcome:
    return reference.meter(facts, to, as_of_us, assumed(meter, facts))


@relaxed
@given(batches())
def test_every_engine_equals_the_reference(batch: Batch) -> None:
    meter, pairs, as_of_us = batch
    found = run_fast([fact for facts, _ in pairs for fact in facts], [to for _, to in pairs], as_of_us)
    for (facts, to), got in zip(pairs, found, strict=True):
        assert comparable(got) == comparable(refer(meter, facts, to, as_of_us)), (facts, to)


@relaxed
@given(batches(3), st.randoms(use_true_random=False))
def test_order_of_delivery_changes_nothing(batch: Batch, random: object) -> None:
    _, pairs, as_of_us = batch
    facts = [fact for facts, _ in pairs for fact in facts]
    shuffled = list(facts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    subscriptions = [to for _, to in pairs]
    before, after = (run_fast(order, subscriptions, as_of_us) for order in (facts, shuffled))
    assert [comparable(outcome) for outcome in before] == [comparable(outcome) for outcome in after]


@relaxed
@given(batches(1))
def test_a_cluster_metered_alone_gives_what_it_gave_among_others(batch: Batch) -> None:
    """Any set of identity clusters can be metered alone, anywhere, again; voids go where their target is."""
    meter, [(facts, to)], as_of_us = batch
    whole = refer(meter, facts, to, as_of_us)
    named = {fact.learner for fact in facts} | {fact.object for fact in facts if fact.type == LINKED}
    clusters = {name: {name} for name in named}
    for fact in facts:
        if fact.type == LINKED:
            joined = clusters[fact.learner] | clusters[fact.object]
            clusters.update(dict.fromkeys(joined, joined))
    parts = []
    for cluster in {tuple(sorted(cluster)) for cluster in clusters.values()}:
        own = [fact for fact in facts if fact.learner in cluster and fact.type != VOIDED]
        keys = {(fact.organisation, *fact.key) for fact in own}
        voids = [fact for fact in facts if fact.type == VOIDED and (fact.organisation, fact.source, fact.voids) in keys]
        parts.append(reference.meter(own + voids, to, as_of_us, assumed(meter, facts)))
    assert sorted(whole.activations) == sorted(active for part in parts for active in part.activations)
    assert sorted(whole.holdings, key=repr) == sorted((held for part in parts for held in part.holdings), key=repr)


@relaxed
@given(batches(1))
def test_every_fact_has_one_disposition_and_counted_ones_add_up(batch: Batch) -> None:
    meter, [(facts, to)], as_of_us = batch
    outcome = refer(meter, facts, to, as_of_us)
    assert outcome.dispositions.keys() == {fact.key for fact in facts}
    assert set(outcome.dispositions.values()) <= DISPOSITIONS.keys()
    if not meter.holds:
        counted = sum(fate == COUNTED for fate in outcome.dispositions.values())
        assert sum(active.facts for active in outcome.activations) == counted


@relaxed
@given(batches(1))
def test_every_activation_has_its_fact_and_one_class(batch: Batch) -> None:
    meter, [(facts, to)], as_of_us = batch
    outcome = refer(meter, facts, to, as_of_us)
    by_key = {fact.key: fact for fact in facts}
    in_term = {window.number: window for window in windows(to)}
    for active in outcome.activations:
        proof = by_key[active.source, active.fact]
        assert active.class_ in CLASSES
        assert in_term[active.window].contains(active.first_us)
        assert proof.at_us <= active.first_us < as_of_us
        assert proof.type in ((*meter.holds.on, LINKED) if meter.holds else meter.counts)
    units = Counter((a.window, a.organisation, a.unit, a.object, a.guest, a.fact) for a in outcome.activations)
    assert set(units.values()) <= {1}


@relaxed
@given(batches(1))
def test_a_cluster_is_new_at_most_once(batch: Batch) -> None:
    meter, [(facts, to)], as_of_us = batch
    if any(fact.type == LINKED for fact in facts) or meter.unit == "entry":
        return
    outcome = refer(meter, facts, to, as_of_us)
    across = meter.dedupe == "customer" and meter.unit == "learner"
    news = Counter(
        ("" if across else a.organisation, a.unit, a.object)
        for a in outcome.activations
        if a.class_ == NEW and not a.guest
    )
    assert set(news.values()) <= {1}


@relaxed
@given(batches(1), st.integers(0, 13))
def test_without_corrections_a_sticky_window_never_falls(batch: Batch, dropped: int) -> None:
    """One more fact of something done never makes a learner inactive."""
    meter, [(facts, to)], as_of_us = batch
    if meter.holds or meter.member_while or meter.first_ever or meter.reconnect_grace_seconds:
        return
    facts = [fact for fact in facts if fact.type not in CORRECTIONS]
    fewer = facts[:dropped] + facts[dropped + 1 :]
    before = Counter(active.window for active in refer(meter, fewer, to, as_of_us).activations)
    after = Counter(active.window for active in refer(meter, facts, to, as_of_us).activations)
    assert all(after[window] >= before[window] for window in before)


@relaxed
@given(batches(1))
def test_erasing_learners_changes_no_count(batch: Batch) -> None:
    """Every id replaced by a surrogate: the same windows, classes, instants and proofs."""
    meter, [(facts, to)], as_of_us = batch
    surrogate = {name: f"person-{n}" for n, name in enumerate(reversed(LEARNERS))} | {"": ""}
    erased = [
        fact.replace(
            learner=surrogate[fact.learner],
            object=surrogate[fact.object] if fact.type == LINKED else fact.object,
        )
        for fact in facts
    ]
    before, after = refer(meter, facts, to, as_of_us), refer(meter, erased, to, as_of_us)
    named = [a if a.guest else replace(a, unit=surrogate[a.unit]) for a in before.activations]
    assert sorted(named) == sorted(after.activations)
    assert before.dispositions == after.dispositions


@relaxed
@given(meters(), rules(), st.sampled_from(ZONES))
def test_windows_tile_the_term_and_the_history_before_it(meter: Meter, rule: object, zone: str) -> None:
    to = subscription(meter, rule, zone, "")  # type: ignore[arg-type]
    tiles = (*history(to, boundaries(zone)[0]), *windows(to))
    assert [tile.number for tile in tiles] == list(range(tiles[0].number, tiles[-1].number + 1))
    assert all(earlier.end_us == later.start_us for earlier, later in pairwise(tiles))
    assert next(tile.start_us for tile in tiles if tile.number == 1) == to.start_us
    assert tiles[-1].end_us == to.end_us
    assert tiles[0].start_us <= boundaries(zone)[0]


HARD = {
    "two facts at one instant": lambda facts, _: len({f.at_us for f in facts}) < len(facts),
    "a fact at a boundary": lambda facts, to: any(f.at_us in (to.start_us, to.end_us) for f in facts),
    "a void that names a fact": lambda facts, _: any(f.type == VOIDED for f in facts),
    "a void before its target": lambda facts, _: any(
        v.at_us < f.at_us for v in facts if v.type == VOIDED for f in facts if f.id == v.voids
    ),
    "a link between two who did something": lambda facts, _: any(
        {f.learner, f.object} <= {g.learner for g in facts if g.type != LINKED} for f in facts if f.type == LINKED
    ),
    "links in a chain": lambda facts, _: any(
        f.learner == g.object for f in facts if f.type == LINKED for g in facts if g.type == LINKED
    ),
    "a span across a window": lambda facts, to: any(
        f.type == "enrolment.enabled" and f.at_us < to.start_us for f in facts
    ),
    "on and off of one object at one instant": lambda facts, _: any(
        (f.learner, f.object, f.at_us, f.organisation) == (g.learner, g.object, g.at_us, g.organisation)
        for f in facts
        if f.type == "enrolment.enabled"
        for g in facts
        if g.type == "enrolment.disabled"
    ),
    "an off without an object": lambda facts, _: any(f.type == "enrolment.disabled" and not f.object for f in facts),
    "a guest": lambda facts, _: any(f.role == "guest" for f in facts),
    "an id that is not ASCII": lambda facts, _: any(not f.id.isascii() for f in facts),
    "one learner in two organisations": lambda facts, _: any(
        f.learner == g.learner and f.organisation != g.organisation for f in facts for g in facts if f.learner
    ),
}


def test_the_generators_produce_the_hard_cases_often() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(ledgers("", "UTC"), meters())
    def look(facts: list[Fact], meter: Meter) -> None:
        to = subscription(meter, WindowRule(kind="calendar-month"), "UTC", "")
        seen["all"] += 1
        seen.update(name for name, holds in HARD.items() if holds(facts, to))

    look()
    rare = {name: seen[name] for name in HARD if seen[name] < seen["all"] / 50}
    assert not rare, f"of {seen['all']} ledgers too few show {rare}"
