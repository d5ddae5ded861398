"""Whatever a roster holds, its facts can be written, read back, and say again what it held."""

from __future__ import annotations

import csv
import io
import tempfile
from datetime import date
from pathlib import Path

from hypothesis import event, given, settings
from hypothesis import strategies as st

from rollbook.intake import read_facts
from rollbook.intake.options import ReadOptions
from rollbook.intake.rosters import RosterOptions, read_roster
from rollbook.intake.rosters.plain import COLUMNS
from rollbook.intake.rosters.taking import NAME_LENGTH_MAX
from rollbook.intake.writing import append_facts
from rollbook.model.roster import Roster
from rollbook.roster.snapshots import diff
from rollbook.roster.view import roster_of

NAMES = st.sampled_from(
    [
        "ann",
        "zoë",
        "学生",
        "=1+1",
        "a|b",
        "a\\|b",
        'say "hi"',
        "a;b",
        "O\u2019Neil",
        "x" * NAME_LENGTH_MAX,
        '"' * NAME_LENGTH_MAX,
    ]
)
DAYS = st.sampled_from(["", "2026-03-01", "2026-09-01", "2199-12-31"])
ROWS = st.tuples(
    NAMES,
    NAMES,
    st.one_of(st.just(""), NAMES),
    st.one_of(st.just(""), NAMES),
    DAYS,
    DAYS,
    st.sampled_from(["", "on", "off"]),
    st.sampled_from(["", "yes", "no"]),
    st.one_of(st.just(""), NAMES),
)
FIRST_US, STEP_US = 1_772_357_400_000_000, 86_400 * 10**6


@settings(max_examples=25)
@given(st.lists(st.lists(ROWS, max_size=8), min_size=1, max_size=3))
def test_rosters_taken_in_one_after_another_leave_facts_that_say_the_last(rosters: list[list[tuple[str, ...]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        facts = Path(folder) / "facts.csv"
        view = Roster()
        for number, rows in enumerate(rosters):
            text = io.StringIO()
            csv.writer(text).writerows([COLUMNS, *rows])
            path = Path(folder) / "roster.csv"
            path.write_text(text.getvalue(), encoding="utf-8")
            reading = read_roster(path, RosterOptions(day=date(2026, 9, 2)))
            assert reading.rows == len(rows)
            at_us = FIRST_US + number * STEP_US
            append_facts(diff(view, reading.over(view), at_us), facts)
            with read_facts([str(facts)], ReadOptions()) as store:
                assert not store.problems.total, [*store.problems]
                view = roster_of(store.iterate(), at_us + 1)
            if reading.snapshot.complete:
                event("whole")
                held = reading.snapshot.roster
                assert {
                    key: it.active for key, it in view.learners.items() if key[0] in reading.snapshot.organisations
                } == {key: it.active for key, it in held.learners.items()}
                assert {
                    key: (it.course, it.unit, it.start, it.end, it.enabled)
                    for key, it in view.enrolments.items()
                    if key[0] in reading.snapshot.organisations
                } == {key: (it.course, it.unit, it.start, it.end, it.enabled) for key, it in held.enrolments.items()}


def test_a_course_that_no_fact_could_hold_is_rejected() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "roster.csv"
        path.write_text(f"learner,course\nann,{'x' * (NAME_LENGTH_MAX + 1)}\n", encoding="utf-8")
        reading = read_roster(path, RosterOptions(day=date(2026, 9, 2)))
    assert [it.rule for it in reading.problems] == ["course or unit has more than 1,000 characters"]
    assert reading.fates == {"rejected": 1}
