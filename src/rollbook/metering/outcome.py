"""What metering finds: activations, holdings, and what became of each fact.

Every fact has exactly one disposition per subscription, and they add up to the facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NEW, CONTINUING, REACTIVATED = "new", "continuing", "reactivated"
CLASSES = (NEW, CONTINUING, REACTIVATED)
"""A partition of the active units of a window (W-19 to W-22, W-c)."""

COUNTED = "counted"
OPENED = "state: opened"
CLOSED = "state: closed"
REDUNDANT = "state: redundant"
HISTORY = "history"
DUPLICATE = "duplicate"
CORRECTION = "correction"
TYPE = "not counted: type"
EXEMPT = "not counted: exempt role"
IMPERSONATED = "not counted: impersonated"
SYSTEM = "not counted: system"
NOBODY = "not counted: nobody named"
VOIDED = "not counted: voided"
OUTSIDE = "not counted: outside the term"
NOT_MEMBER = "not counted: not a member"
BELOW_MINIMUM = "not counted: below the minimum"
COUNTED_BEFORE = "not counted: counted in an earlier window"
RECONNECTED = "not counted: reconnected"
HELD = "not counted: held in the future"
ELSEWHERE = "not counted: other organisation"

DISPOSITIONS: Mapping[str, str] = {
    COUNTED: "made its unit active, or happened while it was active",
    OPENED: "switched something on",
    CLOSED: "switched something off",
    REDUNDANT: "asked for the state that already held",
    HISTORY: "lies before the term: it informs classes and what carries in",
    DUPLICATE: "was delivered before, with the same content",
    CORRECTION: "corrects other facts: a void or a link",
    TYPE: "is of a type that this plan does not count",
    EXEMPT: "was done in a role that this plan exempts",
    IMPERSONATED: "was done by someone else in the learner's name",
    SYSTEM: "was done by the system",
    NOBODY: "names no learner, and this plan does not count guests",
    VOIDED: "was taken back by another fact",
    OUTSIDE: "lies after the end of the term",
    NOT_MEMBER: "happened while the learner was not a member, or not activated",
    BELOW_MINIMUM: "belongs to a unit with too few facts in the window",
    COUNTED_BEFORE: "belongs to a unit that has counted in an earlier window, and counts only once",
    RECONNECTED: "is a guest coming back within the grace for dropped connections",
    HELD: "lies at or after the instant up to which was metered",
    ELSEWHERE: "belongs to an organisation that the subscription does not cover",
}
"""Every disposition, in the words of reports, and what it means."""


@dataclass(frozen=True, slots=True, order=True)
class Activation:
    """A unit that is active in a window.

    organisation  of the proving fact
    guest         whether the unit is one entry of a guest; `unit` is then the fact's id
    unit, object  who: a learner; `object` is filled where the unit is a learner in one object
    class_        one of `CLASSES`
    first_us      the first instant of presence inside the window
    source, fact  the proving fact
    facts         how many facts counted; for spans, how many of its holdings overlap the window
    """

    window: int
    organisation: str
    unit: str
    object: str
    guest: bool
    class_: str
    first_us: int
    source: str
    fact: str
    facts: int


@dataclass(frozen=True, slots=True, order=True)
class Holding:
    """A span of presence of a unit, [on_us, off_us), touching spans merged. Open ones have no `off_us`.

    `on_us == off_us` is a span that was switched off at once (W-12). Each end names its fact.
    """

    organisation: str
    unit: str
    object: str
    on_us: int
    off_us: int | None
    on_source: str
    on_fact: str
    off_source: str
    off_fact: str


@dataclass(frozen=True, slots=True, order=True)
class Conflict:
    """A link that contradicts another and was not applied: fact (source, fact), and what is wrong with it."""

    source: str
    fact: str
    rule: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What metering one subscription found.

    dispositions  by (source, id) of each fact
    conflicts     links that contradict each other and were not applied
    """

    activations: list[Activation] = field(default_factory=list)
    holdings: list[Holding] = field(default_factory=list)
    dispositions: dict[tuple[str, str], str] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
