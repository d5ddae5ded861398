"""A snapshot held against the view becomes status facts: what began, changed and ended since.

All facts of one sync carry its one instant, so in whatever order they are taken in, no window that is closed moves.
Their ids follow from what they do and from that instant: the same snapshot taken in twice gives the same facts.

LAW: after any sequence of snapshots at rising instants, the view of their facts is the last snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollbook.model.fact import Fact
from rollbook.model.groups import values
from rollbook.model.roster import Enrolment, LearnerRecord, Roster, Snapshot
from rollbook.roster.statuses import (
    ACCOUNT_CHANGED,
    CHANGED,
    CREATED,
    DELETED,
    DISABLED,
    ENABLED,
    ENDED,
    ENROLLED,
    ENROLMENT_DISABLED,
    ENROLMENT_ENABLED,
    SNAPSHOT,
    SOURCE,
    Author,
    described,
)

UNKNOWN = {"since": "unknown"}


def diff(view: Roster, snapshot: Snapshot, at_us: int, source: str = SOURCE) -> tuple[Fact, ...]:
    """The facts after which the view is the snapshot, in an order that follows from it.

    view    as of `at_us`, which is before everything of this sync: so a repeat finds the same view
    at_us   when the snapshot was taken, UTC microseconds; no two syncs of an organisation share an instant
    source  of the facts

    Whoever is missing from a complete snapshot is deleted, and an enrolment that is missing has ended; whatever a
    partial one leaves out stays. What the first snapshot of an organisation finds, and no fact told before, is marked
    as so for an unknown time (S-33). An empty snapshot leaves no facts: the one after it is still the first. What
    facts without an object enabled cannot be ended by itself, and stays while its learner has any other enrolment.
    """
    author = Author(by=SNAPSHOT, source=source)
    return (*_learners(view, snapshot, at_us, author), *_enrolments(view, snapshot, at_us, author))


def _learners(view: Roster, snapshot: Snapshot, at_us: int, author: Author) -> Iterator[Fact]:
    for key in sorted(snapshot.roster.learners):
        record, held = snapshot.roster.learners[key], view.learners.get(key)
        said: dict[str, object] = dict(UNKNOWN) if held is None and record.organisation not in view.synced else {}
        placed = {**said, "groups": values(record.groups)} if snapshot.says_groups else said
        type_ = _learner_type(record, held, snapshot)
        if type_:
            yield author.fact(type_, at_us, *key, said=placed if type_ == CREATED else said)
        # Of somebody who is new, groups may have been told while there was no account: they are told anew.
        if snapshot.says_groups and type_ != CREATED and (held is None or held.groups != record.groups):
            yield author.fact(ACCOUNT_CHANGED, at_us, *key, said=placed)
    if snapshot.complete:
        for key in sorted(view.learners.keys() - snapshot.roster.learners.keys()):
            if key[0] in snapshot.organisations:
                yield author.fact(DELETED, at_us, *key)


def _learner_type(record: LearnerRecord, held: LearnerRecord | None, snapshot: Snapshot) -> str:
    """What happened to a learner's account; '' where nothing did.

    A new one that is inactive is not created and disabled at once: that would count its month (W-12).
    """
    if held is None:
        return CREATED if record.active or not snapshot.says_active else DISABLED
    if not snapshot.says_active or record.active == held.active:
        return ""
    return ENABLED if record.active else DISABLED


def _enrolments(view: Roster, snapshot: Snapshot, at_us: int, author: Author) -> Iterator[Fact]:
    for key in sorted(snapshot.roster.enrolments):
        enrolment, held = snapshot.roster.enrolments[key], view.enrolments.get(key)
        said = UNKNOWN if held is None and enrolment.organisation not in view.synced else {}
        if held is None or described(held) != described(enrolment):
            type_ = ENROLLED if held is None else CHANGED
            yield author.fact(type_, at_us, *key, said={**described(enrolment), **said})
        if type_ := _switch(enrolment, held, snapshot):
            yield author.fact(type_, at_us, *key, said=said)
    if snapshot.complete:
        enrolled = {key[:2] for key in snapshot.roster.enrolments}
        for key in sorted(view.enrolments.keys() - snapshot.roster.enrolments.keys()):
            if key[0] in snapshot.organisations and (key[2] or key[:2] not in enrolled):
                yield author.fact(ENDED, at_us, *key)


def _switch(enrolment: Enrolment, held: Enrolment | None, snapshot: Snapshot) -> str:
    """Whether an enrolment was enabled or disabled; '' where it stands as it stood. A new one is disabled (W-05)."""
    stood = held is not None and held.enabled
    if not snapshot.says_enabled or enrolment.enabled == stood:
        return ""
    return ENROLMENT_ENABLED if enrolment.enabled else ENROLMENT_DISABLED
