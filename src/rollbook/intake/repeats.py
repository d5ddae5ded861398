"""(source, id) names one fact: the same content again is a duplicate, other content is a conflict.

Of duplicates the first in (file, line) stays. Of a conflict nothing stays, because nothing says which version is
true; each version is a problem at its own place that names another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from rollbook.errors import Problem
from rollbook.intake.problems import Problems
from rollbook.intake.tables import DIGEST
from rollbook.intake.times import shown

_REMEDY = "give each export a source of its own, or correct the row"

_KEYS = "CREATE TEMP TABLE keys AS SELECT number, hash(source, id) AS h FROM facts"

_REPEATED = """
CREATE TEMP TABLE repeated AS
SELECT number FROM keys WHERE h IN (SELECT h FROM keys GROUP BY h HAVING count(*) > 1)
"""

_SUSPECTS = f"""
CREATE TEMP TABLE suspects AS
SELECT source, id, file, line, {DIGEST} AS content FROM facts WHERE number IN (SELECT number FROM repeated)
"""

_REPEATS = """
CREATE TEMP TABLE repeats AS
SELECT suspects.*, least_content <> greatest_content AS conflict, first_content,
       row_number() OVER (PARTITION BY source, id ORDER BY file, line) AS nth
FROM suspects JOIN (
    SELECT source, id, min(content) AS least_content, max(content) AS greatest_content,
           arg_min(content, (file, line)) AS first_content
    FROM suspects GROUP BY source, id HAVING count(*) > 1
) USING (source, id)
"""

_OTHERS = """
SELECT repeats.file, repeats.line, repeats.source, repeats.id,
       CASE WHEN content = first_content THEN other_place.file ELSE first_place.file END,
       CASE WHEN content = first_content THEN other_place.line ELSE first_place.line END
FROM repeats JOIN (
    SELECT source, id,
           min({'file': file, 'line': line}) FILTER (content = first_content) AS first_place,
           min({'file': file, 'line': line}) FILTER (content <> first_content) AS other_place
    FROM repeats WHERE conflict GROUP BY source, id
) USING (source, id)
WHERE conflict ORDER BY repeats.file, repeats.line LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many rows repeat another: with the same content, or in conflict with it."""

    duplicates: int
    conflicting: int


def drop_repeats(
    connection: duckdb.DuckDBPyConnection, problems: Problems, place: Callable[[int, int], str]
) -> Repeats:
    """Fills the table `dropped` with (file, line) of rows that are no facts after all.

    Keys are compared by their hash first, and in full only where that repeats.
    """
    connection.execute(_KEYS)
    connection.execute(_REPEATED)
    connection.execute("DROP TABLE keys")
    if not connection.execute("SELECT 1 FROM repeated LIMIT 1").fetchall():
        return Repeats(0, 0)
    connection.execute(_SUSPECTS)
    connection.execute(_REPEATS)
    connection.execute("INSERT INTO dropped SELECT file, line FROM repeats WHERE conflict OR nth > 1")
    connection.execute(
        "DELETE FROM taken WHERE (file, line) IN (SELECT (file, line) FROM repeats WHERE conflict OR nth > 1)"
    )
    counts = connection.execute(
        "SELECT count(*) FILTER (NOT conflict AND nth > 1), count(*) FILTER (conflict) FROM repeats"
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
