"""The tables behind a store, and the SQL that turns a row into its canonical content.

Facts that were read once stand in `taken`; typed files are read where they lie, by a view. Both have one shape.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from rollbook.intake.vocabulary import Meaning
from rollbook.metering.steps import quoted
from rollbook.model.fact import COLUMNS, Fact
from rollbook.model.instants import DAY_US

FIELDS = (
    "source",
    "id",
    "at_us",
    "organisation",
    "learner",
    "type",
    "role",
    "mode",
    "object",
    "session",
    "impersonator",
    "actor",
    "voids",
    "recorded_us",
    "attributes",
    "file",
    "line",
)
"""The columns of a fact at rest; the relation `facts` adds `day` after `at_us`, and `number` at the end."""


def number_of(file: str, line: str) -> str:
    """SQL of a fact's number: one integer that is cheaper to join than its key. Places are smaller than 2**46."""
    return f"(({file}::BIGINT << 46) | {line})"


_TYPES = {"at_us": "BIGINT", "recorded_us": "BIGINT", "file": "INTEGER", "line": "BIGINT"}
_ARROW = {"BIGINT": pa.int64(), "INTEGER": pa.int32(), "VARCHAR": pa.string()}

SCHEMA = (
    "CREATE TABLE taken (" + ", ".join(f"{field} {_TYPES.get(field, 'VARCHAR')}" for field in FIELDS) + ")",
    "CREATE TABLE nameless AS FROM taken",
    "CREATE TEMP TABLE dropped (file INTEGER, line BIGINT)",
    """
    CREATE TEMP TABLE suspects (
        source VARCHAR, id VARCHAR, file INTEGER, line BIGINT, number BIGINT, organisation VARCHAR, content VARCHAR)
    """,
)


SHORT_ROWS = 50_000_000
"""Of so many rows one in ninety shares its short hash with another."""


def hashed(source: str, id_: str, *, rows: int | None = None) -> str:
    """SQL of the number by which keys are compared before any text is; a short one where it is known of few `rows`.

    Sorting ten million short ones takes 0.5 s of processors, and long ones 0.9 s.
    """
    short = rows is not None and rows <= SHORT_ROWS
    return f"(hash({source}, {id_}) >> 32)::UINTEGER" if short else f"hash({source}, {id_})"


_CONTENT = tuple("at_us" if name == "occurred_at" else name for name in COLUMNS if name not in ("id", "recorded_at"))

SAID = "concat(" + ", ".join(f"length({name}::VARCHAR), ':', {name}" for name in _CONTENT) + ")"
"""SQL of all that a fact says: every canonical column but `id` and `recorded_at`, each after its length."""

DIGEST = f"sha256({SAID})"
"""SQL of the digest of a fact's content."""

CONTENT = f"CASE WHEN strlen({SAID}) <= 256 THEN {SAID} ELSE {DIGEST} END"
"""SQL of a text that is the same where the content is: itself where it is short, as no digest has a colon."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The organisations that facts name, and their first instant in UTC microseconds; null where there is none."""

    organisations: frozenset[str]
    first_us: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """A typed input that stays where it lies.

    file  its number
    sql   its rows in the one shape; ends in a condition that may be narrowed
    row   SQL of the number of a row, from 0: a reader of Parquet knows it before it reads anything else
    extent  of its facts, where every row is one
    """

    file: int
    sql: str
    row: str
    extent: Extent | None

    def among(self, places: str) -> str:
        """SQL of those rows that stand in a relation of (file, line), and were not dropped."""
        dropped = f"SELECT line - 1 FROM dropped WHERE file = {self.file}"
        lines = f"SELECT line - 1 FROM {places} WHERE file = {self.file}"
        return f"{self.sql} AND {self.row} IN ({lines} EXCEPT {dropped})"


def facts_sql(parts: Iterable[str], said: Mapping[str, Meaning] | None = None, files: Collection[int] = ()) -> str:
    """SQL that creates the relation `facts` over parts of one shape.

    said  what types mean to the caller, in these files, which have canonical columns
    """
    meant = _meant(said, files) if said and files else {}
    meant["at_us"] = f"at_us, (at_us // {DAY_US})::INTEGER AS day"
    names = ", ".join(meant.get(name, name) for name in FIELDS)
    union = " UNION ALL ".join(parts)
    return f"CREATE OR REPLACE VIEW facts AS SELECT {names}, {number_of('file', 'line')} AS number FROM ({union})"


def _meant(said: Mapping[str, Meaning], files: Collection[int]) -> dict[str, str]:
    """SQL of the columns that a meaning puts in the place of what the row says."""
    here = f"file IN ({', '.join(map(str, files))})"
    found = {}
    for column in ("type", "role", "mode"):
        branches = " ".join(
            f"WHEN {here} AND type = {quoted(event)} THEN {quoted(value)}"
            for event, meaning in said.items()
            if (value := getattr(meaning, column))
        )
        if branches:
            found[column] = f"CASE {branches} ELSE {column} END AS {column}"
    return found


def insert_facts(connection: duckdb.DuckDBPyConnection, file: int, facts: Sequence[tuple[int, Fact]]) -> None:
    """Puts (line, fact) of one file into `taken`, or into `nameless` where a fact has no id yet."""
    for table, chosen in (
        ("taken", [pair for pair in facts if pair[1].id]),
        ("nameless", [pair for pair in facts if not pair[1].id]),
    ):
        if not chosen:
            continue
        columns = {
            name: pa.array([getattr(fact, name) for _, fact in chosen], _ARROW[_TYPES.get(name, "VARCHAR")])
            for name in FIELDS[:-2]
        }
        columns["file"] = pa.array([file] * len(chosen), pa.int32())
        columns["line"] = pa.array([line for line, _ in chosen], pa.int64())
        connection.register("accepted", pa.table(columns))
        connection.execute(f"INSERT INTO {table} SELECT {', '.join(FIELDS)} FROM accepted")
        connection.unregister("accepted")


def name_facts(connection: duckdb.DuckDBPyConnection) -> None:
    """Gives the facts of one export that came without an id the digest of their content and an ordinal.

    The ordinal counts the same content within the export, by line: the same export delivered again brings the same
    ids, and two equal rows of one export stay two facts.
    """
    names = ", ".join("id_ AS id" if name == "id" else name for name in FIELDS)
    connection.execute(
        f"INSERT INTO taken SELECT {names} FROM ("
        "SELECT *, 'content-' || substr(digest, 1, 32) || '-' || row_number() OVER (PARTITION BY digest ORDER BY line)"
        f" AS id_ FROM (SELECT *, {DIGEST} AS digest FROM nameless))"
    )
    connection.execute("TRUNCATE nameless")


def fields_of(values: dict[str, str], file: int, line: str) -> str:
    """The select list of one shape, from SQL by canonical column."""
    known = {**values, "file": f"{file}::INTEGER", "line": line}
    return ", ".join(f"{known[name]} AS {name}" for name in FIELDS)
