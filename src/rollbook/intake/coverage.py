"""What the facts of a source cover, and where they seem to stop. Pure: days and counts in, gaps out.

The rule of a gap: a source that has facts on at least half of the days from its first to its last is taken to
deliver daily. More than seven days in a row without any fact are then a gap: an export is probably missing.
A source that delivers now and then has no gaps, because nothing can be said about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rollbook.model.instants import DAY_US

QUIET_DAYS_MAX = 7
"""A daily source may be silent for this many days in a row: holidays are no gap."""


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """[from_us, to_us): whole UTC days without a fact, in a source that has them nearly every day."""

    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class SourceCoverage:
    """What came from one source: how many facts, from when to when (both included), gaps, and types with counts."""

    source: str
    facts: int
    first_us: int
    last_us: int
    gaps: tuple[Gap, ...]
    types: Mapping[str, int]


def gaps(days: Sequence[int]) -> tuple[Gap, ...]:
    """The gaps between days that have facts, by the rule above. `days` are whole UTC days since 1970, in any order."""
    present = sorted(set(days))
    if not present:
        return ()
    spanned = present[-1] - present[0] + 1
    if len(present) * 2 < spanned:
        return ()
    return tuple(
        Gap((before + 1) * DAY_US, after * DAY_US)
        for before, after in pairwise(present)
        if after - before - 1 > QUIET_DAYS_MAX
    )
