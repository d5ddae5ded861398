"""Rollbook counts active learners: who counted, in which billing period, under which plan, and why.

These names are promised; everything else may move.
"""

from rollbook.errors import (
    ClusterError,
    MembershipUnknownError,
    PlanError,
    Problem,
    RejectedRowsError,
    RollbookError,
    SubscriptionError,
    UsageError,
)
from rollbook.foreseeing import Foreseen, foresee
from rollbook.intake import FactStore, ReadOptions
from rollbook.library import Result, meter, roster_at
from rollbook.model.fact import Fact
from rollbook.model.plan import Plan, parse_plan
from rollbook.model.roster import Roster
from rollbook.model.subscription import Subscription
from rollbook.model.subscription_file import parse_subscription
from rollbook.model.window import Window
from rollbook.plans import find_plan, published

__all__ = [
    "ClusterError",
    "Fact",
    "FactStore",
    "Foreseen",
    "MembershipUnknownError",
    "Plan",
    "PlanError",
    "Problem",
    "ReadOptions",
    "RejectedRowsError",
    "Result",
    "RollbookError",
    "Roster",
    "Subscription",
    "SubscriptionError",
    "UsageError",
    "Window",
    "find_plan",
    "foresee",
    "meter",
    "parse_plan",
    "parse_subscription",
    "published",
    "roster_at",
]
