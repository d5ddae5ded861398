"""The files of a book. `0001.json` is the first statement; beside it stand its evidence, its facts and its secret.

The record is written last and under its final name at once: a statement whose record is there is complete, and what
an interrupted close left behind without one is written anew by the next.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollbook.accounting.statement import FORMAT
from rollbook.errors import BookError, Problem
from rollbook.proof.digests import canonical_record, digest

RECORD_BYTES_MAX = 64 * 2**20
"""A longer record is none."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a book: its number, its record, and the digest of that."""

    number: int
    record: Mapping[str, Any]
    digest: str

    @property
    def window(self) -> int | None:
        """The window it closed; None for a note after the term."""
        return self.record["window"]["number"] if self.record["window"] else None


class Book:
    """The statements of one subscription, in a folder. A folder that does not exist is a book without statements.

    Raises BookError, with every problem, where statements are missing, were changed, or do not follow one another.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.statements = tuple(self._read())

    @property
    def records(self) -> tuple[Mapping[str, Any], ...]:
        """The records of all statements, in order."""
        return tuple(statement.record for statement in self.statements)

    @property
    def closed(self) -> dict[int, Statement]:
        """The statement that closed a window, by the window's number."""
        return {it.window: it for it in self.statements if it.window is not None}

    @property
    def last_digest(self) -> str | None:
        """Of the last statement."""
        return self.statements[-1].digest if self.statements else None

    def facts_files(self, number: int | None = None) -> tuple[str, ...]:
        """The facts that statements rest on: of all, or of those up to a number; each file has some."""
        filled = [it for it in self._numbers(number) if self.records[it - 1]["facts"]["rows"]]
        return tuple(str(self.path(it, "facts.parquet")) for it in filled)

    def evidence_files(self, number: int | None = None) -> tuple[str, ...]:
        """The evidence of all statements, or of those up to a number."""
        return tuple(str(self.path(it, "evidence.parquet")) for it in self._numbers(number))

    def path(self, number: int, ending: str) -> Path:
        """Where something of a statement stands: `0001.evidence.parquet`."""
        return self.folder / f"{number:04}.{ending}"

    def secret(self, number: int) -> bytes:
        """What salts the evidence of a statement. Whoever has it can guess who is in the evidence."""
        try:
            return bytes.fromhex(self.path(number, "secret").read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            problem = Problem(str(self.path(number, "secret")), f"it cannot be read: {error}", "restore the file")
            raise BookError(problem) from None

    def commit(self, number: int, record: Mapping[str, Any]) -> None:
        """Writes a record, which makes its statement valid. Raises BookError where another has taken the number."""
        text = json.dumps(record, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        descriptor, unfinished = tempfile.mkstemp(prefix=".", suffix=".json", dir=self.folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link is made or refused in one step, and never replaces what is there.
            os.link(unfinished, self.path(number, "json"))
        except FileExistsError:
            rule = "somebody else has closed it at the same time"
            raise BookError(Problem(str(self.path(number, "json")), rule, "look at what they closed")) from None
        finally:
            Path(unfinished).unlink()

    def _numbers(self, last: int | None) -> list[int]:
        return [it.number for it in self.statements if last is None or it.number <= last]

    def _read(self) -> list[Statement]:
        problems: list[Problem] = []
        found: list[Statement] = []
        before: str | None = None
        paths = sorted(self.folder.glob("[0-9]*.json")) if self.folder.is_dir() else []
        for number, path in enumerate(paths, 1):
            record = _read_record(path, problems)
            if record is None:
                continue
            if path.name != f"{number:04}.json" or record["number"] != number:
                rule = f"statement {number} is missing before it"
                problems.append(Problem(str(path), rule, "restore it; numbers have no gaps"))
            elif record["previous"] != before:
                rule = "it does not follow the statement before it: one of the two was changed after the close"
                problems.append(Problem(str(path), rule, "restore both as they were closed"))
            before = digest(canonical_record(record))
            found.append(Statement(number, record, before))
        beside = [
            self.path(it.number, ending) for it in found for ending in ("evidence.parquet", "facts.parquet", "secret")
        ]
        problems += [Problem(str(path), "it is missing", "restore it") for path in beside if not path.is_file()]
        if problems:
            raise BookError(problems)
        return found


def _read_record(path: Path, problems: list[Problem]) -> dict[str, Any] | None:
    rule = f'it does not say "format": "{FORMAT}"'
    record = None
    try:
        if path.stat().st_size <= RECORD_BYTES_MAX:
            record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        rule = str(error)
    if isinstance(record, dict) and record.get("format") == FORMAT:
        return record
    problems.append(Problem(str(path), f"this is no statement: {rule}", "restore it as it was closed"))
    return None
