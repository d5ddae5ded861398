"""Which rows of a ledger belong to whose subscription, and how their time is cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise

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
class _Layer:
    """One subscription for each of some organisations.

    learners  the number of the first learner of each organisation
    ordinals  the number of each among all covered
    begins    the number of the first learner from which on the same cut serves
    cuts      these cuts
    """

    learners: Ints
    ordinals: NDArray[np.int32]
    begins: Ints
    cuts: tuple[Cut, ...]

    def windows(self, at_us: Ints, begins: Ints, low: int) -> NDArray[np.unsignedinteger]:
        """The windows of facts; `begins` is where those of each learner begin, from the number `low` on."""
        first = int(self.begins.searchsorted(low, "right"))
        last = int(self.begins.searchsorted(low + len(begins) - 1, "right"))
        if first == last:
            return self.cuts[first - 1].windows(at_us)
        ends = (0, *begins.take(self.begins[first:last] - low).tolist(), len(at_us))
        parts = zip(self.cuts[first - 1 : last], pairwise(ends), strict=True)
        return np.concatenate([cut.windows(at_us[begin:end]) for cut, (begin, end) in parts])

    def ordinals_of(self, learners: NDArray[np.int32], low: int) -> NDArray[np.int32]:
        """The number of the organisation of each learner; they are counted from `low`, and never fall."""
        first = int(self.learners.searchsorted(low, "right")) - 1
        last = int(self.learners.searchsorted(low + int(learners[-1]), "right"))
        begins = learners.searchsorted((self.learners[first + 1 : last] - low).astype(np.int32))
        return np.repeat(self.ordinals[first:last], np.diff(begins, prepend=0, append=len(learners)))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows `first` to `end` of a segment: each of their organisations is covered by one subscription of each layer."""

    segment: int
    first: int
    end: int
    layers: tuple[_Layer, ...]


def covered(
    subscriptions: Sequence[Subscription], covering: Sequence[tuple[int, str]], as_of_us: int, first_us: int
) -> tuple[dict[str, tuple[Covered, ...]], int, int]:
    """By organisation, the subscriptions that cover it and have begun; `covering` says which do, by their places.

    And the number of the window that is 1 to all cuts, and how far from 0 the numbers of windows are at most.
    """
    all_ = [(*calendar.history(it, first_us), *calendar.windows(it)) for it in subscriptions]
    number = min((windows[0].number for windows in all_), default=1)
    most = max((windows[-1].number for windows in all_), default=1)
    # Subscriptions that are cut alike share their cut: to make one takes 50 µs.
    shared = lru_cache(maxsize=None)(cut)
    cuts = [shared(windows, as_of_us, number) for windows in all_]
    found: dict[str, tuple[Covered, ...]] = {}
    for ordinal, (subscription, organisation) in enumerate(covering, 1):
        if (its := cuts[subscription]) is not None:
            found[organisation] = (*found.get(organisation, ()), Covered(ordinal, its))
    return found, number, max(most, -number)


def stretches(
    segment: int, shares: Shares, covered: Mapping[str, Sequence[Covered]], learners: NDArray[np.uint32]
) -> Iterator[Stretch]:
    """The rows of covered organisations of a segment, as many together as there are."""
    rows = pairwise((0, *shares.ends.tolist()))
    there = [
        (first, end, covered.get(organisation, ()))
        for organisation, (first, end) in zip(shares.organisations, rows, strict=True)
        if first < end
    ]
    for layers, run in groupby(there, key=lambda part: len(part[2])):
        parts = list(run)
        if layers:
            begins = learners.searchsorted(np.array([first for first, _, _ in parts], np.uint32))
            yield Stretch(
                segment, parts[0][0], parts[-1][1], tuple(_layer(parts, begins, number) for number in range(layers))
            )


def _layer(parts: Sequence[tuple[int, int, Sequence[Covered]]], learners: Ints, number: int) -> _Layer:
    its = [covered[number] for _, _, covered in parts]
    changes = [place for place, one in enumerate(its) if not place or one.cut is not its[place - 1].cut]
    ordinals = np.array([one.ordinal for one in its], np.int32)
    return _Layer(learners, ordinals, learners[changes], tuple(its[place].cut for place in changes))
