"""One file: what kind of export it is, by its content or by what was said, and its rows, into the loader."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from itertools import chain, islice
from typing import Any

import msgspec

from rollbook.errors import Problem, UsageError
from rollbook.intake import produced
from rollbook.intake.csv_rows import CsvRecords, CsvRows
from rollbook.intake.documents import Documents
from rollbook.intake.headers import find_columns
from rollbook.intake.lines import TOO_LONG, Lines
from rollbook.intake.loader import Loader
from rollbook.intake.ndjson_rows import NdjsonRows
from rollbook.intake.options import ReadOptions
from rollbook.intake.producers import CANONICAL, PRODUCERS, Producer, Reading, find_producer, recognise
from rollbook.intake.streams import FileFaultError, Source, Stream
from rollbook.intake.vocabulary import vocabulary

TABLE_ROWS_MAX = 5_000_000
"""Rows of a further table."""


def take_text(loader: Loader, file: int, source: Source, stream: Stream) -> None:
    """Takes a file of text, whose stream is open."""
    if stream.kind == "json":
        _take_document(loader, file, stream)
        return
    lines = Lines(stream)
    if stream.kind == "csv":
        _take_csv(loader, file, lines)
    elif _is_spread(lines):
        again = Stream(source)
        try:
            _take_document(loader, file, again)
        finally:
            again.close()
        return
    else:
        _take_ndjson(loader, file, lines)
    if lines.fault:
        loader.fault(file, f"{lines.fault.rule}; read up to line {lines.number}", lines.fault.remedy)


def _take_csv(loader: Loader, file: int, lines: Lines) -> None:
    options = loader.options
    records = CsvRecords(lines, options.mapping)
    producer = _producer(options, "csv", dict.fromkeys(records.names, ""))
    if producer is None:
        rows = CsvRows(records, options.mapping)
        if loader.take_header(file, rows.header):
            loader.take_batches(file, rows.batches())
        return
    convert = producer.converter(_reading(options, producer, records.names))
    loader.recognised(file, producer.name)
    numbered = produced.csv_rows(records, producer.encoding)
    loader.take_batches(file, produced.batches(numbered, convert, lambda: records.received_bytes))


def _take_ndjson(loader: Loader, file: int, lines: Lines) -> None:
    options = loader.options
    producer = _producer(options, "json", _first_object(lines))
    if producer is None:
        objects = NdjsonRows(lines, options.mapping)
        loader.readable += 1
        loader.take_batches(file, objects.batches())
        loader.mapped |= objects.mapped
        return
    convert = producer.converter(_reading(options, producer))
    loader.recognised(file, producer.name)
    numbered = produced.ndjson_rows(lines, producer.envelopes)
    loader.take_batches(file, produced.batches(numbered, convert, lambda: lines.received_bytes))


def _take_document(loader: Loader, file: int, stream: Stream) -> None:
    """Takes a list of objects, or objects that are no lines."""
    options = loader.options
    said = (find_producer(options.input),) if options.input and options.input != CANONICAL else ()
    documents = Documents(stream, [key for producer in (*PRODUCERS, *said) for key in producer.envelopes])
    items = documents.items()
    first = next(items, None)
    if first is not None:
        sample = first[1] if isinstance(first[1], dict) else {}
        producer = _producer(options, "json", sample)
        numbered = chain((first,), items)
        if producer is None:
            loader.readable += 1
            loader.take_mappings(file, (item for _, item in numbered))
        else:
            loader.recognised(file, producer.name)
            convert = producer.converter(_reading(options, producer))
            loader.take_batches(file, produced.batches(numbered, convert, lambda: stream.received_bytes))
    if documents.fault:
        loader.fault(file, f"{documents.fault.rule}; read up to item {documents.number}", documents.fault.remedy)


def _producer(options: ReadOptions, kind: str, sample: Mapping[str, Any]) -> Producer | None:
    """Whose export it is, as was said or by its first row; None for canonical columns, and where nobody knows it."""
    if options.input == CANONICAL:
        return None
    if options.input:
        said = find_producer(options.input, kind)
        if said.kind != kind:
            raise FileFaultError(f"is no {said.title}: those are {said.kind.upper()}", "leave --input out")
        return said
    found = find_columns(tuple(sample), options.mapping).positions
    return None if {"occurred_at", "type"} <= found.keys() else recognise(kind, sample)


def _reading(options: ReadOptions, producer: Producer, columns: tuple[str, ...] = ()) -> Reading:
    """What the caller said, for a producer."""
    return Reading(
        vocabulary(producer.name, options.vocabularies, producer.meanings()),
        options.input_zone,
        options.date_order,
        columns,
        {name: _table(path) for name, path in options.tables.items()},
        options.snapshot_at,
    )


def _table(path: str) -> list[dict[str, str]]:
    """The rows of a further table, by column. Raises UsageError where it cannot be read."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:  # noqa: PTH123 - errors name it as it was given
            return [dict(row) for row in islice(csv.DictReader(file), TABLE_ROWS_MAX)]
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(Problem(path, f"the table cannot be read: {error}", "give a CSV file in UTF-8")) from None


def _first_object(lines: Lines) -> Mapping[str, Any]:
    """The object on the first line that has one, which stays to be read; of an envelope, its first item."""
    for text in lines:
        if text.strip():
            lines.rewind(kept=0)
            document = _object(text)
            for key in (key for producer in PRODUCERS for key in producer.envelopes):
                items = document.get(key)
                if isinstance(items, list) and items and isinstance(items[0], dict):
                    return dict(items[0])
            return document
        lines.held.clear()
    return {}


def _object(text: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _is_spread(lines: Lines) -> bool:
    """Whether an object is no line: it goes on over several, or is a result page longer than a line may be."""
    found: list[str] = []
    for text in lines:
        if lines.mark_in(lines.number, lines.number) == TOO_LONG:
            found = [""]
            break
        if text.strip():
            found.append(text)
        if len(found) > 1 or (found and _object(found[0])):
            break
    lines.rewind(kept=0)
    if not found or _object(found[0]):
        return False
    # A result page may have its items on lines of their own, under a line that opens their list.
    opens = len(found) > 1 and (found[0].rstrip().endswith("[") or not found[1].lstrip().startswith("{"))
    return not found[0] or opens
