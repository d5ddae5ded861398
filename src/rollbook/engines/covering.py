"""Which rows of a ledger belong to whose subscription, and how their time is cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rollbook.ledger.store import Shares
from rollbook.metering import calendar
from rollbook.metering.sweep import Cut, Ints, cut
from rollbook.model.subscription import Subscription


@dataclass(frozen=True, slots=True)
class Covered:
    """One organisation of one subscription: its number among all covered, and how its time is cut."""

    ordinal: int
    cut: Cut


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of a segment, one after the other, whose organisations are cut alike.

    first, end  rows of the segment
    cuts        one for each subscription that covers them
    learners    the number of the first learner of each organisation
    numbers     of the organisations among all covered, for each cut
    """

    segment: int
    first: int
    end: int
    cuts: tuple[Cut, ...]
    learners: Ints
    numbers: tuple[NDArray[np.int32], ...]

    def ordinals(self, cut: int, low: int, learners: NDArray[np.int32]) -> NDArray[np.int32]:
        """Which organisation the learners are of; `low` is the number of the one that is 0 here."""
        numbers = self.numbers[cut]
        if len(numbers) == 1:
            return numbers
        begins = self.learners - low
        high = int(learners[-1]) + 1
        begins[begins < 0] = 0
        begins[begins > high] = high
        return np.repeat(numbers, np.diff(begins, append=high)).take(learners)


def covered(
    subscriptions: Sequence[Subscription], covering: Sequence[tuple[int, str]], as_of_us: int, first_us: int
) -> dict[str, tuple[Covered, ...]]:
    """By organisation, the subscriptions that cover it and have begun; `covering` says which do, by their places."""
    # Subscriptions that are cut alike share their cut: to make one takes 50 µs.
    shared = lru_cache(maxsize=None)(cut)
    cuts = [
        shared((*calendar.history(subscription, first_us), *calendar.windows(subscription)), as_of_us)
        for subscription in subscriptions
    ]
    found: dict[str, tuple[Covered, ...]] = {}
    for ordinal, (subscription, organisation) in enumerate(covering, 1):
        if (its := cuts[subscription]) is not None:
            found[organisation] = (*found.get(organisation, ()), Covered(ordinal, its))
    return found


def stretches(
    segment: int, shares: Shares, covered: Mapping[str, Sequence[Covered]], learners: NDArray[np.uint32]
) -> Iterator[Stretch]:
    """The rows of covered organisations of a segment, those that are cut alike together."""
    run: list[tuple[int, Sequence[Covered]]] = []
    first = end = 0
    for organisation, until in zip(shares.organisations, shares.ends.tolist(), strict=True):
        its = covered.get(organisation, ())
        if run and (not its or [id(one.cut) for one in its] != [id(one.cut) for one in run[0][1]]):
            yield _stretch(segment, first, end, run, learners)
            run = []
        if its and until > end:
            if not run:
                first = end
            run.append((end, its))
        end = until
    if run:
        yield _stretch(segment, first, end, run, learners)


def _stretch(
    segment: int, first: int, end: int, run: Sequence[tuple[int, Sequence[Covered]]], learners: NDArray[np.uint32]
) -> Stretch:
    cuts = tuple(one.cut for one in run[0][1])
    begins = np.array([begin for begin, _ in run], np.uint32)
    numbers = tuple(np.array([its[place].ordinal for _, its in run], np.int32) for place in range(len(cuts)))
    return Stretch(segment, first, end, cuts, learners.searchsorted(begins), numbers)
