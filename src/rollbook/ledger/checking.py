"""Checks a ledger: every file against the digest of its bytes, and every segment against the digest of its facts."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from rollbook.errors import LedgerError, Problem
from rollbook.intake import ReadOptions
from rollbook.intake.loader import connect
from rollbook.ledger.keys import digest_of_keys
from rollbook.ledger.layout import Manifest, Segment, Written, facts_file, is_ledger, located, segment_folder
from rollbook.ledger.locks import Reading
from rollbook.ledger.manifests import read_manifest
from rollbook.ledger.trust import files, lying
from rollbook.ledger.writing import CORRECTIONS_FILE, keys_sql
from rollbook.proof.verdict import Verdict, check


def verify(folder: Path, options: ReadOptions | None = None) -> Verdict:
    """What holds of a ledger and what differs. Raises LedgerError where there is none, or its manifest is damaged."""
    if not is_ledger(folder):
        raise LedgerError(Problem(str(folder), "is no ledger", "name the folder that rollbook ledger build wrote"))
    folder = located(folder)
    with closing(Reading(folder)):
        return _verified(folder, options)


def _verified(folder: Path, options: ReadOptions | None) -> Verdict:
    manifest = read_manifest(folder)
    damaged = [*_damaged(folder, manifest)]
    checks = [check("files", "each against the digest of its bytes", damaged)]
    if not damaged:
        # What is damaged cannot be counted, and has been told.
        checks.append(
            check(
                "facts", f"{manifest.facts:,}, against the digest of each segment", _unlike(folder, manifest, options)
            )
        )
    return Verdict(
        f"{folder}: {manifest.facts:,} facts",
        {f"segment {it.name}": it.digest for it in manifest.segments},
        tuple(checks),
    )


def _damaged(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Files that are missing, or whose bytes are others."""
    for path, written in files(folder, manifest):
        yield from _unlike_file(path, written)


def _unlike_file(path: Path, written: Written) -> Iterator[str]:
    if fault := lying(path, written):
        yield f"{path}: {fault}"
        return
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        yield f"{path}: cannot be read ({error.strerror})"
        return
    if digest != written.sha256:
        yield f"{path}: its bytes are not those that were written"


def _unlike(folder: Path, manifest: Manifest, options: ReadOptions | None) -> Iterator[str]:
    """Segments whose facts are not those that the manifest says."""
    with tempfile.TemporaryDirectory(prefix="rollbook-", ignore_cleanup_errors=True) as held:
        connection = connect(":memory:", Path(held), options or ReadOptions())
        with connection:
            for segment in manifest.segments:
                digest, facts = digest_of_keys(connection, _keys(folder, segment))
                if facts != segment.facts:
                    yield f"segment {segment.name}: holds {facts:,} facts, and the manifest says {segment.facts:,}"
                elif digest != segment.digest:
                    yield f"segment {segment.name}: its facts are not those that were written"


def _keys(folder: Path, segment: Segment) -> str:
    where = segment_folder(folder, segment.name)
    files = [str(where / facts_file(number)) for number in range(len(segment.file_rows))]
    return keys_sql(files, list(segment.file_rows), where / CORRECTIONS_FILE)
