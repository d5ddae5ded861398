"""What a plan includes, what happens beyond it, and when a window is final.

A quantity is usable from an instant, that one included, until another, that one excluded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from rollbook.model.keys import Keys

PERS = ("window", "term", "held")
"""Of what the quantity is: of each window (F-23), of the whole term (A-02, S-09), of what is held at once (S-03)."""

SCOPES = ("customer", "organisation")
"""Who shares it: all of a customer's organisations (W-36), or each organisation has its own."""

BASES = ("peak", "end", "ever")
"""What is compared with a quantity that is held: the most at once, what is held at the end, or whoever held any."""

POLICIES = ("bill", "notify", "block-new", "block")
"""Beyond the allowance: charge it (F-24), only say so (A-24), turn newcomers away, turn everybody away."""

CLOSES = ("auto", "approve")
"""Whether a window closes by itself after its grace, or when somebody approves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is included. What a subscription buys comes on top of `quantity`.

    quantity                 units included by the plan itself
    per, pool_scope, basis   see `PERS`, `SCOPES`, `BASES`
    per_organisation         each organisation of the customer brings `quantity` (W-35)
    rollover_windows         per window: for how many further windows of the term the unused part stays usable
    increase_only            what is bought may rise within a term, and fall only at its renewal (W-40, W-41)
    reuse_requires_approval  a released seat may be taken by another only after an approval (S-07, S-e)
    """

    quantity: int = 0
    per: str = "window"
    per_organisation: bool = False
    pool_scope: str = "customer"
    basis: str = "peak"
    rollover_windows: int = 0
    increase_only: bool = False
    reuse_requires_approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What happens near the allowance and beyond it.

    policy      see `POLICIES`; overage is charged under `bill` only
    thresholds  percentages of the allowance at which somebody is told (A-g)
    grace_days  days beyond the allowance before a blocking policy acts
    """

    policy: str = "bill"
    thresholds: tuple[int, ...] = (80, 90, 100)
    grace_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """When a figure is final and who may see it.

    grace_days           days after a window's end before it may close
    close                see `CLOSES`
    visible_to_customer  pilots and special plans are shown to the vendor only (S-22, S-36)
    effective_from       the first day on which this version of the plan may be subscribed to
    """

    grace_days: int = 0
    close: str = "auto"
    visible_to_customer: bool = True
    effective_from: date | None = None


def read_allowance(keys: Keys) -> Allowance:
    """The table [allowance]."""
    allowance = Allowance(
        quantity=keys.integer("quantity", 0),
        per=keys.choice("per", PERS),
        per_organisation=keys.boolean("per_organisation", default=False),
        pool_scope=keys.choice("pool_scope", SCOPES, "customer"),
        basis=keys.choice("basis", BASES, "peak"),
        rollover_windows=keys.integer("rollover_windows", 0, most=600),
        increase_only=keys.boolean("increase_only", default=False),
        reuse_requires_approval=keys.boolean("reuse_requires_approval", default=False),
    )
    for key, pers, only in (
        ("basis", ("held",), "what is held at once"),
        ("reuse_requires_approval", ("held",), "what is held at once"),
        ("rollover_windows", ("window",), "a quantity of each window; a term's is usable throughout"),
        ("pool_scope", ("window", "term"), "a quantity per window or per term"),
        ("per_organisation", ("window", "term"), "a quantity per window or per term"),
    ):
        if keys.has(key) and allowance.per not in pers:
            keys.report(key, f'{key} does not go with per = "{allowance.per}": it is about {only}', f"leave {key} out")
    if allowance.pool_scope == "organisation" and allowance.quantity and not allowance.per_organisation:
        keys.report("pool_scope", "each organisation has its own, but the quantity is the customer's", _EACH)
    keys.close()
    return allowance


_EACH = 'set per_organisation = true, or pool_scope = "customer"'


def read_limit(keys: Keys) -> Limit:
    """The table [limit]."""
    limit = Limit(
        policy=keys.choice("policy", POLICIES, "bill"),
        thresholds=keys.integers("thresholds", [80, 90, 100], least=1, most=1000),
        grace_days=keys.integer("grace_days", 0, most=366),
    )
    if limit.grace_days and not limit.policy.startswith("block"):
        keys.report("grace_days", f'policy = "{limit.policy}" never blocks', "leave grace_days out")
    keys.close()
    return limit


def read_governance(keys: Keys) -> Governance:
    """The table [governance]."""
    governance = Governance(
        grace_days=keys.integer("grace_days", 0, most=366),
        close=keys.choice("close", CLOSES, "auto"),
        visible_to_customer=keys.boolean("visible_to_customer", default=True),
        effective_from=keys.date("effective_from", None),
    )
    keys.close()
    return governance
