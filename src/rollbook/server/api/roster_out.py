"""Answers about a roster, as the API writes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ninja import Schema

from rollbook.accounting.statement import amount_value
from rollbook.errors import Problem
from rollbook.foreseeing import Figures, Foreseen
from rollbook.model.instants import iso
from rollbook.model.roster import Enrolment
from rollbook.server.live import roster
from rollbook.server.receiving.roster import Done, Effect, Preview


class RosterEnrolmentOut(Schema):
    """One enrolment in a course, or in a unit of one; `start` and `end` are whole local days, the end excluded.

    object      what names it in an action
    since       when it became enabled or disabled; null where it was so before it was first seen
    """

    object: str
    course: str
    unit: str
    start: date | None
    end: date | None
    enabled: bool
    since: str | None


class RosterLineOut(Schema):
    """One learner of one organisation.

    person     the number that names them in an action
    is_active  "Is active?"; null where nothing ever said so
    since      when that became so; null where it was so before it was first seen
    """

    person: int
    learner: str
    name: str
    erased: bool
    organisation: str
    is_active: bool | None
    since: str | None
    enabled: int
    enrolments: list[RosterEnrolmentOut]


class RosterOut(Schema):
    """A page of the roster; `next` is what `after` asks for, null at the end and nowhere else.

    narrow  a search found more people than it gives
    """

    items: list[RosterLineOut]
    next: int | None
    narrow: bool


class RosterLearnerOut(Schema):
    """One learner: a line for each organisation that has them."""

    items: list[RosterLineOut]


class CourseOut(Schema):
    """One course offer with its units: how many enrolments, how many of them are enabled, of how many learners."""

    organisation: str
    course: str
    enrolments: int
    enabled: int
    learners: int


class CoursesOut(Schema):
    """The course offers of a customer."""

    items: list[CourseOut]


class RosterProblemOut(Schema):
    """What could not be done, or need not be."""

    place: str
    rule: str
    remedy: str


class ForeseenFiguresOut(Schema):
    """A window over all pools; `total` is null where nothing has a price."""

    active: int
    new: int
    continuing: int
    reactivated: int
    included: int
    overage: int
    total: str | None


class ForeseenWindowOut(Schema):
    """A window without the action, and with it."""

    window: int
    start: str
    end: str
    before: ForeseenFiguresOut
    after: ForeseenFiguresOut


class EffectOut(Schema):
    """What the action does to one subscription: in the window that runs, and in the next one of its term.

    save_until  before when it has to happen for the next window to be saved; null where nothing is saved
    """

    subscription: int
    plan: str
    zone: str
    currency: str
    windows: list[ForeseenWindowOut]
    save_until: str | None


class RosterPreviewOut(Schema):
    """What the action would do now. `digest` confirms it for an hour, while it would do the same.

    decided         facts by type
    problems_total  how many there are; of very many some are told
    """

    digest: str
    at: str
    decided: dict[str, int]
    learners: int
    problems: list[RosterProblemOut]
    problems_total: int
    effects: list[EffectOut]


class RosterDoneOut(Schema):
    """What was done; a repeat does nothing, and has `new` 0."""

    at: str
    decided: dict[str, int]
    learners: int
    new: int
    repeats: int
    problems: list[RosterProblemOut]


def preview_out(found: Preview) -> RosterPreviewOut:
    """A preview as an answer."""
    return RosterPreviewOut(
        digest=found.digest,
        at=iso(found.at_us),
        decided=found.decided,
        learners=found.learners,
        problems=problems_out(found.problems),
        problems_total=found.problems_total,
        effects=[effect_out(it) for it in found.effects],
    )


def done_out(done: Done) -> RosterDoneOut:
    """What was done as an answer."""
    return RosterDoneOut(
        at=iso(done.at_us),
        decided=done.decided,
        learners=done.learners,
        new=done.new,
        repeats=done.repeats,
        problems=problems_out(done.problems),
    )


def problems_out(problems: Iterable[Problem]) -> list[RosterProblemOut]:
    """Problems as an answer."""
    return [RosterProblemOut(place=it.place, rule=it.rule, remedy=it.remedy) for it in problems]


def line_out(it: roster.Line) -> RosterLineOut:
    """A line as an answer."""
    return RosterLineOut(
        person=it.number,
        learner=it.learner,
        name=it.name,
        erased=it.is_erased,
        organisation=it.organisation,
        is_active=it.is_active,
        since=_instant(it.since_us),
        enabled=it.enabled,
        enrolments=[_enrolment(one) for one in it.enrolments],
    )


def _enrolment(it: Enrolment) -> RosterEnrolmentOut:
    return RosterEnrolmentOut(
        object=it.object,
        course=it.course,
        unit=it.unit,
        start=it.start,
        end=it.end,
        enabled=it.enabled,
        since=_instant(it.since_us),
    )


def _instant(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)


def effect_out(it: Effect) -> EffectOut:
    """What becomes of a subscription as an answer."""
    totals = [one.total for window in it.windows for one in (window.before, window.after) if one.total]
    return EffectOut(
        subscription=it.subscription,
        plan=it.title,
        zone=it.zone,
        currency=totals[0].currency if totals else "",
        windows=[_window(window) for window in it.windows],
        save_until=iso(it.saving.until_us) if it.saving else None,
    )


def _window(it: Foreseen) -> ForeseenWindowOut:
    return ForeseenWindowOut(
        window=it.window.number,
        start=iso(it.window.start_us),
        end=iso(it.window.end_us),
        before=_figures(it.before),
        after=_figures(it.after),
    )


def _figures(it: Figures) -> ForeseenFiguresOut:
    return ForeseenFiguresOut(
        active=it.active,
        new=it.new,
        continuing=it.continuing,
        reactivated=it.reactivated,
        included=it.allowance,
        overage=it.overage,
        total=amount_value(it.total),
    )
