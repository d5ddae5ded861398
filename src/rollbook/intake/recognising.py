"""Whose export something is: as was said, or by what its first objects have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rollbook.intake.headers import find_columns
from rollbook.intake.options import ReadOptions
from rollbook.intake.producers import CANONICAL, PRODUCERS, Producer, find_producer, recognise
from rollbook.intake.producers.producer import JSON
from rollbook.intake.streams import FileFaultError

NEEDED = frozenset({"occurred_at", "type"})
"""What has these columns is canonical."""


def producer_of(options: ReadOptions, kind: str, samples: Iterable[Mapping[str, Any]]) -> Producer | None:
    """Whose export it is; None for canonical columns, and where nobody knows it.

    The first sample that says something decides, so that one broken line, or an empty page, hides nothing.
    """
    if options.input == CANONICAL:
        return None
    if options.input:
        said = find_producer(options.input, kind)
        if said.kind != kind:
            raise FileFaultError(f"is no {said.title}: those are {said.kind.upper()}", "leave --input out")
        return said
    empty: Producer | None = None
    for sample in samples:
        if find_columns(tuple(sample), options.mapping).positions.keys() >= NEEDED:
            return None
        found = recognise(kind, sample) or (_wrapped(sample) if kind == JSON else None)
        if found:
            return found
        empty = empty or _empty(kind, sample)
    return empty


def _wrapped(sample: Mapping[str, Any]) -> Producer | None:
    """Whose items an object wraps: those of a producer that wraps them so."""
    for key, value in sample.items():
        item = value[0] if isinstance(value, list) and value else None
        if isinstance(item, dict):
            found = recognise(JSON, item)
            if found and key in found.envelopes:
                return found
    return None


def _empty(kind: str, sample: Mapping[str, Any]) -> Producer | None:
    """Whose empty page an object is."""
    keys = {key for key, value in sample.items() if value == []}
    return next((it for it in PRODUCERS if it.kind == kind and keys & set(it.envelopes)), None)
