"""The commands about statements, as somebody uses them who closes books and pays bills."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from .calls import SAMPLE, Ran, call, environment, write_facts

SUBSCRIPTION = """
plan = "facilitate-annual"
customer = "=Academy"
organisations = ["north"]
start = 2026-01-01
end = 2026-04-01
quantity = 1
[tariff]
currency = "EUR"
base = { rate = 3.00 }
overage = { rate = 4.00 }
"""

JANUARY = (
    "1,2026-01-05T10:00:00Z,north,ann,session.entered,,,lms",
    "2,2026-01-06T10:00:00Z,north,bob,session.entered,,,lms",
)
LATE = ("3,2026-01-07T10:00:00Z,north,+carl,session.entered,,,lms",)


class Desk:
    """A folder with a subscription, facts and a book."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.book = str(folder / "book")
        folder.joinpath("ours.toml").write_text(SUBSCRIPTION, encoding="utf-8")
        self.january = write_facts(folder / "january.csv", *JANUARY)
        self.late = write_facts(folder / "late.csv", *LATE)

    def over(self, command: str, facts: str, as_of: str, *more: str) -> Ran:
        subscription = ("--subscription", str(self.folder / "ours.toml"))
        return call("statement", command, facts, *subscription, "--book", self.book, "--as-of", as_of, *more)

    def close(self, facts: str, as_of: str, *more: str) -> Ran:
        return self.over("close", facts, as_of, *more)

    def show(self, number: int, *more: str) -> Ran:
        return call("statement", "show", self.book, str(number), *more)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_closing_prints_what_was_closed_and_the_list_has_it(desk: Desk) -> None:
    ran = desk.close(desk.january, "2026-02-01")
    assert (ran.code, ran.adds_up) == (0, True)
    assert "Statement 1 · window 1, 2026-01-01 until 2026-02-01 (excluded), UTC" in ran.out
    assert "€7.00" in ran.out
    listed = call("statement", "list", desk.book)
    assert (listed.code, "€7.00" in listed.out) == (0, True)


def test_closing_when_nothing_is_due_says_when_it_will_be(desk: Desk) -> None:
    ran = desk.close(desk.january, "2026-01-20")
    assert (ran.code, ran.out) == (0, "")
    assert "nothing to close: window 1 can be closed from 2026-02-01T00:00:00Z on" in ran.err
    desk.close(desk.january, "2026-05-01")
    assert "every window is closed, and nothing arrived since" in desk.close(desk.january, "2026-05-01").err


def test_delivering_the_same_file_again_adjusts_nothing(desk: Desk) -> None:
    desk.close(desk.january, "2026-02-01")
    ran = desk.close(desk.january, "2026-03-01")
    assert (ran.code, "adjustment" in ran.out) == (0, False)
    assert ran.dispositions["duplicate"] == len(JANUARY)


def test_an_adjustment_is_a_line_with_its_window_units_and_amount(desk: Desk) -> None:
    desk.close(desk.january, "2026-02-01")
    out = " ".join(desk.close(desk.late, "2026-03-01").out.split())
    assert "adjustment of window 1, closed before: 1 added window 1: beyond the allowance +1 €4.00" in out


def test_rejected_rows_keep_a_window_open_until_somebody_decides(desk: Desk) -> None:
    broken = write_facts(desk.folder / "broken.csv", *JANUARY, "4,yesterday,north,dan,session.entered,,,lms")
    ran = desk.close(broken, "2026-02-01")
    assert ran.code == 2
    assert "broken.csv:4" in ran.err
    assert "--without-rejected" in ran.err
    assert not Path(desk.book).exists()
    assert desk.close(broken, "2026-02-01", "--strict").code == 3
    assert not Path(desk.book).exists()
    ran = desk.close(broken, "2026-02-01", "--without-rejected")
    assert (ran.code, "Statement 1" in ran.out, "INCOMPLETE" in ran.err) == (3, True, True)


def test_a_plan_may_ask_for_an_approval_of_windows_and_of_notes(desk: Desk) -> None:
    plan = 'id = "ours"\ntitle = "Ours"\n[meter]\ncounts = ["session.entered"]\n[window]\nkind = "calendar-month"\n'
    desk.folder.joinpath("plan.toml").write_text(plan + '[governance]\nclose = "approve"\n', encoding="utf-8")
    text = SUBSCRIPTION.replace('"facilitate-annual"', '"plan.toml"')
    desk.folder.joinpath("ours.toml").write_text(text, encoding="utf-8")
    for facts, as_of in ((desk.january, "2026-04-01"), (desk.late, "2026-05-01")):
        refused = desk.close(facts, as_of)
        assert (refused.code, "asks for an approval" in refused.err) == (2, True)
        assert desk.close(facts, as_of, "--approve").code == 0
    assert "a note after the term" in desk.show(4).out


def test_a_book_of_something_else_is_refused_with_what_differs(desk: Desk) -> None:
    desk.close(desk.january, "2026-02-01")
    text = SUBSCRIPTION.replace("facilitate-annual", "docebo-mau").replace("2026-04-01", "2026-05-01")
    desk.folder.joinpath("ours.toml").write_text(text, encoding="utf-8")
    ran = desk.close(desk.january, "2026-03-01")
    assert ran.code == 2
    assert "=Academy: plan: it says otherwise about the time before 2026-02-01T00:00:00Z" in ran.err
    assert "=Academy: end: it says otherwise" in ran.err


def test_two_who_close_at_the_same_time_close_each_window_once(desk: Desk) -> None:
    """Six processes. Whoever comes late finds nothing to close, or is told that somebody else has closed."""
    arguments = (
        *("statement", "close", desk.january, "--subscription", str(desk.folder / "ours.toml")),
        *("--book", desk.book, "--as-of", "2026-04-01"),
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "rollbook.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        for _ in range(6)
    ]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in running]
    wrote = [out.decode() for out, _, code in ended if code == 0 and out]
    assert len(wrote) == 1
    assert all(f"Statement {number} " in wrote[0] for number in (1, 2, 3))
    for out, err, code in ended:
        assert (code, bool(out)) in {(0, True), (0, False), (2, False)}
        assert code == 0 or b"somebody else has closed it at the same time" in err
    names = sorted(path.name for path in Path(desk.book).glob("0*.json"))
    assert names == ["0001.json", "0002.json", "0003.json"]
    assert desk.close(desk.late, "2026-05-01").code == 0, "the book is whole"


def test_a_preview_is_said_to_be_one_and_is_for_every_form(desk: Desk) -> None:
    desk.close(desk.january, "2026-02-01")
    ran = desk.over("preview", desk.late, "2026-02-10")
    assert "Preview, not closed · window 2" in ran.out
    record = json.loads(desk.over("preview", desk.late, "2026-02-10", "--format", "json").out)
    assert (record["number"], record["total"]) == (None, "7.00")
    rows = desk.over("preview", desk.late, "2026-02-10", "--format", "csv").rows
    assert [(row["kind"], row["amount"]) for row in rows] == [("base", "3.00"), ("overage", "4.00")]
    pdf = desk.folder / "preview.pdf"
    assert desk.over("preview", desk.late, "2026-02-10", "--format", "pdf", "--to", str(pdf)).code == 0
    assert pdf.read_bytes().startswith(b"%PDF-")


def test_a_statement_is_shown_in_every_form(desk: Desk) -> None:
    desk.close(desk.january, "2026-02-01")
    closed = json.loads(Path(desk.book, "0001.json").read_text(encoding="utf-8"))
    assert json.loads(desk.show(1, "--format", "json").out) == closed
    assert [row["amount"] for row in desk.show(1, "--format", "csv").rows] == ["3.00", "4.00"]
    parquet, pdf = desk.folder / "1.parquet", desk.folder / "1.pdf"
    assert desk.show(1, "--format", "parquet", "--to", str(parquet)).code == 0
    assert [str(amount) for amount in pq.read_table(parquet).column("amount").to_pylist()] == ["3.00", "4.00"]
    assert desk.show(1, "--format", "pdf", "--with-evidence", "--to", str(pdf)).code == 0
    assert pdf.read_bytes().startswith(b"%PDF-")


def test_amounts_are_written_as_a_locale_has_them(desk: Desk) -> None:
    desk.close(desk.january, "2026-02-01")
    assert "7,00\xa0€" in desk.show(1, "--locale", "de").out
    refused = desk.show(1, "--locale", "klingon")
    assert (refused.code, 'there is no locale "klingon"' in refused.err) == (2, True)


def test_the_evidence_is_shown_in_every_form(desk: Desk) -> None:
    desk.close(desk.january, "2026-02-01")
    desk.close(desk.late, "2026-03-01")
    assert "+carl" in desk.show(2, "--evidence").out
    [row] = desk.show(2, "--evidence", "--format", "csv").rows
    assert (row["unit"], row["first_at"], row["standing"]) == ("'+carl", "2026-01-07T10:00:00Z", "added")
    [row] = json.loads(desk.show(2, "--evidence", "--format", "json").out)["rows"]
    assert row["unit"] == "+carl"
    parquet = desk.folder / "evidence.parquet"
    desk.show(2, "--evidence", "--format", "parquet", "--to", str(parquet))
    assert parquet.read_bytes() == Path(desk.book, "0002.evidence.parquet").read_bytes()


def test_charges_of_all_statements_are_rows_that_no_spreadsheet_computes(desk: Desk) -> None:
    desk.close(desk.january, "2026-02-01")
    desk.close(desk.late, "2026-04-01")
    target = desk.folder / "charges.csv"
    assert call("statement", "charges", desk.book, "--to", str(target)).code == 0
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["amount"] for row in rows] == ["3.00", "4.00", "3.00", "4.00", "3.00"]
    assert {row["customer"] for row in rows} == {"'=Academy"}
    assert all(row["key"].startswith("'=Academy/facilitate-annual/2026-01-01/") for row in rows)
    assert call("statement", "charges", desk.book).out.splitlines() == target.read_text(encoding="utf-8").splitlines()


def test_charges_without_a_price_are_left_out_and_told(desk: Desk) -> None:
    desk.folder.joinpath("ours.toml").write_text(SUBSCRIPTION.split("[tariff]", maxsplit=1)[0], encoding="utf-8")
    desk.close(desk.january, "2026-02-01")
    ran = call("statement", "charges", desk.book)
    assert (ran.code, ran.rows) == (0, [])
    assert "2 of 2 lines have no price, and are left out" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "nowhere"), "nowhere: there is no such folder"),
        (("show", "nowhere", "1"), "nowhere: there is no such folder"),
        (("charges", "nowhere"), "nowhere: there is no such folder"),
        (("show", "empty", "1"), "empty: no statement is closed yet"),
        (("show", "book", "2"), "statement 2: the book has 1 statement; give 1"),
        (("show", "book", "0"), "statement 0: the book has 1 statement"),
        (("show", "book", "1", "--format", "pdf"), "--to: pdf is no text"),
        (("show", "book", "1", "--to", "x.txt"), "a table is for the screen"),
        (("show", "book", "1", "--format", "csv", "--to", "book/0001.json"), "this is inside the book"),
        (("show", "book", "1", "--format", "csv", "--to", "empty"), "this is a folder"),
        (("show", "book", "1", "--format", "csv", "--to", "no/x.csv"), "there is no such folder"),
        (("show", "book", "1", "--with-evidence"), "only a PDF has an appendix"),
        (("show", "book", "1", "--evidence", "--format", "pdf", "--to", "x.pdf"), "give --with-evidence"),
    ],
)
def test_a_wrong_call_says_what_to_do(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(desk.folder)
    desk.close(desk.january, "2026-02-01")
    desk.folder.joinpath("empty").mkdir()
    before = Path(desk.book, "0001.json").read_bytes()
    ran = call("statement", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert Path(desk.book, "0001.json").read_bytes() == before


def test_an_empty_folder_is_a_book_without_statements(desk: Desk) -> None:
    desk.folder.joinpath("empty").mkdir()
    ran = call("statement", "list", str(desk.folder / "empty"))
    assert (ran.code, ran.out, "no statement is closed yet" in ran.err) == (0, "", True)
    charges = call("statement", "charges", str(desk.folder / "empty"))
    assert (charges.code, charges.rows) == (0, [])


def test_a_result_is_not_written_over_what_it_was_read_from(desk: Desk) -> None:
    ran = desk.over("preview", desk.january, "2026-01-10", "--format", "csv", "--to", desk.january)
    assert (ran.code, "it would be written over an input" in ran.err) == (2, True)


def test_a_charge_that_would_be_lower_for_more_units_is_told(tmp_path: Path) -> None:
    rates = tmp_path / "rates.toml"
    tiers = "[{ first = 1, rate = 6.50 }, { first = 10, rate = 4 }]"
    rates.write_text(f'[tariff]\ncurrency = "EUR"\n[tariff.overage]\nshape = "volume"\ntiers = {tiers}\n')
    words = ("--plan", "monthly-login", "--start", "2026-01-01", "--end", "2026-07-01", "--as-of", "2026-02-01")
    ran = call("statement", "preview", SAMPLE, *words, "--rates", str(rates))
    # Nine logged in: 9 x 6.50 = 58.50, and 10 x 4 = 40.
    assert "note: window 1, overage: 9 cost €58.50, and 10 would cost €40.00" in ran.err
