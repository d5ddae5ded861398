"""Digests are over canonical rows, never over the bytes of a Parquet or PDF file.

A canonical row is a JSON array without white space, in UTF-8, of text, whole numbers and booleans. A canonical record
is a JSON object of the same kind with sorted keys; money and rates stand in it as text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

Cell = str | int | bool | None


def canonical_row(cells: Sequence[Cell]) -> bytes:
    """One row: the same cells always give the same bytes."""
    return json.dumps(list(cells), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def canonical_record(record: Mapping[str, object]) -> bytes:
    """One object: the same content always gives the same bytes, in whatever order it was written."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def readable_record(record: Mapping[str, object]) -> bytes:
    """The same object for people, a line each: as it stands in files. Its digest is over the canonical form."""
    return (json.dumps(record, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_rows(rows: Iterable[Sequence[Cell]]) -> str:
    """One digest over rows in their order, each ended by a line feed."""
    found = hashlib.sha256()
    for row in rows:
        found.update(canonical_row(row) + b"\n")
    return found.hexdigest()
