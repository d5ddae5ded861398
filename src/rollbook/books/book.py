"""The files of a book. `0001.json` is the first statement; beside it stand its evidence, its facts and its secret.

The text of each plan is kept under its digest, so that a statement can be recounted from its book alone.

The record is written last and under its final name at once: a statement whose record is there is complete, and what
an interrupted close left behind without one is written anew by the next.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollbook.accounting.statement import FORMAT
from rollbook.errors import BookError, Problem
from rollbook.model.plan import Plan
from rollbook.proof.digests import canonical_record, digest, readable_record

RECORD_BYTES_MAX = 64 * 2**20
"""A longer record is none."""

NEEDED = (
    *("number", "previous", "customer", "organisations", "plan", "term", "window", "as_of", "consumption", "seats"),
    *("charges", "adjustments", "currency", "total", "evidence", "facts", "agreed"),
)
"""What every record says."""

LOCK_SECONDS = 60
"""How long a close waits for another one to write its statement."""

BESIDE = ("evidence.parquet", "facts.parquet", "secret")
"""What stands beside every record."""


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

    def keep_secret(self, number: int, secret: bytes) -> None:
        """Writes the secret of a statement for its owner alone, whatever an interrupted close left there."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(self.path(number, "secret"), flags, 0o600), "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(secret.hex() + "\n")

    def plan_path(self, digest: str) -> Path:
        """Where the text of a plan stands, by its digest."""
        return self.folder / f"plan.{digest}.toml"

    def keep_plan(self, plan: Plan) -> None:
        """Writes the text of a plan; one that was built without a text has none."""
        if plan.text:
            self.plan_path(plan.digest).write_bytes(plan.text.encode())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While this holds nobody else writes to the book. Raises BookError where somebody has since it was read.

        A process that is killed lets go by that: the lock is the system's, on a file that stays empty.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        # SQLite locks a file in the same way on every system; nothing is ever stored in it.
        lock = sqlite3.connect(self.folder / ".lock", timeout=LOCK_SECONDS, isolation_level=None)
        try:
            lock.execute("begin exclusive")
            following = self.path(len(self.statements) + 1, "json")
            if following.exists():
                raise BookError(_taken(following))
            yield
        except sqlite3.OperationalError as error:
            rule = f"somebody else is writing to this book: {error}"
            raise BookError(Problem(str(self.folder), rule, "wait for them, and close again")) from None
        finally:
            lock.close()

    def commit(self, number: int, record: Mapping[str, Any]) -> None:
        """Writes a record, which makes its statement valid. Raises BookError where another has taken the number."""
        for ending in BESIDE:
            _to_disk(self.path(number, ending))
        descriptor, unfinished = tempfile.mkstemp(prefix=".", suffix=".json", dir=self.folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(readable_record(record))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link is made or refused in one step, and never replaces what is there.
            os.link(unfinished, self.path(number, "json"))
        except FileExistsError:
            raise BookError(_taken(self.path(number, "json"))) from None
        finally:
            Path(unfinished).unlink()
        _to_disk(self.folder)

    def _numbers(self, last: int | None) -> list[int]:
        return [it.number for it in self.statements if last is None or it.number <= last]

    def _read(self) -> list[Statement]:
        problems: list[Problem] = []
        found: list[Statement] = []
        before: str | None = None
        paths = list(self.folder.glob("[0-9]*.json")) if self.folder.is_dir() else []
        paths.sort(key=lambda path: (len(path.name), path.name))
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
        beside = [self.path(it.number, ending) for it in found for ending in BESIDE]
        problems += [Problem(str(path), "it is missing", "restore it") for path in beside if not path.is_file()]
        if problems:
            raise BookError(problems)
        return found


def _taken(path: Path) -> Problem:
    rule = "somebody else has closed it at the same time"
    return Problem(str(path), rule, "look at what they closed; close again for what may be left")


def _to_disk(path: Path) -> None:
    """Waits until a file, or the names in a folder, would survive a loss of power; not every system can say so."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read_record(path: Path, problems: list[Problem]) -> dict[str, Any] | None:
    rule = f'it does not say "format": "{FORMAT}"'
    record = None
    try:
        if path.stat().st_size <= RECORD_BYTES_MAX:
            record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        rule = str(error)
    if isinstance(record, dict) and record.get("format") == FORMAT:
        if not (missing := [name for name in NEEDED if name not in record]):
            return record
        rule = f"it does not say {missing[0]}"
    problems.append(Problem(str(path), f"this is no statement: {rule}", "restore it as it was closed"))
    return None
