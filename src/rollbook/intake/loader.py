"""Every row of an input goes one of three ways: plainly clean, through the gate, or refused; and it is counted.

Rows that are plainly clean are taken by SQL; the others come to the gate in bounded batches, in the order of lines.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from rollbook.errors import Problem
from rollbook.intake.batches import NTH_BITS, Batch, Refused
from rollbook.intake.clean import Column, Reading, constant_days
from rollbook.intake.gate import TEXTS, Gate
from rollbook.intake.headers import Header, read_header
from rollbook.intake.options import ReadOptions
from rollbook.intake.problems import Problems
from rollbook.intake.relations import Relation
from rollbook.intake.repeats import suspect, suspects_sql
from rollbook.intake.tables import SCHEMA, Part, fields_of, hashed, insert_facts, name_facts
from rollbook.intake.times import shown
from rollbook.intake.vocabulary import vocabulary
from rollbook.model.fact import COLUMNS, Fact
from rollbook.model.instants import EARLIEST_US, LATEST_US, from_us

GATE_ROWS = 20_000
"""How many rows the gate takes out of the database at a time."""

FEW_ROWS = 2_000
"""Tables of so few rows go through the gate row by row: 20 us each, where planning how to look at columns takes 0.1 s
however few there are."""

LOADING_MEMORY = "128MB"
"""What the database may hold while texts come in, unless the caller says otherwise."""

CHUNK_ROWS = 8192
"""How many rows of a batch one thread of the database takes at a time."""

_UTC_NAMES = ("UTC", "Etc/UTC", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal", "UCT", "Etc/UCT", "GMT", "Etc/GMT")


class Loader:
    """Takes in one input after the other.

    parts   the relations that stay where they lie
    places  the name of each input, by its number
    mapped  the keys of the mapping that some input served
    said    what the caller says that events mean
    producers  whose export each input was recognised as, by its number; none for canonical columns
    """

    def __init__(self, folder: str, options: ReadOptions) -> None:
        self.options = options
        self.folder = Path(folder)
        self.problems = Problems()
        self.rows = self.rejected = 0
        self.parts: list[Part] = []
        self.places: list[str] = []
        self.mapped: set[str] = set()
        self.readable = 0
        self.producers: dict[int, str] = {}
        self.said = vocabulary("", options.vocabularies).own
        self._gate = Gate(options)
        self._zone = "UTC" if options.input_zone in _UTC_NAMES else options.input_zone
        self.connection = connect(str(self.folder / "facts.duckdb"), self.folder, options)
        for statement in SCHEMA:
            self.connection.execute(statement)
        self._zone_days = _zone_days(self._zone)
        if self._zone_days is not None:
            self.connection.register("zone_days", self._zone_days)

    def begin(self, name: str) -> int:
        """Starts the next input, and returns its number."""
        self.places.append(name)
        return len(self.places) - 1

    def end(self) -> None:
        """Ends an input: facts without an id get theirs."""
        name_facts(self.connection)

    def place(self, file: int, line: int) -> str:
        """Where a row is, for messages: `facts.csv:14`."""
        return f"{self.places[file]}:{line >> NTH_BITS if file in self.producers else line}"

    def fault(self, file: int, rule: str, remedy: str) -> None:
        """A problem of a whole input, or of the rest of it."""
        self.problems.add_file(Problem(self.places[file], rule, remedy))

    def take_header(self, file: int, header: Header) -> bool:
        """Whether rows can be read under this header; says why not, and what it passes over."""
        self.readable += 1
        self.mapped |= header.mapped
        for rule, remedy in header.faults:
            self.fault(file, rule, remedy)
        for rule, remedy in header.notes:
            self.problems.note(Problem(self.places[file], rule, remedy))
        return not header.faults

    def recognised(self, file: int, name: str) -> None:
        """Keeps whose export an input is."""
        self.readable += 1
        self.producers[file] = name

    def take_batches(self, file: int, batches: Iterable[Batch]) -> int:
        """Takes the rows of a text file; returns how many there were."""
        before = self.rows
        with self._bounded():
            for batch in batches:
                # One transaction for the batch, or its few statements would write everything twice; not for the file,
                # because what a transaction has dropped is kept in memory until it ends.
                self.connection.execute("BEGIN")
                odd = list(batch.odd)
                if batch.rows:
                    odd.extend(self._take_texts(file, batch))
                self.rows += len(batch.lines) + len(batch.odd)
                self._pass(file, sorted(odd, key=lambda pair: pair[0]))
                self.connection.execute("COMMIT")
        return self.rows - before

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        """Keeps the database from holding all it has written; the caller's own limit stands."""
        if self.options.memory_limit:
            yield
            return
        self.connection.execute(f"SET memory_limit = '{LOADING_MEMORY}'")
        try:
            yield
        finally:
            self.connection.execute("RESET memory_limit")

    def take_mappings(self, file: int, rows: Iterable[Mapping[str, object] | Fact | Refused]) -> int:
        """Takes rows that are Python objects; returns how many there were."""
        before = self.rows
        names = {value: key for key, value in self.options.mapping.items()}
        batch: list[tuple[int, Mapping[str, object] | Refused]] = []
        for line, row in enumerate(rows, 1):
            batch.append((line, self._as_row(row, names)))
            if len(batch) >= GATE_ROWS:
                self.rows += len(batch)
                self._pass(file, batch)
                batch = []
        self.rows += len(batch)
        self._pass(file, batch)
        return self.rows - before

    def take_table(self, file: int, relation: str, row: str, names: Sequence[str]) -> int:
        """Takes a relation of typed columns that this database knows; returns how many rows it had.

        `row` is SQL of the number of a row, from 0; `names` are what the export itself calls its columns, in order.
        """
        return self._take_relation(file, relation, row, names, self.connection)

    def take_parquet(self, file: int, path: Path, names: Sequence[str]) -> int:
        """Takes a Parquet file; returns how many rows it had.

        A database of its own reads it first: a damaged file can break the one that reads it beyond use.
        """
        pattern = glob.escape(str(path)).replace("'", "''")
        relation = f"read_parquet('{pattern}', file_row_number = true, hive_partitioning = false)"
        scout = connect(":memory:", self.folder, self.options)
        try:
            if self._zone_days is not None:
                scout.register("zone_days", self._zone_days)
            return self._take_relation(file, relation, "r.file_row_number", names, scout)
        finally:
            scout.close()

    def _take_relation(
        self, file: int, relation: str, row: str, names: Sequence[str], scout: duckdb.DuckDBPyConnection
    ) -> int:
        header = read_header(names, self.options.mapping)
        if not self.take_header(file, header):
            return 0
        described = scout.execute(f"DESCRIBE SELECT * FROM {relation} AS r").fetchall()
        columns = {
            name: Column(f"r.{_quoted(described[position][0])}", described[position][1])
            for name, position in header.positions.items()
        }
        reading = Reading(columns, self._zone)
        for rule, remedy in reading.faults:
            self.fault(file, rule, remedy)
        if reading.faults:
            return 0
        found = Relation(file, relation, row, reading, scout)
        if found.rows <= FEW_ROWS:
            unclean = self._lay_aside(found, found.source, "true")
        else:
            unclean = self._set_aside(found)
            self._take_clean(found, unclean)
        names = list(reading.raws)
        for first in range(0, unclean, GATE_ROWS):
            query = f"FROM aside_{file} WHERE rowid BETWEEN ? AND ?"
            batch = self.connection.execute(query, [first, first + GATE_ROWS - 1]).fetchall()
            self._pass(file, [(row[0], dict(zip(names, row[1:], strict=True))) for row in batch])
        self.connection.execute(f"DROP TABLE aside_{file}")
        self.rows += found.rows
        return found.rows

    def _set_aside(self, found: Relation) -> int:
        """Puts the rows for the gate into a table of their own; returns how many.

        Where the others stay where they lie, those that may repeat go to `suspects` in the same pass: reading all
        columns once more took 1.5 s of processors for ten million rows, and reading keys before takes 0.7 s.
        """
        reading, row, stays = found.reading, found.row, found.stays
        wanted = f"({stays}) IS NOT TRUE"
        if reading.lasting:
            texts, rows = reading.texts, found.rows
            key, named = (hashed(texts["source"], texts[name], rows=rows) for name in ("id", "voids"))
            suspect(
                found.scout,
                f"SELECT {row} + 1 AS line, {key} AS h FROM {found.sql} AS r",
                f"SELECT {named} FROM {found.sql} AS r WHERE {texts['voids']} <> ''",
            )
            wanted += f" OR {row} IN (SELECT line - 1 FROM suspected)"
        columns = ", ".join(dict.fromkeys((row, *(column.sql for column in reading.columns.values()))))
        found.scout.execute(
            f"CREATE OR REPLACE TEMP TABLE picked AS SELECT {columns} FROM {found.source} WHERE {wanted}"
        )
        picked = f"picked AS r{reading.joins}"
        unclean = self._lay_aside(found, picked, f"({stays}) IS NOT TRUE")
        if reading.lasting:
            fields = fields_of(dict(reading.values), found.file, f"({row} + 1)")
            clean = suspects_sql(f"SELECT {fields} FROM {picked} WHERE {stays}")
            self._move(found.scout, "INSERT INTO suspects", clean)
            found.scout.execute("DROP TABLE suspected")
        found.scout.execute("DROP TABLE picked")
        return unclean

    def _lay_aside(self, found: Relation, source: str, wanted: str) -> int:
        """Makes the table of the rows that go through the gate; returns how many."""
        raws = "".join(f", {sql} AS {name}" for name, sql in found.reading.raws.items())
        aside = f"SELECT {found.row} + 1 AS line{raws} FROM {source} WHERE {wanted}"
        self._move(found.scout, f"CREATE TEMP TABLE aside_{found.file} AS", aside)
        [(laid,)] = self.connection.execute(f"SELECT count(*) FROM aside_{found.file}").fetchall()
        return int(laid)

    def _move(self, scout: duckdb.DuckDBPyConnection, into: str, query: str) -> None:
        """Moves what the database that reads a file found to the one that stays."""
        if scout is self.connection:
            self.connection.execute(f"{into} {query}")
            return
        self.connection.register("moving", scout.sql(query).to_arrow_reader(GATE_ROWS))
        self.connection.execute(f"{into} FROM moving")
        self.connection.unregister("moving")

    def _take_clean(self, found: Relation, unclean: int) -> None:
        """Takes the rows that were not set aside; where reading them again costs nothing they stay where they are."""
        file, reading, row = found.file, found.reading, found.row
        fields = fields_of(dict(reading.values), file, f"({row} + 1)")
        clean = f"SELECT {fields} FROM {found.source} WHERE true"
        if unclean and reading.lasting:
            self.connection.execute(f"INSERT INTO dropped SELECT {file}, line FROM aside_{file}")
        elif unclean:
            clean += f" AND {row} NOT IN (SELECT line - 1 FROM aside_{file})"
        if reading.lasting:
            self.parts.append(Part(file, clean, row, None if unclean else found.extent))
        elif "id" in reading.columns:
            self.connection.execute(f"INSERT INTO taken SELECT * FROM ({clean}) WHERE id <> ''")
            self.connection.execute(f"INSERT INTO nameless SELECT * FROM ({clean}) WHERE id = ''")
        else:
            self.connection.execute(f"INSERT INTO nameless {clean}")

    def _take_texts(self, file: int, batch: Batch) -> Iterator[tuple[int, Mapping[str, object]]]:
        """Takes the plainly clean rows of a batch; the others come back for the gate."""
        arrays = {name: pa.array(texts, pa.string()) for name, texts in batch.columns().items() if any(texts)}
        names = tuple(arrays)
        arrays["line"] = pa.array(batch.lines, pa.int64())
        chunks = pa.table(arrays).to_batches(max_chunksize=CHUNK_ROWS)
        self.connection.register("batch", pa.Table.from_batches(chunks))
        reading = Reading({name: Column(f"r.{name}", "VARCHAR") for name in names}, self._zone)
        source = f"batch AS r{reading.joins}"
        fields = fields_of(dict(reading.values), file, "r.line")
        execute = self.connection.execute
        execute(f"CREATE TEMP TABLE checked AS SELECT {fields}, ({reading.clean}) IS TRUE AS clean FROM {source}")
        execute("INSERT INTO taken SELECT * EXCLUDE clean FROM checked WHERE clean AND id <> ''")
        execute("INSERT INTO nameless SELECT * EXCLUDE clean FROM checked WHERE clean AND id = ''")
        unclean = execute("SELECT line FROM checked WHERE NOT clean").fetchall()
        execute("DROP TABLE checked")
        self.connection.unregister("batch")
        if not unclean:
            return
        position = {line: index for index, line in enumerate(batch.lines)}
        for (line,) in unclean:
            yield line, dict(zip(batch.names, batch.rows[position[line]], strict=True))

    def _pass(self, file: int, rows: Sequence[tuple[int, Mapping[str, object] | Refused]]) -> None:
        """Sends rows through the gate."""
        accepted: list[tuple[int, Fact]] = []
        for line, row in rows:
            place = self.place(file, line)
            if isinstance(row, Refused):
                read: Fact | tuple[Problem, ...] = (Problem(place, row.rule, row.remedy),)
            else:
                read = self._gate.read(place, row)
            if isinstance(read, Fact):
                accepted.append((line, read))
                continue
            self.rejected += 1
            for problem in read:
                self.problems.add_row(problem)
        insert_facts(self.connection, file, accepted)

    def _as_row(self, row: object, names: Mapping[str, str]) -> Mapping[str, object] | Refused:
        if isinstance(row, Refused):
            return row
        if isinstance(row, Fact):
            return _of_fact(row)
        if not isinstance(row, Mapping):
            return Refused(f"{shown(row)} is neither a Fact nor a mapping", "give facts, or mappings by column name")
        mapped = {names[key]: value for key, value in row.items() if key in names}
        self.mapped |= mapped.keys()
        return {**{key: value for key, value in row.items() if key in COLUMNS}, **mapped}


def _zone_days(zone: str | None) -> pa.Table | None:
    """The table by which local times of a zone are read; UTC and no zone need none."""
    if zone in (None, "UTC"):
        return None
    days = constant_days(ZoneInfo(str(zone)))
    return pa.table({"day": pa.array(days.keys(), pa.int64()), "offset_us": pa.array(days.values(), pa.int64())})


def connect(database: str, folder: Path, options: ReadOptions) -> duckdb.DuckDBPyConnection:
    """A database that spills into the folder, and asks nothing of any network."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(folder),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if options.memory_limit:
        config["memory_limit"] = options.memory_limit
    connection = duckdb.connect(database, config=config)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    return connection


def _of_fact(fact: Fact) -> Mapping[str, object] | Refused:
    """A fact as a row. Any integer may stand in a Fact, and not every one is an instant."""
    moments = [at_us for at_us in (fact.at_us, fact.recorded_us) if at_us is not None]
    if not all(EARLIEST_US <= at_us < LATEST_US for at_us in moments):
        return Refused("an instant lies outside the years 1970 to 2199", "give microseconds since 1970, UTC")
    return {
        **{name: getattr(fact, name) for name in TEXTS},
        "occurred_at": from_us(fact.at_us),
        "recorded_at": None if fact.recorded_us is None else from_us(fact.recorded_us),
    }


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
