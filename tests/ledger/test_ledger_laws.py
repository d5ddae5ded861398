"""A ledger is another way to the same facts: whatever is counted from it equals the reference.

Row groups, files and what a thread takes at a time are made tiny here, so that activations, learners and organisations
go on across them.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

from hypothesis import event, given, settings
from hypothesis import strategies as st

from rollbook.engines import duckdb as fast
from rollbook.engines import passing, sweep
from rollbook.ledger import LedgerStore, build, building, opened, writing
from rollbook.metering.outcome import Outcome
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.subscription import Subscription
from tests.metering.ledgers import comparable, outcomes
from tests.metering.test_laws import Batch, batches, refer, relaxed

few = settings(relaxed, max_examples=settings().max_examples // 8)
"""Building a ledger takes as long as many examples of other laws."""

AT = datetime(2026, 11, 1, tzinfo=UTC)


@contextmanager
def built(facts: Sequence[Fact], cuts: Sequence[int]) -> Iterator[LedgerStore]:
    """A ledger of the facts, added in several builds, with row groups of three facts and files of eight."""
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(writing, "GROUP_ROWS", 3),
        patch.object(writing, "FILE_ROWS", 8),
        patch.object(passing, "_UNIT_ROWS", 5),
        patch.object(passing, "_CHUNK_ROWS", 2),
    ):
        where = Path(folder) / "ledger"
        for first, end in zip([0, *cuts], [*cuts, len(facts)], strict=True):
            build(where, [list(facts[first:end])], at=AT)
        with opened([where]) as store:
            assert isinstance(store, LedgerStore)
            yield store


def run_ledger(
    facts: Sequence[Fact], subscriptions: Sequence[Subscription], as_of_us: int, cuts: Sequence[int]
) -> list[Outcome]:
    """The outcome of each subscription from a ledger."""
    with built(facts, cuts) as store:
        [meter] = {to.plan.meter for to in subscriptions}
        event(f"swept: {sweep.sweeps(store, meter)}, segments: {len(store.segments)}")
        return outcomes(fast.meter(store.connection, subscriptions, as_of_us, assume_members=True, ledger=store))


@few
@given(batches(), st.integers(0, 3), st.randoms(use_true_random=False))
def test_a_ledger_built_in_any_parts_and_order_counts_what_the_reference_counts(
    batch: Batch, builds: int, chance: random.Random
) -> None:
    meter, pairs, as_of_us = batch
    facts = [fact for facts, _ in pairs for fact in facts]
    chance.shuffle(facts)
    cuts = sorted(chance.randint(0, len(facts)) for _ in range(builds))
    found = run_ledger(facts, [to for _, to in pairs], as_of_us, cuts)
    for (its, to), got in zip(pairs, found, strict=True):
        assert comparable(got) == comparable(refer(meter, its, to, as_of_us)), (its, to)


@few
@given(batches(4), st.integers(0, 3), st.randoms(use_true_random=False))
def test_what_a_ledger_gives_back_is_what_came_in_once_each(batch: Batch, builds: int, chance: random.Random) -> None:
    _, pairs, _ = batch
    facts = [fact for facts, _ in pairs for fact in facts]
    again = facts + [chance.choice(facts) for _ in range(5)] if facts else facts
    chance.shuffle(again)
    cuts = sorted(chance.randint(0, len(again)) for _ in range(builds))
    with built(again, cuts) as store:
        assert sorted(store.iterate(), key=lambda fact: fact.key) == sorted(set(facts), key=lambda fact: fact.key)
        assert sum(record.duplicates for record in store.manifest.builds) == len(again) - len(facts)
        ids = sorted({fact.learner for fact in facts if fact.learner})
        for learner in ids[:3]:
            of_learner = {fact.key for fact in store.of_learners([learner]) if fact.type != VOIDED}
            linked = {fact.key for fact in facts if fact.type == LINKED and learner in (fact.learner, fact.object)}
            own = {fact.key for fact in facts if fact.learner == learner and fact.type != VOIDED}
            assert of_learner == own | linked
        some = chance.sample(facts, min(5, len(facts)))
        assert store.places([fact.key for fact in some]).keys() == {fact.key for fact in some}


@st.composite
def sweepable(draw: st.DrawFn) -> Batch:
    """A batch whose plan counts learners from their first fact on, so that the pass is taken and not the query."""
    meter, pairs, as_of_us = draw(batches(8))
    counts = meter.counts or meter.types
    plain = replace(
        meter,
        counts=counts,
        holds=None,
        member_while=None,
        unit="learner",
        dedupe="organisation",
        minimum=1,
        first_ever=False,
    )
    return (
        plain,
        [(facts, replace(to, plan=replace(to.plan, meter=plain))) for facts, to in pairs],
        as_of_us,
    )


@few
@given(sweepable(), st.integers(0, 4), st.sampled_from((0, building.LARGER)), st.randoms(use_true_random=False))
def test_the_pass_over_any_number_of_segments_equals_the_reference(
    batch: Batch, builds: int, larger: int, chance: random.Random
) -> None:
    meter, pairs, as_of_us = batch
    facts = [fact for facts, _ in pairs for fact in facts]
    chance.shuffle(facts)
    cuts = sorted(chance.randint(0, len(facts)) for _ in range(builds))
    with patch.object(building, "LARGER", larger):
        found = run_ledger(facts, [to for _, to in pairs], as_of_us, cuts)
    for (its, to), got in zip(pairs, found, strict=True):
        assert comparable(got) == comparable(refer(meter, its, to, as_of_us)), (its, to)
