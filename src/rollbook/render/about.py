"""What figures mean, beside the figures: the plan, what it counts, the choices it makes, and up to when."""

from __future__ import annotations

from dataclasses import dataclass

from rollbook.model.instants import iso
from rollbook.model.plan import Plan
from rollbook.model.subscription import Subscription
from rollbook.render.words import clean, in_words, local, windows_in_words

CLOSED = (
    "every window is counted anew here, from the facts that are known now; "
    "a statement that is closed may say otherwise, and the one after it adjusts what arrived late"
)
"""Why a report need not agree with what was closed."""


@dataclass(frozen=True, slots=True)
class About:
    """The heading of a report.

    title, purpose  of the report
    subscription    what was metered
    organisations   whose facts were
    as_of_us        nothing at or after this instant was counted
    notes           what is to be said beside the figures, in sentences
    incomplete      why the figures are of a part only; empty where they are of all
    """

    title: str
    purpose: str
    subscription: Subscription
    organisations: tuple[str, ...]
    as_of_us: int
    incomplete: str = ""
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What the report is for, as a sentence."""
        return f"{self.purpose[:1].upper()}{self.purpose[1:]}."

    @property
    def counted(self) -> str:
        """What the plan counts, as a sentence."""
        return f"Counts {in_words(self.subscription.plan.meter)}."

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """Everything, in words, in the order in which it should be read."""
        it, plan = self.subscription, self.subscription.plan
        return tuple(
            (label, clean(words))
            for label, words in (
                ("Customer", it.customer),
                ("Plan", f"{plan.title} ({plan.id})"),
                ("Term", f"{it.start} until {it.end} (excluded), midnights in {it.zone}"),
                ("Counted until", f"{local(self.as_of_us, it.zone)} (excluded), {it.zone}"),
                ("Organisations", ", ".join(name or "(none named)" for name in self.organisations)),
                ("Incomplete", self.incomplete),
                ("Counts", in_words(plan.meter)),
                ("Windows", f"{windows_in_words(plan)}; each includes its start and excludes its end"),
                *choices(plan),
                *(("Note", note) for note in self.notes),
                ("Closed statements", CLOSED),
                ("Plan digest", plan.digest),
            )
            if words
        )

    @property
    def values(self) -> dict[str, object]:
        """The same for programs."""
        it, plan = self.subscription, self.subscription.plan
        return {
            "report": self.title,
            "purpose": self.purpose,
            "customer": it.customer,
            "plan": plan.id,
            "plan_digest": plan.digest,
            "counts": in_words(plan.meter),
            "windows": windows_in_words(plan),
            "choices": dict(choices(plan)),
            "start": it.start.isoformat(),
            "end": it.end.isoformat(),
            "zone": it.zone,
            "as_of": iso(self.as_of_us),
            "organisations": list(self.organisations),
            "incomplete": self.incomplete,
            **({"notes": list(self.notes)} if self.notes else {}),
        }


def choices(plan: Plan) -> tuple[tuple[str, str], ...]:
    """How a plan settles what its vendor's words, or other vendors, leave open."""
    meter, allowance = plan.meter, plan.allowance
    found = [("Allowance", _allowance(plan))]
    if allowance.per != "held":
        one = "all organisations of the customer share one"
        found.append(("Pools", one if allowance.pool_scope == "customer" else "each organisation has its own"))
    if meter.holds:
        before = "carries in" if meter.opens == "before-term" else "does not carry in; it has to begin anew"
        found.append(("A state from before the term", before))
    if meter.guests == "each-entry":
        grace = (
            f", but a return within {meter.reconnect_grace_seconds} seconds" if meter.reconnect_grace_seconds else ""
        )
        found.append(("Guests", f"every entry counts by itself{grace}"))
    same = "is one unit" if meter.dedupe == "customer" else "is two units"
    found.append(("The same id in two organisations", same))
    if allowance.per != "held":
        found.append(("Who is extra", "whoever comes last, by first instant, then source and id of the proving fact"))
    found.append(("Beyond the allowance", _POLICIES[plan.limit.policy]))
    if plan.tariff and plan.tariff.overage:
        found.append(("Rate beyond it", plan.tariff.overage.shape))
    return tuple(found)


_POLICIES = {
    "bill": "what is beyond it is charged, nobody is turned away",
    "notify": "said, and not charged",
    "block-new": "newcomers are turned away",
    "block": "everybody is turned away",
}


def _allowance(plan: Plan) -> str:
    allowance = plan.allowance
    each = " for each organisation" if allowance.per_organisation else ""
    quantity = f"{allowance.quantity:,}{each} and what is bought" if allowance.quantity else "what is bought"
    if allowance.per == "held":
        basis = {"peak": "the most at once", "end": "what is held at the end", "ever": "whoever held any"}
        approval = "; a released seat needs an approval" if allowance.reuse_requires_approval else ""
        return f"{quantity}, of what is held; compared with {basis[allowance.basis]}{approval}"
    if allowance.per == "term":
        return f"{quantity}, for the term: what a window leaves over goes on to the next, and ends with the term"
    rollover = allowance.rollover_windows
    ends = f"stays usable for {rollover} more windows" if rollover else "ends with it"
    return f"{quantity}, for each window; what it leaves over {ends}"
