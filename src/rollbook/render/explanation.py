"""The account of one learner in words, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollbook.metering.outcome import CONTINUING, COUNTED, Activation
from rollbook.model.subscription import Subscription
from rollbook.render.terminal import Named, say, show
from rollbook.render.words import clean, from_until, in_words, local, title
from rollbook.reports.explain import Explanation, FactLine, WindowAccount


def print_explanation(
    out: Console, explained: Explanation, subscription: Subscription, as_of_us: int, named: Named
) -> None:
    """Whether the learner counted, by which fact under which rule, and what became of everything else."""
    say(out, title(subscription, as_of_us), bold=True)
    say(out, f"rule: {in_words(subscription.plan.meter)}")
    say(out, f"learner: {', also known as '.join(named(id_) for id_ in explained.learners)}")
    if explained.before:
        say(out, "")
        say(out, "before the term", bold=True)
        _print_lines(out, explained.before, subscription.zone)
    for accounts in _alike(explained.windows):
        _print_accounts(out, accounts, subscription, named)
    if explained.after:
        say(out, "")
        say(out, "after what was metered", bold=True)
        _print_lines(out, explained.after, subscription.zone)


def _alike(accounts: Sequence[WindowAccount]) -> Iterator[list[WindowAccount]]:
    """Runs of windows in which nothing happened and the same holds; any other window by itself."""

    def sameness(account: WindowAccount) -> object:
        if account.lines or any(active.class_ != CONTINUING for active in account.activations):
            return account.window.number
        return tuple((active.unit, active.object, active.source, active.fact) for active in account.activations)

    for _, run in groupby(accounts, key=sameness):
        yield list(run)


def _print_accounts(out: Console, accounts: Sequence[WindowAccount], subscription: Subscription, named: Named) -> None:
    first, last = accounts[0].window, accounts[-1].window
    which = f"window {first.number}" if first == last else f"windows {first.number} to {last.number}"
    say(out, "")
    say(out, f"{which}: {from_until(first, last, subscription.zone)}", bold=True)
    if not accounts[0].activations:
        say(out, "  not counted" + ("" if accounts[0].lines else ": nothing happened"))
    for active in accounts[0].activations:
        who = f"guest entry {active.unit}" if active.guest else named(active.unit)
        what = f" in {active.object}" if active.object else ""
        say(out, f"  COUNTED, {active.class_}: {who}{what}; {_because(active, accounts[0], subscription)}")
    _print_lines(out, accounts[0].lines, subscription.zone)


def _because(active: Activation, account: WindowAccount, subscription: Subscription) -> str:
    proof = f"fact {active.fact}" + (f" of {active.source}" if active.source else "")
    at = local(active.first_us, subscription.zone)
    if not subscription.plan.meter.holds:
        return f"{proof} at {at} counts" + (f", and {active.facts - 1} more" if active.facts > 1 else "")
    if active.class_ == CONTINUING and active.first_us == account.window.start_us:
        return f"it was on when the window began, by {proof}"
    return f"{proof} switched it on at {at}"


def _print_lines(out: Console, lines: Sequence[FactLine], zone: str) -> None:
    """A line for each fact. Who did it and where it came from are said where they differ."""
    if not lines:
        return
    learners, sources = ({getattr(line.fact, name) for line in lines} for name in ("learner", "source"))
    shown = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    shown.add_column(no_wrap=True)
    for _ in range(5):
        shown.add_column(overflow="fold")
    for line in lines:
        fact = line.fact
        voided = f"voids {fact.voids}" if fact.voids else ""
        about = " ".join(part for part in (fact.object, fact.mode, voided) if part)
        who = fact.learner if len(learners) > 1 else ""
        role = f"as {fact.role}" if fact.role != "learner" else ""
        which = f"fact {fact.id}" + (f" of {fact.source}" if len(sources) > 1 else "")
        fate = f"{COUNTED}: this fact decided" if line.proves else line.disposition
        doer = " ".join(part for part in (who, role) if part)
        cells = (f"    {local(fact.at_us, zone)}", fact.type, about, doer, which, fate)
        shown.add_row(*(Text(clean(cell)) for cell in cells))
    show(out, shown)
