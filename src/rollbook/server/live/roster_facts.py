"""The status facts that a roster follows from: of some people, of a whole organisation, and who has any of a course.

They lie apart from deeds, which are many: in PostgreSQL in a partition of their own (`fact_status`), in SQLite under
their own part of the index of learners. So what somebody did, however much, costs a roster nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from rollbook.metering.steps import quoted_list
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.instants import LATEST_US
from rollbook.model.roster import LearnerKey, object_of
from rollbook.roster.view import ENROLMENT, KINDS, standing
from rollbook.server.live import clusters, driver

COURSE_LENGTH_MAX = 4096
"""No course is called longer: some databases cannot look for very long texts."""

PEOPLE_TOGETHER = 500
"""People who are asked for in one question."""

FACTS_MAX = 500_000
"""Status facts that are read for one question: some 500 MB."""

_COLUMNS = ("id", "at_us", "type", "learner", "organisation", "role", "object", "source", "voids", "attributes")
_TYPES = quoted_list((*KINDS, LINKED))
_OF_COURSES = quoted_list([name for name, kind in KINDS.items() if kind == ENROLMENT])


@dataclass(frozen=True, slots=True)
class Read:
    """Facts with what takes them back, unique by (source, id) within an organisation.

    are_all  whether there are no more than `most` of them
    """

    facts: Sequence[Fact]
    are_all: bool
    most: int


def of_people(organisations: Sequence[str], surrogates: Collection[str]) -> Read:
    """Those of some people and of whoever was ever linked to them."""
    if not organisations or not surrogates:
        return Read((), are_all=True, most=FACTS_MAX)
    everybody = sorted(clusters.ever_linked(organisations, surrogates))
    own, void = _OF_PEOPLE[driver.on_postgresql()]
    given = {"learners": _given(everybody), "organisations": _given(organisations), "most": FACTS_MAX + 1}
    return _read(own, void, given, FACTS_MAX)


def of_organisation(organisation: str, most: int = FACTS_MAX) -> Read:
    """All those of an organisation."""
    where = "status = true and organisation = {organisation} and type"
    own = f"select {', '.join(_COLUMNS)} from fact where {where} in ({_TYPES}) limit {{most}}"
    void = f"select {', '.join(_COLUMNS)} from fact where {where} = '{VOIDED}' limit {{most}}"
    return _read(_placed(own), _placed(void), {"organisation": organisation, "most": most + 1}, most)


def said_since(learners: Collection[LearnerKey], at_us: int) -> set[tuple[str, str, str, str]]:
    """(kind, organisation, surrogate, object) of the statuses of learners that stand and are later than an instant.

    Accounts and enrolments are the kinds, by `rollbook.roster.view.KINDS`.
    """
    sql = _placed(
        f"""select distinct learner from fact
            where status = true and organisation = {{organisation}} and learner {_among("learners")}
              and at_us > {{at_us}} and type in ({quoted_list(tuple(KINDS))})"""
    )
    people: dict[str, list[str]] = defaultdict(list)
    for organisation, learner in learners:
        people[organisation].append(learner)
    found: set[tuple[str, str, str, str]] = set()
    for organisation, them in people.items():
        for first in range(0, len(them), PEOPLE_TOGETHER):
            some = _given(them[first : first + PEOPLE_TOGETHER])
            acted = [it for (it,) in _rows(sql, {"organisation": organisation, "learners": some, "at_us": at_us})]
            facts = standing(of_people([organisation], acted).facts, LATEST_US) if acted else ()
            found |= {
                (KINDS[it.type], it.organisation, it.learner, it.object)
                for it in facts
                if it.at_us > at_us and it.type in KINDS
            }
    return found


def learners_of(organisation: str, most: int) -> list[str]:
    """The surrogates of an organisation that have any, at most so many and one more."""
    sql = f"""select distinct learner from fact
              where status = true and organisation = {{organisation}} and type in ({_TYPES}) limit {{most}}"""
    return [it for (it,) in _rows(_placed(sql), {"organisation": organisation, "most": most + 1})]


def of_course(organisations: Sequence[str], course: str) -> set[str]:
    """Surrogates of whoever may be enrolled in a course, and of those linked to them: some of them may not be.

    An enrolment without an id of its own is called as its course; what others belong to stands in their attributes,
    as JSON, in which letters may be written by their numbers. Where nobody told the course, it is called as the
    enrolment.
    """
    if len(course) > COURSE_LENGTH_MAX:
        return set()
    name = object_of(course)
    sql = f"""
        select distinct learner from fact
        where status = true and organisation {_among("organisations")} and type in ({_OF_COURSES})
          and (object = {{name}} or object = {{course}} or substr(object, 1, {{length}}) = {{units}}
               or attributes like {{within}} escape '!' or attributes like '%%\\u%%' escape '!')
        """
    if not driver.on_postgresql():
        sql = sql.replace("%%", "%")
    units, written = f"{name}|", json.dumps(course, ensure_ascii=False)
    for mark in "!%_":
        written = written.replace(mark, f"!{mark}")
    written = written.replace("/", "%")  # JSON may have a backslash before it
    given = {
        "organisations": _given(organisations),
        "name": name,
        "course": course,
        "units": units,
        "length": len(units),
        "within": f"%{written}%",
    }
    found = {it for (it,) in _rows(_placed(sql), given) if it}
    return found | clusters.ever_linked(organisations, found) if found else found


def _read(own: str, void: str, given: dict[str, Any], most: int) -> Read:
    rows = _rows(own, given)
    are_all = len(rows) <= most
    # Voids are few, and looked for only where there are any.
    voids = _rows(void, given) if rows and are_all else []
    facts = [Fact(**dict(zip(_COLUMNS, row, strict=True))) for row in (*rows, *voids)]
    return Read(list({(it.organisation, *it.key): it for it in facts}.values()), are_all, most)


def _rows(sql: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    with driver.own_cursor() as cursor:
        return list(cursor.execute(sql, given).fetchall())


def _given(texts: Collection[str]) -> Any:
    """Texts as a parameter: an array, or its JSON."""
    return list(texts) if driver.on_postgresql() else json.dumps(list(texts), ensure_ascii=False)


def _among(name: str) -> str:
    return f"= any({{{name}}})" if driver.on_postgresql() else f"in (select value from json_each({{{name}}}))"


class _Places(dict[str, str]):
    """How a driver writes a parameter."""

    def __missing__(self, name: str) -> str:
        return f"%({name})s" if driver.on_postgresql() else f":{name}"


def _placed(sql: str) -> str:
    return sql.format_map(_Places())


def _columns(relation: str) -> str:
    return ", ".join(f"{relation}.{name}" for name in _COLUMNS)


_TAKING_BACK = f"""void.status = true and void.type = '{VOIDED}' and void.organisation = target.organisation
                   and void.source = target.source and void.voids = target.id"""
_ASKED = "unnest(%(learners)s::text[]) as asked(learner)"
_OWN = f"""select * from fact where status = true and organisation = any(%(organisations)s)
           and learner = asked.learner collate "C" and type in ({_TYPES})"""
_WHERE = f"""fact.status = true and fact.organisation in (select value from json_each(:organisations))
             and fact.learner = asked.value and fact.type in ({_TYPES})"""

_OF_PEOPLE = {
    True: (
        f"select {_columns('fact')} from {_ASKED} cross join lateral ({_OWN} offset 0) as fact limit %(most)s",
        f"""select {_columns("void")} from {_ASKED} cross join lateral ({_OWN} offset 0) as target
            cross join lateral (select * from fact as void where {_TAKING_BACK} offset 0) as void
            where exists (select 1 from fact where status = true and type = '{VOIDED}'
                          and organisation = any(%(organisations)s))""",
    ),
    False: (
        f"""select {_columns("fact")} from json_each(:learners) as asked cross join fact where {_WHERE} limit :most""",
        f"""select {_columns("void")} from json_each(:learners) as asked cross join fact as target
            cross join fact as void where {_WHERE.replace("fact.", "target.")} and {_TAKING_BACK}
            and exists (select 1 from fact where status = true and type = '{VOIDED}'
                        and organisation in (select value from json_each(:organisations)))""",
    ),
}
"""The facts, and what takes them back; by whether it is PostgreSQL. Learner by learner, by the index of learners."""
