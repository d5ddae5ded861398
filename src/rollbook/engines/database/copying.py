"""PostgreSQL's way to store facts: keys by one statement, which says which are new, and those by COPY.

Nothing fills a table faster than COPY. Its lines are written while the database looks for the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import psycopg

from rollbook.engines.database import schema
from rollbook.engines.database.dialects import Row
from rollbook.engines.database.postgresql import PostgreSQLDatabase
from rollbook.model.fact import Fact
from rollbook.model.instants import DAY_US

TOGETHER_MAX = 200
"""Keys that are asked for at once; of more, half by half."""

_TEXTS = attrgetter(*(name for name, kind in schema.FACT.items() if kind == "text"))
_COLUMNS = ", ".join(schema.FACT)
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def insert(
    database: PostgreSQLDatabase,
    owner: int,
    facts: Sequence[Fact],
    first: Mapping[tuple[str, str], int],
    digest: Callable[[Fact], bytes],
    *,
    alone: bool,
) -> dict[int, int]:
    """The numbers of those facts that are new, by their places.

    first   the place of the first fact of each (source, id)
    digest  of a fact
    alone   nobody else stores facts of this owner until the transaction ends
    """
    days = {fact.at_us // DAY_US for fact in facts if not schema.is_kept_for_ever(fact.type)}
    # Text is in the order of its bytes in Python too.
    keys = sorted(first)
    half = len(keys) // 2 if len(keys) > TOGETHER_MAX else len(keys)

    def digested(part: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
        return [(*key, digest(facts[first[key]]).hex()) for key in part]

    with database.pipelined():
        missing = _missing_partitions(database, {schema.year_of(day * DAY_US) for day in days})
        between = _any_between(database, owner, keys) if alone and len(keys) > TOGETHER_MAX else None
        # The database works while what is sent next is made: it looks for one half of the keys while the other is
        # digested, and for that while lines are written.
        part = digested(keys[:half])
        unheard = between is not None and not between.fetchone()[0]
        asked = [_keys(database, owner, part, unheard=unheard)]
        if half < len(keys):
            asked.append(_keys(database, owner, digested(keys[half:]), unheard=unheard))
        lines = {place: _line(facts[place]) for place in first.values()}
        years = [year for (year,) in missing.fetchall()]
        numbers = {first[source, id_]: number for new in asked for source, id_, number in new.fetchall()}
    if years:
        _make_partitions(database, set(years))
    with database.cursor().copy(f"copy fact ({_COLUMNS}) from stdin") as copy:
        copy.write("".join([f"{number}\t{lines[place]}" for place, number in sorted(numbers.items())]))
    return numbers


def _any_between(database: PostgreSQLDatabase, owner: int, keys: Sequence[tuple[str, str]]) -> Any:
    """Asks whether any key is there between the lowest and the highest of each source; `keys` are in order."""
    spans: dict[str, list[str]] = {}
    for source, id_ in keys:
        spans.setdefault(source, [id_, id_])[1] = id_
    dialect = database.dialect
    given = dialect.rows("spans", {"source": "text", "low": "text", "high": "text"})
    where = f"""fact_key.owner = {dialect.value("owner")} and fact_key.source = span.source
                and fact_key.id between span.low and span.high"""
    return database.run(
        f"select exists (select 1 from ({given}) as span {dialect.find('fact_key', where)})",
        {"owner": owner, "spans": [(source, low, high) for source, (low, high) in spans.items()]},
    )


def _keys(
    database: PostgreSQLDatabase, owner: int, keys: Sequence[tuple[str, str, str]], *, unheard: bool
) -> psycopg.Cursor[Row]:
    """Asks for the numbers of those (source, id, digest) that are new.

    unheard  none of them is there, and nobody else adds any: ON CONFLICT, which descends twice for each, costs two
             fifths of the statement. Whether a key comes twice is decided by the constraint in either case.
    """
    dialect = database.dialect
    given = dialect.rows("given", {"source": "text", "id": "text", "digest": "text"})
    asking: psycopg.Cursor[Row] = database.run(
        f"""insert into fact_key (owner, source, id, digest)
            select {dialect.value("owner")}, source, id, decode(digest, 'hex') from ({given}) as given
            {"" if unheard else "on conflict do nothing"} returning source, id, number""",
        {"owner": owner, "given": keys},
    )
    return asking


def _line(fact: Fact) -> str:
    """What follows the number in a line of COPY. The driver takes three times as long to write one value by value."""
    texts: Sequence[str] = _TEXTS(fact)
    whole = "".join(texts)
    if "\\" in whole or not whole.isprintable():
        texts = [text.translate(_ESCAPES) for text in texts]
    source, id_, *rest = texts
    at_us, kept = fact.at_us, "t" if schema.is_kept_for_ever(fact.type) else "f"
    recorded = r"\N" if fact.recorded_us is None else fact.recorded_us
    return "\t".join((source, id_, f"{at_us}\t{at_us // DAY_US}\t{recorded}", *rest, f"{kept}\n"))


def _missing_partitions(database: PostgreSQLDatabase, years: set[int]) -> psycopg.Cursor[Row]:
    """Asks which of these years have no partition.

    The catalogue itself is asked: what a name means is remembered, and could be older than a lock.
    """
    asking: psycopg.Cursor[Row] = database.run(
        """
        select year from unnest(cast(%(years)s as integer[])) as wanted(year)
        where not exists (select 1 from pg_class as made join pg_class as fact on fact.relnamespace = made.relnamespace
                          where made.relname = 'fact_deed_' || year and fact.oid = to_regclass('fact'))""",
        {"years": "{" + ",".join(str(year) for year in sorted(years) if year >= schema.FIRST_YEAR) + "}"},
    )
    return asking


def _make_partitions(database: PostgreSQLDatabase, years: set[int]) -> None:
    """Makes the partitions of these years where there are none yet. One transaction at a time makes some."""
    database.run("select pg_advisory_xact_lock(hashtext('rollbook.partitions'))")
    for (year,) in _missing_partitions(database, years).fetchall():
        database.script(schema.partition(year))
