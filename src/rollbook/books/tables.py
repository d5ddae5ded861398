"""Facts and evidence as CSV (RFC 4180) that anybody can open, and back again as the rows that digests are over.

Every row ends, or begins, with the number of the statement that it came with.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from rollbook.accounting.statement import EVIDENCE_COLUMNS
from rollbook.books.evidence import EVIDENCE_SCHEMA, FACT_CELLS, Row
from rollbook.errors import BookError, Problem
from rollbook.model.fact import COLUMNS
from rollbook.model.instants import iso, to_us

FACTS_HEADER = (*COLUMNS, "statement")
EVIDENCE_HEADER = ("statement", *EVIDENCE_COLUMNS)

LINE_LENGTH_MAX = 128 * 1024
"""Characters of a line of CSV: more than all fields of a fact may have together."""

_EVIDENCE_INTEGERS = [pa.types.is_integer(kind) for kind in EVIDENCE_SCHEMA.types]
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


def write_facts_csv(files: Iterable[tuple[int, Path]], out: TextIO) -> None:
    """Writes the facts of each (statement, file), in their order."""
    writer = csv.writer(out)
    writer.writerow(FACTS_HEADER)
    for number, path in files:
        for batch in pq.ParquetFile(path).iter_batches(columns=list(COLUMNS)):
            columns = [_texts(batch.column(name)) for name in COLUMNS]
            writer.writerows((*row, number) for row in zip(*columns, strict=True))


def write_evidence_csv(files: Iterable[tuple[int, Path]], out: TextIO) -> None:
    """Writes the evidence of each (statement, file), in its order."""
    writer = csv.writer(out)
    writer.writerow(EVIDENCE_HEADER)
    for number, path in files:
        for batch in pq.ParquetFile(path).iter_batches():
            columns = [batch.column(name).to_pylist() for name in EVIDENCE_COLUMNS]
            writer.writerows((number, *row) for row in zip(*columns, strict=True))


def read_facts_csv(path: Path) -> Iterator[tuple[int, Row]]:
    """(statement, cells of the canonical row) of each fact. Raises BookError where a line cannot be one."""
    places = {name: position for position, name in enumerate(FACTS_HEADER)}
    for line, row in _rows(path, FACTS_HEADER):
        cells: Row = []
        for name in FACT_CELLS:
            if name in ("at_us", "recorded_us"):
                text = row[places["occurred_at" if name == "at_us" else "recorded_at"]]
                cells.append(_instant(path, line, text) if text or name == "at_us" else None)
            else:
                cells.append(row[places[name]])
        yield _integer(path, line, row[-1]), cells


def read_evidence_csv(path: Path) -> Iterator[tuple[int, Row]]:
    """(statement, canonical row) of each row of evidence. Raises BookError where a line cannot be one."""
    for line, row in _rows(path, EVIDENCE_HEADER):
        cells: Row = [
            _integer(path, line, text) if whole else text
            for text, whole in zip(row[1:], _EVIDENCE_INTEGERS, strict=True)
        ]
        yield _integer(path, line, row[0]), cells


def _texts(column: pa.Array) -> list[str]:
    if pa.types.is_timestamp(column.type):
        moments = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_pylist()
        return ["" if at_us is None else iso(at_us) for at_us in moments]
    return list(column.to_pylist())


def _rows(path: Path, header: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(_lines(path, file), strict=True)
        try:
            if tuple(next(reader, ())) != tuple(header):
                raise _unreadable(path.name, "its first line does not name the columns")
            for row in reader:
                if len(row) != len(header):
                    raise _unreadable(f"{path.name}:{reader.line_num}", f"it has {len(row)} columns")
                yield reader.line_num, row
        except csv.Error as error:
            raise _unreadable(f"{path.name}:{reader.line_num}", str(error)) from None
        except UnicodeDecodeError:
            raise _unreadable(path.name, f"it is not UTF-8 after line {reader.line_num}") from None


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    while line := file.readline(LINE_LENGTH_MAX):
        if len(line) == LINE_LENGTH_MAX:
            raise _unreadable(path.name, f"a line has more than {LINE_LENGTH_MAX:,} characters")
        yield line


def _unreadable(place: str, rule: str) -> BookError:
    return BookError(Problem(place, rule, "ask for the bundle again"))


def _integer(path: Path, line: int, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise _unreadable(f"{path.name}:{line}", f"{text[:40]!r} is no whole number")
    return int(text)


def _instant(path: Path, line: int, text: str) -> int:
    try:
        at_us = to_us(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        at_us = -1
    if at_us < 0 or iso(at_us) != text:
        raise _unreadable(f"{path.name}:{line}", f"{text[:40]!r} is no instant in UTC as it was written")
    return at_us
