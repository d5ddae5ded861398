"""One object that was parsed already, through the same reading as files: an item in, facts or problems out.

    read = ItemReader("xapi").read
    facts, problems = read(statement, place="statement 1")

For whoever receives events one by one. A file of the same items gives the same facts; only what needs to see them all
is missing here: repeats and conflicts, and an id for facts that have none (theirs stays empty).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rollbook.errors import Problem, UsageError
from rollbook.intake.batches import Refused
from rollbook.intake.gate import Gate
from rollbook.intake.ndjson_rows import ObjectRows
from rollbook.intake.options import ReadOptions
from rollbook.intake.produced import converted
from rollbook.intake.producers import CANONICAL, find_producer
from rollbook.intake.producers.producer import JSON
from rollbook.intake.readings import reading_of
from rollbook.intake.vocabulary import vocabulary
from rollbook.model.fact import COLUMNS, Fact

_NO_OBJECT = Refused("the item is no JSON object", "send an object, or a list of objects")


class Made(NamedTuple):
    """What became of an item: facts, and everything that is wrong with it. One of the two is never empty."""

    facts: tuple[Fact, ...]
    problems: tuple[Problem, ...]


class ItemReader:
    """Reads the items of one producer, `canonical` for facts in canonical columns. It may be kept and called for ever.

    options  as for files; of them the vocabularies, the zone, the order of days, the tables and the mapping count

    Raises UsageError for a producer that is not known, or whose exports are no JSON.
    """

    def __init__(self, producer: str, options: ReadOptions | None = None) -> None:
        options = options or ReadOptions()
        self._gate = Gate(options)
        self._rows = ObjectRows(options.mapping)
        self._producer = None if producer == CANONICAL else find_producer(producer, JSON)
        self._said = vocabulary("", options.vocabularies).own
        self._convert = None
        if self._producer is not None:
            if self._producer.kind != JSON:
                rule = f"{self._producer.title} is no JSON, so it has no items"
                raise UsageError(Problem(f"--input {producer}", rule, "read it from a file"))
            self._convert = self._producer.converter(reading_of(options, self._producer))

    def read(self, item: object, place: str = "item 1") -> Made:
        """The facts of one item: a statement, an event, or a fact in canonical columns. Never raises for an item."""
        facts: list[Fact] = []
        problems: list[Problem] = []
        for row in self._made(item):
            if isinstance(row, Refused):
                problems.append(Problem(place, row.rule, row.remedy))
                continue
            read = self._gate.read(place, row)
            if isinstance(read, Fact):
                facts.append(self._meant(read))
            else:
                problems.extend(read)
        return Made(tuple(facts), tuple(problems))

    def items(self, document: object) -> Iterator[object]:
        """The items of a document that was parsed: of a list, of an envelope or a result page, or the document itself.

        An object that wraps a list and is an item too comes after the items of its list.
        """
        for whole in document if isinstance(document, list) else (document,):
            yield from self._unwrapped(whole)

    def _unwrapped(self, whole: object) -> Iterator[object]:
        envelopes = self._producer.envelopes if self._producer else ()
        wrapped = [key for key in envelopes if isinstance(whole, dict) and isinstance(whole.get(key), list)]
        if self._producer is None or not isinstance(whole, dict) or not wrapped:
            yield whole
            return
        for key in whole:
            if key in wrapped:
                yield from whole[key]
        rest = {key: value for key, value in whole.items() if key not in wrapped}
        if self._producer.recognises(rest):
            yield rest

    def _made(self, item: object) -> Sequence[Mapping[str, Any] | Refused]:
        if not isinstance(item, dict):
            return (_NO_OBJECT,)
        if self._convert is not None:
            return tuple(converted(item, self._convert))
        row = self._rows.row(item)
        return (dict(zip(COLUMNS, row, strict=True)) if isinstance(row, tuple) else row,)

    def _meant(self, fact: Fact) -> Fact:
        """A canonical fact, as the caller's vocabulary calls its type."""
        meaning = None if self._producer else self._said.get(fact.type)
        if meaning is None:
            return fact
        return fact.replace(type=meaning.type, role=meaning.role or fact.role, mode=meaning.mode or fact.mode)
