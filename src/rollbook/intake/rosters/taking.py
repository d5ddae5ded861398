"""What is taken of a roster, row by row: no row is lost, and nothing that says two things at once is believed.

A row ends in exactly one of `FATES`; `fates` adds up to the rows that were read. The same thing said twice is a
repeat. Of two rows that say different things of one enrolment neither is taken, whichever came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from rollbook.errors import Problem
from rollbook.intake.batches import Refused
from rollbook.intake.csv_rows import CsvRecords
from rollbook.intake.gate import text_of
from rollbook.intake.headers import Header, find_columns, read_header
from rollbook.intake.lines import Lines
from rollbook.intake.problems import Problems
from rollbook.intake.streams import FileFaultError, Source, Stream
from rollbook.intake.times import UnreadableTimeError, read_day, shown
from rollbook.model.roster import Enrolment, EnrolmentKey, LearnerKey, LearnerRecord

FILE_BYTES_MAX = 512 * 1024 * 1024
"""What is read of one file, unpacked. A roster of a million enrolments has a quarter of it."""

LINES_MAX = 4_000_000
"""Lines of one file, blank ones too: a small archive may unpack to nothing else, and each takes its microsecond."""

ROWS_MAX = 1_000_000
"""Rows of all files of a roster: they are held in memory, in about 700 bytes each."""

NAME_LENGTH_MAX = 1_000
"""Characters of a course or a unit: both stand together in one text of a fact, some of them twice as long."""

_DAYS_KEPT_MAX = 10_000
"""Texts of days of which it is remembered what they mean: a roster has few, in very many rows."""

TAKEN = "taken"
INFORMS = "informs"
OTHERS = "not learners"
REPEATED = "repeats"
BLANK = "blank"
REJECTED = "rejected"
FATES: Mapping[str, str] = {
    TAKEN: "stands in the roster: a learner, an enrolment, or both",
    INFORMS: "says what others mean: organisations, terms, courses, classes, roles",
    OTHERS: "is about somebody who teaches, manages or looks on",
    REPEATED: "says again what another row says",
    BLANK: "has nothing in any of its columns",
    REJECTED: "cannot be used as it stands: see the problems",
}
"""What may become of a row, in words."""

Row = Mapping[str, str]
"""The texts of a row by column; '' where there is none."""

_TOO_MANY = (f"the roster has more than {ROWS_MAX:,} rows", "read it organisation by organisation")
_TOO_LONG = (
    f"holds more than {FILE_BYTES_MAX:,} bytes or {LINES_MAX:,} lines when unpacked",
    "read it organisation by organisation",
)


class BoundedStream(Stream):
    """A stream of at most `FILE_BYTES_MAX` bytes and `LINES_MAX` lines, whatever a small archive may unpack to."""

    _lines = 0

    def block(self) -> bytes:
        """The next bytes. Raises FileFaultError where there are too many."""
        block = super().block()
        self._lines += max(block.count(b"\n"), block.count(b"\r"))
        if self.received_bytes > FILE_BYTES_MAX or self._lines > LINES_MAX:
            raise FileFaultError(*_TOO_LONG)
        return block


class Taking:
    """The roster as far as it was read, with its problems and the fate of each row."""

    def __init__(self, date_order: str | None) -> None:
        self.problems = Problems()
        self.fates: Counter[str] = Counter()
        self.learners: dict[LearnerKey, LearnerRecord] = {}
        self.enrolments: dict[EnrolmentKey, Enrolment] = {}
        self.organisations: set[str] = set()
        self._date_order = date_order
        self._days: dict[str, date] = {}
        self._places: dict[LearnerKey | EnrolmentKey, str] = {}
        self._contradicted: set[LearnerKey | EnrolmentKey] = set()

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return self.fates.total()

    @property
    def unbroken(self) -> bool:
        """Whether everything could be read: otherwise whoever seems to be missing may stand in what could not."""
        return not self.problems.files and not self.fates[REJECTED]

    def fault(self, name: str, rule: str, remedy: str) -> None:
        """A problem of a whole file, or of the rest of one."""
        self.problems.add_file(Problem(name, rule, remedy))

    def note(self, name: str, rule: str, remedy: str) -> None:
        """Something to know that is not wrong."""
        self.problems.note(Problem(name, rule, remedy))

    def reject(self, place: str, *faults: tuple[str, str]) -> None:
        """A row that cannot be used, with everything that is wrong with it."""
        self.fates[REJECTED] += 1
        for rule, remedy in faults:
            self.problems.add_row(Problem(place, rule, remedy))

    def table(
        self,
        source: Source,
        columns: Sequence[str],
        needed: Sequence[str],
        mapping: Mapping[str, str] | None = None,
    ) -> Iterator[tuple[str, Row]]:
        """(place, row) of every row of a file that can be read and is not blank; the others are dealt with.

        mapping  column → what it is called in the file; None where columns have one name only
        """
        try:
            stream = BoundedStream(source)
            try:
                if stream.kind != "csv":
                    raise FileFaultError(f"is {stream.kind}, not CSV", "export the roster as CSV")
                lines = Lines(stream)
                records = CsvRecords(lines, mapping or {}, columns)
                header = self._header(source.name, records.names, columns, needed, mapping)
                if header:
                    yield from self._records(source.name, records, header)
                if lines.fault:
                    raise FileFaultError(f"{lines.fault.rule}; read up to line {lines.number}", lines.fault.remedy)
            finally:
                stream.close()
        except FileFaultError as fault:
            self.fault(source.name, fault.rule, fault.remedy)

    def _header(
        self,
        name: str,
        names: Sequence[str],
        columns: Sequence[str],
        needed: Sequence[str],
        mapping: Mapping[str, str] | None,
    ) -> Header | None:
        """Which columns are which; None where rows cannot be read under it, which is said."""
        if mapping is not None:
            header = read_header(names, mapping, columns, needed)
        else:
            header = find_columns(names, {}, columns)
            missing = [column for column in needed if column not in header.positions]
            header.faults += [(f"there is no column {it}", "give it under this name") for it in missing]
        for rule, remedy in header.faults:
            self.fault(name, rule, remedy)
        for rule, remedy in header.notes:
            self.note(name, rule, remedy)
        return None if header.faults else header

    def _records(self, name: str, records: CsvRecords, header: Header) -> Iterator[tuple[str, Row]]:
        width, positions = len(records.names), header.positions
        for line, record in records.records():
            place = f"{name}:{line}"
            if self.rows >= ROWS_MAX:
                raise FileFaultError(f"{_TOO_MANY[0]}; read up to line {line - 1}", _TOO_MANY[1])
            if isinstance(record, Refused):
                self.reject(place, (record.rule, record.remedy))
            elif not any(cell and not cell.isspace() for cell in record):
                # Spreadsheets leave such rows behind what was deleted. They hide nobody.
                self.fates[BLANK] += 1
            elif len(record) != width:
                refused = records.miscounted(len(record))
                self.reject(place, (refused.rule, refused.remedy))
            else:
                faults: list[tuple[str, str]] = []
                row = {column: text_of(column, record[position], faults) for column, position in positions.items()}
                if faults:
                    self.reject(place, *faults)
                else:
                    yield place, row

    def day(self, row: Row, column: str, faults: list[tuple[str, str]]) -> date | None:
        """A whole day of a row; None where there is none, or none that can be read, which goes to `faults`."""
        text = row.get(column, "")
        if not text:
            return None
        if text in self._days:
            return self._days[text]
        try:
            day = read_day(text, self._date_order)
        except UnreadableTimeError as fault:
            faults.append((f"{column} {fault.rule}", fault.remedy))
            return None
        if len(self._days) < _DAYS_KEPT_MAX:
            self._days[text] = day
        return day

    def enrol(self, place: str, enrolment: Enrolment) -> None:
        """Takes an enrolment, unless another row says something else of it."""
        if max(len(enrolment.course), len(enrolment.unit)) > NAME_LENGTH_MAX:
            rule = f"course or unit has more than {NAME_LENGTH_MAX:,} characters"
            self.reject(place, (rule, "shorten it; a text this long is a broken export"))
            return
        if not self._contradicts(place, enrolment, self.enrolments.get(enrolment.key), "enrolment"):
            self.enrolments[enrolment.key] = enrolment
            self.organisations.add(enrolment.organisation)
        else:
            self.enrolments.pop(enrolment.key, None)

    def record(self, place: str, learner: LearnerRecord) -> None:
        """Takes a learner of whom a row of their own tells, unless another row says something else."""
        if not self._contradicts(place, learner, self.learners.get(learner.key), "learner"):
            self.learners[learner.key] = learner
            self.organisations.add(learner.organisation)
        else:
            self.learners.pop(learner.key, None)

    def _contradicts(
        self, place: str, new: Enrolment | LearnerRecord, known: Enrolment | LearnerRecord | None, what: str
    ) -> bool:
        """Whether what a row says contradicts another row; the fates of both are kept either way."""
        if new.key in self._contradicted:
            self.reject(place, _contradiction(what, new, self._places[new.key]))
            return True
        if known is None:
            self._places[new.key] = place
            self.fates[TAKEN] += 1
            return False
        if known == new:
            self.fates[REPEATED] += 1
            return False
        first = self._places[new.key]
        self._contradicted.add(new.key)
        self.fates[TAKEN] -= 1
        self.reject(first, _contradiction(what, known, place))
        self.reject(place, _contradiction(what, new, first))
        return True


def _contradiction(what: str, it: Enrolment | LearnerRecord, other: str) -> tuple[str, str]:
    named = it.object if isinstance(it, Enrolment) else it.learner
    rule = f"{other} says something else of the {what} {shown(named)}"
    return rule, "keep the row that is right; until then neither is taken"
