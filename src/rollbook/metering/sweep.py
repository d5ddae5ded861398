"""A second reading of the step `active`, for facts that lie in order of learner and instant.

There an activation begins where (learner, window) changes, so one pass finds all of them without looking anything up:
five nanoseconds a fact, where a hash table takes fifty. What the step means is said in `query_instants`; both are
held to `reference` by the same tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rollbook.model.instants import DAY_US
from rollbook.model.plan import Meter
from rollbook.model.window import Window

_SMALL_WINDOWS, _SMALL_LEARNERS = 1 << 12, 1 << 18
"""Fewer windows, and fewer learners in a batch, fit together into one number of 31 bits, which is compared fastest."""


def can_sweep(meter: Meter) -> bool:
    """Whether a plan's units are learners of one organisation, each active from its first fact in the window on."""
    first_fact_decides = meter.minimum == 1 and not meter.first_ever
    return first_fact_decides and not (
        meter.holds or meter.member_while or meter.unit != "learner" or meter.dedupe == "customer"
    )


@dataclass(frozen=True, slots=True)
class Cut:
    """How time is cut, for arrays of instants: by UTC day where no window begins inside it, and by bounds elsewhere.

    bounds   where windows begin, and where the last one ends: UTC microseconds, ascending
    number   of the first window
    day      UTC day of the second place of `places`
    places   for each UTC day how many bounds are not after its beginning; the first and last stand for all others
    cut_days whether a window begins within that day; None where all begin at midnight UTC
    """

    bounds: NDArray[np.int64]
    number: int
    day: int
    places: NDArray[np.uint16]
    cut_days: NDArray[np.bool_] | None

    def windows(self, at_us: NDArray[np.int64]) -> NDArray[np.uint16]:
        """For each instant how many bounds are not after it: 0 before the first window."""
        days = at_us // DAY_US
        days -= self.day - 1
        found = self.places.take(days, mode="clip")
        if self.cut_days is not None:
            within = np.flatnonzero(self.cut_days.take(days, mode="clip"))
            found[within] = np.searchsorted(self.bounds, at_us[within], "right")
        return found


def cut(windows: Sequence[Window], as_of_us: int) -> Cut | None:
    """The windows of a subscription, which leave no gap, up to `as_of_us`; None where none has begun."""
    begun = [window for window in windows if window.start_us < as_of_us]
    if not begun:
        return None
    ends = [min(window.end_us, as_of_us) for window in begun]
    bounds = np.array([*(window.start_us for window in begun), ends[-1]], np.int64)
    if bounds[1:-1].tolist() != ends[:-1]:
        raise ValueError("these windows do not follow each other")
    day = int(bounds[0]) // DAY_US
    days = np.arange(day, int(bounds[-1]) // DAY_US + 2, dtype=np.int64)
    places = np.concatenate(([0], np.searchsorted(bounds, days * DAY_US, "right"))).astype(np.uint16)
    within = bounds[bounds % DAY_US != 0] // DAY_US - day + 1
    cut_days = None
    if len(within):
        cut_days = np.zeros(len(places), np.bool_)
        cut_days[within] = True
    return Cut(bounds, begun[0].number, day, places, cut_days)


@dataclass(frozen=True, slots=True)
class Firsts:
    """Activations in the order of their facts.

    places   of the first fact of each, among the facts that were given
    windows  the number of the window
    facts    how many facts there are
    """

    places: NDArray[np.int64]
    windows: NDArray[np.int32]
    facts: NDArray[np.int32]


def firsts(learners: NDArray[np.int32], at_us: NDArray[np.int64], cut: Cut) -> Firsts:
    """The activations of facts in order of (learner, instant); `learners` are numbers that never fall."""
    if not len(at_us):
        nothing = np.empty(0, np.int64)
        return Firsts(nothing, nothing.astype(np.int32), nothing.astype(np.int32))
    places = cut.windows(at_us)
    if len(cut.bounds) < _SMALL_WINDOWS and int(learners[-1]) - int(learners[0]) < _SMALL_LEARNERS:
        keys = learners - learners[0]
        keys *= np.int32(_SMALL_WINDOWS)
        keys += places
        changed = np.flatnonzero(keys[1:] != keys[:-1])
    else:
        changed = np.flatnonzero((learners[1:] != learners[:-1]) | (places[1:] != places[:-1]))
    starts = np.empty(len(changed) + 1, np.int64)
    starts[0] = 0
    np.add(changed, 1, out=starts[1:])
    facts = np.empty(len(starts), np.int32)
    np.subtract(starts[1:], starts[:-1], out=facts[:-1], casting="unsafe")
    facts[-1] = len(at_us) - starts[-1]
    found = places.take(starts)
    if found.min() == 0 or found.max() == len(cut.bounds):
        inside = np.flatnonzero((found > 0) & (found < len(cut.bounds)))
        starts, found, facts = starts.take(inside), found.take(inside), facts.take(inside)
    windows = found.astype(np.int32)
    windows += np.int32(cut.number - 1)
    return Firsts(starts, windows, facts)
