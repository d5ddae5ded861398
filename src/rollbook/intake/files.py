"""One file: what kind of export it is, by its content or by what was said, and its rows, into the loader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook.intake import produced
from rollbook.intake.csv_rows import CsvRecords, CsvRows
from rollbook.intake.documents import SKETCHES_MAX, Documents, Line, sketches
from rollbook.intake.json_texts import read_object, read_plain_object
from rollbook.intake.lines import TOO_LONG, Lines, RecordTooLongError
from rollbook.intake.loader import Loader
from rollbook.intake.ndjson_rows import ObjectRows, plain_objects
from rollbook.intake.readings import reading_of
from rollbook.intake.recognising import producer_of
from rollbook.intake.streams import Source, Stream


def take_text(loader: Loader, file: int, source: Source, stream: Stream) -> None:
    """Takes a file of text, whose stream is open."""
    if stream.kind == "json":
        _take_document(loader, file, source)
        return
    lines = Lines(stream)
    if stream.kind == "csv":
        _take_csv(loader, file, lines)
    elif _is_spread(lines):
        _take_document(loader, file, source)
        return
    else:
        _take_ndjson(loader, file, lines)
    if lines.fault:
        loader.fault(file, f"{lines.fault.rule}; read up to line {lines.number}", lines.fault.remedy)


def _take_csv(loader: Loader, file: int, lines: Lines) -> None:
    options = loader.options
    records = CsvRecords(lines, options.mapping)
    producer = producer_of(options, "csv", (dict.fromkeys(records.names, ""),))
    if producer is None:
        rows = CsvRows(records, options.mapping)
        if loader.take_header(file, rows.header):
            loader.take_batches(file, rows.batches())
        return
    convert = producer.converter(reading_of(options, producer, records.names))
    loader.recognised(file, producer.name)
    numbered = produced.csv_rows(records, producer.encoding)
    loader.take_batches(file, produced.batches(numbered, convert, lambda: records.received_bytes))


def _take_ndjson(loader: Loader, file: int, lines: Lines) -> None:
    options = loader.options
    producer = producer_of(options, "json", _first_objects(lines))
    if producer is None:
        rows = ObjectRows(options.mapping)
        loader.readable += 1
        loader.take_batches(file, rows.batches(plain_objects(lines), lambda: lines.received_bytes))
        loader.mapped |= rows.mapped
        return
    convert = producer.converter(reading_of(options, producer))
    loader.recognised(file, producer.name)
    numbered = produced.ndjson_rows(lines, producer)
    loader.take_batches(file, produced.batches(numbered, convert, lambda: lines.received_bytes))


def _take_document(loader: Loader, file: int, source: Source) -> None:
    """Takes a list of objects, or objects that are no lines. What it is, is told before any of it is read."""
    options = loader.options
    scout = Stream(source)
    try:
        producer = producer_of(options, "json", sketches(scout))
    finally:
        scout.close()
    stream = Stream(source)
    try:
        if producer is None:
            documents = Documents(stream, read=read_plain_object)
            rows = ObjectRows(options.mapping)
            loader.readable += 1
            loader.take_batches(file, rows.batches(documents.items(), lambda: stream.received_bytes))
            loader.mapped |= rows.mapped
        else:
            documents = Documents(stream, producer.envelopes, producer.recognises)
            convert = producer.converter(reading_of(options, producer))
            loader.recognised(file, producer.name)
            made = produced.batches(documents.items(), convert, lambda: stream.received_bytes)
            loader.take_batches(file, made)
    finally:
        stream.close()
    if documents.fault:
        loader.fault(file, f"{documents.fault.rule}; read up to item {documents.number}", documents.fault.remedy)


def _first_objects(lines: Lines) -> list[Mapping[str, Any]]:
    """The objects on the first lines that have one; all lines stay to be read."""
    found: list[Mapping[str, Any]] = []
    try:
        for text in lines:
            if text.strip():
                found.extend(sketches(Line(text)))
            if len(lines.held) >= SKETCHES_MAX:
                break
    except RecordTooLongError:
        pass  # So many bytes are enough to tell.
    lines.rewind(kept=0)
    return found


def _is_object(text: str) -> bool:
    return isinstance(read_object(text), dict)


def _is_spread(lines: Lines) -> bool:
    """Whether an object is no line: it goes on over several, or is a result page longer than a line may be."""
    found: list[str] = []
    for text in lines:
        if lines.mark_in(lines.number, lines.number) == TOO_LONG:
            found = [""]
            break
        if text.strip():
            found.append(text)
        if len(found) > 1 or (found and _is_object(found[0])):
            break
    lines.rewind(kept=0)
    if not found or _is_object(found[0]):
        return False
    # A result page may have its items on lines of their own, under a line that opens their list.
    opens = len(found) > 1 and (found[0].rstrip().endswith("[") or not found[1].lstrip().startswith("{"))
    return not found[0] or opens
