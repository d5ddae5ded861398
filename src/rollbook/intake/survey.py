"""What is in some exports: whose they are, what happens, who is named and how, and what looks wrong with clocks.

A survey says what it saw. It changes nothing and rejects nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollbook.intake.producers import named_types
from rollbook.intake.store import FactStore
from rollbook.model.fact import TYPES
from rollbook.model.instants import DAY_US, iso
from rollbook.model.keys import nearest

MINUTE_US = 60 * 10**6

IDENTITIES: Mapping[str, str] = {
    "e-mail": "^[^@ ]+@[^@ ]+\\.[^@ ]+$",
    "UUID": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    "number": "^[0-9]+$",
    "address": "^[a-z]+://",
    "digest": "^[0-9a-f]{32,128}$",
    "name with blanks": " ",
}
"""Kinds of learner ids by pattern, the first that fits; all others are names of accounts."""

OTHER = "account name"


@dataclass(frozen=True, slots=True, order=True)
class TypeSeen:
    """How many facts of one type in one role there are; whether the type is known, or what it may have meant."""

    type: str
    role: str
    facts: int
    hint: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What was seen.

    producers   whose export each input is, by its name; canonical ones are absent
    types       types by role, the most frequent first
    identities  learner ids by kind: how many different ones, and one of them
    learners    different learner ids in all
    clocks      what looks wrong with times, in words
    """

    producers: Mapping[str, str]
    types: tuple[TypeSeen, ...]
    identities: Mapping[str, tuple[int, str]]
    learners: int
    clocks: tuple[str, ...]

    @property
    def names_of_types(self) -> frozenset[str]:
        """Every type that occurs."""
        return frozenset(seen.type for seen in self.types)


def survey(store: FactStore, now_us: int) -> Survey:
    """Looks at everything in a store. `now_us` tells what lies in the future."""
    rows = store.connection.execute(
        "select type, role, count(*) from facts group by type, role order by count(*) desc, type, role limit 1000"
    ).fetchall()
    types = tuple(TypeSeen(type_, role, count, _hint(type_)) for type_, role, count in rows)
    identities = _identities(store)
    return Survey(
        producers=store.producers,
        types=types,
        identities=identities,
        learners=sum(count for count, _ in identities.values()),
        clocks=tuple(_clocks(store, now_us)),
    )


def _hint(type_: str) -> str:
    return "" if type_ in TYPES or type_ in named_types() else "not known" + nearest(type_, TYPES)


def _identities(store: FactStore) -> dict[str, tuple[int, str]]:
    kinds = " ".join(f"when regexp_matches(learner, '{pattern}') then '{kind}'" for kind, pattern in IDENTITIES.items())
    rows = store.connection.execute(
        f"""select case {kinds} else '{OTHER}' end as kind, count(*), min(learner)
            from (select distinct learner from facts where learner <> '') group by kind order by count(*) desc, kind"""
    ).fetchall()
    return {kind: (count, example) for kind, count, example in rows}


def _clocks(store: FactStore, now_us: int) -> list[str]:
    """Times that no clock would show by itself."""
    [(facts, future, last_us, midnight, minute, backwards)] = store.connection.execute(
        f"""select count(*), count(*) filter (at_us > {now_us}), max(at_us),
                   count(*) filter (at_us % {DAY_US} = 0), count(*) filter (at_us % {MINUTE_US} = 0),
                   count(*) filter (recorded_us < at_us)
            from facts"""
    ).fetchall()
    found = []
    if future:
        found.append(f"{future:,} facts lie in the future, up to {iso(last_us)}: a clock or a zone is wrong")
    if facts and midnight == facts:
        found.append("every fact is at midnight UTC: the export knows days only, and a day may be the wrong one")
    elif facts > 1 and minute == facts:
        found.append("every fact is at a whole minute: what happened within a minute has no order")
    if backwards:
        found.append(f"{backwards:,} facts were recorded before they happened: two clocks differ")
    return found
