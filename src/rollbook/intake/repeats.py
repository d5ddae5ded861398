"""(source, id) names one fact: the same content again is a duplicate, other content is a conflict.

Of duplicates the first in (file, line) stays. Of a conflict nothing stays, because nothing says which version is
true; each version is a problem at its own place that names another. Only what stands already, in the first files
(those of a book), stays: the others are refused against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb

from rollbook.errors import Problem
from rollbook.intake.problems import Problems
from rollbook.intake.tables import CONTENT, FIELDS, Part, hashed, number_of
from rollbook.intake.times import shown

_REMEDY = "give each export a source of its own, or correct the row"

# In order, equal ones are neighbours: 0.9 s of processors for ten million, and 1.2 s in groups.
_ORDERED = "CREATE OR REPLACE TEMP TABLE ordered AS SELECT h FROM keys ORDER BY h"

_SUSPECTED = """
CREATE OR REPLACE TEMP TABLE suspected AS
SELECT * EXCLUDE h FROM keys WHERE h IN (
    SELECT here.h FROM ordered AS here POSITIONAL JOIN (SELECT h FROM ordered OFFSET 1) AS next WHERE here.h = next.h
    UNION ALL
    {named}
)
"""

# Contents are compared with the first one. Grouping them for the least and the greatest took half as long again.
_REPEATS = """
CREATE TEMP TABLE repeats AS
WITH versions AS (
    SELECT suspects.*, number > first_number AS again, content <> first_content AS other, first_number, first_file
    FROM suspects JOIN (
        SELECT source, id, first_number, file AS first_file, content AS first_content
        FROM suspects JOIN (
            SELECT source, id, min(number) AS first_number FROM suspects GROUP BY source, id HAVING count(*) > 1
        ) USING (source, id)
        WHERE number = first_number
    ) USING (source, id)
)
SELECT * EXCLUDE (other, first_number, first_file),
       other OR first_file >= {settled} AND first_number IN (SELECT first_number FROM versions WHERE other) AS conflict
FROM versions
"""

_TARGETS = """
CREATE TEMP TABLE targets AS
SELECT organisation, source, id, number
FROM suspects ANTI JOIN (SELECT file, line FROM repeats WHERE conflict OR again) USING (file, line)
"""

_OTHERS = """
WITH versions AS (
    SELECT *, first_value(content) OVER (PARTITION BY source, id ORDER BY file, line) AS first_content
    FROM repeats SEMI JOIN (SELECT source, id FROM repeats WHERE conflict) USING (source, id)
)
SELECT versions.file, versions.line, versions.source, versions.id,
       CASE WHEN content = first_content THEN other_place.file ELSE first_place.file END,
       CASE WHEN content = first_content THEN other_place.line ELSE first_place.line END
FROM versions JOIN (
    SELECT source, id,
           min({'file': file, 'line': line}) FILTER (content = first_content) AS first_place,
           min({'file': file, 'line': line}) FILTER (content <> first_content) AS other_place
    FROM versions GROUP BY source, id
) USING (source, id)
WHERE conflict
ORDER BY versions.file, versions.line LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many rows repeat another: with the same content, or in conflict with it."""

    duplicates: int
    conflicting: int


def drop_repeats(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[Part],
    problems: Problems,
    place: Callable[[int, int], str],
    settled: int = 0,
) -> Repeats:
    """Fills the table `dropped` with (file, line) of rows that are no facts after all, and makes the table `targets`.

    settled  how many of the first files hold what stands already

    One part alone was compared with itself when it was read, and its suspects wait; all others are compared here.
    `targets` is all facts that voids name, and the repeated ones that stay: found by the same hash and read in the
    same pass, so that no later one looks for them among all facts, which took 0.9 s of processors for ten million.
    """
    if len(parts) > 1 or connection.execute("SELECT 1 FROM taken LIMIT 1").fetchall():
        _suspect_across(connection, parts)
    connection.execute(_REPEATS.format(settled=settled))
    connection.execute("INSERT INTO dropped SELECT file, line FROM repeats WHERE conflict OR again")
    connection.execute(
        "DELETE FROM taken WHERE (file, line) IN (SELECT (file, line) FROM repeats WHERE conflict OR again)"
    )
    connection.execute(_TARGETS)
    counts = connection.execute(
        "SELECT count(*) FILTER (NOT conflict AND again), count(*) FILTER (conflict) FROM repeats"
    )
    [(duplicates, conflicting)] = counts.fetchall()
    if conflicting:
        rows = connection.execute(_OTHERS, [problems.room]).fetchall()
        for file, line, source, id_, other_file, other_line in rows:
            whose = f" of source {shown(source)}" if source else ""
            rule = f"id {shown(id_)}{whose} has other content at {place(other_file, other_line)}"
            problems.add_row(Problem(place(file, line), rule, _REMEDY))
        problems.count(conflicting - len(rows))
    for table in ("suspects", "repeats"):
        connection.execute(f"DROP TABLE {table}")
    return Repeats(duplicates, conflicting)


def suspect(connection: duckdb.DuckDBPyConnection, keys: str, named: str) -> None:
    """Makes the table `suspected`: the places of all that may repeat another, or that a void may name.

    keys   SQL of h, the hash of the key, beside file and line, or line where there is one file
    named  SQL of the hashes that voids name

    Keys are compared by their hash first, and in full only where that repeats.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE keys AS {keys}")
    connection.execute(_ORDERED)
    connection.execute(_SUSPECTED.format(named=named))
    for table in ("keys", "ordered"):
        connection.execute(f"DROP TABLE {table}")


def suspects_sql(facts: str) -> str:
    """SQL of the rows of `suspects`, of facts in the one shape: the key, the place, and what they say."""
    columns = f"source, id, file, line, {number_of('file', 'line')} AS number, organisation, {CONTENT} AS content"
    return f"SELECT {columns} FROM ({facts})"


def _suspect_across(connection: duckdb.DuckDBPyConnection, parts: Sequence[Part]) -> None:
    """Adds to `suspects` what repeats from one input to another, or within those that do not stay where they lie."""
    suspect(
        connection,
        f"SELECT file, line, {hashed('source', 'id')} AS h FROM facts",
        f"SELECT {hashed('source', 'voids')} FROM facts WHERE voids <> ''",
    )
    connection.execute("DELETE FROM suspected WHERE (file, line) IN (SELECT (file, line) FROM suspects)")
    if connection.execute("SELECT 1 FROM suspected LIMIT 1").fetchall():
        taken = f"SELECT {', '.join(FIELDS)} FROM taken WHERE (file, line) IN (SELECT (file, line) FROM suspected)"
        rows = " UNION ALL ".join((taken, *(part.among("suspected") for part in parts)))
        connection.execute(f"INSERT INTO suspects {suspects_sql(rows)}")
    connection.execute("DROP TABLE suspected")
