"""Terminal tables and the words of an explanation. Text from facts is printed as text, never as markup."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rollbook.intake import SourceCoverage
from rollbook.metering.outcome import COUNTED, DISPOSITIONS, Activation
from rollbook.model.instants import from_us, iso
from rollbook.model.plan import Meter, Plan
from rollbook.model.subscription import Subscription
from rollbook.reports.explain import Deed, Explanation, WindowAccount

NUMBERS = ("window", "active", "new", "continuing", "reactivated", "facts")
ROWS_MAX = 1000
"""A terminal shows this many rows; files have them all."""


def console(*, stderr: bool = False) -> Console:
    """A console that wraps nothing where nobody looks at it."""
    found = Console(stderr=stderr, highlight=False, soft_wrap=True)
    if not found.is_terminal:
        found.width = 200
    return found


def clean(text: str) -> str:
    """Text of a fact without control characters, which could rewrite the screen."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def local(at_us: int, zone: str) -> str:
    """An instant as people of the zone read it: the date alone at midnight."""
    at = from_us(at_us).astimezone(ZoneInfo(zone))
    if at.time().replace(microsecond=0).isoformat() == "00:00:00" and not at.microsecond:
        return at.date().isoformat()
    return at.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds" if at.microsecond else "seconds")


def title(subscription: Subscription) -> str:
    """What the figures are about, in one line."""
    customer = f"{subscription.customer} · " if subscription.customer else ""
    return (
        f"{customer}{subscription.plan.title} ({subscription.plan.id}) · "
        f"{subscription.start} up to, not including, {subscription.end} · {subscription.zone}"
    )


def print_table(out: Console, table: pa.Table, subscription: Subscription) -> None:
    """A report. Windows carry local dates; the end is the first day no longer inside."""
    shown = Table(title=escape(clean(title(subscription))), title_justify="left", box=SIMPLE_HEAD, title_style="bold")
    headings = {
        "start": "from",
        "end": "until (excluded)",
        "first_at": "first",
        "on": "from",
        "off": "until (excluded)",
    }
    for name in table.column_names:
        shown.add_column(headings.get(name, name), justify="right" if name in NUMBERS else "left", overflow="fold")
    for row in table.slice(0, ROWS_MAX).to_pylist():
        shown.add_row(*(Text(_cell(value, subscription.zone)) for value in row.values()))
    out.print(shown)
    if table.num_rows > ROWS_MAX:
        out.print(f"{table.num_rows - ROWS_MAX:,} more rows: --format csv prints them all")


def _cell(value: object, zone: str) -> str:
    if value is None:
        return ""
    if hasattr(value, "timestamp"):
        return local(round(value.timestamp() * 10**6), zone)
    return f"{value:,}" if isinstance(value, int) else clean(str(value))


def print_plans(out: Console, plans: Iterable[Plan]) -> None:
    """The published plans, a line each."""
    shown = Table(box=SIMPLE_HEAD)
    for heading in ("plan", "vendor", "counts", "windows"):
        shown.add_column(heading, overflow="fold")
    for plan in plans:
        shown.add_row(plan.id, plan.vendor, in_words(plan.meter), windows_in_words(plan))
    out.print(shown)


def in_words(meter: Meter) -> str:
    """What a meter counts, in one sentence."""
    noun = {"learner": "learners", "enrolment": "learners in each course", "entry": "entries"}[meter.unit]
    if meter.holds:
        off = " or ".join(meter.holds.off) or "nothing"
        carried = "" if meter.opens == "before-term" else ", anew in each term"
        words = f"{noun} from {' or '.join(meter.holds.on)} until {off}{carried}"
    else:
        words = f"{noun} with {' or '.join(meter.counts)}"
        if meter.minimum > 1:
            words += f", at least {meter.minimum} times"
        if meter.first_ever:
            words += ", once ever"
    if meter.member_while:
        words += f", while {' or '.join(meter.member_while.on)} holds"
    if meter.guests == "each-entry":
        words += "; each entry of a guest by itself"
    for exemption in meter.exempt:
        unless = f" unless {' or '.join(exemption.unless_modes)}" if exemption.unless_modes else ""
        words += f"; not as {exemption.role}{unless}"
    return words


def windows_in_words(plan: Plan) -> str:
    """How a plan cuts time, in a few words."""
    rule = plan.window
    days = f"blocks of {rule.length_days} days"
    left = {"merge-last": "rest in the last", "short-last": "rest in one more"}[rule.remainder]
    return {
        "calendar-month": "calendar months",
        "anniversary-month": "months from the start",
        "days": f"{days}, {left}",
        "term": f"the whole term, {rule.term_months} months",
    }[rule.kind]


def print_sources(out: Console, sources: Sequence[SourceCoverage]) -> None:
    """From when to when each source has facts, and where one seems to be missing some."""
    for source in sources:
        name = f"source {clean(source.source)}" if source.source else "facts"
        out.print(f"{name}: {source.facts:,} from {iso(source.first_us)} to {iso(source.last_us)}", markup=False)
        for gap in source.gaps:
            last_day = (from_us(gap.to_us) - timedelta(days=1)).date()
            out.print(
                f"  no facts from {from_us(gap.from_us).date()} to {last_day}, in a source that has some "
                "nearly every day: is an export missing?",
                markup=False,
            )


def print_dispositions(out: Console, dispositions: Mapping[str, int], rejected: int, rows: int) -> None:
    """What became of every row, adding up to the rows that came in."""
    shown = Table(box=None, show_header=False, padding=(0, 1))
    for justify in ("right", "left", "left"):
        shown.add_column(justify=justify)  # type: ignore[arg-type]
    for disposition, count in dispositions.items():
        shown.add_row(f"{count:,}", disposition, DISPOSITIONS[disposition])
    shown.add_row(f"{rejected:,}", "rejected", "could not be read, see the problems")
    shown.add_row(f"{rows:,}", "rows in", "all of the above")
    out.print(shown)


Named = Callable[[str], str]


def print_explanation(out: Console, explained: Explanation, subscription: Subscription, named: Named) -> None:
    """The account of one learner, window by window."""
    out.print(Text(title(subscription), style="bold"))
    meter = subscription.plan.meter
    out.print(Text(f"rule: {in_words(meter)}"))
    out.print(Text(f"learner: {' = '.join(clean(named(id_)) for id_ in explained.learners)}"))
    if explained.before:
        out.print(Text("\nbefore the term"))
        _print_deeds(out, explained.before, subscription.zone)
    quiet: list[WindowAccount] = []
    for account in explained.windows:
        if not account.activations and not account.deeds:
            quiet.append(account)
            continue
        _print_quiet(out, quiet, subscription.zone)
        quiet.clear()
        _print_window(out, account, subscription, named)
    _print_quiet(out, quiet, subscription.zone)
    if explained.after:
        out.print(Text("\nafter what was metered"))
        _print_deeds(out, explained.after, subscription.zone)


def _print_window(out: Console, account: WindowAccount, subscription: Subscription, named: Named) -> None:
    window = account.window
    head = f"\nwindow {window.number}: {_from_until(account, subscription.zone)}"
    if not account.activations:
        out.print(Text(f"{head}: NOT COUNTED"))
    for active in account.activations:
        who = "" if active.guest else f" {clean(named(active.unit))}"
        what = f" in {clean(active.object)}" if active.object else ""
        out.print(Text(f"{head}: COUNTED{who}{what} as {active.class_}", style="bold"))
        out.print(Text(f"  because {_because(active, window.start_us, subscription)}"))
        head = "  and also"
    _print_deeds(out, account.deeds, subscription.zone)


def _because(active: Activation, start_us: int, subscription: Subscription) -> str:
    proof = f"fact {clean(active.fact)}" + (f" of {clean(active.source)}" if active.source else "")
    if not subscription.plan.meter.holds:
        times = f"; {active.facts} facts count" if active.facts > 1 else ""
        return f"of {proof} at {local(active.first_us, subscription.zone)}{times}"
    if active.first_us == start_us and active.class_ == "continuing":
        return f"it was still on when the window began, since {proof}"
    return f"{proof} switched it on at {local(active.first_us, subscription.zone)}"


def _from_until(account: WindowAccount, zone: str) -> str:
    return f"{local(account.window.start_us, zone)} until {local(account.window.end_us, zone)} (excluded)"


def _print_quiet(out: Console, quiet: Sequence[WindowAccount], zone: str) -> None:
    """Windows in which nothing happened and nothing counted, in one line."""
    if not quiet:
        return
    first, last = quiet[0].window, quiet[-1].window
    numbers = f"window {first.number}" if first == last else f"windows {first.number} to {last.number}"
    until = local(last.end_us, zone)
    out.print(
        Text(f"\n{numbers}: {local(first.start_us, zone)} until {until} (excluded): not counted, nothing happened")
    )


def _print_deeds(out: Console, deeds: Sequence[Deed], zone: str) -> None:
    shown = Table(box=None, show_header=False, padding=(0, 1, 0, 2))
    for deed in deeds:
        fact = deed.fact
        about = " ".join(clean(part) for part in (fact.object, fact.mode) if part)
        role = f"as {fact.role}" if fact.role != "learner" else ""
        source = f"{clean(fact.source)} " if fact.source else ""
        fate = f"{COUNTED}: this fact decided" if deed.proves else deed.disposition
        cells = (local(fact.at_us, zone), clean(fact.type), about, role, f"{source}{clean(fact.id)}", fate)
        shown.add_row(*(Text(cell) for cell in cells))
    if deeds:
        out.print(shown)
