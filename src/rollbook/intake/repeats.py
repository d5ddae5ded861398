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
from rollbook.intake.tables import DIGEST, FIELDS, Part
from rollbook.intake.times import shown

_REMEDY = "give each export a source of its own, or correct the row"

_KEYS = "CREATE TEMP TABLE keys AS SELECT file, line, hash(source, id) AS h FROM facts"

_REPEATED = """
CREATE TEMP TABLE repeated AS
SELECT file, line FROM keys WHERE h IN (SELECT h FROM keys GROUP BY h HAVING count(*) > 1)
"""

_REPEATS = """
CREATE TEMP TABLE repeats AS
SELECT suspects.*, (suspects.file, suspects.line) > first_place AS again,
       differ AND (first_file >= {settled} OR content <> first_content) AS conflict
FROM suspects JOIN (
    SELECT source, id, min(content) <> max(content) AS differ, min((file, line)) AS first_place,
           min(file) AS first_file, arg_min(content, (file, line)) AS first_content
    FROM suspects GROUP BY source, id HAVING count(*) > 1
) USING (source, id)
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
    """Fills the table `dropped` with (file, line) of rows that are no facts after all.

    settled  how many of the first files hold what stands already

    Keys are compared by their hash first, and in full only where that repeats.
    """
    connection.execute(_KEYS)
    connection.execute(_REPEATED)
    connection.execute("DROP TABLE keys")
    if not connection.execute("SELECT 1 FROM repeated LIMIT 1").fetchall():
        return Repeats(0, 0)
    connection.execute(_suspects(parts))
    connection.execute(_REPEATS.format(settled=settled))
    connection.execute("INSERT INTO dropped SELECT file, line FROM repeats WHERE conflict OR again")
    connection.execute(
        "DELETE FROM taken WHERE (file, line) IN (SELECT (file, line) FROM repeats WHERE conflict OR again)"
    )
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
    for table in ("repeated", "suspects", "repeats"):
        connection.execute(f"DROP TABLE {table}")
    return Repeats(duplicates, conflicting)


def _suspects(parts: Sequence[Part]) -> str:
    """SQL of the table of facts whose hash repeats, each found by its place."""
    taken = f"SELECT {', '.join(FIELDS)} FROM taken WHERE (file, line) IN (SELECT (file, line) FROM repeated)"
    rows = " UNION ALL ".join((taken, *(part.among("repeated") for part in parts)))
    return f"CREATE TEMP TABLE suspects AS SELECT source, id, file, line, {DIGEST} AS content FROM ({rows})"
