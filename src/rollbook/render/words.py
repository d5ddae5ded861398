"""Plans, windows and instants in words: the same sentence wherever a figure is explained."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from rollbook.metering.identities import FOREVER_US
from rollbook.model.instants import from_us
from rollbook.model.plan import Exemption, Meter, Plan
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window


def clean(text: str) -> str:
    """Text of a fact without control characters, which could rewrite the screen."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def local(at_us: int, zone: str) -> str:
    """An instant as people of the zone read it: the date alone at midnight."""
    at = from_us(at_us).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0):
        return at.date().isoformat()
    return at.isoformat(sep=" ", timespec="microseconds" if at.microsecond else "seconds" if at.second else "minutes")


def from_until(first: Window, last: Window, zone: str) -> str:
    """The time from the start of one window to the end of another, or of the same."""
    return f"{local(first.start_us, zone)} until {local(last.end_us, zone)} (excluded)"


def title(subscription: Subscription, as_of_us: int = FOREVER_US) -> str:
    """What the figures are about, in one line; with the instant up to which was counted, where the term goes on."""
    until = f" · as of {local(as_of_us, subscription.zone)}" if as_of_us < subscription.end_us else ""
    customer = f"{subscription.customer} · " if subscription.customer else ""
    return clean(
        f"{customer}{subscription.plan.title} ({subscription.plan.id}) · "
        f"{subscription.start} until {subscription.end} (excluded) · {subscription.zone}{until}"
    )


def either(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words) or "nothing"


def in_words(meter: Meter) -> str:
    """What a meter counts, in one sentence."""
    noun = {"learner": "learners", "enrolment": "learners in each course", "entry": "entries"}[meter.unit]
    if meter.holds:
        words = f"{noun} from {either(meter.holds.on)} until {either(meter.holds.off)}"
        words += "" if meter.opens == "before-term" else ", anew in each term"
    else:
        words = f"{noun} with {either(meter.counts)}"
        words += f", at least {meter.minimum} times" if meter.minimum > 1 else ""
        words += ", once ever" if meter.first_ever else ""
    if meter.member_while:
        words += f"; only from {either(meter.member_while.on)} until {either(meter.member_while.off)}"
    if meter.guests == "each-entry":
        words += "; each entry of a guest by itself"
    if meter.reconnect_grace_seconds:
        words += f", but for those who come back within {meter.reconnect_grace_seconds} seconds"
    return words + _exempt(meter.exempt)


def _exempt(exemptions: Sequence[Exemption]) -> str:
    """Who does not count; roles under the same condition are named together."""
    by_modes: dict[tuple[str, ...], list[str]] = {}
    for exemption in exemptions:
        by_modes.setdefault(exemption.unless_modes, []).append(exemption.role)
    return "".join(
        f"; not as {either(roles)}" + (f" unless the session is {either(modes)}" if modes else "")
        for modes, roles in by_modes.items()
    )


def windows_in_words(plan: Plan) -> str:
    """How a plan cuts time, in a few words."""
    rule = plan.window
    left = {"merge-last": "days left over in the last", "short-last": "days left over in one more"}[rule.remainder]
    return {
        "calendar-month": "calendar months",
        "anniversary-month": "months from the first day",
        "days": f"{rule.length_days} days each, {left}",
        "term": f"the term ({rule.term_months} months)",
    }[rule.kind]
