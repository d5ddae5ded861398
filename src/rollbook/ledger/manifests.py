"""Reads the manifest of a ledger, and trusts nothing in it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rollbook.errors import LedgerError, Problem
from rollbook.ledger.layout import FORMAT, MANIFEST, MANIFEST_BYTES_MAX, Manifest
from rollbook.ledger.trust import REMEDY, faults


class _Version(msgspec.Struct):
    """Of a manifest the one thing that every version has."""

    format: int


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a ledger; an empty one where there is none yet. Raises LedgerError where it cannot be read."""
    place = folder / MANIFEST
    try:
        with place.open("rb") as file:
            text = file.read(MANIFEST_BYTES_MAX + 1)
    except FileNotFoundError:
        return Manifest()
    except OSError as error:
        raise _unreadable(place, error.strerror or "unreadable") from None
    if len(text) > MANIFEST_BYTES_MAX:
        raise _unreadable(place, f"it has more than {MANIFEST_BYTES_MAX:,} bytes")
    try:
        version = msgspec.json.decode(text, type=_Version).format
        if version != FORMAT:
            rule = f"has the format {version}, and this version of Rollbook knows {FORMAT}"
            raise LedgerError(Problem(str(place), rule, "use the version that built it, or build the ledger anew"))
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _unreadable(place, str(error)) from None
    if fault := next(faults(manifest), ""):
        raise _unreadable(place, fault)
    return manifest


def _unreadable(place: Path, words: str) -> LedgerError:
    rule = f"cannot be read ({' '.join(words.split())[:200]})"
    return LedgerError(Problem(str(place), rule, REMEDY))
