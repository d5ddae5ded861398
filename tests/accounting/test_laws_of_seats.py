"""What must hold for seats in whatever order they are taken, released, approved and bought.

The walk through time is held to `naive`, which moves one chair at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rollbook.accounting.seats import Seats, as_consumption, seats
from rollbook.metering.calendar import windows
from rollbook.model.instants import LATEST_US
from tests.accounting import naive
from tests.accounting.stories import (
    STARTS,
    Sitting,
    rare,
    relaxed,
    sittings,
)


@relaxed
@given(sittings())
def test_seats_are_what_moving_chair_by_chair_gives(sitting: Sitting) -> None:
    to = sitting.to
    expected = naive.sat(to, windows(to), sitting.spans, sitting.as_of_us)
    found = {it.window.number: it for it in seats(to, windows(to), sitting.spans, sitting.as_of_us)}
    assert found.keys() == expected.keys()
    for number, it in expected.items():
        got = found[number]
        for name in ("held_at_start", "held_at_end", "taken", "released", "peak", "awaiting"):
            assert getattr(got, name) == getattr(it, name), (number, name)
        assert got.ever == len(it.ever)
        counted, beyond = {
            "peak": (it.peak, it.beyond),
            "end": (it.held_at_end, it.sitting[got.quantity :]),
            "ever": (len(it.ever), it.ever[got.quantity :]),
        }[to.plan.allowance.basis]
        assert (got.counted, got.beyond) == (counted, tuple(beyond)), number


@relaxed
@given(sittings())
def test_seats_flow_and_add_up(sitting: Sitting) -> None:
    found = seats(sitting.to, windows(sitting.to), sitting.spans, sitting.as_of_us)
    for it in found:
        assert it.held_at_start + it.taken - it.released == it.held_at_end
        assert it.peak >= it.held_at_end + it.awaiting
        assert len(set(it.beyond)) == len(it.beyond) == it.overage <= it.counted
        assert it.available == it.quantity - it.held_at_end - it.awaiting
        used = as_consumption(sitting.to, it)
        assert used.included + used.overage == used.active == it.counted
        assert used.included >= 0
    assert all(before.held_at_end == after.held_at_start for before, after in pairwise(found))
    assert all(before.ever <= after.ever for before, after in pairwise(found))


@relaxed
@given(sittings())
def test_with_one_quantity_throughout_no_more_than_that_are_within(sitting: Sitting) -> None:
    to = replace(sitting.to, quantities=())
    for it in seats(to, windows(to), sitting.spans, sitting.as_of_us):
        assert it.overage == max(it.counted - it.quantity, 0)


@relaxed
@given(sittings(), st.sampled_from(STARTS[1:]), st.randoms(use_true_random=False))
def test_seats_never_depend_on_later_ones_nor_on_the_order_they_are_given_in(
    sitting: Sitting, end_us: int, random: object
) -> None:
    spans = list(sitting.spans)
    random.shuffle(spans)  # type: ignore[attr-defined]
    whole = seats(sitting.to, windows(sitting.to), sitting.spans, sitting.as_of_us)
    assert whole == seats(sitting.to, windows(sitting.to), spans, sitting.as_of_us)
    earlier = [
        it._replace(off_us=None if it.off_us is None or it.off_us >= end_us else it.off_us)
        for it in spans
        if it.on_us < end_us
    ]
    until = [it for it in whole if it.window.end_us <= end_us]
    then = seats(sitting.to, windows(sitting.to), earlier, min(end_us, sitting.as_of_us))
    assert until == [it for it in then if it.window.end_us <= end_us]


# The hard cases.


def _found(sitting: Sitting) -> tuple[Seats, ...]:
    return seats(sitting.to, windows(sitting.to), sitting.spans, sitting.as_of_us)


HARD_SITTINGS: dict[str, Callable[[Sitting], bool]] = {
    "a seat changes hands at one instant": lambda it: any(
        a.off_us == b.on_us != a.on_us for a in it.spans for b in it.spans
    ),
    "two take a seat at one instant": lambda it: len({span.on_us for span in it.spans}) < len(it.spans),
    "a seat is released where a window begins": lambda it: any(
        span.off_us in STARTS[1:] and span.off_us != span.on_us for span in it.spans
    ),
    "switched off at once": lambda it: any(span.off_us == span.on_us for span in it.spans),
    "taken before the term": lambda it: any(span.on_us < STARTS[0] for span in it.spans),
    "the same unit again": lambda it: len({span[3:6] for span in it.spans}) < len(it.spans),
    "seats wait for approval": lambda it: any(used.awaiting for used in _found(it)),
    "more wait than there are": lambda it: any(used.awaiting > used.quantity for used in _found(it)),
    "an approval frees a seat": lambda it: any(
        approved.awaiting < unapproved.awaiting
        for approved, unapproved in zip(_found(it), _found(replace(it, to=replace(it.to, approvals=()))), strict=True)
    ),
    "seats are beyond": lambda it: any(used.beyond for used in _found(it)),
    "the quantity falls below what is held": lambda it: any(
        a.units > b.units
        and any(span.on_us < b.from_us and (span.off_us or LATEST_US) > b.from_us for span in it.spans)
        for a, b in pairwise(it.to.quantities)
    ),
    "a window is open": lambda it: any(used.is_open for used in _found(it)),
}


def test_the_generator_of_seats_produces_the_hard_cases_often() -> None:
    assert not rare(sittings(), HARD_SITTINGS)
