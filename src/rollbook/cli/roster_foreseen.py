"""What the facts of a roster would do to counts and money, said before they are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from rollbook.cli.roster_options import Changed
from rollbook.foreseeing import Figures, Foreseen, foresee
from rollbook.intake import FactStore
from rollbook.intake.writing import canonical_table
from rollbook.model.fact import Fact
from rollbook.model.instants import from_us
from rollbook.model.subscription import Subscription
from rollbook.render import roster as shown
from rollbook.render import terminal
from rollbook.render.advice import money
from rollbook.render.words import from_until, local
from rollbook.roster.changes import saving
from rollbook.roster.view import OFF


def say_foreseen(out: Console, store: FactStore, more: Sequence[Fact], changed: Changed) -> None:
    """Says what facts would do to the window that runs and to the next, under the subscription that is named."""
    subscription = changed.subscribed()
    if subscription is None:
        terminal.say(
            out, "what it counts and costs is said where a plan is named: --subscription FILE, or --plan and --start"
        )
        return
    if not more:
        return
    at_us = changed.at_us()
    table = canonical_table(store)
    found = foresee(table, more, subscription, as_of=from_us(at_us), assume_members=changed.assume_members)
    names = [f"window {it.window.number}" for it in found]
    figures = [_figures(one) for it in found for one in (it.before, it.after)]
    shown.print_foreseen(out, names, figures, subscription)
    for words in _in_words(found, more, subscription, at_us):
        terminal.say(out, words)


def _figures(of: Figures) -> dict[str, str]:
    """A window as it is, or as it would be."""
    return {
        "active": f"{of.active:,}",
        "of these new": f"{of.new:,}",
        "continuing": f"{of.continuing:,}",
        "reactivated": f"{of.reactivated:,}",
        "included": f"{of.allowance:,}",
        "beyond": f"{of.overage:,}",
        "costs": money(of.total) if of.total else "",
    }


def _in_words(found: Sequence[Foreseen], more: Sequence[Fact], subscription: Subscription, at_us: int) -> Iterator[str]:
    """What is saved or added in each window, and until when it has to be done."""
    if not found:
        yield "the term of the subscription is over: nothing counts under it any more"
    for it in found:
        learners = f"{abs(it.more_active):,} {'more' if it.more_active > 0 else 'fewer'} active"
        days = from_until(it.window, it.window, subscription.zone)
        yield f"window {it.window.number}, {days}: {learners if it.more_active else 'as many active'}{_cost(it)}"
    if any(it.after.total is None for it in found):
        yield "no prices: --rates FILE, or [tariff] in the subscription, says what it costs"
    if found and found[-1].more_active < 0 and any(fact.type in OFF for fact in more):
        until = saving(subscription, at_us)
        if until is None:
            yield "no window follows in this term, so nothing is saved in it"
        else:
            day = f"{local(until.until_us, subscription.zone)} ({subscription.zone})"
            yield f"to save window {until.saves.number}, do it before {day}; a window that has begun counts them anyhow"


def _cost(it: Foreseen) -> str:
    """How much more or less a window would cost; nothing, where nothing has a price."""
    before, after = it.before.total, it.after.total
    if before is None or after is None:
        return ""
    if before == after:
        return ", at the same cost"
    return f", {money(after - before)} more" if after.amount > before.amount else f", {money(before - after)} less"
