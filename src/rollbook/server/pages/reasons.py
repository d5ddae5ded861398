"""What became of a fact, in the reader's words: why it counts or does not, by which rule of the plan, what it lacks.

The dispositions are the meter's; a test finds one that has no words here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, gettext_lazy

from rollbook.metering import outcome
from rollbook.model.plan import Plan
from rollbook.server.pages import definitions, reading

WORDS: Mapping[str, Any] = {
    outcome.COUNTED: gettext_lazy("this counts"),
    outcome.OPENED: gettext_lazy("from then on they count, or can count"),
    outcome.CLOSED: gettext_lazy("from then on they do not count any more"),
    outcome.REDUNDANT: gettext_lazy("this was so already"),
    outcome.HISTORY: gettext_lazy("this lies before the term: it only tells newcomers from those who come back"),
    outcome.DUPLICATE: gettext_lazy("this was delivered before, with the same content"),
    outcome.CORRECTION: gettext_lazy("this corrects what was sent before"),
    outcome.TYPE: gettext_lazy("this plan does not count this"),
    outcome.EXEMPT: gettext_lazy("this was done in a role that the plan leaves out"),
    outcome.IMPERSONATED: gettext_lazy("this was done by somebody else in their name"),
    outcome.SYSTEM: gettext_lazy("this was done by the system itself"),
    outcome.NOBODY: gettext_lazy("this names no learner, and the plan does not count guests"),
    outcome.VOIDED: gettext_lazy("this was taken back afterwards"),
    outcome.OUTSIDE: gettext_lazy("this lies after the end of the term"),
    outcome.NOT_MEMBER: gettext_lazy("this happened while they were not a member"),
    outcome.BELOW_MINIMUM: gettext_lazy("this happened too few times in the period"),
    outcome.COUNTED_BEFORE: gettext_lazy("they have counted in an earlier period, and count only once"),
    outcome.RECONNECTED: gettext_lazy("this is a guest who came back after a dropped connection"),
    outcome.HELD: gettext_lazy("this lies in the future"),
    outcome.ELSEWHERE: gettext_lazy("this belongs to an organisation that the plan does not cover"),
}
"""By disposition; they follow what happened, as in "Logging in: this was done by the system itself"."""

COUNTING = frozenset({outcome.COUNTED, outcome.OPENED, outcome.CLOSED, outcome.REDUNDANT})
"""What the count rests on."""

_RULES: Mapping[str, tuple[str, ...]] = {
    outcome.COUNTED: ("Counts", "How often"),
    outcome.OPENED: ("Counts from", "Only while"),
    outcome.CLOSED: ("Until", "Only while"),
    outcome.REDUNDANT: ("Counts from", "Only while"),
    outcome.TYPE: ("Counts", "Counts from"),
    outcome.EXEMPT: ("Does not count",),
    outcome.NOT_MEMBER: ("Only while",),
    outcome.BELOW_MINIMUM: ("How often",),
    outcome.COUNTED_BEFORE: ("How often",),
    outcome.HISTORY: ("Begun before the term", "Billing periods"),
    outcome.OUTSIDE: ("Billing periods",),
}
"""Under which labels of `definitions` the rule stands; the first that the plan has."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one plan, by label, in words."""

    plan: Plan
    lines: Mapping[str, str]

    def of(self, disposition: str) -> tuple[str, str]:
        """(label, words) of the rule that decides so; two '' where it is no choice of the plan."""
        for label in _RULES.get(disposition, ()):
            shown = gettext(label)
            if shown in self.lines:
                return shown, self.lines[shown]
        return "", ""

    def lacks(self, disposition: str, facts: int) -> str:
        """What would have had to be otherwise for the facts to count, where that is a rule of the plan."""
        meter = self.plan.meter
        if disposition == outcome.BELOW_MINIMUM:
            words = gettext("It would count from the %(n)s. time on in one period; there are %(k)s.")
            return words % {"n": reading.number(meter.minimum), "k": reading.number(facts)}
        if disposition == outcome.NOT_MEMBER and meter.member_while:
            words = gettext("It could count if, before it, this had happened: %(on)s.")
            return words % {"on": definitions.listed(definitions.TYPES, meter.member_while.on)}
        if disposition == outcome.IMPERSONATED:
            return gettext("It could count if they did it themselves.")
        if disposition == outcome.EXEMPT and not meter.holds:
            modes = sorted({mode for it in meter.exempt for mode in it.unless_modes})
            if modes:
                words = gettext("It could count in the role of a learner, or in a session that is %(modes)s.")
                return words % {"modes": definitions.listed(definitions.MODES, modes)}
            return gettext("It could count in the role of a learner.")
        return ""


def rules(plan: Plan, zone: str) -> Rules:
    """The rules of a plan whose midnights are in a zone."""
    return Rules(plan, dict(definitions.definition(plan, zone).lines))


def happened(type_: str) -> str:
    """What happened, in words."""
    if type_ == "fact.voided":
        return gettext("something sent before is taken back")
    if type_ == "identity.linked":
        return gettext("two ids are linked")
    return str(definitions.TYPES.get(type_, type_))
