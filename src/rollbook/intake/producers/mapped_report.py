"""Reports that a mapping file describes: one row for each learner and course, with the dates of what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from rollbook.intake.batches import Refused
from rollbook.intake.gate import EXACT_MAX, is_absent
from rollbook.intake.producers.producer import CSV, Convert, Producer, Reading, Row
from rollbook.intake.report_mapping import UNIX, MappedFact, ReportMapping, TimeFormat
from rollbook.intake.streams import FileFaultError
from rollbook.intake.times import shown
from rollbook.intake.vocabulary import Meaning

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Value = Callable[[str], object]
"""What a row has in a column, by the name the mapping gives it."""


class MappedReport(Producer):
    """A report as its mapping describes it."""

    def __init__(self, mapping: ReportMapping) -> None:
        self.mapping = mapping
        self.name, self.title, self.kind = mapping.name, mapping.title, mapping.kind
        self.envelopes = mapping.envelopes
        self._marks = {name.casefold() for name in mapping.recognised_by}
        self._facts = tuple(zip(_labels(mapping.facts), mapping.facts, strict=True))

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """Whether every column is there that the mapping wants to see."""
        return self._marks <= {name.strip().casefold() for name in sample}

    def meanings(self) -> Mapping[str, Meaning]:
        """What the values of an event column mean, and what a time stands for by the name of its column.

        Where several facts have one time, each is called by its type too: `Date/course.started`.
        """
        dated = {label: Meaning(fact.type, fact.role, fact.mode) for label, fact in self._facts if fact.type}
        return {**dated, **self.mapping.events}

    def converter(self, reading: Reading) -> Convert:
        """What makes a fact of each time in a row. Raises FileFaultError where the header lacks what decides."""
        named = _folded(reading.columns)
        if self.kind == CSV:
            self._check(named)

        def convert(row: Mapping[str, Any]) -> tuple[Row | Refused, ...]:
            names = named if self.kind == CSV else _folded(row)
            return tuple(self._made(lambda name: row.get(names.get(name.casefold(), name)), names, reading))

        return convert

    def _check(self, names: Mapping[str, str]) -> None:
        """A column that says who is staff, or whether something happened at all, cannot be left out in silence."""
        missing = next((name for name in self._deciding() if name.casefold() not in names), None)
        if missing:
            rule = f'has no column "{missing}", by which the mapping {self.name} decides what a row is'
            raise FileFaultError(rule, "export it with this column, or give a mapping of your own that does not ask it")

    def _deciding(self, facts: tuple[MappedFact, ...] | None = None) -> Iterator[str]:
        """The columns that decide who the learner is, and what happened."""
        if self.mapping.role_column:
            yield self.mapping.role_column
        for fact in self.mapping.facts if facts is None else facts:
            yield from (name for name in (fact.event, fact.column) if name)

    def _made(self, value: Value, names: Mapping[str, str], reading: Reading) -> Iterator[Row | Refused]:
        mapping = self.mapping
        learner = _first(value, mapping.learner)
        if not learner:
            yield Refused(f"nobody is named by {' or '.join(mapping.learner)}", "export one of these columns")
            return
        odd = [it.time for it in mapping.facts if isinstance(value(it.time), Mapping | list)]
        if odd:
            yield Refused(f"{odd[0]} is an object or a list, where a time is needed", "export it as one text")
            return
        dated = [(label, it, at) for label, it in self._facts if (at := self._time(value(it.time))) is not None]
        if not dated:
            times = ", ".join(dict.fromkeys(fact.time for fact in mapping.facts))
            yield Refused("nothing in the row is dated, so it shows nothing at any time", f"export it with {times}")
            return
        absent = next(
            (it for it in self._deciding(tuple(it for _, it, _ in dated)) if it.casefold() not in names), None
        )
        if absent:
            yield Refused(
                f"{absent} is missing, by which the mapping decides what the row is", "export it in every row"
            )
            return
        role = self._role(value)
        if isinstance(role, Refused):
            yield role
            return
        id_ = _first(value, mapping.id)
        for label, fact, at in dated:
            meaning = _meaning(label, fact, value, reading)
            yield {
                "id": f"{id_}/{label}" if id_ and len(mapping.facts) > 1 else id_,
                "occurred_at": at,
                "learner": learner,
                "type": meaning.type,
                "role": meaning.role or fact.role or role,
                "mode": meaning.mode or fact.mode,
                "organisation": _first(value, mapping.organisation),
                "object": _first(value, mapping.object),
                "source": mapping.source,
            }

    def _role(self, value: Value) -> str | Refused:
        """The role that a row states; empty where its column is."""
        if not self.mapping.role_column:
            return ""
        written = value(self.mapping.role_column)
        text = _word(written)
        role = self.mapping.roles.get(text.casefold(), "") if text else ""
        if role or is_absent(written):
            return role
        rule = f"{self.mapping.role_column} is {shown(text or written)}, which the mapping does not know"
        return Refused(rule, "name it in a mapping of your own, under roles.values")

    def _time(self, value: object) -> object:
        """A time as the gate reads it; None where there is none."""
        if is_absent(value) or (isinstance(value, str) and value.strip() in self.mapping.empty):
            return None
        text = _word(value)
        for format_ in self.mapping.formats if text else ():
            at = _read(text, format_)
            if at:
                return at
        return text or value


def _read(text: str, format_: TimeFormat) -> str:
    """A time in a stated format as ISO 8601; empty where it is written otherwise."""
    try:
        if format_.text == UNIX:
            return (_EPOCH + timedelta(seconds=float(text))).isoformat()
        at = datetime.strptime(text, format_.text)  # noqa: DTZ007 - without an offset the zone is for the gate
    except (ValueError, OverflowError):
        return ""
    return (at.replace(tzinfo=UTC) if format_.is_utc and at.tzinfo is None else at).isoformat()


def _labels(facts: tuple[MappedFact, ...]) -> Iterator[str]:
    """What each fact of a row is called: by its time, where several have it by their type too, and by number."""
    times = [fact.time.casefold() for fact in facts]
    seen: dict[str, int] = {}
    for fact in facts:
        alone = times.count(fact.time.casefold()) == 1
        label = fact.time if alone else f"{fact.time}/{fact.type or fact.event}"
        seen[label] = seen.get(label, 0) + 1
        yield label if seen[label] == 1 else f"{label}/{seen[label]}"


def _folded(names: Iterable[str]) -> dict[str, str]:
    """Names as they are compared → as they are written; of several the first."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.strip().casefold(), name)
    return found


def _meaning(label: str, fact: MappedFact, value: Value, reading: Reading) -> Meaning:
    if fact.event:
        return reading.vocabulary[_word(value(fact.event))]
    if fact.values and _word(value(fact.column)).casefold() not in fact.values:
        return Meaning(fact.otherwise)
    return reading.vocabulary[label]


def _first(value: Value, columns: tuple[str, ...]) -> str:
    """What the first of the columns that holds something holds."""
    return next((word for name in columns if (word := _word(value(name)))), "")


def _word(value: object) -> str:
    """A value as text. Whole numbers are their digits, however they are written: 17.0 is 17."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT_MAX:
        return str(int(value))
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
