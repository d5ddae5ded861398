"""The shapes of the server's answers, as its API describes them. Fields that a newer server adds are passed over.

Instants are texts such as 2026-03-01T00:00:00Z; windows are [start, end); money is a decimal number as a text, and
None where a price is not known.
"""

from __future__ import annotations

import msgspec

from rollbook.client.receipts import Rejected


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """What one pool used in one window; `available` is below 0 by how much was used beyond what is included."""

    pool: str
    active: int
    new: int
    continuing: int
    reactivated: int
    guests: int
    allowance: int
    included: int
    overage: int
    overage_to_date: int
    available: int
    carried: int
    granted: int
    free: int
    expired: int
    balance: int
    used_to_date: int
    included_to_date: int
    percent: float | None = None


class Seats(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to the seats of a window."""

    quantity: int
    held_at_start: int
    held_at_end: int
    taken: int
    released: int
    peak: int
    awaiting: int
    ever: int
    counted: int
    overage: int
    available: int


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One window, and what it costs so far."""

    window: int
    start: str
    end: str
    open: bool
    pools: list[Pool]
    seats: Seats | None = None
    total: str | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan that holds now."""

    id: str
    title: str
    summary: str
    sources: list[str]
    allowance_per: str
    limit_policy: str
    thresholds: list[int]


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """Whole local days, the end excluded; and both as instants."""

    start: str
    end: str
    zone: str
    until: str
    since: str = msgspec.field(name="from")


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The usage of one subscription. `window` is the number of the window that runs, None outside the term."""

    subscription: int
    customer: str
    kind: str
    plan: Plan
    term: Term
    as_of: str
    windows: list[Window]
    currency: str
    window: int | None = None
    total: str | None = None


class Learner(msgspec.Struct, frozen=True, kw_only=True):
    """One unit that counted, by which fact; `standing` is included or beyond."""

    position: int
    organisation: str
    kind: str
    learner: str
    object: str
    first_at: str
    source: str
    fact: str
    facts: int
    standing: str
    class_: str = msgspec.field(name="class")
    erased: bool = False
    name: str = ""
    email: str = ""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of those who counted."""

    window: int
    learners: list[Learner]
    next: int | None = None


class ExplainedFact(msgspec.Struct, frozen=True, kw_only=True):
    """One fact and what became of it; `proves` where it is the one that made its unit active."""

    at: str
    type: str
    role: str
    object: str
    source: str
    id: str
    disposition: str
    proves: bool


class ExplainedWindow(msgspec.Struct, frozen=True, kw_only=True):
    """One window: as what the learner counted, and everything that happened."""

    window: int
    start: str
    end: str
    counted: bool
    classes: list[str]
    facts: list[ExplainedFact]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why somebody counted, or did not; `ids` are all that belong to them."""

    ids: list[str]
    before: list[ExplainedFact]
    windows: list[ExplainedWindow]
    after: list[ExplainedFact]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one subscription says: whether they count already, would count, and what is left."""

    subscription: int
    window: int
    end: str
    allowed: bool
    counted: bool
    would_count: bool
    remaining: int
    reason: str


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """Whether every subscription allows it."""

    allowed: bool
    subscriptions: list[Verdict]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One window of a pool that would change: each pair is what is, and what would be."""

    subscription: int
    window: int
    start: str
    end: str
    pool: str
    active: tuple[int, int]
    overage: tuple[int, int]
    available: tuple[int, int]
    total: tuple[str | None, str | None]
    currency: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt that facts would have, and what they would change. Nothing was kept."""

    received: int
    new: int
    repeats: int
    held: int
    rejected: list[Rejected]
    changes: list[Change]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One closed statement; `window` is None for a note. `disputed` says why, `disputed_by` which side, while it is."""

    number: int
    window: int | None
    start: str | None
    end: str | None
    digest: str
    adjusts: list[int]
    total: str | None
    currency: str
    closed_at: str
    closed_by: str
    disputed: str
    disputed_by: str
    disputed_at: str | None


class Coming(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that is to come: whether it waits for an approval, and why it was not closed, else empty."""

    number: int
    window: int | None
    asked_at: str | None
    approved_at: str | None
    approved_by: str
    withheld: str


class Statements(msgspec.Struct, frozen=True, kw_only=True):
    """The statements of a subscription, the first one first, and those that are to come."""

    statements: list[Statement]
    coming: list[Coming]
    on_hold: bool
    hold_reason: str
