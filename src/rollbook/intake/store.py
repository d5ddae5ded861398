"""The facts of a run, each once and valid, in a relation that every engine can query."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from rollbook.intake.coverage import SourceCoverage, gaps
from rollbook.intake.problems import Problems
from rollbook.intake.tables import FIELDS, Extent
from rollbook.metering.steps import quoted, quoted_list
from rollbook.model.fact import LINKED, VOIDED, Fact

SOURCES_MAX = 1000
"""How many sources are described, those with the most facts first; more are a mistaken column."""

TYPES_MAX = 1000
"""How many types of a source are described, the most frequent first."""

_FETCH_ROWS = 20_000


class FactStore:
    """Facts, problems and coverage of one reading. Close it, or use it in a `with` statement.

    connection  has the relations `facts`, where (source, id) is unique, and `targets`, all of them that voids name
    rows        rows met; always facts + rejected + duplicates
    rejected    rows refused, every version of a conflict included
    duplicates  rows that repeat (source, id) with the same content
    facts       rows of the relation
    problems    what was wrong, row by row and file by file
    first_us    the first instant of all facts, UTC microseconds; 0 where there is none
    organisations  every organisation that a fact names
    producers   whose export each input was recognised as, by its name; canonical ones are absent
    correcting  the relation that has all voids and links: `facts` itself, or a smaller one
    profiled    a relation of source, day, type, facts, first_us and last_us, where that is known; empty else
    """

    correcting = "facts"
    profiled = ""

    def __init__(
        self,
        *,
        connection: duckdb.DuckDBPyConnection,
        folder: tempfile.TemporaryDirectory[str],
        place: Callable[[int, int], str],
        rows: int,
        rejected: int,
        duplicates: int,
        problems: Problems,
        extent: Extent,
        producers: Mapping[str, str] | None = None,
    ) -> None:
        self.connection = connection
        self._folder = folder
        self._place = place
        self._iterations = count()
        self.rows, self.rejected, self.duplicates = rows, rejected, duplicates
        self.problems = problems
        self.producers = producers or {}
        self.organisations: tuple[str, ...] = tuple(sorted(extent.organisations))
        self.first_us: int = extent.first_us or 0
        self.facts = rows - rejected - duplicates

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def sources(self) -> tuple[SourceCoverage, ...]:
        """What each source covers: one more pass over the facts, and none for who does not ask."""
        _profile(self.connection, self.profiled)
        return _coverage(self.connection)

    def close(self) -> None:
        """Gives back memory and disk; nothing can be asked afterwards."""
        self.connection.close()
        self._folder.cleanup()

    @property
    def scratch(self) -> Path:
        """A folder for files that go when the store is closed."""
        return Path(self._folder.name)

    def places(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Where facts were read, such as `facts.csv:14`, by (source, id); without those that are not there."""
        if not keys:
            return {}
        asked = pa.table({"source": [source for source, _ in keys], "id": [id_ for _, id_ in keys]})
        self.connection.register("asked", asked)
        rows = self.connection.execute(
            "SELECT source, id, file, line FROM facts JOIN asked USING (source, id)"
        ).fetchall()
        self.connection.unregister("asked")
        return {(source, id_): self._place(file, line) for source, id_, file, line in rows}

    def place(self, source: str, id: str) -> str:  # noqa: A002 - the name of the column
        """Where a fact was read, such as `facts.csv:14`; empty where there is no such fact."""
        return self.places([(source, id)]).get((source, id), "")

    def of_learners(self, ids: Sequence[str]) -> Iterator[Fact]:
        """The facts of learners, and the links that give one of the ids up."""
        named = quoted_list(ids)
        return self.iterate(f"learner in ({named}) or (type = {quoted(LINKED)} and object in ({named}))")

    def voids_of(self, facts: Sequence[Fact]) -> list[Fact]:
        """The voids that name one of these facts."""
        if not facts:
            return []
        columns = ("organisation", "source", "id")
        aimed = pa.table({name: [getattr(fact, name) for fact in facts] for name in columns})
        self.connection.register("aimed", aimed)
        named = "(organisation, source, voids) in (select (organisation, source, id) from aimed)"
        found = list(self.iterate(f"type = {quoted(VOIDED)} and {named}", self.correcting))
        self.connection.unregister("aimed")
        return found

    def iterate(self, where: str = "TRUE", relation: str = "facts") -> Iterator[Fact]:
        """The facts as objects, in no promised order; `where` is a condition in SQL over the columns of `facts`.

        relation  SQL of facts to choose from, in the same columns

        Other questions may be asked of the store between two facts.
        """
        names = [field for field in FIELDS if field not in ("file", "line")]
        table = f"iterated_{next(self._iterations)}"
        chosen = f"SELECT {', '.join(names)} FROM {relation} AS facts WHERE {where}"
        self.connection.execute(f"CREATE TEMP TABLE {table} AS {chosen}")
        try:
            [(rows,)] = self.connection.execute(f"SELECT count(*) FROM {table}").fetchall()
            for first in range(0, rows, _FETCH_ROWS):
                batch = self.connection.execute(
                    f"FROM {table} WHERE rowid BETWEEN ? AND ?",
                    [first, first + _FETCH_ROWS - 1],
                ).fetchall()
                for row in batch:
                    yield Fact(**dict(zip(names, row, strict=True)))
        finally:
            self.connection.execute(f"DROP TABLE IF EXISTS {table}")


def _profile(connection: duckdb.DuckDBPyConnection, profiled: str) -> None:
    """One pass over the facts for everything that coverage asks."""
    if profiled:
        connection.execute(
            f"CREATE TEMP TABLE profile AS SELECT source, day, type, sum(facts)::BIGINT AS facts, "
            f"min(first_us) AS first_us, max(last_us) AS last_us FROM {profiled} GROUP BY source, day, type"
        )
        return
    connection.execute(
        "CREATE TEMP TABLE profile AS SELECT source, day, type, count(*) AS facts, min(at_us) AS first_us, "
        "max(at_us) AS last_us FROM facts GROUP BY source, day, type"
    )


def _coverage(connection: duckdb.DuckDBPyConnection) -> tuple[SourceCoverage, ...]:
    sources = connection.execute(
        "SELECT source, sum(facts)::BIGINT, min(first_us), max(last_us) FROM profile "
        "GROUP BY source ORDER BY sum(facts) DESC, source LIMIT ?",
        [SOURCES_MAX],
    ).fetchall()
    names = [row[0] for row in sources]
    days: dict[str, list[int]] = {name: [] for name in names}
    for source, day in connection.execute(
        "SELECT DISTINCT source, day FROM profile WHERE source IN ?", [names]
    ).fetchall():
        days[source].append(day)
    types: dict[str, dict[str, int]] = {name: {} for name in names}
    counted = connection.execute(
        "SELECT source, type, sum(facts)::BIGINT AS n FROM profile WHERE source IN ? GROUP BY source, type "
        "QUALIFY row_number() OVER (PARTITION BY source ORDER BY n DESC, type) <= ? ORDER BY source, n DESC, type",
        [names, TYPES_MAX],
    ).fetchall()
    for source, type_, number in counted:
        types[source][type_] = number
    return tuple(
        SourceCoverage(source, facts, first_us, last_us, gaps(days[source]), types[source])
        for source, facts, first_us, last_us in sources
    )
