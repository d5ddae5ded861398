"""Numbers that nobody means are problems that say so, never a failure of the program."""

from __future__ import annotations

import pytest

from rollbook.errors import PlanError, SubscriptionError
from rollbook.model.plan import parse_plan
from rollbook.model.subscription_file import parse_subscription
from rollbook.plans import find_plan

FILE = 'plan = "facilitate-annual"\nstart = 2026-01-01\n'


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("quantity = " + "1" * 5_000, "a number has too many digits to be read"),
        ("quantity = 0x" + "f" * 5_000, "found one of more than 40 digits"),
        ("start = 0x" + "f" * 5_000, "the number one of more than 40 digits"),
        ("quantity = " + "1" * 41, "found one of more than 40 digits"),
        ("quantity = 1000000001", "found 1000000001"),
        ('tariff = { currency = "EUR", overage = { rate = 1e99999999999999999999 } }', "too many digits to be read"),
        ('tariff = { currency = "EUR", overage = { rate = 1e999999 } }', "found 1E+999999"),
        ('tariff = { currency = "EUR", overage = { rate = 0.' + "1" * 50 + " } }", "found 1.111e-1"),
        (
            'tariff = { currency = "EUR", overage = { rate = 0x' + "f" * 5_000 + " } }",
            "found one of more than 40 digits",
        ),
        ("quantity = " + "[" * 5_000 + "]" * 5_000, "this is not TOML"),
    ],
)
def test_a_number_that_nobody_means_is_a_problem(line: str, rule: str) -> None:
    text = FILE.replace("start = 2026-01-01\n", "") + line if line.startswith("start") else FILE + line
    with pytest.raises(SubscriptionError) as raised:
        parse_subscription(text, find_plan)
    [problem] = raised.value.problems
    assert rule in problem.rule
    assert len(str(problem)) < 300


def test_a_plan_says_it_as_well() -> None:
    with pytest.raises(PlanError, match="a number has too many digits to be read"):
        parse_plan("id = " + "1" * 5_000)
