"""CSV: every record after the header is a row, accepted or refused at the line where it starts.

A record that goes wrong over several lines is refused alone; the lines after its first are read again, so that one
stray quote cannot swallow what follows.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import itemgetter

from rollbook.intake.batches import Batch, Refused
from rollbook.intake.headers import NEEDED, Header, find_delimiter, read_header
from rollbook.intake.lines import NOT_UTF8, Lines, RecordTooLongError
from rollbook.intake.streams import FileFaultError
from rollbook.model.fact import COLUMNS

_QUOTES = "close or double the quote"


class CsvRecords:
    """The records of one CSV file under its header: `names`, as they stand there."""

    def __init__(self, lines: Lines, mapping: Mapping[str, str], columns: Sequence[str] = COLUMNS) -> None:
        self._lines = lines
        self._width = 0
        self._delimiter = find_delimiter(_first_line(lines), mapping, columns)
        record = next(self.records(readable=(NOT_UTF8,)), None)
        names = record[1] if record else Refused("there is no line", "")
        if isinstance(names, Refused):
            rule = f"has no header that can be read: {names.rule}"
            raise lines.fault or FileFaultError(rule, "name the columns in the first line")
        self._width = len(names)
        # A header in another encoding is mostly one that a spreadsheet of Windows saved.
        self.names = tuple(recoded(name, "cp1252") for name in names)

    @property
    def received_bytes(self) -> int:
        """How far the file was read."""
        return self._lines.received_bytes

    def miscounted(self, found: int) -> Refused:
        """Why a record of another number of fields is refused."""
        rule = f"{found} fields, where the header has {self._width}"
        return Refused(rule, "quote fields that contain the delimiter or a line break, and keep empty ones")

    def records(self, readable: Collection[tuple[str, str]] = ()) -> Iterator[tuple[int, list[str] | Refused]]:
        """(first line, fields) of every record that is not blank, from where the lines stand.

        readable  marks of lines that do not refuse their record: their text is handed out as it came
        """
        lines = self._lines
        while True:
            reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
            lines.held.clear()
            first = lines.number + 1
            try:
                for fields in reader:
                    marked = lines.mark_in(first, lines.number) if lines.marked else None
                    if marked in readable:
                        lines.forget(lines.number)
                    elif marked:
                        yield first, self._give_up(first, Refused(*marked))
                        break
                    if self._width and len(fields) != self._width and len(lines.held) > 1:
                        yield first, self._give_up(first, self.miscounted(len(fields)))
                        break
                    if fields:
                        yield first, fields
                    lines.held.clear()
                    first = lines.number + 1
                else:
                    return
            except RecordTooLongError:
                refused = Refused("a quote opens here and is not closed for very long", _QUOTES)
                yield first, self._give_up(first, refused)
            except csv.Error as error:
                marked = lines.mark_in(first, first)
                yield first, self._give_up(first, Refused(*marked) if marked else _csv_fault(str(error)))

    def _give_up(self, first: int, refused: Refused) -> Refused:
        """Refuses the record that starts at `first`; the lines after it are read again."""
        self._lines.forget(first)
        self._lines.rewind()
        return refused


class CsvRows:
    """The rows of one CSV file that has canonical columns; `header` says which, the rows come in batches."""

    def __init__(
        self,
        records: CsvRecords,
        mapping: Mapping[str, str],
        columns: Sequence[str] = COLUMNS,
        needed: Sequence[str] = NEEDED,
    ) -> None:
        self._records = records
        self.header: Header = read_header(records.names, mapping, columns, needed)

    def batches(self) -> Iterator[Batch]:
        """Every row after the header, once."""
        names = tuple(self.header.positions)
        positions = tuple(self.header.positions.values())
        choose = itemgetter(*positions) if len(positions) > 1 else lambda record: (record[positions[0]],)
        batch = Batch(names)
        for line, record in self._records.records():
            if isinstance(record, Refused):
                batch.refuse(line, record)
            elif len(record) != len(self._records.names):
                batch.refuse(line, self._records.miscounted(len(record)))
            else:
                batch.lines.append(line)
                batch.rows.append(choose(record))
            if batch.is_full(self._records.received_bytes):
                yield batch
                batch = Batch(names, received_before=self._records.received_bytes)
        yield batch


def _first_line(lines: Lines) -> str:
    """The first line that is not blank, which stays to be read; blank ones before it do not."""
    for line in lines:
        if line.strip():
            lines.rewind(kept=0)
            return line
        lines.held.clear()
    return ""


def _csv_fault(message: str) -> Refused:
    if "field larger than" in message:
        return Refused("a field is longer than 131,072 characters", "shorten it, or leave its column out")
    if "unexpected end" in message:
        return Refused("a quote opens here and is never closed", _QUOTES)
    if "expected after" in message:
        return Refused("text follows a closing quote", _QUOTES)
    if "new-line" in message:
        return Refused("a line break stands inside a field without quotes", "quote the field")
    return Refused(f"this is not CSV: {message}", "correct the line")


def recoded(field: str, encoding: str) -> str:
    """A field of a line that is not UTF-8, in the encoding it was written in; any other as it is."""
    if field.isascii():
        return field
    raw = field.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode(encoding, "replace")
