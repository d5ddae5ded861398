"""Rows of text files come in batches of bounded size: columns of text, and beside them the rows that need the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BATCH_ROWS = 65_536
BATCH_BYTES = 16 * 1024 * 1024

NTH_BITS = 16
"""A line of a producer's export may make several facts. Each has a place of its own: line << NTH_BITS | nth."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that could not even be read."""

    rule: str
    remedy: str


@dataclass(slots=True)
class Batch:
    """Some rows of one export, each with the line at which it starts.

    names            the canonical columns of `rows`
    received_before  how many bytes of the file came before it
    lines            the line of each of `rows`
    rows             texts, in the order of `names`
    odd              rows for the gate, because not every value is a text, or refused already
    """

    names: tuple[str, ...]
    received_before: int = 0
    lines: list[int] = field(default_factory=list)
    rows: list[tuple[str, ...]] = field(default_factory=list)
    odd: list[tuple[int, Mapping[str, object] | Refused]] = field(default_factory=list)

    def refuse(self, line: int, refused: Refused) -> None:
        """A row that is refused already."""
        self.odd.append((line, refused))

    def is_full(self, received_bytes: int) -> bool:
        """Whether it is time to hand it on, `received_bytes` into the file."""
        return (
            len(self.lines) >= BATCH_ROWS
            or received_bytes - self.received_before >= BATCH_BYTES
            or len(self.odd) >= BATCH_ROWS
        )

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The texts by column."""
        return dict(zip(self.names, zip(*self.rows, strict=True), strict=True)) if self.rows else {}
