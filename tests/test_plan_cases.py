"""Cases of plans are run as the tests run them, and against a text that somebody edits."""

from __future__ import annotations

import pytest

from rollbook.model.plan import parse_plan
from rollbook.plans import published
from rollbook.plans.cases import cases, run_all


@pytest.mark.parametrize("plan", published(), ids=lambda it: it.id)
def test_every_case_holds_under_its_own_plan(plan):
    ran = list(run_all(plan, plan.id, seconds=60))
    assert len(ran) == len(cases(plan.id)) > 0
    assert [(it.name, it.problem, it.differing) for it in ran if not it.holds] == []


def test_a_plan_that_counts_something_else_differs_where_the_case_says_why():
    [login] = [it for it in published() if it.id == "secondnature-mau"]
    changed = parse_plan(login.text.replace('counts = ["login"]', 'counts = ["course.started"]'))
    ran = {it.name: it for it in run_all(changed, "secondnature-mau")}
    found = ran["more-users-than-bought-are-counted-and-nothing-is-charged-for-them"]
    # Nobody starts a course in it: all who logged in are missing.
    assert not found.holds
    assert found.differing[0].found == ""
    assert found.differing[0].expected.startswith("ada:1")


def test_a_plan_that_does_not_fit_a_case_says_why_and_the_others_run():
    [login] = [it for it in published() if it.id == "secondnature-mau"]
    daily = parse_plan(login.text.replace('kind = "calendar-month"', 'kind = "days"\nlength_days = 1'))
    assert all(it.problem or it.windows for it in run_all(daily, "secondnature-mau"))


def test_once_the_time_is_over_no_case_is_begun():
    plan = published()[0]
    assert [it.in_time for it in run_all(plan, plan.id, seconds=0)] == [False] * len(cases(plan.id))


def test_a_plan_that_is_not_published_has_no_cases():
    assert cases("../etc") == cases("made-up") == ()
