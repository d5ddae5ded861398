"""Why a fact does not count: lists of (disposition, predicate), in the order in which reasons are given.

One list both filters the facts and explains them, so the two cannot drift apart.
"""

from __future__ import annotations

from typing import TypeAlias

from rollbook.metering import outcome
from rollbook.metering.steps import quoted, quoted_list
from rollbook.model.fact import LINKED, VOIDED, is_status
from rollbook.model.plan import Meter

Reasons: TypeAlias = tuple[tuple[str, str], ...]
"""(disposition, predicate). No predicate is ever null."""


def corrected() -> Reasons:
    """Facts that are not yet, or no longer, or no learner's doing."""
    return (
        (outcome.HELD, "at_us >= as_of_us"),
        (outcome.CORRECTION, f"type = {quoted(VOIDED)}"),
        (outcome.VOIDED, "voided"),
        (outcome.CORRECTION, f"type = {quoted(LINKED)}"),
    )


def ineligible(meter: Meter) -> Reasons:
    """Why a fact could not count in any window, in the order in which reasons are given."""
    types = meter.holds.types if meter.holds else meter.counts
    found = [*corrected(), (outcome.TYPE, f"type not in ({quoted_list(types)})")]
    if meter.guests == "free":
        found.append((outcome.NOBODY, "role = 'guest'"))
    if deeds := [type_ for type_ in types if not is_status(type_)]:
        # Where only deeds count, every other type is out already, and no row is asked for its type again.
        of_deeds = f" and type in ({quoted_list(deeds)})" if len(deeds) < len(types) else ""
        found += [
            (outcome.IMPERSONATED, f"impersonator <> ''{of_deeds}"),
            (outcome.SYSTEM, f"role = 'system'{of_deeds}"),
        ]
    for exemption in meter.exempt:
        predicate = f"role = {quoted(exemption.role)}"
        if exemption.unless_modes:
            predicate += f" and mode not in ({quoted_list(exemption.unless_modes)})"
        found.append((outcome.EXEMPT, predicate))
    return tuple(found)


def unfit_to_switch(meter: Meter) -> Reasons:
    """Why a fact could not switch membership on or off."""
    types = meter.member_while.types if meter.member_while else ()
    return (
        *corrected(),
        (outcome.TYPE, f"type not in ({quoted_list(types)})"),
        (outcome.NOBODY, "role = 'guest'"),
    )


def none_of(reasons: Reasons) -> str:
    """The condition under which no reason applies."""
    return " and ".join(f"not ({predicate})" for _, predicate in reasons)


def first_of(reasons: Reasons, otherwise: str) -> str:
    """The first reason that applies, as an expression."""
    whens = " ".join(f"when {predicate} then {quoted(disposition)}" for disposition, predicate in reasons)
    return f"case {whens} else {otherwise} end"
