"""One file for each producer of exports: how it is recognised, and how its rows become facts.

Owns: what platforms call things and where they put them. What their events mean is a table in `vocabularies`.
Does not own: files and formats (`streams`, `lines`, `csv_rows`, `documents`), or the rules of a fact (`gate`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from rollbook.errors import Problem, UsageError
from rollbook.intake.producers.caliper import Caliper
from rollbook.intake.producers.canvas_access import CanvasAccess
from rollbook.intake.producers.canvas_live import CanvasLive
from rollbook.intake.producers.mapped_report import MappedReport
from rollbook.intake.producers.moodle_log import MoodleLog
from rollbook.intake.producers.moodle_logstore import MoodleLogstore
from rollbook.intake.producers.oneroster import OneRosterEnrollments, OneRosterUsers
from rollbook.intake.producers.open_edx import OpenEdx
from rollbook.intake.producers.producer import CSV, JSON, Convert, Producer, Reading, Row
from rollbook.intake.producers.scorm_cloud import ScormCloud
from rollbook.intake.producers.xapi import Xapi
from rollbook.intake.report_mapping import read_mapping, shipped_mappings
from rollbook.model.keys import nearest

PRODUCERS: tuple[Producer, ...] = (
    MoodleLog(),
    MoodleLogstore(CSV),
    MoodleLogstore(JSON),
    ScormCloud(),
    Xapi(),
    OpenEdx(),
    CanvasLive(),
    CanvasAccess(CSV),
    CanvasAccess(JSON),
    Caliper(),
    OneRosterUsers(CSV),
    OneRosterUsers(JSON),
    OneRosterEnrollments(CSV),
    OneRosterEnrollments(JSON),
    *map(MappedReport, shipped_mappings()),
)
"""Every producer, those that recognise the most particular exports first."""

CANONICAL = "canonical"
"""The name of exports that have the canonical columns, or a mapping to them."""

__all__ = ["CANONICAL", "PRODUCERS", "Convert", "Producer", "Reading", "Row", "find_producer", "recognise"]


def find_producer(name: str, kind: str = "") -> Producer:
    """The producer of this name, of this kind where it has several, or the one that a mapping file describes.

    Raises UsageError for an unknown one.
    """
    if name.endswith(".toml"):
        return MappedReport(read_mapping(name))
    named = [producer for producer in PRODUCERS if producer.name == name]
    if named:
        return next((producer for producer in named if producer.kind == kind), named[0])
    known = [CANONICAL, *(producer.name for producer in PRODUCERS)]
    remedy = "use " + ", ".join(dict.fromkeys(known)) + ", or a mapping file that ends in .toml"
    raise UsageError(Problem(f"--input {name}", f"there is no such export{nearest(name, known)}", remedy))


def recognise(kind: str, sample: Mapping[str, Any]) -> Producer | None:
    """Whose export this is; None where nobody recognises it."""
    return next((it for it in PRODUCERS if it.kind == kind and it.recognises(sample)), None)


@cache
def named_types() -> frozenset[str]:
    """Every type that a shipped vocabulary or mapping names: known, even where it has no meaning of its own."""
    return frozenset(meaning.type for producer in PRODUCERS for meaning in producer.meanings().values())
