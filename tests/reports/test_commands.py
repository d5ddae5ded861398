"""`rollbook report` and `rollbook reports` in every format, read back."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rollbook.reports.named import REPORTS
from rollbook.samples.reports.__main__ import HERE
from tests.cli.calls import SAMPLE, call, process, raw_controls
from tests.render.reading import sheets

YEAR = ("--start", "2026-01-01", "--as-of", "2026-06-20")
CREDITS = ("--plan", "secondnature-mauc", *YEAR, "--quantity", "50")


def test_csv_on_standard_output_is_the_sample() -> None:
    ran = call("report", "consumption", SAMPLE, *CREDITS, "--format", "csv")
    assert ran.code == 0
    assert ran.out == (HERE / "consumption-credits.csv").read_text(encoding="utf-8")
    assert ran.adds_up


def test_all_formats_hold_the_same_rows(tmp_path: Path) -> None:
    """Windows 1 to 6 used 9, 11, 15, 11, 8 and 4, as the sample has it."""
    used = [9, 11, 15, 11, 8, 4]
    for format_ in ("json", "parquet", "xlsx", "html", "csv"):
        ran = call("report", "consumption", SAMPLE, *CREDITS, "--to", str(tmp_path / f"r.{format_}"))
        assert (ran.code, ran.out) == (0, ""), ran.err
    document = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [row["used"] for row in document["rows"]] == used
    assert (document["report"], document["plan"], document["as_of"]) == (
        "Consumption",
        "secondnature-mauc",
        "2026-06-20T00:00:00Z",
    )
    assert pq.read_table(tmp_path / "r.parquet").column("used").to_pylist() == used
    heading, *rows = sheets(tmp_path / "r.xlsx")["Data"]
    assert [row[heading.index("s:used")] for row in rows] == [f"n:{units}" for units in used]
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(it.name for it in tmp_path.iterdir()) == ["r.csv", "r.html", "r.json", "r.parquet", "r.xlsx"]


def test_a_table_says_what_is_counted_and_up_to_when() -> None:
    ran = call("report", "mau", SAMPLE, *CREDITS)
    assert "Second Nature, Monthly Active User Credits" in ran.out
    assert "as of 2026-06-20" in ran.out
    assert "counts learners with login" in ran.out


def test_a_table_goes_to_a_file_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    shown = call("report", "usage", SAMPLE, *CREDITS)
    assert call("report", "usage", SAMPLE, *CREDITS, "--to", str(file)).out == ""
    assert file.read_text(encoding="utf-8") == shown.out


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_is_made_at_every_level(name: str) -> None:
    for by in REPORTS[name].levels:
        ran = call("report", name, SAMPLE, "--plan", "facilitate-annual", *YEAR, "--by", by, "--format", "csv")
        assert ran.code == 0
        assert len(ran.rows) > 0


def test_people_are_named_in_a_column_of_their_own(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("id,email,name\nana,ana@example.org,Ana Núñez\n", encoding="utf-8")
    ran = call("report", "users", SAMPLE, *CREDITS, "--people", str(people), "--format", "csv")
    named = {row["learner"]: row["name"] for row in ran.rows}
    assert named["ana"] == "Ana Núñez (ana)"
    assert named["bo"] == "bo"
    assert "name" not in call("report", "usage", SAMPLE, *CREDITS, "--people", str(people), "--format", "csv").rows[0]


def test_a_name_that_a_spreadsheet_would_compute_is_guarded(tmp_path: Path) -> None:
    facts = tmp_path / "facts.csv"
    facts.write_text("id,occurred_at,learner,type\n1,2026-01-05T10:00:00Z,=HYPERLINK(1),login\n", encoding="utf-8")
    options = ("--plan", "monthly-login", *YEAR, "--by", "learner", "--format")
    assert call("report", "mau", str(facts), *options, "csv").rows[0]["learner"] == "'=HYPERLINK(1)"
    exact = json.loads(call("report", "mau", str(facts), *options, "json").out)
    assert exact["rows"][0]["learner"] == "=HYPERLINK(1)"


def test_rejected_rows_are_said_on_the_report_itself(tmp_path: Path) -> None:
    facts = tmp_path / "facts.csv"
    facts.write_text(
        "id,occurred_at,learner,type\n1,2026-01-05T10:00:00Z,ann,login\n2,never,bob,login\n", encoding="utf-8"
    )
    options = ("--plan", "monthly-login", *YEAR)
    ran = call("report", "usage", str(facts), *options)
    assert ran.code == 3
    assert "INCOMPLETE: 1 of 2 rows were rejected" in ran.out
    html = tmp_path / "r.html"
    assert call("report", "usage", str(facts), *options, "--to", str(html)).code == 3
    assert "1 of 2 rows were rejected" in html.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("usge", SAMPLE, *CREDITS), 'no report "usge" (nearest: usage)'),
        (("usage", SAMPLE, *CREDITS, "--by", "learner"), "usage has no rows by learner"),
        (("usage", SAMPLE, *CREDITS, "--format", "xlsx"), "name a file: --to report.xlsx"),
        (("usage", SAMPLE, *CREDITS, "--to", SAMPLE), "written over an input"),
        (("usage", SAMPLE, *CREDITS, "--to", "/nowhere/report.csv"), "the report cannot be written"),
    ],
)
def test_a_wrong_call_is_answered_in_words(arguments: tuple[str, ...], says: str) -> None:
    ran = call("report", *arguments)
    assert ran.code == 2
    assert says in ran.err
    assert ran.out == ""


def test_the_list_of_reports_has_every_column_with_its_meaning() -> None:
    ran = call("reports")
    assert ran.code == 0
    for report in REPORTS.values():
        assert f"{report.name}: {report.title}" in ran.out
        for shape in report.shapes:
            for name, column in shape.columns.items():
                assert name in ran.out
                assert " ".join(column.meaning.split()[:6]) in " ".join(ran.out.split())


def test_control_characters_of_facts_do_not_reach_the_terminal(tmp_path: Path) -> None:
    facts = tmp_path / "facts.csv"
    facts.write_text("id,occurred_at,learner,type\n1,2026-01-05T10:00:00Z,\x1b[31mred,login\n", encoding="utf-8")
    ran = call("report", "users", str(facts), "--plan", "monthly-login", *YEAR)
    assert raw_controls(ran.out) == set()


def test_a_process_of_its_own_makes_a_page() -> None:
    ran = process("report", "usage", SAMPLE, *CREDITS, "--format", "html")
    assert ran.code == 0
    assert ran.out.rstrip().endswith("</html>")
