"""What people who did not count did in a window: which types, how often, from when to when, beside each reason.

`live.uncounted` says how many facts did not count for which reason. Here each reason is told with what was done, as far
as that is certain: where no other reason can be one of its types, and the numbers agree. Where they do not, as where
facts came meanwhile, the reason stands alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rollbook.metering import outcome
from rollbook.metering.steps import quoted_list
from rollbook.model.fact import CORRECTIONS
from rollbook.model.instants import from_us
from rollbook.model.plan import Meter, Plan
from rollbook.server.live import driver
from rollbook.server.pages import reading, reasons


@dataclass(frozen=True, slots=True)
class Deed:
    """Facts of one type: how many, the first and the last, in UTC microseconds."""

    type_: str
    facts: int
    first_us: int
    last_us: int


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason in words, and how many facts it is of; `what` and `when` are '' where they are not certain."""

    facts: int
    words: Any
    what: str = ""
    when: str = ""


def deeds(organisations: Sequence[str], learners: Sequence[int], start_us: int, until_us: int) -> dict[int, list[Deed]]:
    """What each learner did in a time, by the number of their row; of one page's learners, by the index of facts."""
    if not organisations or not learners:
        return {}
    sql = f"""
        select learner, type, count(*), min(at_us), max(at_us) from fact
        where organisation in ({_marks(organisations)}) and learner in ({_marks(learners)})
        and status in (true, false) and at_us >= %s and at_us < %s and type not in ({quoted_list(CORRECTIONS)})
        group by learner, type order by learner, min(at_us)"""
    parameters = [*organisations, *map(str, learners), start_us, until_us]
    found: dict[int, list[Deed]] = {}
    with driver.own_cursor() as cursor:
        cursor.execute(sql if driver.on_postgresql() else sql.replace("%s", "?"), parameters)
        for learner, *deed in cursor.fetchall():
            found.setdefault(int(learner), []).append(Deed(*deed))
    return found


def told(plan: Plan, zone: str, facts: Iterable[Mapping[str, Any]], done: Sequence[Deed]) -> list[Reason]:
    """Reasons with what was done. `facts` are (disposition, facts) of one learner, see `uncounted.not_counted`."""
    numbers: dict[str, int] = {}
    for it in facts:
        numbers[it["disposition"]] = numbers.get(it["disposition"], 0) + it["facts"]
    may = {it: _types(plan.meter, it, {deed.type_ for deed in done}) for it in numbers}
    said: list[Reason] = []
    for disposition, number in numbers.items():
        of = [it for it in done if it.type_ in may[disposition]]
        alone = not any(may[disposition] & may[it] for it in numbers if it != disposition)
        if alone and sum(it.facts for it in of) == number:
            said += [_reason(it, disposition, zone) for it in of]
        else:
            said.append(Reason(number, reasons.WORDS[disposition]))
    return said


def _types(meter: Meter, disposition: str, done: AbstractSet[str]) -> AbstractSet[str]:
    """Of what was done, the types of which a disposition can be."""
    states = [it for it in (meter.holds, meter.member_while) if it]
    on, off = ({type_ for it in states for type_ in getattr(it, name)} for name in ("on", "off"))
    counted = set(meter.holds.types if meter.holds else meter.counts)
    may = {outcome.OPENED: on, outcome.CLOSED: off, outcome.REDUNDANT: on | off}
    if disposition == outcome.TYPE:
        return done - counted - on - off
    return done & may.get(disposition, counted)


def _reason(it: Deed, disposition: str, zone: str) -> Reason:
    return Reason(it.facts, reasons.WORDS[disposition], reasons.happened(it.type_), when(it.first_us, it.last_us, zone))


def when(first_us: int, last_us: int, zone: str) -> str:
    """The moment, or from which day to which."""
    if first_us == last_us:
        return reading.moment(first_us, zone)
    first, last = (from_us(it).astimezone(ZoneInfo(zone)).date() for it in (first_us, last_us))
    return reading.between(first, last + timedelta(days=1))


def _marks(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))
