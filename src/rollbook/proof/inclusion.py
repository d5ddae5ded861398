"""The proof of one learner: their rows of evidence, each with its salt and its path to the root of the statement.

It shows nobody else: the digests on a path are over salted rows, and a statement's record names no learner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from rollbook.accounting.statement import EVIDENCE_COLUMNS
from rollbook.errors import BookError, Problem
from rollbook.proof.digests import Cell, canonical_record, canonical_row
from rollbook.proof.digests import digest as digest_of
from rollbook.proof.merkle import follows, leaf, path, salt
from rollbook.proof.shapes import MISMATCHES_MAX, digest, mismatches
from rollbook.proof.terms import RECORD
from rollbook.proof.verdict import Check, Verdict, check

PROOF_FORMAT = "rollbook proof 1"

_INTEGERS = ("window", "rank", "first_us", "facts")


def _known_format(value: object) -> None:
    """What a proof calls itself."""
    if value != PROOF_FORMAT:
        raise ValueError


def _side(value: object) -> None:
    """The side on which the other digest stands."""
    if value not in ("left", "right"):
        raise ValueError


PROOF = {
    "format": _known_format,
    "unit": str,
    "kind": str,
    "statement": RECORD,
    "rows": [
        {
            "row": {name: int if name in _INTEGERS else str for name in EVIDENCE_COLUMNS},
            "salt": digest,
            "path": [(_side, digest)],
        }
    ],
}
"""The shape of a proof."""


def proof(
    record: Mapping[str, Any],
    unit: str,
    kind: str,
    leaves: Sequence[bytes],
    rows: Iterable[tuple[int, Sequence[Cell]]],
    secret: bytes,
) -> dict[str, Any]:
    """The proof of a unit: `rows` are its own, with their places among `leaves`."""
    return {
        "format": PROOF_FORMAT,
        "unit": unit,
        "kind": kind,
        "statement": record,
        "rows": [
            {
                "row": dict(zip(EVIDENCE_COLUMNS, row, strict=True)),
                "salt": salt(secret, canonical_row(row)).hex(),
                "path": [[side, other.hex()] for side, other in path(leaves, index)],
            }
            for index, row in rows
        ],
    }


def verify_proof(value: object, place: str) -> Verdict:
    """What a proof is worth by itself: each row leads to the root that the statement names.

    Raises BookError where it is no proof.
    """
    found = list(islice(mismatches(value, PROOF), MISMATCHES_MAX))
    if found or not isinstance(value, dict):
        raise BookError(Problem(place, f"this is no proof: {it}", "ask for it again") for it in found)
    record, rows = value["statement"], value["rows"]
    inside = check(
        "rows",
        f"{len(rows)}, each against the root {record['evidence']['root'][:16]}…",
        [*([] if rows else ["the proof has no row"]), *_astray(rows, record)],
    )
    named = check(
        "unit",
        f"all of {value['kind']} {value['unit']}, each once",
        _of_others(rows, value["kind"], value["unit"]),
    )
    checks: tuple[Check, ...] = (inside, named)
    name = f"statement {record['number']}"
    return Verdict(f"{place}: proof of {name}", {name: digest_of(canonical_record(record))}, checks)


def _of_others(rows: Sequence[Mapping[str, Any]], kind: str, unit: str) -> Iterator[str]:
    met: set[bytes] = set()
    for number, item in enumerate(rows, 1):
        row = item["row"]
        if (row["kind"], row["unit"]) != (kind, unit):
            yield f"row {number} is of {row['kind']} {row['unit']}"
        written = canonical_row([row[name] for name in EVIDENCE_COLUMNS])
        if written in met:
            yield f"row {number} stands there twice"
        met.add(written)


def _astray(rows: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> Iterator[str]:
    root = bytes.fromhex(record["evidence"]["root"])
    for number, item in enumerate(rows, 1):
        content = canonical_row([item["row"][name] for name in EVIDENCE_COLUMNS])
        way = [(side, bytes.fromhex(other)) for side, other in item["path"]]
        if not follows(leaf(content, bytes.fromhex(item["salt"])), way, root):
            yield f"row {number} does not lead to the root: it, its salt, its path or the root was changed"
