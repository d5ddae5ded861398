"""In which groups learners are: what was told last of each, until something else is told.

1. `account.created` and `account.changed` tell all groups of a learner at once, in `attributes`; a fact that says
   nothing of groups leaves them as they are, and so does an account that is deleted: a learner who comes back is
   where they were;
2. of several at one instant the last by source and id holds;
3. from a link on the survivor is where they were told to be; where nobody told, where the id was that is given up;
4. before the first telling the first telling holds (`placed`): a roster that begins in the middle of a month finds
   people where they were, and says so late.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from rollbook.metering.identities import Link, unit_at
from rollbook.model.fact import Fact
from rollbook.model.groups import Group, told
from rollbook.model.roster import LearnerKey
from rollbook.roster.statuses import ACCOUNT_CHANGED, CREATED, ROLES, said_in

TELLING = (CREATED, ACCOUNT_CHANGED)
"""What tells groups."""

Groups: TypeAlias = tuple[Group, ...]

Line: TypeAlias = Sequence[tuple[int, Groups]]
"""What holds from which instant on, UTC microseconds that rise."""


@lru_cache(maxsize=4096)
def groups_in(attributes: str) -> Groups | None:
    """The groups that the attributes of a telling fact tell; None where they say nothing of groups."""
    return told(said_in(attributes).get("groups"))


def groups_of(fact: Fact) -> Groups | None:
    """The groups that a fact tells; None where it tells none."""
    if fact.type not in TELLING or fact.role not in ROLES or not fact.learner:
        return None
    return groups_in(fact.attributes)


def pass_on(held: dict[LearnerKey, Groups], organisation: str, given_up: str, survivor: str) -> bool:
    """What a link does to what holds. Gives whether the survivor is elsewhere now."""
    passed = held.pop((organisation, given_up), None)
    if passed is None or (organisation, survivor) in held:
        return False
    held[organisation, survivor] = passed
    return True


def lines(facts: Iterable[Fact], links: Mapping[str, Mapping[str, Link]]) -> Mapping[LearnerKey, Line]:
    """Of each learner what held when: the history of what `rollbook.roster.view` has at one instant.

    facts  that stand, in any order
    links  those in force, by organisation and the id given up
    """
    happened: list[tuple[int, bool, tuple[bytes, bytes], str, str, Groups | None]] = [
        (link.at_us, False, link.evidence, organisation, given_up, None)
        for organisation, found in links.items()
        for given_up, link in found.items()
    ]
    happened.extend(
        (fact.at_us, True, fact.rank[1:], fact.organisation, fact.learner, groups)
        for fact in facts
        if (groups := groups_of(fact)) is not None
    )
    happened.sort(key=lambda it: it[:3])
    held: dict[LearnerKey, Groups] = {}
    found_lines: dict[LearnerKey, list[tuple[int, Groups]]] = {}
    for at_us, _, _, organisation, learner, groups in happened:
        key = (organisation, unit_at(links.get(organisation, {}), learner, at_us))
        if groups is not None:
            held[key] = groups
        elif not pass_on(held, organisation, learner, key[1]):
            continue
        line = found_lines.setdefault(key, [])
        if line and line[-1][0] == at_us:
            line.pop()
        line.append((at_us, held[key]))
    return found_lines


def placed(line: Line, at_us: int) -> Groups:
    """The groups that hold at an instant, with what is told at it."""
    if not line:
        return ()
    return line[max(bisect_right(line, at_us, key=lambda it: it[0]) - 1, 0)][1]
