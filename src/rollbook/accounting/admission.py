"""Who is turned away: only newcomers, or everybody, and only under a plan that says so (F-20, A-23, S-18)."""

from __future__ import annotations

from dataclasses import dataclass

from rollbook.model.allowance import Limit


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether somebody may start, and why."""

    allowed: bool
    reason: str


def admission(limit: Limit, *, remaining: int, counted: bool, would_count: bool, in_grace: bool) -> Decision:
    """Whether somebody may start now.

    remaining    units left, less those that are kept for others; below 0 by how many too many there are
    counted      whether they are active in this window already
    would_count  whether what they start would make them so
    in_grace     whether the days of grace since the allowance was used up still run
    """
    newcomer = would_count and not counted
    if not limit.policy.startswith("block"):
        return Decision(True, f'the limit of this plan is "{limit.policy}": nobody is turned away')
    if remaining >= (1 if newcomer else 0):
        return Decision(True, "within the allowance")
    if limit.policy == "block-new" and not newcomer:
        return Decision(True, "counted already in this window" if counted else "it would not count")
    if in_grace:
        return Decision(True, "the allowance is used up, and the days of grace still run")
    who = "newcomers are" if limit.policy == "block-new" else "everybody is"
    return Decision(False, f"the allowance is used up, and {who} turned away until the next window or an upgrade")
