"""A roster says who is enrolled, from when to when, and who of them is enabled: at one instant, as a view of facts.

Nothing here is ever edited. A roster follows from status facts (`rollbook.roster.view`), and whatever is to be
different becomes further facts. What was so before we first saw it has no instant: it is unknown, not none (S-33).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

from rollbook.model.groups import Group

LearnerKey: TypeAlias = tuple[str, str]
"""(organisation, learner)."""

EnrolmentKey: TypeAlias = tuple[str, str, str]
"""(organisation, learner, object)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A learner given access to a course or to a unit of one.

    object    what its facts name: the enrolment's own id where the export has one, else `object_of(course, unit)`
    unit      '' for the course as a whole
    start     the first whole local day of it; None where not stated
    end       the first local day no longer in it (windows include their start and exclude their end); None where
              not stated
    enabled   whether it can be learnt with. A new one is not, and costs nothing (W-05); a disabled one can be looked
              at, no more (W-13): it has not begun, or is over (W-14)
    since_us  when `enabled` became what it is, UTC microseconds; None where it was so before we first saw it
    switched  whether it was ever enabled or disabled, by anybody; where not, it is as it was created
    """

    organisation: str
    learner: str
    object: str
    course: str
    unit: str = ""
    start: date | None = None
    end: date | None = None
    enabled: bool = False
    since_us: int | None = None
    switched: bool = False

    @property
    def key(self) -> EnrolmentKey:
        """What tells it from all others."""
        return (self.organisation, self.learner, self.object)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerRecord:
    """A learner of an organisation. A new one is active (W-25), the opposite of a new enrolment.

    since_us  when `active` became what it is, UTC microseconds; None where it was so before we first saw it
    groups    in which they are, settled (`rollbook.model.groups`): as was told last, and nothing where nobody told
    """

    organisation: str
    learner: str
    active: bool = True
    since_us: int | None = None
    groups: tuple[Group, ...] = ()

    @property
    def key(self) -> LearnerKey:
        """What tells it from all others."""
        return (self.organisation, self.learner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Everybody and every enrolment that is there, by key. What has ended, or was deleted, is absent.

    synced   the organisations of which a snapshot was taken in, and the instant of the last one, UTC microseconds
    cleaned  the organisations whose once-only clean-up was done (W-28), and its instant
    """

    learners: Mapping[LearnerKey, LearnerRecord] = field(default_factory=dict)
    enrolments: Mapping[EnrolmentKey, Enrolment] = field(default_factory=dict)
    synced: Mapping[str, int] = field(default_factory=dict)
    cleaned: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A roster as a platform exports it: what was so when it was taken.

    roster         who and what stands in it
    organisations  those it tells of, also where nothing is left of one; everything in `roster` is of one of these;
                   its `since_us`, `switched`, `synced` and `cleaned` are not read
    complete       whether it holds everybody of these organisations: then whoever is missing has ended. In a partial
                   one nobody is missing
    says_enabled   whether it says which enrolments are enabled; where not, they stay as they are, and new ones are
                   disabled (W-05)
    says_active    whether it says which learners are active; where not, they stay as they are, and new ones are
                   active (W-25)
    says_groups    whether it says in which groups learners are; where not, they stay in those in which they are
    """

    roster: Roster
    organisations: frozenset[str]
    complete: bool = True
    says_enabled: bool = True
    says_active: bool = True
    says_groups: bool = False

    def __post_init__(self) -> None:
        told = {key[0] for key in (*self.roster.learners, *self.roster.enrolments)}
        if strangers := told - self.organisations:
            raise ValueError(f"a snapshot holds {len(strangers)} organisations that it does not tell of")
        if any(not learner for _, learner in self.roster.learners):
            raise ValueError("a learner of a snapshot has no id")
        # A status without an object would meet all of the learner's enrolments.
        if any(not learner or not object_ for _, learner, object_ in self.roster.enrolments):
            raise ValueError("an enrolment of a snapshot has no learner or no object")


def object_of(course: str, unit: str = "") -> str:
    """What the facts of an enrolment without an id of its own name: the course, or `course|unit`.

    Two pairs never give one text: a bar or a backslash within a name is written with a backslash before it.
    """
    names = (course, unit) if unit else (course,)
    return "|".join(name.replace("\\", "\\\\").replace("|", "\\|") for name in names)
