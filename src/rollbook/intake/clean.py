"""Whatever these expressions call plainly clean, the gate accepts with the same values; the rest they leave to it.

They are the fast reading beside the gate: SQL that a database runs over columns, a million rows at a time. They
may call a good row unclean, never the reverse, and a property test holds them to it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from rollbook.intake.gate import EXACT_MAX, TEXTS, TIMES
from rollbook.model.fact import LINKED, MODES, ROLES, TEXT_LENGTH_MAX, VOIDED
from rollbook.model.instants import DAY_US, EARLIEST_US, LATEST_US

_CLOCK = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?"
_DAY = r"\d{4}-\d{2}-\d{2}"
_WITH_OFFSET = rf"{_DAY}[T ]{_CLOCK}(Z|[+-](0\d|1[0-4]):[0-5]\d)"
_WITHOUT_OFFSET = rf"{_DAY}[T ]{_CLOCK}"
_PLAIN = r"([!-~\pL\pN]([^\x00-\x1f\x7f-\x{9f}]*[!-~\pL\pN])?)?"

FEW_VALUES = ("type", "role", "mode", "organisation", "source")
"""Columns that repeat few values: a typed file is asked for these once, which costs nothing beside its rows."""

_MOSTLY_EMPTY = ("object", "actor", "impersonator", "session", "voids", "attributes")
"""Columns that few facts fill: whether one is empty is asked first, which costs next to nothing."""

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_WHOLE = (*_INTEGERS, "UHUGEINT", "UUID", "VARCHAR")
_ZONED = "TIMESTAMP WITH TIME ZONE"
_NAIVE = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "DATE")
_NANOSECONDS = ("TIMESTAMP_NS", "TIMESTAMPTZ_NS")
_MOMENTS = (_ZONED, *_NAIVE, *_NANOSECONDS)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a relation: its SQL, and its DuckDB type."""

    sql: str
    type: str


@dataclass(frozen=True)
class Reading:
    """How the columns of one relation are read. `columns` are by canonical name; absent ones are empty.

    zone  where times without an offset are read: None refuses them, UTC needs nothing, any other needs the
          table `zone_days` of `constant_days` in the database
    """

    columns: Mapping[str, Column]
    zone: str | None = None

    @cached_property
    def faults(self) -> tuple[tuple[str, str], ...]:
        """(rule, remedy) of every column whose type cannot be read at all."""
        found = []
        for name, column in self.columns.items():
            type_ = column.type
            if name in TIMES:
                if type_ in (*_NAIVE, "TIMESTAMP_NS") and self.zone is None:
                    rule = f"{name} has times without an offset from UTC"
                    remedy = "name the zone they were written in: --input-zone ZONE, such as --input-zone Europe/Paris"
                    found.append((rule, remedy))
                elif type_ not in (*_MOMENTS, "VARCHAR", '"NULL"') and not type_.startswith("ENUM"):
                    found.append((f"{name} is a column of {_words(type_)}, not of times", "export it as a timestamp"))
            elif name != "attributes" and _words(type_) != "texts or numbers":
                found.append((f"{name} is a column of {_words(type_)}, where text is needed", "export it as text"))
        return tuple(found)

    @property
    def lasting(self) -> bool:
        """Reading again costs next to nothing: the time is typed and every fact brings its id."""
        moment = self.columns.get("occurred_at", Column("", "")).type
        return "id" in self.columns and (
            moment == _ZONED or (moment in (*_NAIVE, *_NANOSECONDS) and self.zone == "UTC")
        )

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """SQL of each text column, by canonical name: its text, '' where it is absent."""
        return {name: _text_sql(self.columns.get(name), name) for name in TEXTS}

    @cached_property
    def values(self) -> Mapping[str, str]:
        """SQL of each canonical column of the facts, for rows that are plainly clean."""
        role = self.texts["role"]
        return {
            **self.texts,
            "role": f"CASE WHEN {role} = '' THEN 'learner' ELSE {role} END" if "role" in self.columns else "'learner'",
            "at_us": self._moment("occurred_at"),
            "recorded_us": self._moment("recorded_at"),
        }

    @cached_property
    def raws(self) -> Mapping[str, str]:
        """SQL of each column that is there, as the gate is to see it."""
        return {name: self._raw(name, column) for name, column in self.columns.items()}

    @property
    def joins(self) -> str:
        """What must follow the relation in FROM."""
        return "".join(
            f" LEFT JOIN zone_days AS {name}_zone ON {name}_zone.day = {self._local(name)} // {DAY_US}"
            for name in TIMES
            if self._by_zone(name)
        )

    @cached_property
    def clean(self) -> str:
        """SQL that is true for rows that are plainly clean; false or null for all others."""
        return self.clean_but(())

    def clean_but(self, settled: Collection[str]) -> str:
        """The same, where it is known of every value of these columns that it is plainly clean."""
        by_value = [part for name, part in self.by_value.items() if name not in settled]
        return " AND ".join((*self._by_row, *by_value))

    @cached_property
    def by_value(self) -> Mapping[str, str]:
        """What is asked of a column alone, for columns that have few values: SQL, by canonical column."""
        asked: dict[str, list[str]] = {"type": [f"{self.texts['type']} NOT IN ('', '{LINKED}')"]}
        if "role" in self.columns:
            asked["role"] = [f"{self.values['role']} IN ({_list(ROLES)})"]
        if "mode" in self.columns:
            asked["mode"] = [f"{self.texts['mode']} IN ('', {_list(MODES)})"]
        for name in ("type", "organisation", "source"):
            if name in self.columns:
                asked.setdefault(name, []).append(_plain_sql(self.texts[name], within=False))
        return {name: " AND ".join(parts) for name, parts in asked.items()}

    @cached_property
    def _by_row(self) -> tuple[str, ...]:
        """What is asked of each row."""
        texts = self.texts
        type_, role = texts["type"], self.values["role"]
        parts = [f"{self.values['at_us']} BETWEEN {EARLIEST_US} AND {LATEST_US - 1}"]
        nobody = f"{role} = 'guest' OR {type_} = '{VOIDED}'"
        parts.append(f"CASE WHEN {texts['learner']} <> '' THEN TRUE ELSE {nobody} END")
        voids = f"{type_} <> '{VOIDED}'"
        if "voids" in self.columns:
            names_another = f"{type_} = '{VOIDED}' AND {texts['voids']} <> {texts['id']}"
            voids = f"CASE WHEN {texts['voids']} = '' THEN {voids} ELSE {names_another} END"
        parts.append(voids)
        if "recorded_at" in self.columns:
            recorded = self.values["recorded_us"]
            parts.append(
                f"({_absent(self.columns['recorded_at'])} OR {recorded} BETWEEN {EARLIEST_US} AND {LATEST_US - 1})"
            )
        for name in self.columns:
            if name in TEXTS and name not in FEW_VALUES:
                plain = _plain_sql(texts[name], within=name == "attributes")
                # CASE, because OR would look at every text: 0.3 s of ten million rows.
                few = f"CASE WHEN {self.columns[name].sql} IS NULL THEN TRUE ELSE {plain} END"
                parts.append(few if name in _MOSTLY_EMPTY else plain)
        return tuple(parts)

    def _raw(self, name: str, column: Column) -> str:
        if name in TIMES:
            return f"{column.sql}::VARCHAR"
        if column.type in ("FLOAT", "DOUBLE") or column.type.startswith("DECIMAL"):
            return column.sql
        return self.texts[name]

    def _by_zone(self, name: str) -> bool:
        column = self.columns.get(name)
        if column is None or self.zone in (None, "UTC"):
            return False
        return column.type in (*_NAIVE, "TIMESTAMP_NS", "VARCHAR") or column.type.startswith("ENUM")

    def _local(self, name: str) -> str:
        """SQL of the microseconds that a time without an offset shows; null where it has one."""
        column = self.columns[name]
        if column.type == "TIMESTAMP_NS":
            return f"(epoch_ns({column.sql}) // 1000)"
        if column.type in _NAIVE:
            return f"epoch_us({column.sql}::TIMESTAMP)"
        text = f"{column.sql}::VARCHAR"
        moment = f"epoch_us(TRY_CAST({text} AS TIMESTAMP))"
        return f"CASE WHEN regexp_full_match({text}, '{_WITHOUT_OFFSET}') THEN {moment} END"

    def _moment(self, name: str) -> str:
        """SQL of the instant in UTC microseconds; null where it is absent or not plainly clean."""
        column = self.columns.get(name)
        if column is None or column.type == '"NULL"':
            return "NULL::BIGINT"
        if column.type == _ZONED:
            return f"epoch_us({column.sql})"
        if column.type == "TIMESTAMPTZ_NS":
            return f"(epoch_ns({column.sql}) // 1000)"
        local = f"({self._local(name)})" + (f" - {name}_zone.offset_us" if self._by_zone(name) else "")
        if column.type in _MOMENTS:
            return local
        text = f"{column.sql}::VARCHAR"
        moment = f"epoch_us(TRY_CAST({text} AS TIMESTAMPTZ))"
        offset = f"CASE WHEN regexp_full_match({text}, '{_WITH_OFFSET}') THEN {moment} END"
        return offset if self.zone is None else f"COALESCE({offset}, {local})"


def constant_days(zone: ZoneInfo) -> dict[int, int]:
    """Local days on which the clock is never moved, as days since 1970, and their offset from UTC in microseconds."""
    known: dict[int, int] = {}
    day, number = date(1970, 1, 1), 0
    offsets = _midnight_offsets(day, zone)
    while number * DAY_US < LATEST_US:
        following = day + timedelta(days=1)
        next_offsets = _midnight_offsets(following, zone)
        if len(offsets | next_offsets) == 1:
            known[number] = next(iter(offsets)) // timedelta(microseconds=1)
        day, number, offsets = following, number + 1, next_offsets
    return known


def _midnight_offsets(day: date, zone: ZoneInfo) -> set[timedelta]:
    return {
        datetime(day.year, day.month, day.day, fold=fold, tzinfo=zone).utcoffset() or timedelta() for fold in (0, 1)
    }


def _text_sql(column: Column | None, name: str) -> str:
    """SQL of the text of a column, '' where it is absent, null where only the gate can say."""
    if column is None or column.type == '"NULL"':
        return "''"
    sql, type_ = column.sql, column.type
    if type_ == "VARCHAR":
        return f"COALESCE({sql}, '')"
    if type_ in ("FLOAT", "DOUBLE"):
        whole = f"{sql} = trunc({sql}) AND abs({sql}) < {EXACT_MAX}"
        return (
            f"CASE WHEN {sql} IS NULL OR isnan({sql}) THEN '' WHEN {whole} THEN TRY_CAST({sql} AS BIGINT)::VARCHAR END"
        )
    if type_.startswith("DECIMAL"):
        return (
            f"CASE WHEN {sql} IS NULL THEN '' WHEN {sql} = trunc({sql}) THEN trunc({sql})::DECIMAL(38, 0)::VARCHAR END"
        )
    if name == "attributes" and _words(type_) == "lists or objects":
        return f"COALESCE(to_json({sql})::VARCHAR, '')"
    return f"COALESCE({sql}::VARCHAR, '')"


def _plain_sql(text: str, *, within: bool) -> str:
    """SQL: the text is short, and holds no control characters and no white space around it.

    `within` allows both, but no NUL. JSON quotes exactly the characters that are in question, and DuckDB quotes
    faster than it matches patterns; most texts have no blank at all.
    """
    short = f"strlen({text}) <= {TEXT_LENGTH_MAX}"
    if within:
        return f"({short} AND NOT contains({text}, chr(0)))"
    # As many bytes as characters, and none of them escaped: ASCII without control characters.
    quoted = f"strlen(json_quote({text})::VARCHAR) = length({text}) + 2"
    bare = f"NOT contains({text}, chr(127)) AND NOT contains({text}, ' ')"
    # CASE keeps the pattern away from the texts that need none; OR would match all of them.
    pattern = f"regexp_full_match({text}, '{_PLAIN}')"
    return f"({short} AND CASE WHEN {quoted} AND {bare} THEN TRUE ELSE {pattern} END)"


def _absent(column: Column) -> str:
    return f"COALESCE({column.sql}::VARCHAR, '') = ''"


def _list(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _words(type_: str) -> str:
    """What a DuckDB type holds, in words."""
    if type_.endswith("]") or type_.startswith(("STRUCT", "MAP", "UNION")):
        return "lists or objects"
    if type_ in ("BLOB", "BIT"):
        return "bytes"
    if type_ == "BOOLEAN":
        return "true and false"
    if type_ in _MOMENTS or type_.startswith(("TIME", "INTERVAL")):
        return "times"
    if type_ in _WHOLE or type_ in ("FLOAT", "DOUBLE", '"NULL"') or type_.startswith(("DECIMAL", "ENUM")):
        return "texts or numbers"
    return type_
