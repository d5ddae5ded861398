"""The files of a book. `0001.json` is the first statement; beside it stand its evidence, its facts and its secret.

The text of each plan is kept under its digest, so that a statement can be recounted from its book alone.

The record is written last and under its final name at once: a statement whose record is there is complete, and what
an interrupted close left behind without one is written anew by the next.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rollbook.errors import BookError, Problem
from rollbook.model.plan import Plan
from rollbook.proof.digests import canonical_record, digest, readable_record
from rollbook.proof.shapes import MISMATCHES_MAX, mismatches, read_json
from rollbook.proof.terms import KEPT_RECORD

RECORD_BYTES_MAX = 64 * 2**20
"""A longer record is none."""

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
        if self.folder.is_file():
            raise BookError(Problem(str(folder), "this is a file, and a book is a folder", "name the folder of a book"))
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

    def followed_by(self, record: Mapping[str, Any]) -> Book:
        """This book with the statement that was just written to it, without reading all the others again."""
        found = copy.copy(self)
        statement = Statement(len(self.statements) + 1, record, digest(canonical_record(record)))
        found.statements = (*self.statements, statement)
        return found

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

    def empty(self, number: int, ending: str) -> Path:
        """A file for its owner alone, whatever an interrupted close left there."""
        path = self.path(number, ending)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(descriptor, 0o600)
        os.close(descriptor)
        return path

    def keep_secret(self, number: int, secret: bytes) -> None:
        """Writes the secret of a statement for its owner alone."""
        self.empty(number, "secret").write_text(secret.hex() + "\n", encoding="ascii")

    def plan_path(self, digest: str) -> Path:
        """Where the text of a plan stands, by its digest."""
        return self.folder / f"plan.{digest}.toml"

    def keep_plan(self, plan: Plan) -> None:
        """Writes the text of a plan where it is not there yet; one that was built without a text has none."""
        path, text = self.plan_path(plan.digest), plan.text.encode()
        if text and not (path.is_file() and path.read_bytes() == text):
            self._unfinished(text, ".toml").replace(path)
            _to_disk(self.folder)

    def plan_text(self, digest: str) -> bytes:
        """The text of a plan. Raises BookError where it is missing, or not the one that was agreed."""
        path = self.plan_path(digest)
        try:
            text = path.read_bytes()
        except OSError as error:
            rule = f"the text of a plan cannot be read: {error.strerror}"
            raise BookError(Problem(str(path), rule, "restore the file")) from None
        if hashlib.sha256(text).hexdigest() != digest:
            raise BookError(Problem(str(path), "its text is not the one that was agreed", "restore the file"))
        return text

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While this holds nobody else writes to the book. Raises BookError where somebody has since it was read.

        A process that is killed lets go by that: the lock is the system's, on a file that stays empty.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            rule = f"this folder cannot be made: {error.strerror}"
            raise BookError(Problem(str(self.folder), rule, "name another folder")) from None
        with self._locked():
            following = self.path(len(self.statements) + 1, "json")
            if following.exists():
                raise BookError(_taken(following))
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        place = self.folder / ".lock"
        with contextlib.ExitStack() as held:
            try:
                # SQLite locks a file in the same way on every system; nothing is ever stored in it.
                lock = sqlite3.connect(place, timeout=LOCK_SECONDS, isolation_level=None)
                held.callback(lock.close)
                lock.execute("begin exclusive")
            except sqlite3.Error as error:
                rule, remedy = f"it cannot be locked: {error}", "see that it can be written to, or remove it"
                if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                    rule, remedy = "somebody else is writing to this book", "wait for them, and close again"
                raise BookError(Problem(str(place), rule, remedy)) from None
            yield

    def commit(self, number: int, record: Mapping[str, Any]) -> None:
        """Writes a record, which makes its statement valid.

        Raises BookError where another has taken the number, or where nobody could read what would be written.
        """
        if beyond := list(islice(mismatches(record, KEPT_RECORD), MISMATCHES_MAX)):
            raise BookError(
                Problem(f"statement {number}", it, "correct the subscription, and close again") for it in beyond
            )
        for ending in BESIDE:
            _to_disk(self.path(number, ending))
        unfinished = self._unfinished(readable_record(record), ".json")
        try:
            # A link is made or refused in one step, and never replaces what is there.
            os.link(unfinished, self.path(number, "json"))
        except FileExistsError:
            raise BookError(_taken(self.path(number, "json"))) from None
        finally:
            unfinished.unlink()
        _to_disk(self.folder)

    def _unfinished(self, content: bytes, suffix: str) -> Path:
        """A file of the folder that is on the disk, and has no name yet that anybody looks for."""
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=suffix, dir=self.folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return Path(name)

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
    record = None
    found = ["it is too long"]
    try:
        if path.stat().st_size <= RECORD_BYTES_MAX:
            record = read_json(path.read_bytes())
            found = list(islice(mismatches(record, KEPT_RECORD), MISMATCHES_MAX))
    except (OSError, ValueError) as error:
        found = [str(error)]
    problems += [Problem(str(path), f"this is no statement: {it}", "restore it as it was closed") for it in found]
    return record if isinstance(record, dict) and not found else None
