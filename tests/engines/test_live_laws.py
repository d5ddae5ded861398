"""However facts come, what is live equals the reference over all of them.

Each example meters several ledgers as so many subscriptions of one database, in batches of any size and order, with
windows beginning in between.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollbook.engines.database.live import begin_window
from rollbook.engines.database.recount import recount
from rollbook.engines.database.subscriptions import LiveSubscription
from rollbook.metering import reference
from rollbook.model.fact import Fact
from tests.engines import lives
from tests.metering.ledgers import ZONES, ledgers, meters, rules, subscription
from tests.metering.test_laws import assumed, relaxed

LEDGERS = 8
"""Subscriptions of one example."""


@dataclass(frozen=True)
class Story:
    """Batches, and the windows of each subscription that begin before each of them."""

    lives: tuple[LiveSubscription, ...]
    ledgers: tuple[list[Fact], ...]
    batches: tuple[tuple[list[Fact], tuple[int, ...]], ...]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Several ledgers, delivered in any order and in batches of any size."""
    meter = draw(meters())
    found, facts = [], []
    for n in range(draw(st.integers(1, LEDGERS))):
        zone = draw(st.sampled_from(ZONES))
        ledger = draw(ledgers(f"{n}:", zone))
        to = subscription(meter, draw(rules()), zone, f"{n}:")
        found.append(LiveSubscription(n + 1, to, 0, assumed(meter, ledger)))
        facts.append(ledger)
    coming = draw(st.permutations([fact for ledger in facts for fact in ledger]))
    cuts = sorted(draw(st.lists(st.integers(0, len(coming)), max_size=5)))
    batches = []
    for one, two in zip([0, *cuts], [*cuts, len(coming)], strict=True):
        begin = draw(st.lists(st.sampled_from([live.key for live in found]), max_size=2 * len(found)))
        batches.append((list(coming[one:two]), tuple(begin)))
    return Story(tuple(found), tuple(facts), tuple(batches))


def play(cursor: Any, story: Story) -> list[LiveSubscription]:
    """Everything that happens; the subscriptions as they are after it."""
    running = {live.key: live for live in story.lives}
    for batch, begin in story.batches:
        for key in begin:
            if running[key].windows_begun <= len(running[key].windows):
                running[key] = begin_window(cursor, running[key])
        lives.deliver(cursor, list(running.values()), batch)
    return list(running.values())


def check(cursor: Any, live: LiveSubscription, ledger: list[Fact]) -> None:
    """What is live is what the reference says."""
    got = lives.found(cursor, live)
    expected = reference.meter(ledger, live.subscription, live.as_of_us, live.assumed)
    if not live.windows_begun:
        expected = reference.Outcome()
    assert sorted(got.activations) == sorted(expected.activations)
    assert sorted(got.holdings, key=repr) == sorted(expected.holdings, key=repr)
    assert lives.tallies(cursor, live) == Counter(
        (it.window, it.organisation, it.class_, it.guest) for it in got.activations
    )


@relaxed
@given(story=stories())
def test_however_facts_come_what_is_live_equals_the_reference(connection: Any, story: Story) -> None:
    cursor = connection.cursor()
    try:
        after = play(cursor, story)
        for live, ledger in zip(after, story.ledgers, strict=True):
            check(cursor, live, ledger)
            assert list(recount(cursor, live)) == []
    finally:
        connection.rollback()
