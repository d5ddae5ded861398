"""Why one learner counts in a window, or does not: a sentence, and everything they did, window by window.

The account is `live.explaining`'s, which reads this learner's facts and those of every id linked to them, and nobody
else's. The address names a person by the number of their row: it can be shared, and says nothing to whoever may not
read it. A guest has no more than an entry, and is named by its fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from rollbook.accounting.account import Account
from rollbook.metering.outcome import COUNTED, NEW, REACTIVATED
from rollbook.model.window import Window
from rollbook.reports.explain import Explanation, FactLine
from rollbook.server import clock
from rollbook.server.access.principals import Principal, subscription_for
from rollbook.server.live import people, register
from rollbook.server.live.explaining import explain_learner
from rollbook.server.live.register import Entry
from rollbook.server.live.usage import counted
from rollbook.server.models import Person, Subscription
from rollbook.server.pages import definitions, learners, reading, reasons, shell
from rollbook.server.pages.reasons import Rules
from rollbook.server.pages.registry import page
from rollbook.server.pages.roster_counting import profile
from rollbook.server.refusals import missing

WINDOWS_MAX = 12
"""Windows of one page, the latest first."""

FACTS_MAX = 20
"""Facts of one kind that are listed in one window; how many there are is said."""


@dataclass(frozen=True, slots=True)
class Group:
    """Facts of one window that are alike: what happened, what became of it, by which rule.

    rule    (label, words) of the plan's rule; two '' where it is no choice of the plan
    lacks   what would have had to be otherwise
    proof   the fact that made somebody active, where it is one of these
    first   the first `FACTS_MAX` of them
    """

    what: str
    words: Any
    counts: bool
    disposition: str
    rule: tuple[str, str]
    lacks: str
    facts: int
    proof: FactLine | None
    first: tuple[FactLine, ...]
    since_us: int
    until_us: int
    when: str

    @property
    def mark(self) -> str:
        """Its icon."""
        return "check" if self.counts else "close"

    @property
    def more(self) -> int:
        """How many are not listed."""
        return self.facts - len(self.first)


@dataclass(frozen=True, slots=True)
class Because:
    """One unit of theirs that counts: what made it active, whether before the window, and its class in a sentence."""

    entry: Entry
    what: str
    at_us: int
    earlier: bool
    class_words: str


@dataclass(frozen=True, slots=True)
class Told:
    """One window: whether they counted, as what, and what happened, counted first.

    left  of somebody who did very much, how many facts are not listed, and what became of them
    """

    window: Window
    counted: bool
    classes: tuple[str, ...]
    groups: tuple[Group, ...]
    left: tuple[tuple[int, Any], ...]
    href: str
    here: bool


@page("subscriptions/<int:number>/learners/<int:learner>", learners.NEEDS, name="learner")
def why(request: HttpRequest, principal: Principal, number: int, learner: int) -> HttpResponse:
    """/subscriptions/{number}/learners/{number of a person}: one of the customer's."""
    row = subscription_for(principal, number)
    who = Person.objects.filter(pk=learner, customer=row.customer_id).first() if learner < 2**63 else None
    if who is None:
        raise missing("learner")
    now_us = clock.now_us()
    explained = explain_learner(row, str(who.pk), now_us)
    others = people.named([it for it in explained.learners if it != str(who.pk)])
    shown = {
        "who": who,
        "title": who.name or who.learner,
        "others": [(it.pk, it.name or it.learner) for it in others.values() if it.customer_id == row.customer_id],
    }
    numbers = [int(it) for it in explained.learners if it.isdecimal()]
    return _show(request, principal, row, explained, now_us, shown, numbers)


@page("subscriptions/<int:number>/guests/<path:entry>", learners.NEEDS, name="guest")
def guest(request: HttpRequest, principal: Principal, number: int, entry: str) -> HttpResponse:
    """/subscriptions/{number}/guests/{id of a fact}."""
    row = subscription_for(principal, number)
    now_us = clock.now_us()
    explained = explain_learner(row, entry, now_us, is_entry=True)
    return _show(request, principal, row, explained, now_us, {"entry": entry}, [])


def _show(
    request: HttpRequest,
    principal: Principal,
    row: Subscription,
    explained: Explanation,
    now_us: int,
    who: dict[str, Any],
    numbers: Sequence[int],
) -> HttpResponse:
    found = counted(row, now_us)
    window = learners.window_of(request, found)
    plan = found.subscription.plan_at(window.start_us if window else now_us)
    rules = reasons.rules(plan, row.zone)
    told = _told(request, explained, rules, window, row.zone)
    at_hand = next((it for it in told if it.here), None)
    earlier = _earlier(request, told)
    entries = _entries(row, found, window, who, numbers) if window and at_hand and at_hand.counted else ()
    shown = {
        **who,
        "window": window,
        "told": earlier[:WINDOWS_MAX],
        "earlier": earlier[WINDOWS_MAX - 1].window.number if len(earlier) > WINDOWS_MAX else None,
        "now": at_hand,
        "because": _because(explained, window, entries[:FACTS_MAX], lasts=bool(plan.meter.holds)) if window else (),
        "more": max(len(entries) - FACTS_MAX, 0),
        "before": _groups(explained.before, rules, row.zone) if "before" not in request.GET else (),
        "after": _groups(explained.after, rules, row.zone),
        "lasts": bool(plan.meter.holds),
        "roster": profile(principal, row.customer, who["who"].pk, found.subscription, now_us) if "who" in who else "",
        "plan": plan,
        "allows": any(it.allowance for it in found.consumption),
        "definition": definitions.definition(plan, row.zone),
        "begun": [it for it in found.windows if it.start_us <= now_us],
    }
    crumbs = [*shell.of_customer(row), (gettext("Learners"), reverse("learners", kwargs={"number": row.pk}))]
    return shell.show(request, principal, "learners/why.html", shown, row=row, here="learners", crumbs=crumbs)


def _entries(
    row: Subscription, found: Account, window: Window, who: dict[str, Any], numbers: Sequence[int]
) -> tuple[Entry, ...]:
    if "entry" in who:
        return register.of_guest(row, found, window.number, who["entry"])
    return register.of_people(row, found, window.number, numbers)


def _because(explained: Explanation, window: Window, entries: Sequence[Entry], *, lasts: bool) -> tuple[Because, ...]:
    lines = (*explained.before, *(line for it in explained.windows for line in it.lines), *explained.after)
    known = {line.fact.key: line.fact for line in lines}
    return tuple(
        Because(
            it,
            reasons.happened(fact.type) if (fact := known.get((it.source, it.fact))) else "",
            fact.at_us if fact else it.first_us,
            fact is not None and fact.at_us < window.start_us,
            "" if it.guest else _class_words(it.class_, lasts=lasts),
        )
        for it in entries
    )


def _class_words(class_: str, *, lasts: bool) -> str:
    if class_ == NEW:
        return gettext("New: for the first time.")
    if class_ == REACTIVATED:
        return gettext("Reactivated: they were there before, and come back.")
    if lasts:
        return gettext("Continuing: this was so when the period began.")
    return gettext("Continuing: they counted in the period before as well.")


def _told(request: HttpRequest, explained: Explanation, rules: Rules, here: Window | None, zone: str) -> list[Told]:
    """The windows in which they counted or did something, and the one that is asked for; the latest first."""
    return [
        Told(
            window=it.window,
            counted=bool(it.activations),
            classes=tuple(sorted({active.class_ for active in it.activations})),
            groups=_groups(it.lines, rules, zone),
            left=_left(explained, it.window.number),
            href=f"{request.path}?window={it.window.number}",
            here=here is not None and it.window.number == here.number,
        )
        for it in reversed(explained.windows)
        if it.activations or it.lines or (here is not None and it.window.number == here.number)
    ]


def _left(explained: Explanation, window: int) -> tuple[tuple[int, Any], ...]:
    return tuple((facts, reasons.WORDS[fate]) for fate, facts in explained.left_out.get(window, {}).items() if facts)


def _earlier(request: HttpRequest, told: list[Told]) -> list[Told]:
    before = request.GET.get("before", "")
    return [it for it in told if it.window.number < int(before)] if before.isdecimal() and len(before) < 9 else told  # noqa: PLR2004


def _groups(lines: Iterable[FactLine], rules: Rules, zone: str) -> tuple[Group, ...]:
    """Facts that are alike, together: what counts first, then as they happened."""
    alike: dict[tuple[str, str], list[FactLine]] = {}
    for line in lines:
        alike.setdefault((line.disposition, line.fact.type), []).append(line)
    groups = [
        Group(
            what=reasons.happened(type_),
            words=reasons.WORDS[disposition],
            counts=disposition in reasons.COUNTING,
            disposition=disposition,
            rule=rules.of(disposition),
            lacks=rules.lacks(disposition, len(found)),
            facts=len(found),
            proof=next((it for it in found if it.proves), None),
            first=tuple(found[:FACTS_MAX]),
            since_us=found[0].fact.at_us,
            until_us=found[-1].fact.at_us,
            when=reading.lasted(found[0].fact.at_us, found[-1].fact.at_us, zone),
        )
        for (disposition, type_), found in alike.items()
    ]
    return tuple(sorted(groups, key=lambda it: (it.disposition != COUNTED, not it.counts, it.since_us)))
