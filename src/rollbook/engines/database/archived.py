"""Deeds that lie in an archive instead of the table `fact`, as whoever meters needs them.

What is archived is read beside what is stored wherever the past is metered again: late facts, voids, links, a count
from the beginning. A batch of the present never asks for it, for its windows lie after everything that was moved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from typing import Protocol

from rollbook.engines.database.dialects import Row


class Archive(Protocol):
    """The deeds of one owner before an instant that are not in the table any more; each is in one of the two."""

    @property
    def until_us(self) -> int:
        """No deed at or after it was moved, UTC microseconds."""

    def learners(self, organisation: str, from_us: int, to_us: int) -> Iterator[Row]:
        """(learner, first instant) of deeds of an organisation in [from_us, to_us), in the order of their bytes."""

    def deeds(self, learners: Sequence[Row], types: Collection[str], to_us: int) -> Iterator[Row]:
        """Rows of `schema.METERED` of (organisation, learner, from_us): deeds of some types in [from_us, to_us)."""

    def named(self, keys: Sequence[Row]) -> list[Row]:
        """Rows of `touch.Touching`: the deeds of these (organisation, source, id)."""

    def of_these(self, learners: Sequence[Row]) -> set[Row]:
        """Those (organisation, learner) of these who have deeds."""


def together(chunks: Iterator[list[Row]], archived: Iterator[Row], most: int) -> Iterator[list[Row]]:
    """(learner, first instant) from both places, each learner once, in order, at most so many at a time."""
    both = merge((row for chunk in chunks for row in chunk), archived, key=_bytes_of)
    rows = ((learner, min(at_us for _, at_us in of_one)) for learner, of_one in groupby(both, key=itemgetter(0)))
    while some := list(islice(rows, most)):
        yield some


def _bytes_of(row: Row) -> bytes:
    return str(row[0]).encode()
