"""Plans that use every key, changed in one place or another, and what is said about them."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from rollbook.errors import PlanError, Problem
from rollbook.model.plan import parse_plan
from rollbook.plans import PLAN_FILE, folder, published
from tests.model.changed import toml

NAME = "our/plan.toml"

COUNTING = """
id = "every-key"
title = "Counts, with every key it may have"
vendor = "We"
summary = "All of it."
sources = ["https://example.org"]
read_on = 2026-11-22

[meter]
counts = ["session.entered", "login"]
unit = "learner"
guests = "each-entry"
reconnect_grace_seconds = 600
exempt = [{ role = "admin" }, { role = "facilitator", unless_modes = ["live-flexible", "on-demand"] }]
while = { on = ["account.enabled"], off = ["account.disabled"] }
minimum = 2
first_ever = true
dedupe = "customer"

[window]
kind = "days"
length_days = 30
remainder = "short-last"
term_months = 24
zone = "Europe/Paris"

[allowance]
quantity = 50
per = "window"
per_organisation = true
pool_scope = "organisation"
rollover_windows = 0
increase_only = true

[limit]
policy = "block-new"
thresholds = [50, 100, 120]
grace_days = 7

[governance]
grace_days = 10
close = "approve"
visible_to_customer = false
effective_from = 2026-01-01

[tariff]
currency = "BHD"
floor = 60

[tariff.base]
timing = "arrears"
every = "window"
charged = "used"
shape = "volume"
tier_by = "nominated"
tiers = [{ first = 1, rate = 4.5 }, { first = 101, rate = 3.25, flat = 12.5 }]

[tariff.overage]
shape = "package"
rate = 19.95
size = 25
tier_by = "charged"
"""

HOLDING = """
id = "every-other-key"
title = "Holds"

[meter]
unit = "enrolment"

[meter.holds]
on = ["enrolment.enabled"]
off = ["enrolment.disabled", "account.disabled"]
opens = "in-term"

[window]
kind = "anniversary-month"

[allowance]
per = "held"
basis = "ever"
reuse_requires_approval = true

[tariff]
currency = "JPY"

[tariff.base]
shape = "package"
rate = 900
size = 10

[tariff.overage]
shape = "graduated"
tiers = [{ first = 1, rate = 0.1 }, { first = 11, rate = 0.05, flat = 3 }]
"""

TEXTS = {
    "counting": COUNTING,
    "holding": HOLDING,
    **{plan.id: (folder(plan.id) / PLAN_FILE).read_text(encoding="utf-8") for plan in published()},
}
DOCUMENTS = {name: tomllib.loads(text) for name, text in TEXTS.items()}

every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)


def problems(text: str) -> list[Problem]:
    """What is wrong with the plan; nothing where it can be read."""
    try:
        parse_plan(text, NAME)
    except PlanError as error:
        return list(error.problems)
    return []


def said(text: str) -> list[tuple[str, str]]:
    """The place, without the file, and the rule of everything that is wrong."""
    found = problems(text)
    assert all(problem.place == NAME or problem.place.startswith(f"{NAME}: ") for problem in found)
    assert all(problem.remedy for problem in found)
    return [(problem.place.removeprefix(NAME).removeprefix(": "), problem.rule) for problem in found]


def changed(base: str, **values: Any) -> str:
    """The text of a plan with some keys of its meter, or with the value None without them."""
    document = tomllib.loads(base)
    for key, value in values.items():
        name = key.removesuffix("_")
        if value is None:
            del document["meter"][name]
        else:
            document["meter"][name] = value
    return toml(document)


def with_tables(base: str = "", **tables: Any) -> str:
    """The text of a plan with other tables than its own, by default of the plain plan."""
    return toml(tomllib.loads(base or PLAIN) | tables)


def with_window(**values: Any) -> str:
    return toml({"id": "p", "title": "P", "meter": {"counts": ["login"]}, "window": values})


PLAIN = toml({"id": "p", "title": "P", "meter": {"counts": ["login"]}, "window": {"kind": "calendar-month"}})
HELD = toml({"id": "p", "title": "P", "meter": {"holds": {"on": ["on"], "off": ["off"]}}, "window": {"kind": "term"}})
