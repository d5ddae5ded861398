"""What a producer is: how its exports are recognised, and how one of its rows becomes facts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rollbook.intake.batches import Refused
from rollbook.intake.vocabulary import Meaning, Vocabulary, shipped

CSV, JSON = "csv", "json"

Row = Mapping[str, object]
"""Canonical columns of one fact, absent ones empty; the gate reads it like any other row."""

Convert = Callable[[Mapping[str, Any]], Iterable[Row | Refused]]
"""Makes facts of one row of an export: its CSV fields by column as written there, or its JSON object.

Every row gives at least one fact or refusal: none is lost. A row about nobody is a fact too, in the role `system`.
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """How an export is to be read.

    vocabulary  what its events mean
    zone        the zone of times without an offset, as stated; None where nobody did
    date_order  as stated, for days written with the year last
    columns     of a CSV export, as its header writes them
    extra       further tables that belong to the export, by what they are called (`roles`): rows by column
    snapshot_at the instant at which an export without dates was made, as stated
    """

    vocabulary: Vocabulary
    zone: str | None = None
    date_order: str | None = None
    columns: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    snapshot_at: str | None = None


class Producer(ABC):
    """A kind of export.

    name         for `--input` and the file of its vocabulary
    title        for people
    kind         CSV or JSON
    encoding     of lines that are not UTF-8; None where such lines are refused
    envelopes    for JSON: keys whose lists hold the rows, where the export wraps them: `statements` of a result page
    """

    name: str
    title: str
    kind: str
    encoding: str | None = None
    envelopes: tuple[str, ...] = ()

    @abstractmethod
    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """Whether this is one of its exports, by the first row: columns of a CSV, or a JSON object.

        Of a CSV, the values are those of the first row; only names are promised.
        """

    def meanings(self) -> Mapping[str, Meaning]:
        """What its events mean: the vocabulary of its name."""
        return shipped(self.name)

    @abstractmethod
    def converter(self, reading: Reading) -> Convert:
        """What makes facts of its rows. It may remember bounded things from row to row."""
