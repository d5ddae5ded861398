"""Reports that a mapping file describes: one row for each learner and course, with the dates of what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from rollbook.intake.batches import Refused
from rollbook.intake.gate import is_absent
from rollbook.intake.producers.producer import Convert, Producer, Reading, Row
from rollbook.intake.report_mapping import UNIX, MappedFact, ReportMapping
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

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """Whether every column is there that the mapping wants to see."""
        return self._marks <= {name.strip().casefold() for name in sample}

    def meanings(self) -> Mapping[str, Meaning]:
        """What the values of an event column mean, and what a time stands for by the name of its column."""
        dated = {fact.time: Meaning(fact.type, fact.role, fact.mode) for fact in self.mapping.facts if fact.type}
        return {**dated, **self.mapping.events}

    def converter(self, reading: Reading) -> Convert:
        """What makes a fact of each time in a row."""
        names = {name.strip().casefold(): name for name in reading.columns}

        def convert(row: Mapping[str, Any]) -> tuple[Row | Refused, ...]:
            return tuple(self._made(lambda name: row.get(names.get(name.casefold(), name)), reading))

        return convert

    def _made(self, value: Value, reading: Reading) -> Iterator[Row | Refused]:
        mapping = self.mapping
        learner = _first(value, mapping.learner)
        if not learner:
            yield Refused(f"nobody is named by {' or '.join(mapping.learner)}", "export one of these columns")
            return
        role = ""
        if mapping.role_column:
            written = _word(value(mapping.role_column))
            role = mapping.roles.get(written.casefold(), "") if written else ""
            if written and not role:
                rule = f"{mapping.role_column} is {shown(written)}, which the mapping does not know"
                yield Refused(rule, "name it in a mapping of your own, under roles.values")
                return
        odd = [it.time for it in mapping.facts if isinstance(value(it.time), Mapping | list)]
        if odd:
            yield Refused(f"{odd[0]} is an object or a list, where a time is needed", "export it as one text")
            return
        dated = [(fact, at) for fact in mapping.facts if (at := self._time(value(fact.time))) is not None]
        if not dated:
            times = ", ".join(dict.fromkeys(fact.time for fact in mapping.facts))
            yield Refused("nothing in the row is dated, so it shows nothing at any time", f"export it with {times}")
        id_ = _first(value, mapping.id)
        for fact, at in dated:
            meaning = _meaning(fact, value, reading)
            yield {
                "id": f"{id_}/{fact.time}" if id_ and len(mapping.facts) > 1 else id_,
                "occurred_at": at,
                "learner": learner,
                "type": meaning.type,
                "role": meaning.role or fact.role or role,
                "mode": meaning.mode or fact.mode,
                "organisation": _first(value, mapping.organisation),
                "object": _first(value, mapping.object),
                "source": mapping.source,
            }

    def _time(self, value: object) -> object:
        """A time as the gate reads it; None where there is none."""
        if is_absent(value) or (isinstance(value, str) and value.strip() in self.mapping.empty):
            return None
        text = _word(value)
        for format_ in self.mapping.formats if text else ():
            try:
                if format_ == UNIX:
                    return (_EPOCH + timedelta(seconds=float(text))).isoformat()
                return datetime.strptime(text, format_).isoformat()  # noqa: DTZ007 - the zone is for the gate
            except (ValueError, OverflowError):
                continue
        return text or value


def _meaning(fact: MappedFact, value: Value, reading: Reading) -> Meaning:
    if fact.event:
        return reading.vocabulary[_word(value(fact.event))]
    if fact.values and _word(value(fact.column)).casefold() not in fact.values:
        return Meaning(fact.otherwise)
    return reading.vocabulary[fact.time]


def _first(value: Value, columns: tuple[str, ...]) -> str:
    """What the first of the columns that holds something holds."""
    return next((word for name in columns if (word := _word(value(name)))), "")


def _word(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
