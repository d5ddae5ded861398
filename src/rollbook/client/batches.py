"""Facts as lines of JSON, in batches that one call can carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from rollbook.errors import Problem, UsageError
from rollbook.model.fact import Fact
from rollbook.model.instants import iso

TEXTS = (
    *("id", "organisation", "learner", "type", "role", "mode", "object", "source"),
    *("actor", "impersonator", "session", "voids", "attributes"),
)
"""The canonical columns that hold a text in a `Fact`."""


@dataclass(slots=True)
class Batch:
    """Lines without their end, the ids of their facts, and the index of the first among all facts of the call."""

    first: int
    lines: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    size: int = 0

    @property
    def body(self) -> bytes:
        """As NDJSON."""
        return b"\n".join(self.lines) + b"\n"


class _Named(msgspec.Struct):
    """What is read again of a fact that waited."""

    id: str = ""


def batches(facts: Iterable[Fact | Mapping[str, Any]], facts_max: int, bytes_max: int) -> Iterator[Batch]:
    """The facts in order, as many together as fit; read one batch ahead and no further.

    Raises UsageError at the first that is no fact, has no id, or is larger than a batch.
    """
    batch = Batch(0)
    for index, fact in enumerate(facts):
        id_, line = _line(index, fact)
        size = len(line) + 1
        if size > bytes_max:
            rule = f"it has {size:,} bytes, more than one call carries"
            raise UsageError(Problem(f"facts[{index}]", rule, "shorten its attributes"))
        if batch.lines and (len(batch.lines) == facts_max or batch.size + size > bytes_max):
            yield batch
            batch = Batch(index)
        batch.lines.append(line)
        batch.ids.append(id_)
        batch.size += size
    if batch.lines:
        yield batch


def ids_of(body: bytes) -> list[str]:
    """The ids of facts that waited on disk."""
    return [it.id for it in msgspec.json.Decoder(_Named).decode_lines(body)]


def _line(index: int, fact: Fact | Mapping[str, Any]) -> tuple[str, bytes]:
    place = f"facts[{index}]"
    row = _row(fact) if isinstance(fact, Fact) else fact
    if not isinstance(row, Mapping):
        raise UsageError(Problem(place, f"a value of type {type(row).__name__} is no fact", "give a Fact or a mapping"))
    id_ = row.get("id")
    if not isinstance(id_, str) or not id_:
        remedy = "give it one of your own that never changes: sending it again then changes nothing"
        raise UsageError(Problem(place, "it has no id", remedy))
    try:
        return id_, msgspec.json.encode(row)
    except (TypeError, ValueError, OverflowError) as error:
        # Of the error its kind alone: the text may quote the fact.
        rule = f"it cannot be written as JSON ({type(error).__name__})"
        raise UsageError(Problem(place, rule, "give texts, and instants as 2026-03-01T09:00:00Z")) from None


def _row(fact: Fact) -> dict[str, str]:
    row = {name: text for name in TEXTS if (text := getattr(fact, name))}
    row["occurred_at"] = iso(fact.at_us)
    if fact.recorded_us is not None:
        row["recorded_at"] = iso(fact.recorded_us)
    return row
