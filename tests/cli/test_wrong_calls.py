"""A wrong call of `rollbook meter` prints no result, says what is wrong, and ends with 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from .calls import JANUARY, call, meter


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--plan, --subscription: nothing says what to count by; "),
        (("--start", "2026-01-01"), "--plan, --subscription: nothing says what to count by; "),
        (("--plan", "monthly-login"), "--start: the first day of the term is missing; "),
        (
            ("--plan", "monthly-logn", "--start", "2026-01-01"),
            'there is no published plan "monthly-logn" (nearest: monthly-login)',
        ),
        (("--plan", "nowhere.toml", "--start", "2026-01-01"), "nowhere.toml: there is no such file"),
        (("--plan", "monthly-login", "--start", "2026-02-30"), '--start: "2026-02-30" is not a date'),
        (("--plan", "monthly-login", "--start", "1969-12-31"), "--start: 1969-12-31 is outside the years 1970 to 2199"),
        (("--plan", "monthly-login", "--start", "2026-01-01", "--end", "soon"), '--end: "soon" is not a date'),
        (
            ("--plan", "monthly-login", "--start", "2026-02-01", "--end", "2026-01-01"),
            "the term would end on 2026-01-01, before it starts",
        ),
        (
            ("--plan", "monthly-login", "--start", "2026-02-01", "--end", "2026-02-01"),
            "the term would end on 2026-02-01, before it starts",
        ),
        (("--plan", "monthly-login", "--start", "1970-01-01", "--end", "2199-12-31"), "is longer than 50 years"),
        (("--plan", "monthly-login", "--subscription", "acme.toml"), "either --plan and --start, or --subscription"),
        (("--subscription", "acme.toml", "--start", "2026-01-01"), "--start: the subscription file says this"),
        (("--subscription", "acme.toml", "--end", "2026-01-01"), "--end: the subscription file says this"),
        (("--subscription", "acme.toml", "--zone", "UTC"), "--zone: the subscription file says this"),
        (("--subscription", "acme.toml", "--organisation", "o"), "--organisation: the subscription file says this"),
        (("--subscription", "nowhere.toml"), "nowhere.toml: there is no such file"),
        ((*JANUARY, "--zone", "Mars/Phobos"), '--zone: there is no time zone "Mars/Phobos"'),
        ((*JANUARY, "--input-zone", "Mars/Phobos"), '--input-zone: there is no time zone "Mars/Phobos"'),
        ((*JANUARY, "--as-of", "2026-02-30"), '--as-of: "2026-02-30" is not an instant'),
        ((*JANUARY, "--date-order", "dym"), "--date-order"),
        ((*JANUARY, "--by", "day"), "--by"),
        ((*JANUARY, "--format", "xml"), "--format"),
        ((*JANUARY, "--engine", "abacus"), "--engine"),
        ((*JANUARY, "--map", "learner"), "--map learner: expected A=B"),
        ((*JANUARY, "--map", "=x"), "--map =x: expected A=B"),
        ((*JANUARY, "--map", "learner="), "--map learner=: expected A=B"),
        ((*JANUARY, "--map", "lerner=user"), 'there is no column "lerner" (nearest: learner)'),
        ((*JANUARY, "--map", "learner=user"), 'no export has a column "user"'),
        ((*JANUARY, "--map", "learner=id", "--map", "learner=type"), "learner is given twice"),
        ((*JANUARY, "--problems", "/nowhere/problems.csv"), "/nowhere/problems.csv: the problems cannot be written"),
        ((*JANUARY, "--problems", "/"), "/: the problems cannot be written"),
        ((*JANUARY, "--colour"), "--colour"),
    ],
)
def test_a_wrong_call_prints_no_result_and_says_what_is_wrong(
    ledger: str, arguments: tuple[str, ...], said: str
) -> None:
    ran = call("meter", ledger, *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err


def test_a_call_without_facts_is_wrong() -> None:
    ran = call("meter", *JANUARY)
    assert (ran.code, ran.out) == (2, "")
    assert "FACTS" in ran.err


def test_the_problems_are_never_written_over_the_facts(ledger: str) -> None:
    before = Path(ledger).read_text()
    ran = meter(ledger, *JANUARY, "--problems", ledger)
    assert ran.code == 2
    assert Path(ledger).read_text() == before
