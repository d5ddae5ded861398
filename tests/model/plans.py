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


def with_window(**values: Any) -> str:
    return toml({"id": "p", "title": "P", "meter": {"counts": ["login"]}, "window": values})


PLAIN = toml({"id": "p", "title": "P", "meter": {"counts": ["login"]}, "window": {"kind": "calendar-month"}})
HELD = toml({"id": "p", "title": "P", "meter": {"holds": {"on": ["on"], "off": ["off"]}}, "window": {"kind": "term"}})
