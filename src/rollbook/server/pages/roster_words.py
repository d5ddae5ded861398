"""What is said of a change of a roster: what it is and does, until when it saves the next period, what was done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext, ngettext

from rollbook.foreseeing import Figures, Foreseen
from rollbook.model.money import Money
from rollbook.roster.changes import ACTIVATE, DEACTIVATE, DISABLE, ENABLE
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
)
from rollbook.server.live import roster as live
from rollbook.server.pages import reading
from rollbook.server.pages.roster import label
from rollbook.server.pages.roster_asking import CLEAN_UP, LIST, ROSTER, Wish
from rollbook.server.receiving.roster import COURSE, Done, Effect, Preview


@dataclass(frozen=True, slots=True)
class Said:
    """The heading of a preview, whom it is about, and the button that confirms it."""

    title: str
    whom: str
    confirm: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One figure, now and then, as it is written."""

    was: str
    now: str

    @property
    def changes(self) -> bool:
        """Whether it will be another."""
        return self.was != self.now


@dataclass(frozen=True, slots=True)
class Period:
    """One line of a preview; `is_next` where the period has not begun."""

    days: str
    is_next: bool
    counted: Shown
    included: str
    beyond: Shown
    costs: Shown | None


@dataclass(frozen=True, slots=True)
class OfPlan:
    """The lines of one subscription."""

    title: str
    zone: str
    periods: list[Period]


def said(wish: Wish, who: live.Line | None, found: Preview) -> Said:
    """What a preview is called."""
    asked = wish.asked
    if who:
        name = who.name or who.learner or gettext("somebody who was erased")
        title, confirm = _of_one(wish, who, name)
        return Said(title, " · ".join(filter(None, (who.name and who.learner, who.organisation))), confirm)
    learners = ngettext("%(n)s learner", "%(n)s learners", found.learners) % {"n": reading.number(found.learners)}
    if wish.act == LIST:
        return Said(gettext("Do what the file says?"), learners, gettext("Confirm: do it"))
    if wish.act == ROSTER:
        return Said(gettext("Take in this roster?"), learners, gettext("Confirm: take it in"))
    whom = f"{asked.organisation} · {learners}" if found.learners else asked.organisation
    if wish.act == CLEAN_UP:
        title = gettext("Do the first clean-up of %(organisation)s?") % {"organisation": asked.organisation}
        return Said(title, whom, gettext("Confirm: do the clean-up"))
    titles = {
        DEACTIVATE: gettext("Set everybody in %(course)s inactive?"),
        ACTIVATE: gettext("Set everybody in %(course)s active?"),
        DISABLE: gettext("Disable all enrolments in %(course)s?"),
        ENABLE: gettext("Enable all enrolments in %(course)s?"),
    }
    return Said(titles[wish.act] % {"course": asked.course}, whom, CONFIRMS[wish.act]())


def _of_one(wish: Wish, who: live.Line, name: str) -> tuple[str, str]:
    titles = {
        DEACTIVATE: gettext("Set %(name)s inactive?"),
        ACTIVATE: gettext("Set %(name)s active?"),
        DISABLE: gettext("Disable %(course)s for %(name)s?"),
        ENABLE: gettext("Enable %(course)s for %(name)s?"),
    }
    named = {key[2] for key in wish.asked.enrolments}
    course = next((label(it) for it in who.enrolments if it.object in named), "")
    return titles[wish.act] % {"name": name, "course": course}, CONFIRMS[wish.act]()


CONFIRMS = {
    DEACTIVATE: lambda: gettext("Confirm: set inactive"),
    ACTIVATE: lambda: gettext("Confirm: set active"),
    DISABLE: lambda: gettext("Confirm: disable"),
    ENABLE: lambda: gettext("Confirm: enable"),
}


def nothing(wish: Wish, found: Preview) -> str:
    """Why a preview has nothing to do, where no problem of it says so."""
    if found.problems or wish.asked.kind not in (COURSE, CLEAN_UP):
        return gettext("Nothing changes, and nothing was done.")
    return {
        DEACTIVATE: gettext("Everybody who is enrolled in this course is inactive already."),
        ACTIVATE: gettext("Everybody who is enrolled in this course is active already."),
        DISABLE: gettext("All enrolments in this course are disabled already."),
        ENABLE: gettext("All enrolments in this course are enabled already."),
        CLEAN_UP: gettext("There is no active learner whose enrolments are all over, or have all not begun."),
    }[wish.act]


def decided(counts: Mapping[str, int]) -> list[str]:
    """What would happen, by kind."""
    return [it % {"n": reading.number(counts[type_])} for type_ in counts if (it := _does(type_, counts[type_]))]


def _does(type_: str, n: int) -> str:
    return {
        CREATED: ngettext("%(n)s learner is new.", "%(n)s learners are new.", n),
        DELETED: ngettext("%(n)s learner has left.", "%(n)s learners have left.", n),
        ACCOUNT_CHANGED: ngettext("%(n)s learner changes groups.", "%(n)s learners change groups.", n),
        ENROLLED: ngettext("%(n)s enrolment is new.", "%(n)s enrolments are new.", n),
        ENDED: ngettext("%(n)s enrolment ends.", "%(n)s enrolments end.", n),
        CHANGED: ngettext("%(n)s enrolment has other dates.", "%(n)s enrolments have other dates.", n),
        DISABLED: ngettext("%(n)s learner becomes inactive.", "%(n)s learners become inactive.", n),
        ENABLED: ngettext("%(n)s learner becomes active.", "%(n)s learners become active.", n),
        ENROLMENT_DISABLED: ngettext("%(n)s enrolment is disabled.", "%(n)s enrolments are disabled.", n),
        ENROLMENT_ENABLED: ngettext("%(n)s enrolment is enabled.", "%(n)s enrolments are enabled.", n),
    }.get(type_, "")


def done(it: Done) -> str:
    """What was done, in one sentence for each kind."""
    if not it.new:
        return gettext("That was done before: nothing has changed.")
    past = {
        CREATED: lambda n: ngettext("%(n)s learner was added.", "%(n)s learners were added.", n),
        DELETED: lambda n: ngettext("%(n)s learner has left.", "%(n)s learners have left.", n),
        ENROLLED: lambda n: ngettext("%(n)s enrolment was added.", "%(n)s enrolments were added.", n),
        ENDED: lambda n: ngettext("%(n)s enrolment has ended.", "%(n)s enrolments have ended.", n),
        DISABLED: lambda n: ngettext("%(n)s learner is inactive now.", "%(n)s learners are inactive now.", n),
        ENABLED: lambda n: ngettext("%(n)s learner is active now.", "%(n)s learners are active now.", n),
        ENROLMENT_DISABLED: lambda n: ngettext(
            "%(n)s enrolment is disabled now.", "%(n)s enrolments are disabled now.", n
        ),
        ENROLMENT_ENABLED: lambda n: ngettext(
            "%(n)s enrolment is enabled now.", "%(n)s enrolments are enabled now.", n
        ),
    }
    found = [past[type_](n) % {"n": reading.number(n)} for type_, n in it.decided.items() if type_ in past and n]
    return " ".join(found) or gettext("Done.")


def deadlines(effect: Effect) -> Iterator[str]:
    """Until when it must happen to save the next charge, and what it adds from now on, for one subscription."""
    for it in effect.windows:
        filled = {
            "plan": effect.title,
            "days": _unbroken(reading.days(it.window.start_us, it.window.end_us, effect.zone)),
            "zone": effect.zone,
            "n": reading.number(abs(it.more_active)),
        }
        money = it.more_money
        filled["money"] = reading.money(abs(money.amount), money.currency) if money and money.amount else ""
        if effect.saving and it.window.start_us == effect.saving.saves.start_us and it.more_active < 0:
            filled["at"] = reading.minute(effect.saving.until_us, effect.zone)
            yield _saves(it) % filled
        elif it.more_active > 0:
            yield _adds(it) % filled


def _unbroken(words: str) -> str:
    """The same, never broken at a dash."""
    return words.replace("\N{EN DASH}", "\N{WORD JOINER}\N{EN DASH}\N{WORD JOINER}")


def _saves(it: Foreseen) -> str:
    n = abs(it.more_active)
    if it.more_money and it.more_money.amount:
        return ngettext(
            "Confirm before %(at)s (%(zone)s), and this learner is not in the count of %(days)s: %(money)s less.",
            "Confirm before %(at)s (%(zone)s), and these %(n)s are not in the count of %(days)s: %(money)s less.",
            n,
        )
    return ngettext(
        "Confirm before %(at)s (%(zone)s), and this learner is not in the count of %(days)s.",
        "Confirm before %(at)s (%(zone)s), and these %(n)s are not in the count of %(days)s.",
        n,
    )


def _adds(it: Foreseen) -> str:
    n = it.more_active
    if it.more_money and it.more_money.amount:
        return ngettext(
            "%(n)s more counts in %(days)s: %(money)s more.", "%(n)s more count in %(days)s: %(money)s more.", n
        )
    return ngettext("%(n)s more counts in %(days)s.", "%(n)s more count in %(days)s.", n)


def plan_of(effect: Effect) -> OfPlan:
    """The lines of one subscription: the period that runs, and the next one."""
    return OfPlan(
        effect.title, effect.zone, [_period(it, effect, is_next=nth > 0) for nth, it in enumerate(effect.windows)]
    )


def _period(it: Foreseen, effect: Effect, *, is_next: bool) -> Period:
    was, now = it.before, it.after
    return Period(
        days=reading.days(it.window.start_us, it.window.end_us, effect.zone),
        is_next=is_next,
        counted=Shown(reading.number(was.active), reading.number(now.active)),
        included=reading.number(now.allowance),
        beyond=Shown(reading.number(was.overage), reading.number(now.overage)),
        costs=_costs(was, now),
    )


def _costs(was: Figures, now: Figures) -> Shown | None:
    if was.total is None or now.total is None:
        return None
    return Shown(_money(was.total), _money(now.total))


def _money(it: Money) -> str:
    return reading.money(Decimal(it.amount), it.currency)
