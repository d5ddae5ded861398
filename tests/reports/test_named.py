"""Every report says what its columns mean, exists on every plan, and has a sample that is what it says."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import rollbook
from rollbook import Plan, Subscription, UsageError, published
from rollbook.model.subscription import Quantity
from rollbook.reports.columns import KINDS
from rollbook.reports.named import LEVELS, REPORTS, Report, find
from rollbook.samples.reports.__main__ import FACTS, HERE, SAMPLES, Sample, subscription, write

TABLES = [(report, by) for report in REPORTS.values() for by in report.levels]
AS_OF = datetime(2026, 6, 20, tzinfo=UTC)


def academy(plan: Plan) -> Subscription:
    made = Subscription(plan=plan, start=date(2026, 1, 1), end=date(2026, 7, 1))
    return replace(made, quantities=(Quantity(made.start_us, 7),))


@pytest.mark.parametrize("plan", published(), ids=lambda plan: plan.id)
def test_every_table_has_the_columns_that_are_documented_and_no_other(plan: Plan) -> None:
    with rollbook.meter(str(FACTS), academy(plan), as_of=AS_OF, assume_members=True) as result:
        for report, by in TABLES:
            shape = report.shape(plan, by)
            answer = shape.answer(result.account, result.steps.rows)
            if isinstance(answer, str):
                assert list(result.steps.connection.sql(answer).columns) == list(shape.columns), report.name
            else:
                assert {len(row) for row in answer} <= {len(shape.columns)}, report.name
            table = result.report(report.name, by)
            assert table.column_names == list(shape.columns)
            for field in table.schema:
                assert field.metadata[b"meaning"].decode() == shape.columns[field.name].meaning


@pytest.mark.parametrize("plan", published(), ids=lambda plan: plan.id)
def test_both_engines_make_the_same_reports(plan: Plan) -> None:
    made = [
        rollbook.meter(str(FACTS), academy(plan), as_of=AS_OF, assume_members=True, engine=engine)
        for engine in ("duckdb", "reference")
    ]
    with made[0] as fast, made[1] as slow:
        for report, by in TABLES:
            assert fast.report(report.name, by).equals(slow.report(report.name, by)), report.name


@pytest.mark.parametrize("report", REPORTS.values(), ids=lambda report: report.name)
def test_a_report_says_what_it_is_for_and_every_column_what_it_means(report: Report) -> None:
    assert report.title
    assert report.purpose
    for shape in report.shapes:
        assert shape.by in LEVELS
        for name, column in shape.columns.items():
            assert name == name.lower().replace(" ", "_")
            assert column.meaning
            assert column.kind in KINDS


@pytest.mark.parametrize("plan", published(), ids=lambda plan: plan.id)
def test_exactly_one_shape_fits_a_plan_at_each_level(plan: Plan) -> None:
    for report, by in TABLES:
        assert len([it for it in report.shapes if it.by == by and it.applies(plan)]) == 1


def test_every_shape_has_a_sample() -> None:
    shaped = {id(find(it.report).shape(subscription(it).plan, it.by)) for it in SAMPLES}
    assert shaped == {id(shape) for report in REPORTS.values() for shape in report.shapes}
    assert {file.stem for file in HERE.glob("*.csv")} == {it.name for it in SAMPLES}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_is_what_the_report_makes_of_the_sample_facts(sample: Sample) -> None:
    written = io.StringIO(newline="")
    write(sample, written)
    assert (HERE / f"{sample.name}.csv").read_text(encoding="utf-8") == written.getvalue()
    assert len(written.getvalue().splitlines()) > 1


def test_the_documentation_names_every_report() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
    assert [name for name in REPORTS if f"`{name}`" not in text] == []


def test_a_report_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r'no report "usge" \(nearest: usage\)'):
        find("usge")


def test_a_level_that_a_report_lacks_names_the_reports_that_have_it() -> None:
    with pytest.raises(UsageError, match=r"usage has no rows by learner; use mau or users or"):
        find("usage").shape(published()[0], "learner")


@pytest.mark.parametrize("name", REPORTS)
def test_a_term_of_which_nothing_has_begun_has_no_rows(name: str) -> None:
    with rollbook.meter(str(FACTS), academy(published()[0]), as_of=datetime(2025, 12, 31, tzinfo=UTC)) as result:
        assert result.report(name).num_rows == 0
