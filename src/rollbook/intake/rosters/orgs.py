"""The organisations of OneRoster as groups: what lies below the organisation whose learner somebody is.

A user lists organisations. One of them is theirs; those of the others that lie below it, such as its departments, are
groups in which they are, each by the names on the way down to it. What lies above an organisation, or beside it, says
nothing of groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rollbook.intake.times import shown
from rollbook.model.groups import DEPTH_MAX, Fault, Group, read_path, settled, written

DEPARTMENT = "department"
"""The type of what is always part of something."""


@dataclass(slots=True)
class Orgs:
    """Who lies below whom, by sourcedId; take all of them, then ask."""

    _names: dict[str, str] = field(default_factory=dict)
    _parents: dict[str, str] = field(default_factory=dict)
    _departments: bool = False
    _found: bool = False
    _spoilt: bool = False

    @property
    def are_groups(self) -> bool:
        """Whether there are groups, and all that was said of them could be used: nobody is moved by a mistake."""
        return (self._departments or self._found) and not self._spoilt

    def take(self, id_: str, name: str, type_: str, parent: str) -> None:
        """One organisation."""
        self._names[id_] = name or id_
        if parent:
            self._parents[id_] = parent
        self._departments = self._departments or type_.casefold() == DEPARTMENT

    def faults(self, rejected: int) -> Iterator[Fault]:
        """What makes groups unusable: ask once, after all are taken.

        rejected  how many rows could not be taken
        """
        if rejected:
            yield self._spoil(f"{rejected:,} organisations could not be read", "correct their rows")
        for id_, name in self._names.items():
            for rule, remedy in read_path(written((name,)))[1]:
                yield self._spoil(f"{shown(id_)}: {rule}", remedy)
        for id_ in self._parents:
            above = self._above(id_)
            if len(above) > DEPTH_MAX:
                rule = f"{shown(id_)} lies in a circle, or more than {DEPTH_MAX} levels below another"
                yield self._spoil(rule, "correct parentSourcedId")
                return

    def groups(self, organisation: str, listed: Iterable[str]) -> tuple[Group, ...]:
        """The groups in which somebody is, by the organisations that they list; none where they cannot be used."""
        if self._spoilt:
            return ()
        found = []
        for id_ in listed:
            above = self._above(id_)
            if organisation in above:
                path = [id_, *above[: above.index(organisation)]]
                found.append(tuple(read_path(written((self._names[it],)))[0][0] for it in reversed(path)))
        self._found = self._found or bool(found)
        return settled(found)

    def _above(self, id_: str) -> list[str]:
        """Those above one, the next first; of a circle, and of what is too deep, more than `DEPTH_MAX`."""
        above: list[str] = []
        while id_ in self._names and (parent := self._parents.get(id_)) and len(above) <= DEPTH_MAX:
            above.append(parent)
            id_ = parent
        return above

    def _spoil(self, rule: str, remedy: str) -> Fault:
        self._spoilt = True
        return (f"groups are left as they are: {rule}", remedy)
