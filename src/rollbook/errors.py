"""Problems are values; errors are for what cannot go on.

A `Problem` says where, which rule, and what to do about it. Readers collect all of them and go on.
A `RollbookError` stops a run: every one has a stable `code` and carries the problems that caused it.
Both speak to an administrator who has never seen this code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, and how to put it right.

    place   where: `facts.csv:14`, or `plan.toml: window.kind`
    rule    what does not hold, in words
    remedy  what to do about it, in words
    """

    place: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}; {self.remedy}"


class RollbookError(Exception):
    """The base of every error that Rollbook raises on purpose; `code` never changes between versions."""

    code = "rollbook"

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PlanError(RollbookError):
    """A plan cannot be read, or contradicts itself."""

    code = "plan-invalid"


class SubscriptionError(RollbookError):
    """A subscription cannot be read, or does not fit its plan."""

    code = "subscription-invalid"


class UsageError(RollbookError):
    """The call itself is wrong: an option that does not exist, or options that exclude each other."""

    code = "usage"


class MembershipUnknownError(RollbookError):
    """The plan counts members only, and the facts never say who is one."""

    code = "membership-unknown"


class RejectedRowsError(RollbookError):
    """Rows were rejected and the caller asked for a result without gaps, or for none (`--strict`)."""

    code = "rows-rejected"


class BookError(RollbookError):
    """A book of statements is damaged, or cannot be continued in this way."""

    code = "book"


class LedgerError(RollbookError):
    """A ledger is damaged, is being written by another, or was made by another version."""

    code = "ledger"


class ClusterError(RollbookError):
    """A cluster cannot be reached, or cannot do what is asked of it."""

    code = "cluster"
