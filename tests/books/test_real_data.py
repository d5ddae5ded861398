"""The Open University's year 2013, from its enrolments to a statement, a report, a PDF and a verified bundle."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.cli.calls import call
from tests.real_data import open_university

TERM = """
plan = "wisenet-elearning"
customer = "Open University"
start = 2013-01-01
end = 2014-01-01
zone = "Europe/London"
quantity = 8000
quantities = [{ from = 2013-09-15, units = 12000 }]
[tariff]  # Rates made up for this test.
currency = "GBP"
[tariff.base]
shape = "volume"
tiers = [{ first = 1, rate = 0.95 }, { first = 5001, rate = 0.82 }, { first = 10001, rate = 0.74 }]
[tariff.overage]
rate = 1.20
"""

BASE, RAISED = 8000 * Decimal("0.82"), 12000 * Decimal("0.74")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The year closed twice: in October, before the facts of its enrolments of September were all there, and after."""
    facts = open_university()
    folder = tmp_path_factory.mktemp("open-university")
    (folder / "ours.toml").write_text(TERM)
    with facts.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    late = [row for row in rows if row[header.index("occurred_at")].startswith("2013-09-2")]
    with (folder / "early.csv").open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([header, *(row for row in rows if row not in late)])
    for given, as_of in ((folder / "early.csv", "2013-10-01T12:00:00Z"), (facts, "2014-02-01T00:00:00Z")):
        words = ("statement", "close", str(given), "--subscription", str(folder / "ours.toml"), "--as-of", as_of)
        refused = call(*words, "--book", str(folder / "book"))
        assert refused.code == 2, "45 rows have no time, and what is closed is final"
        ran = call(*words, "--book", str(folder / "book"), "--without-rejected")
        assert ran.code == 3, ran.err
    return folder


def charged(folder: Path) -> list[dict[str, str]]:
    """Every line of the year, as a billing system gets it."""
    call("statement", "charges", str(folder / "book"), "--to", str(folder / "charges.csv"))
    with (folder / "charges.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def active_by_month(folder: Path) -> list[int]:
    """The active learners of each month, metered at once from all facts."""
    path = str(open_university())
    ran = call("meter", path, "--subscription", str(folder / "ours.toml"), "--format", "csv", "--as-of", "2014-02-01")
    return ran.active


def test_the_year_costs_what_each_month_costs_by_itself_whenever_its_facts_arrived(book: Path) -> None:
    months = active_by_month(book)
    # The base in force at a month's close holds for all of it; it was raised in the middle of September.
    expected = [
        (RAISED if month >= 9 else BASE) + max(active - (12000 if month >= 9 else 8000), 0) * Decimal("1.20")
        for month, active in enumerate(months, 1)
    ]
    lines = charged(book)
    assert sum(Decimal(line["amount"]) for line in lines) == sum(expected)
    assert len({line["key"] for line in lines}) == len(lines)
    assert any("adjustment" in line["description"] for line in lines), "September was closed before all of it was known"


def test_its_bundle_verifies_and_one_pound_more_does_not(book: Path) -> None:
    bundle = book / "nine.zip"
    exported = call("statement", "export", "9", "--book", str(book / "book"), "--to", str(bundle))
    assert exported.code == 0, exported.err
    verified = call("verify", str(bundle))
    assert (verified.code, "DIFFERS" in verified.out) == (0, False), verified.out
    forged = book / "forged.zip"
    with ZipFile(bundle) as before, ZipFile(forged, "w") as after:
        for item in before.infolist():
            content = before.read(item)
            if item.filename == "statement.json":
                amount = f'"{BASE:.2f}"'.encode()
                assert amount in content, "the base of the window's first day, due in advance"
                content = content.replace(amount, f'"{BASE + 1:.2f}"'.encode())
            after.writestr(item, content)
    assert call("verify", str(forged)).code == 1


def test_its_statement_is_a_pdf_and_its_report_a_page(book: Path) -> None:
    pdf, page = book / "statement.pdf", book / "usage.html"
    assert call("statement", "show", str(book / "book"), "9", "--format", "pdf", "--to", str(pdf)).code == 0
    assert pdf.read_bytes().startswith(b"%PDF")
    words = ("--subscription", str(book / "ours.toml"), "--as-of", "2014-01-01")
    ran = call("report", "consumption", str(open_university()), *words, "--format", "html", "--to", str(page))
    assert ran.code == 3, "45 rows were rejected, and the page says so"
    text = page.read_text(encoding="utf-8")
    assert "45 of 65,186 rows were rejected" in text
    for active in active_by_month(book):
        assert f"{active:,}" in text
