"""A bundle is the same every time, holds all that its statement rests on, and nothing of anybody else."""

from __future__ import annotations

import csv
import stat
import subprocess
import textwrap
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import rollbook.plans
from rollbook.books.book import Book
from rollbook.books.bundle import export
from rollbook.books.verifying import verify
from rollbook.errors import BookError, UsageError
from rollbook.model.fact import COLUMNS, Fact
from rollbook.model.plan import parse_plan
from rollbook.model.subscription import Approval, Change, Quantity, Subscription
from rollbook.model.subscription_file import parse_subscription
from rollbook.model.tariff import Rate, Tariff, Tier
from rollbook.plans import find_plan
from tests.cli.calls import call

from .bundles import PLAN, Entries, close_until, entries_of, login, rows_of, sha256, subscription, two_months, us

PLANS = Path(rollbook.plans.__file__).parent


def test_the_same_statement_gives_the_same_bytes(book: Book, tmp_path: Path) -> None:
    again = two_months(tmp_path / "again")
    for number in (1, 2):
        export(book, number, tmp_path / "one.zip")
        export(again, number, tmp_path / "other.zip")
        assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
        (tmp_path / "one.zip").unlink()
        (tmp_path / "other.zip").unlink()


def test_entries_have_one_date_one_order_and_nothing_extra(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as opened:
        infos = opened.infolist()
    assert [info.filename for info in infos] == sorted(info.filename for info in infos)
    for info in infos:
        assert info.date_time == (1980, 1, 1, 0, 0, 0)
        assert (info.extra, info.comment, info.compress_type) == (b"", b"", zipfile.ZIP_STORED)


def test_a_statement_before_is_exported_without_what_came_later(book: Book, tmp_path: Path) -> None:
    entries = entries_of(book, 1, tmp_path)
    assert [row["id"] for row in rows_of(entries["facts.csv"])] == ["1", "2", "3", "4", "5"]
    assert not [name for name in entries if name.startswith("previous/")]
    assert "2," not in entries["secrets.csv"].decode()
    assert verify(tmp_path / "bundle-1.zip").holds


def test_facts_keep_every_column(entries: Entries) -> None:
    [row] = [row for row in rows_of(entries["facts.csv"]) if row["id"] == "6"]
    assert list(row) == [*COLUMNS, "statement"]
    assert row == dict.fromkeys(COLUMNS, "") | {
        "id": "6",
        "occurred_at": "2026-02-05T10:00:00.250000Z",
        "organisation": "north",
        "learner": "bob",
        "type": "login",
        "role": "learner",
        "source": "lms",
        "recorded_at": "2026-02-05T11:00:00Z",
        "attributes": 'a,\r\n "b"',
        "statement": "2",
    }


def test_facts_of_another_organisation_stay_at_home(book: Book, entries: Entries) -> None:
    assert "stranger" not in entries["facts.csv"].decode()
    assert not any(b"stranger" in path.read_bytes() for path in book.folder.iterdir())


def test_the_secret_and_the_bundle_are_for_their_owner_alone(book: Book, bundle: Path) -> None:
    for path in (book.path(1, "secret"), book.path(2, "secret"), bundle):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_secret_that_an_interrupted_close_left_open_is_closed(tmp_path: Path) -> None:
    tmp_path.joinpath("0001.secret").write_text("what an interrupted close left behind, and longer than a secret" * 2)
    Book(tmp_path).keep_secret(1, b"x" * 32)
    assert Book(tmp_path).secret(1) == b"x" * 32
    assert stat.S_IMODE((tmp_path / "0001.secret").stat().st_mode) == 0o600


def test_the_readme_names_every_file_and_its_commands_work(book: Book, bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as opened:
        opened.extractall(tmp_path)
    text = (tmp_path / "README.txt").read_text(encoding="utf-8")
    assert all(name.partition("/")[0] in text for name in opened.namelist() if name != "README.txt")
    lines = text.splitlines()
    [sums] = [line.strip() for line in lines if "sha256sum" in line]
    start = next(number for number, line in enumerate(lines) if "<<'END'" in line)
    end = next(number for number, line in enumerate(lines) if line.strip() == "END")
    script = textwrap.dedent("\n".join(lines[start : end + 1]))
    checked = subprocess.run(["/bin/sh", "-c", sums], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert checked.stdout.count(": OK") == len(opened.namelist()) - 1, "all but the sums themselves"
    printed = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == book.statements[1].digest
    assert f"It has to print {book.statements[1].digest}" in text


def test_the_same_bundle_is_written_over_and_nothing_else_is(book: Book, tmp_path: Path) -> None:
    export(book, 1, tmp_path / "b.zip")
    export(book, 1, tmp_path / "b.zip")
    with pytest.raises(UsageError, match="it is there already"):
        export(book, 2, tmp_path / "b.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"], "nothing unfinished is left"


@pytest.mark.parametrize("number", [0, 3])
def test_a_statement_that_is_not_there_is_not_exported(number: int, book: Book, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the book has 2 statements"):
        export(book, number, tmp_path / "b.zip")


def test_a_book_without_the_text_of_its_plan_says_so(tmp_path: Path) -> None:
    book = two_months(tmp_path / "book")
    book.plan_path(sha256(PLAN.encode())).unlink()
    with pytest.raises(BookError, match="the text of a plan cannot be read"):
        export(book, 1, tmp_path / "b.zip")


def test_the_command_writes_a_bundle(book: Book, bundle: Path, tmp_path: Path) -> None:
    ran = call("statement", "export", "2", "--book", str(book.folder), "--to", str(tmp_path / "b.zip"))
    assert ran.code == 0
    assert "personal data" in ran.err
    assert (tmp_path / "b.zip").read_bytes() == bundle.read_bytes()
    assert call("statement", "export", "3", "--book", str(book.folder), "--to", str(tmp_path / "c.zip")).code == 2


# Whatever was agreed, the very subscription is rebuilt from the bundle: its recount would differ otherwise.

GRADUATED = Tariff(
    currency="EUR",
    base=Rate(shape="package", tiers=(Tier(1, Decimal("7.5")),), size=2),
    base_timing="arrears",
    overage=Rate(shape="graduated", tiers=(Tier(1, Decimal(4), Decimal(1)), Tier(2, Decimal("0.333")))),
)

SEATS = """\
id = "seats"
title = "Seats"
[meter]
holds = { on = ["login"], off = ["account.disabled"], opens = "in-term" }
[window]
kind = "anniversary-month"
[allowance]
per = "held"
reuse_requires_approval = true
"""

POOLS = """\
id = "pools"
title = "Pools"
[meter]
counts = ["login"]
while = { on = ["account.enabled"], off = ["account.disabled"] }
[window]
kind = "calendar-month"
[allowance]
quantity = 1
per = "window"
per_organisation = true
pool_scope = "organisation"
rollover_windows = 1
"""

MANY = tuple(
    login(f"{month}-{n}", f"2026-{month:02}-{n + 1:02}T08:00:00Z", f"l{n * month % 5}", "north" if n % 2 else "south")
    for month in (1, 2, 3)
    for n in range(1, 7)
)
"""Five learners in two organisations, some of whom come each month."""

AGREED = {
    "a quote instead of the plan's prices": subscription(
        quote=GRADUATED, quantities=(Quantity(us("2026-01-01T00:00:00Z"), 1), Quantity(us("2026-02-10T00:00:00Z"), 3))
    ),
    "another version of the plan from February on": subscription(
        changes=(Change(us("2026-02-01T00:00:00Z"), parse_plan(PLAN.replace("2.50", "3.00"))),)
    ),
    "another version from within February, which holds from March on": subscription(
        changes=(Change(us("2026-02-11T00:00:00Z"), parse_plan(PLAN.replace("quantity = 2", "quantity = 1"))),)
    ),
    "seats that need approvals, an anchor and a zone": subscription(
        SEATS,
        anchor=date(2026, 1, 31),
        zone="Asia/Kathmandu",
        approvals=(Approval(us("2026-02-02T00:00:00Z"), 1),),
        term=2,
    ),
    "an allowance for each organisation, members assumed": subscription(
        POOLS, organisations=("north", "south"), quantities=()
    ),
    "all organisations that are met": subscription(organisations=None),
}


@pytest.mark.parametrize("name", AGREED)
def test_whatever_was_agreed_the_subscription_is_rebuilt_from_the_bundle(name: str, tmp_path: Path) -> None:
    agreed = AGREED[name]
    close_until(tmp_path / "book", agreed, MANY[::2], "2026-02-20T00:00:00Z", assume_members=True)
    book = close_until(tmp_path / "book", agreed, MANY, "2026-04-02T00:00:00Z", assume_members=True)
    assert len(book.statements) >= 3, "January to March, and perhaps a note"
    last = len(book.statements)
    for number in (last - 1, last):
        export(book, number, tmp_path / f"{number}.zip")
        verdict = verify(tmp_path / f"{number}.zip")
        assert verdict.holds, [check for check in verdict.checks if not check.holds]


def case_of(plan: str) -> tuple[Subscription, list[dict[str, str]]]:
    """The subscription and the rows of a plan's longest case whose rows are all accepted."""
    found = []
    for folder in sorted((PLANS / plan / "cases").iterdir()):
        with (folder / "facts.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if all(row["becomes"] != "rejected" for row in rows):
            found.append((folder, rows))
    folder, rows = max(found, key=lambda pair: len(pair[1]))
    text = (folder / "subscription.toml").read_text(encoding="utf-8")
    sub = parse_subscription(text, lambda name: find_plan(name, folder))
    facts = [{name: value for name, value in row.items() if name in COLUMNS} for row in rows]
    if sub.organisations is None:
        sub = replace(sub, organisations=tuple(sorted({row.get("organisation", "") for row in facts})))
    return sub, facts


def delivered(rows: Sequence[dict[str, str]]) -> list[Fact]:
    return rows  # type: ignore[return-value] # mappings are facts as well


@pytest.mark.parametrize("plan", [plan.id for plan in rollbook.plans.published()])
def test_a_year_under_every_published_plan_can_be_verified(plan: str, tmp_path: Path) -> None:
    """Half of the facts arrive after the first half of the term is closed."""
    sub, rows = case_of(plan)
    middle = f"{sub.start + (sub.end - sub.start) / 2}T00:00:00Z"
    close_until(tmp_path / "book", sub, delivered(rows[::2]), middle, assume_members=True)
    book = close_until(tmp_path / "book", sub, delivered(rows), "2100-01-01T00:00:00Z", assume_members=True)
    export(book, len(book.statements), tmp_path / "b.zip")
    verdict = verify(tmp_path / "b.zip")
    assert verdict.holds, [check for check in verdict.checks if not check.holds]
