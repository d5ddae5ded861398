"""A relation of typed columns, and what can be said of it for less than a pass over its rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import duckdb

from rollbook.intake.clean import Column, Reading
from rollbook.intake.tables import Extent


@dataclass(frozen=True)
class Relation:
    """An input that a database reads by columns.

    file     its number
    sql      what stands in FROM, before AS r
    row      SQL of the number of a row, from 0
    reading  how its columns are read
    scout    the database that reads it
    """

    file: int
    sql: str
    row: str
    reading: Reading
    scout: duckdb.DuckDBPyConnection

    @property
    def source(self) -> str:
        """What stands in FROM."""
        return f"{self.sql} AS r{self.reading.joins}"

    @cached_property
    def rows(self) -> int:
        """How many rows there are."""
        [(rows,)] = self.scout.execute(f"SELECT count(*) FROM {self.sql}").fetchall()
        return int(rows)

    @cached_property
    def stays(self) -> str:
        """SQL that is true for rows that are taken without the gate; false or null for all others."""
        settled, _ = self._values
        stays = self.reading.clean_but(settled)
        # Where rows stay where they lie, nothing gives an id to those that have none.
        return f"{stays} AND {self.reading.texts['id']} <> ''" if self.reading.lasting else stays

    @cached_property
    def extent(self) -> Extent:
        """That of its facts, where every row is one and the time is typed."""
        if not self.rows:
            return Extent(frozenset(), None)
        # A Parquet file says the least of a column without being read, and not that of an expression.
        moment = self.reading.columns["occurred_at"]
        least = Reading({"occurred_at": Column(f"min({moment.sql})", moment.type)}, self.reading.zone)
        [(first_us,)] = self.scout.execute(f"SELECT {least.values['at_us']} FROM {self.sql} AS r").fetchall()
        _, organisations = self._values
        return Extent(organisations, int(first_us))

    @cached_property
    def _values(self) -> tuple[list[str], frozenset[str]]:
        """What is looked at value by value, not row by row.

        These are the columns of few values that are plainly clean throughout, and the organisations.
        """
        asked = {name: clean for name, clean in self.reading.by_value.items() if name in self.reading.columns}
        questions = []
        for name, clean in asked.items():
            texts = f"list({self.reading.texts[name]})" if name == "organisation" else "NULL"
            values = f"SELECT DISTINCT {self.reading.columns[name].sql} FROM {self.sql} AS r"
            questions.append(
                f"(SELECT {{'holds': bool_and(({clean}) IS TRUE), 'texts': {texts}}} FROM ({values}) AS r)"
            )
        [answers] = self.scout.execute(f"SELECT {', '.join(questions)}").fetchall()
        found = dict(zip(asked, answers, strict=True))
        organisations = found["organisation"]["texts"] if "organisation" in found else [""]
        return [name for name, answer in found.items() if answer["holds"]], frozenset(organisations or ())
