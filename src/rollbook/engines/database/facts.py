"""Stores facts once for ever, whichever way they come.

(owner, source, id) is settled by a constraint: the first one committed stands, the same again changes nothing, and the
same with other content is told as a conflict. An owner is whose ids they are: a customer of the server. Keys are
inserted in order, so two batches that share some wait for each other in one direction only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from rollbook.engines.database import schema
from rollbook.engines.database.dialects import Database, Row, prepare
from rollbook.model.fact import CORRECTIONS, Fact, is_status
from rollbook.model.instants import DAY_US

DIGEST_BYTES = 16

_encode = msgspec.json.Encoder().encode
_CONTENT = attrgetter(*(name for name in Fact.__struct_fields__ if name != "recorded_us"))
_STORED = attrgetter(
    *(name for name in schema.FACT if name not in ("number", "day", "recorded_us", "status", "source", "id", "at_us"))
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch, by the places of its facts.

    new         (place, number) of those stored now; numbers rise for ever
    duplicates  places of those that are stored with the same content
    conflicts   places of those whose (source, id) is stored of this owner with other content
    """

    new: tuple[tuple[int, int], ...]
    duplicates: tuple[int, ...]
    conflicts: tuple[int, ...]


def digest(fact: Fact) -> bytes:
    """Of the content: what must be the same when a fact is delivered again. When it was received may differ."""
    return hashlib.blake2b(_encode(_CONTENT(fact)), digest_size=DIGEST_BYTES).digest()


@lru_cache(maxsize=1000)
def is_kept_for_ever(type_: str) -> bool:
    """Whether facts of this type are needed for ever: statuses and corrections. Deeds are, for their windows only."""
    return type_ in CORRECTIONS or is_status(type_)


def store(cursor: Any, facts: Sequence[Fact], owner: int = 0) -> Stored:
    """Stores the facts of an owner that are new, in the caller's transaction."""
    database = prepare(cursor)
    digests = [digest(fact) for fact in facts]
    first: dict[tuple[str, str], int] = {}
    for place, fact in enumerate(facts):
        first.setdefault(fact.key, place)
    rows = [_row(place, facts[place], digests[place]) for place in first.values()]
    insert = _insert_copied if database.dialect.name == "postgresql" else _insert_each
    numbers = insert(database, rows, owner) if rows else {}
    stored = _digests(database, owner, [facts[place].key for place in first.values() if place not in numbers])
    duplicates: list[int] = []
    conflicts: list[int] = []
    for place, fact in enumerate(facts):
        if place in numbers:
            continue
        kept = stored.get(fact.key) or digests[first[fact.key]]
        (duplicates if kept == digests[place] else conflicts).append(place)
    return Stored(tuple(sorted(numbers.items())), tuple(duplicates), tuple(conflicts))


def _row(place: int, fact: Fact, content: bytes) -> Row:
    """(place, digest) and what is stored but the number, in the order of `schema.FACT`."""
    at_us = fact.at_us
    return (
        *(place, content, fact.source, fact.id, at_us, at_us // DAY_US, fact.recorded_us),
        *_STORED(fact),
        is_kept_for_ever(fact.type),
    )


_PLACE, _DIGEST, _SOURCE, _ID, _, _DAY = range(6)
_KEY = itemgetter(_SOURCE, _ID)
_COLUMNS = ", ".join(schema.FACT)


def _insert_copied(database: Database, rows: Sequence[Row], owner: int) -> dict[int, int]:
    """Keys by one statement, which says which are new; those by COPY, as fast as a table is ever filled."""
    days = {row[_DAY] for row in rows if not row[-1]}
    _make_partitions(database, {schema.year_of(day * DAY_US) for day in days})
    dialect = database.dialect
    given = dialect.rows("given", {"source": "text", "id": "text", "digest": "text"})
    # Text is in the order of its bytes in Python too.
    keys = [(row[_SOURCE], row[_ID], row[_DIGEST].hex()) for row in sorted(rows, key=_KEY)]
    with database.pipelined():
        new = database.run(
            f"""insert into fact_key (owner, source, id, digest)
                select {dialect.value("owner")}, source, id, decode(digest, 'hex') from ({given}) as given
                on conflict do nothing returning source, id, number""",
            {"owner": owner, "given": keys},
        )
        lines = [_line(row) for row in rows]  # while the database looks for the keys
        numbers = {(source, id_): number for source, id_, number in new.fetchall()}
    found: dict[int, int] = {}
    stored = []
    for row, line in zip(rows, lines, strict=True):
        if number := numbers.get(_KEY(row)):
            found[row[_PLACE]] = number
            stored.append(f"{number}\t{line}\n")
    with database.cursor().copy(f"copy fact ({_COLUMNS}) from stdin") as copy:  # type: ignore[attr-defined]
        copy.write("".join(stored))
    return found


_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _line(row: Row) -> str:
    """What follows the number in a line of COPY. The driver takes three times as long to write one value by value."""
    at_us, day, recorded_us, *texts, kept = row[_ID + 1 :]
    words = [row[_SOURCE], row[_ID], *texts]
    if "\\" in (whole := "".join(words)) or not whole.isprintable():
        words = [word.translate(_ESCAPES) for word in words]
    source, id_, *texts = words
    recorded = r"\N" if recorded_us is None else recorded_us
    return "\t".join((source, id_, f"{at_us}\t{day}\t{recorded}", *texts, "t" if kept else "f"))


def _make_partitions(database: Database, years: set[int]) -> None:
    """Makes the partitions of these years where there are none. One transaction at a time makes some."""
    wanted = {f"fact_deed_{year}": year for year in sorted(years) if year >= schema.FIRST_YEAR}
    if not wanted:
        return
    # The catalogue itself is asked: what a name means is remembered, and could be older than the lock.
    missing = """
        select name from unnest(cast(%(names)s as text[])) as wanted(name)
        where not exists (select 1 from pg_class as made join pg_class as fact on fact.relnamespace = made.relnamespace
                          where made.relname = name and fact.oid = to_regclass('fact'))"""
    cursor = database.cursor()  # type: ignore[attr-defined]
    if not cursor.execute(missing, {"names": list(wanted)}).fetchall():
        return
    cursor.execute("select pg_advisory_xact_lock(hashtext('rollbook.partitions'))")
    for (name,) in cursor.execute(missing, {"names": list(wanted)}).fetchall():
        database.script(schema.partition(wanted[name]))


def _insert_each(database: Database, rows: Sequence[Row], owner: int) -> dict[int, int]:
    """Key by key: within a process that is as fast as anything."""
    numbers: dict[int, int] = {}
    stored = []
    for row in rows:
        found = database.run(
            "insert into fact_key (owner, source, id, digest) values (:owner, :source, :id, :digest) "
            "on conflict do nothing returning number",
            {"owner": owner, "source": row[_SOURCE], "id": row[_ID], "digest": row[_DIGEST]},
        ).fetchone()
        if found:
            numbers[row[_PLACE]] = found[0]
            stored.append(dict(zip(schema.FACT, (found[0], *row[_SOURCE:]), strict=True)))
    values = ", ".join(f":{name}" for name in schema.FACT)
    database.run_many(f"insert into fact ({_COLUMNS}) values ({values})", stored)
    return numbers


def _digests(database: Database, owner: int, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """The content that is stored under these keys; of those that another transaction committed meanwhile, too."""
    if not keys:
        return {}
    dialect = database.dialect
    asked = dialect.rows("asked", {"source": "text", "id": "text"})
    where = f"fact_key.owner = {dialect.value('owner')} and fact_key.source = asked.source and fact_key.id = asked.id"
    rows = database.rows(
        f"""select fact_key.source, fact_key.id, fact_key.digest from ({asked}) as asked
            {dialect.find("fact_key", where)}""",
        {"asked": list(keys), "owner": owner},
    )
    return {(source, id_): bytes(content) for source, id_, content in rows}
