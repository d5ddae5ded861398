"""Writes the rosters of the college: the same bytes every time.

In August it has 64 learners. Terms cut its year; classes have the days of their term. Twelve learners were in the
second term only, six are in the fourth only, all others learn now. In October five have left and four are new; some
are set inactive by then.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
COLLEGE = "harbour-college"
TERMS = {"t2": ("2026-04-20", "2026-06-27"), "t3": ("2026-07-13", "2026-09-19"), "t4": ("2026-10-05", "2026-12-19")}
COURSES = ("aged-care", "barista", "first-aid", "forklift")

_CLASSES = (
    "title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,"
    "subjects,subjectCodes,periods"
)
_USERS = (
    "enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,"
    "agentSourcedIds,grades,password"
)

LEARNERS, NEW, LEFT = 64, 4, 5
PAST, TO_COME = 12, 6
"""How many of the learners of August were in the second term only, and how many are in the fourth only."""

STOPPED = 19
"""One who learns and is set inactive by October, beside those of the second term."""

Rows = Iterable[Sequence[str]]

SUBSCRIPTIONS = {
    "lrm.toml": """# Active learners: whoever "Is Active?". 50 are included; the price is made up.
plan = "wisenet-lrm"
customer = "Harbour College"
organisations = ["harbour-college"]
start = 2026-07-01
end = 2027-07-01
zone = "Australia/Melbourne"

[tariff]
currency = "AUD"
overage = { rate = 6.00 }
""",
    "elearning.toml": """# Active elearning learners: with an enabled enrolment. 40 are bought; prices are made up.
plan = "wisenet-elearning"
customer = "Harbour College"
organisations = ["harbour-college"]
start = 2026-07-01
end = 2027-07-01
zone = "Australia/Melbourne"
quantity = 40

[tariff]
currency = "AUD"
base = { rate = 4.00 }
overage = { rate = 6.00 }
""",
    "rules.toml": """# Enrolments are enabled as their term begins, and disabled as it ends.
budget_learners_active = 60

[[cycle]]
name = "Terms"

[[cycle.steps]]
when = "begins"
do = "enable"

[[cycle.steps]]
when = "ends"
do = "disable"
""",
    "rules-gone-wrong.toml": """# Somebody meant two days before the term, and wrote 20.
budget_learners_active = 5

[[cycle]]
name = "Terms"

[[cycle.steps]]
when = "begins"
after_days = -20
do = "enable"

[[cycle.steps]]
when = "ends"
do = "disable"
""",
}


def files() -> Iterator[tuple[str, str]]:
    """(path, text) of every sample."""
    inactive = {*range(LEFT, PAST), STOPPED}
    for month, numbers, off in (
        ("august", range(LEARNERS), set[int]()),
        ("october", range(LEFT, LEARNERS + NEW), inactive),
    ):
        for name, (columns, rows) in roster(numbers, off).items():
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([columns.split(","), *rows])
            yield f"{month}/{name}.csv", text.getvalue()
    yield from SUBSCRIPTIONS.items()


def roster(numbers: Sequence[int], inactive: Container[int]) -> Mapping[str, tuple[str, Rows]]:
    """The columns and rows of each file of OneRoster 1.1, in bulk: of these learners, some of them switched off."""
    there = ("academicSessions", "classes", "courses", "enrollments", "orgs", "users")
    absent = ("categories", "classResources", "courseResources", "demographics", "lineItems", "resources", "results")
    properties = [("manifest.version", "1.0"), ("oneroster.version", "1.1")]
    properties += sorted([(f"file.{it}", "bulk") for it in there] + [(f"file.{it}", "absent") for it in absent])
    classes = [f"{course}-{term}" for course in COURSES for term in TERMS]
    users = [_user(_name(it), "student", enabled=it not in inactive) for it in numbers]
    enrolled = [row for number in numbers for row in _enrolments(number)]
    common = "sourcedId,status,dateLastModified"
    return {
        "manifest": ("propertyName,value", properties),
        "orgs": (
            f"{common},name,type,identifier,parentSourcedId",
            [(COLLEGE, "", "", "Harbour College", "school", "", "")],
        ),
        "academicSessions": (
            f"{common},title,type,startDate,endDate,parentSourcedId,schoolYear",
            [(term, "", "", f"Term {term[1]}", "term", *days, "", "2026") for term, days in TERMS.items()],
        ),
        "courses": (
            f"{common},schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes",
            [(course, "", "", "", course.capitalize(), course, "", COLLEGE, "", "") for course in COURSES],
        ),
        "classes": (
            f"{common},{_CLASSES}",
            [(it, "", "", it, "", it[:-3], it, "scheduled", "", COLLEGE, it[-2:], "", "", "") for it in classes],
        ),
        "users": (
            f"{common},{_USERS}",
            [_user("kirsten", "teacher"), *users],
        ),
        "enrollments": (
            f"{common},classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate",
            [*((f"k-{it}", "", "", it, COLLEGE, "kirsten", "teacher", "true", "", "") for it in classes), *enrolled],
        ),
    }


def _name(number: int) -> str:
    return f"learner-{number + 1:02}"


def _user(name: str, role: str, *, enabled: bool = True) -> tuple[str, ...]:
    return (name, "", "", str(enabled).lower(), COLLEGE, role, name, *[""] * 11)


def _enrolments(number: int) -> Iterator[tuple[str, ...]]:
    """One class, or two for every third; a course goes on from term to term for every fourth of those who learn now."""
    course = COURSES[number % len(COURSES)]
    if number < PAST:
        terms = ["t2"]
    elif number < PAST + TO_COME or number >= LEARNERS:
        terms = ["t4"]
    else:
        terms = ["t3", "t4"] if number % 4 == 0 else ["t3"]
    classes = [f"{course}-{term}" for term in terms]
    if number % 3 == 0:
        classes.append(f"{COURSES[(number + 1) % len(COURSES)]}-{terms[0]}")
    for class_ in classes:
        yield (f"e-{number + 1:02}-{class_}", "", "", class_, COLLEGE, _name(number), "student", "", "", "")


def main() -> None:
    """Writes every sample beside this file."""
    for name, text in files():
        path = HERE / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
