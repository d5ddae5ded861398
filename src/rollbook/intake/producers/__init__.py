"""One file for each producer of exports: how it is recognised, and how its rows become facts.

Owns: what platforms call things and where they put them. What their events mean is a table in `vocabularies`.
Does not own: files and formats (`streams`, `lines`, `csv_rows`, `documents`), or the rules of a fact (`gate`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook.errors import Problem, UsageError
from rollbook.intake.producers.producer import Convert, Producer, Reading, Row
from rollbook.model.keys import nearest

PRODUCERS: tuple[Producer, ...] = ()
"""Every producer, those that recognise the most particular exports first."""

CANONICAL = "canonical"
"""The name of exports that have the canonical columns, or a mapping to them."""

__all__ = ["CANONICAL", "PRODUCERS", "Convert", "Producer", "Reading", "Row", "find_producer", "recognise"]


def find_producer(name: str) -> Producer:
    """The producer of this name. Raises UsageError for an unknown one."""
    for producer in PRODUCERS:
        if producer.name == name:
            return producer
    known = [CANONICAL, *(producer.name for producer in PRODUCERS)]
    raise UsageError(
        Problem(f"--input {name}", f"there is no such export{nearest(name, known)}", "use " + ", ".join(known))
    )


def recognise(kind: str, sample: Mapping[str, Any]) -> Producer | None:
    """Whose export this is; None where nobody recognises it."""
    return next((it for it in PRODUCERS if it.kind == kind and it.recognises(sample)), None)
