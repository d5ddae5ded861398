"""Writes one statement with all that it rests on into a ZIP that anybody can open and check.

The same statement always gives the same bytes: nothing is compressed (compressors differ from one another), every
entry has the same date, and entries stand in one order.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rollbook.books.book import Book
from rollbook.books.tables import write_evidence_csv, write_facts_csv
from rollbook.errors import BookError, Problem, UsageError
from rollbook.proof.digests import readable_record

README, SUMS, STATEMENT = "README.txt", "SHA256SUMS", "statement.json"
EVIDENCE, FACTS, SECRETS = "evidence.csv", "facts.csv", "secrets.csv"
SECRETS_HEADER = ("statement", "secret")

_DATE = (1980, 1, 1, 0, 0, 0)
"""The first that a ZIP can say."""

_BLOCK_BYTES = 1 << 20


def previous_name(number: int) -> str:
    """The entry of an earlier statement."""
    return f"previous/{number:04}.json"


def plan_name(digest: str) -> str:
    """The entry of a plan's text."""
    return f"plans/{digest}.toml"


def export(book: Book, number: int, to: Path) -> None:
    """Writes the bundle of a statement, for its owner alone to read.

    Raises UsageError for a number that the book does not have or a file that is something else, and BookError where
    the book lacks what belongs to the statement.
    """
    if not 1 <= number <= len(book.statements):
        rule = f"the book has {len(book.statements)} statements"
        raise UsageError(Problem(f"statement {number}", rule, f"give a number from 1 to {len(book.statements)}"))
    with tempfile.TemporaryDirectory(prefix="rollbook-") as folder, _replaced(to) as unfinished:
        entries = _gathered(book, number, Path(folder))
        with zipfile.ZipFile(unfinished, "w") as bundle:
            for name, path in sorted(entries.items()):
                _add(bundle, name, path)


def _gathered(book: Book, number: int, folder: Path) -> dict[str, Path]:
    """Writes what belongs into the bundle into a folder; the path of each entry, by its name."""
    numbers = range(1, number + 1)
    texts: dict[str, bytes] = {
        README: _readme(book, number).encode(),
        SECRETS: _secrets(book, numbers).encode(),
        STATEMENT: readable_record(book.records[number - 1]),
        **{previous_name(it): readable_record(book.records[it - 1]) for it in numbers[:-1]},
    }
    for digest in sorted({digest for it in numbers for digest in book.records[it - 1]["plans"]}):
        try:
            texts[plan_name(digest)] = book.plan_path(digest).read_bytes()
        except OSError as error:
            rule = f"the text of a plan cannot be read: {error.strerror}"
            raise BookError(Problem(str(book.plan_path(digest)), rule, "restore the file")) from None
    entries = {name: folder / str(place) for place, name in enumerate((*texts, FACTS, EVIDENCE, SUMS))}
    for name, content in texts.items():
        entries[name].write_bytes(content)
    tables: tuple[tuple[str, str, Callable[[Iterator[tuple[int, Path]], TextIO], None]], ...] = (
        (FACTS, "facts.parquet", write_facts_csv),
        (EVIDENCE, "evidence.parquet", write_evidence_csv),
    )
    for name, ending, write in tables:
        with entries[name].open("w", encoding="utf-8", newline="") as out:
            write(((it, book.path(it, ending)) for it in numbers), out)
    lines = [f"{_digest(path)}  {name}\n" for name, path in sorted(entries.items()) if name != SUMS]
    entries[SUMS].write_text("".join(lines), encoding="utf-8")
    return entries


def _secrets(book: Book, numbers: range) -> str:
    lines = [",".join(SECRETS_HEADER), *(f"{number},{book.secret(number).hex()}" for number in numbers)]
    return "\n".join(lines) + "\n"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(bundle: zipfile.ZipFile, name: str, path: Path) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system, info.external_attr = 3, 0o600 << 16
    info.file_size = path.stat().st_size
    with path.open("rb") as source, bundle.open(info, "w") as entry:
        shutil.copyfileobj(source, entry, _BLOCK_BYTES)


@contextmanager
def _replaced(to: Path) -> Iterator[Path]:
    """A file beside `to` that takes its place when it is complete. What is there may only be the same bundle."""
    to.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".zip", dir=to.parent)
    os.close(descriptor)
    unfinished = Path(name)
    try:
        yield unfinished
        if to.exists() and not (to.is_file() and _digest(to) == _digest(unfinished)):
            raise UsageError(Problem(str(to), "it is there already, and is something else", "name another file"))
        unfinished.replace(to)
    finally:
        unfinished.unlink(missing_ok=True)


def _readme(book: Book, number: int) -> str:
    statement = book.statements[number - 1]
    record = statement.record
    window = record["window"]
    what = f"window {window['number']}, {window['start']} until {window['end']}" if window else "a note after the term"
    return _README.format(
        number=number, what=what, digest=statement.digest, counted=window["number"] if window else "-"
    )


_README = """\
Statement {number}: {what}
Digest of the statement: {digest}

This archive holds personal data and a secret. Whoever may see every learner in it may have it, and nobody else.

What the files are
------------------
statement.json   the statement: what counted, what was included, what is owed, and what was agreed
previous/        the statements before it; each statement names the digest of the one before ("previous")
evidence.csv     everybody who counted, one row each, with the fact that made them count
facts.csv        every fact that bears on the counting; the last column says with which statement it came
plans/           the plans, as they were written; each is named by the SHA-256 of its text
secrets.csv      what salts the evidence of each statement
SHA256SUMS       the digest of every file

How to check it with Rollbook
-----------------------------
    rollbook verify BUNDLE.zip               recounts everything from the facts in here
    rollbook verify BUNDLE.zip MY-FACTS.csv  recounts everything from your own export

How to check it without Rollbook
--------------------------------
1. No file was changed since it was written:

       sha256sum --check SHA256SUMS

2. The statement is the one you were given. Compare this with the digest you were told when it was closed, and with
   "previous" in the statement that followed it:

       python3 - <<'END'
       import hashlib, json
       record = json.load(open("statement.json", encoding="utf-8"))
       written = json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
       print(hashlib.sha256(written.encode()).hexdigest())
       END

   It has to print {digest}.

3. Who counted. Open evidence.csv in a spreadsheet and keep the rows whose statement is {number} and whose window is
   {counted}: as many counted. "source" and "fact" name the row of facts.csv that proves each; "first_us" is its
   instant, in microseconds since 1970-01-01 UTC. Rows of other windows were added or removed since those were closed.

4. What is owed. "charges" in statement.json has units and rates; the plan in plans/ says where they come from.

5. The root. A row of evidence is written as a JSON array without blanks, in the order of the columns after
   "statement". Its salt is HMAC-SHA-256 of the row with the statement's secret; its leaf is SHA-256 of a zero byte, the
   salt and the row. Two neighbours make one: SHA-256 of a byte 1 and both; whoever is left over goes up as it is. What
   remains in the end is "root" under "evidence" in statement.json (the tree of RFC 6962, section 2.1).
"""
