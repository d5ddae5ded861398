"""A book that anybody can reckon by hand, its bundle as entries that can be changed, and who would cover that up.

The plan includes 2 learners a month and the customer buys 1 more at 10.00; each beyond these 3 costs 2.50.

    January   ann, bob, carl, dan         4 active, 1 beyond    10.00 + 1 x 2.50 = 12.50
    February  ann, bob, eva, finn         4 active, 1 beyond    10.00 + 1 x 2.50 = 12.50
              and łucja, late for January: 2 beyond by then     adjusted + 1 x 2.50
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from rollbook import library
from rollbook.books.book import Book
from rollbook.books.bundle import export
from rollbook.books.closing import close
from rollbook.books.tables import read_evidence_csv, read_facts_csv
from rollbook.model.fact import Fact
from rollbook.model.instants import to_us
from rollbook.model.plan import parse_plan
from rollbook.model.subscription import Quantity, Subscription
from rollbook.proof.digests import canonical_record, canonical_row, digest, digest_rows, readable_record
from rollbook.proof.merkle import leaf, root, salt

PLAN = """\
id = "ours"
title = "Our contract"
[meter]
counts = ["login"]
[window]
kind = "calendar-month"
[allowance]
quantity = 2
per = "window"
[tariff]
currency = "EUR"
[tariff.base]
rate = 10.00
[tariff.overage]
rate = 2.50
"""

Entries = dict[str, bytes]


def us(text: str) -> int:
    return to_us(datetime.fromisoformat(text))


def login(id_: str, at: str, learner: str, organisation: str = "north", **more: Any) -> Fact:
    return Fact(id=id_, at_us=us(at), learner=learner, type="login", organisation=organisation, source="lms", **more)


JANUARY = (
    login("1", "2026-01-05T10:00:00Z", "ann"),
    login("2", "2026-01-06T10:00:00Z", "bob"),
    login("3", "2026-01-07T10:00:00Z", "carl"),
    login("4", "2026-01-08T10:00:00Z", "dan"),
    login("5", "2026-02-01T00:00:00Z", "ann"),
)
"""What is known when January closes. The last fact is of February's first instant."""

FEBRUARY = (
    login("6", "2026-02-05T10:00:00.25Z", "bob", attributes='a,\r\n "b"', recorded_us=us("2026-02-05T11:00:00Z")),
    login("7", "2026-02-06T10:00:00Z", "eva"),
    login("8", "2026-02-07T10:00:00Z", "finn"),
    login("9", "2026-01-31T23:59:59Z", "łucja"),
)
"""What came by the time February closes. The last is late."""

ELSEWHERE = login("10", "2026-02-06T10:00:00Z", "stranger", organisation="south")
"""A fact of somebody else's organisation."""


def subscription(text: str = PLAN, **changed: Any) -> Subscription:
    values: dict[str, Any] = {
        "plan": parse_plan(text),
        "start": date(2026, 1, 1),
        "end": date(2026, 4, 1),
        "customer": "Northern Academy",
        "organisations": ("north",),
        "quantities": (Quantity(us("2026-01-01T00:00:00Z"), 1),),
    }
    return Subscription(**(values | changed))


def close_until(
    folder: Path, sub: Subscription, facts: Iterable[Fact], as_of: str, *, assume_members: bool = False
) -> Book:
    """Closes what can be closed with these facts and those of the book; secrets are counted up, and so no secrets."""
    book = Book(folder)
    numbers = iter(range(len(book.statements) + 1, 256))
    given = [*book.facts_files(), list(facts)]
    at = datetime.fromisoformat(as_of)
    with library.meter(given, sub, as_of=at, assume_members=assume_members) as result:
        list(close(book, result, lambda: bytes([next(numbers)]) * 32))
    return Book(folder)


def two_months(folder: Path) -> Book:
    close_until(folder, subscription(), JANUARY, "2026-02-02T00:00:00Z")
    return close_until(folder, subscription(), (*FEBRUARY, ELSEWHERE), "2026-03-02T00:00:00Z")


def entries_of(book: Book, number: int, folder: Path) -> Entries:
    path = folder / f"bundle-{number}.zip"
    export(book, number, path)
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def packed(entries: Entries, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as bundle:
        for name, content in entries.items():
            bundle.writestr(name, content)
    return path


def summed(entries: Entries) -> Entries:
    """With SHA256SUMS as if the entries had been exported like this."""
    lines = [f"{digest(content)}  {name}\n" for name, content in sorted(entries.items()) if name != "SHA256SUMS"]
    return entries | {"SHA256SUMS": "".join(lines).encode()}


def statements(entries: Entries) -> list[str]:
    return [*sorted(name for name in entries if name.startswith("previous/")), "statement.json"]


def covered_up(entries: Entries, folder: Path) -> Entries:
    """With every digest, root and number of rows made to fit what the entries say now."""
    entries = dict(entries)
    facts, evidence = folder / "covered-facts.csv", folder / "covered-evidence.csv"
    facts.write_bytes(entries["facts.csv"])
    evidence.write_bytes(entries["evidence.csv"])
    secrets = {int(row["statement"]): bytes.fromhex(row["secret"]) for row in rows_of(entries["secrets.csv"])}
    before = None
    for number, name in enumerate(statements(entries), 1):
        record = json.loads(entries[name])
        known = [row for of, row in read_facts_csv(facts) if of == number]
        sealed = [canonical_row(row) for of, row in read_evidence_csv(evidence) if of == number]
        leaves = [leaf(row, salt(secrets[number], row)) for row in sealed]
        record["facts"] = {"rows": len(known), "digest": digest_rows(known)}
        record["evidence"] = {"rows": len(sealed), "root": root(leaves).hex()}
        record["previous"] = before
        before = digest(canonical_record(record))
        entries[name] = readable_record(record)
    return summed(entries)


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def csv_of(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def table_changed(name: str, change: Callable[[list[dict[str, str]]], None]) -> Callable[[Entries], Entries]:
    """Changes the rows of a table."""

    def changed(entries: Entries) -> Entries:
        rows = rows_of(entries[name])
        change(rows)
        return entries | {name: csv_of(rows)}

    return changed


def record_changed(change: Callable[[dict[str, Any]], None], *names: str) -> Callable[[Entries], Entries]:
    """Changes the records of these entries; the last one's by default."""

    def changed(entries: Entries) -> Entries:
        found = dict(entries)
        for name in names or ("statement.json",):
            record = json.loads(entries[name])
            change(record)
            found[name] = readable_record(record)
        return found

    return changed


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
