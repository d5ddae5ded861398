"""Recounted from one's own facts: what a bundle cannot show about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.books.bundle import export
from rollbook.books.verifying import verify
from rollbook.errors import BookError
from tests.cli.calls import call

from .bundles import ELSEWHERE, FEBRUARY, JANUARY, close_until, login, subscription
from .test_verify import differing

LATER = login("11", "2026-03-02T00:00:00Z", "gus")
"""Of an instant that was not counted when February was closed."""

OTHER = login("12", "2026-02-10T00:00:00Z", "gus").replace(type="course.viewed")
"""Of a type that the plan does not count."""


def own(path: Path, *facts: object) -> str:
    columns = ("id", "occurred_at", "organisation", "learner", "type", "source")
    rows = [",".join(columns), *(",".join(str(getattr(fact, name)) for name in columns) for fact in facts)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


def test_the_same_facts_and_some_that_do_not_bear_on_it_recount_the_same(bundle: Path, tmp_path: Path) -> None:
    """Without recorded_at and attributes; with facts of others, of later, and of what does not count."""
    facts = own(tmp_path / "own.csv", *reversed(JANUARY), *FEBRUARY, ELSEWHERE, LATER, OTHER)
    verdict = verify(bundle, [facts])
    assert verdict.holds
    assert ("your facts", "against those of the bundle") in [(check.name, check.says) for check in verdict.checks]


def test_a_fact_that_only_the_bundle_has_is_named_and_recounted_without(bundle: Path, tmp_path: Path) -> None:
    facts = own(tmp_path / "own.csv", *JANUARY, *(fact for fact in FEBRUARY if fact.learner != "eva"))
    found = differing(verify(bundle, [facts]))
    assert found["your facts"] == ["only in the bundle: lms/7, login of eva at 2026-02-06T10:00:00.000000Z"]
    assert "learner eva of north, window 2: only in the statement" in found["evidence"][0]
    assert "window 2, overage: only in the statement" in found["charge"][0], "3 are left, and 3 are included"
    assert found["total"] == ["total: the statement says 15.00, the recount 12.50"]


def test_a_fact_that_only_you_have_is_named_and_recounted_with(bundle: Path, tmp_path: Path) -> None:
    facts = own(tmp_path / "own.csv", *JANUARY, *FEBRUARY, login("13", "2026-02-20T00:00:00Z", "hal"))
    found = differing(verify(bundle, [facts]))
    assert found["your facts"] == ["only in your facts: lms/13, login of hal at 2026-02-20T00:00:00.000000Z"]
    assert found["total"] == ["total: the statement says 15.00, the recount 17.50"]


def test_a_fact_that_says_something_else_is_named(bundle: Path, tmp_path: Path) -> None:
    moved = [fact.replace(at_us=fact.at_us - 1) if fact.id == "5" else fact for fact in JANUARY]
    found = differing(verify(bundle, [own(tmp_path / "own.csv", *moved, *FEBRUARY)]))
    assert found["your facts"] == ["says otherwise: lms/5, login of ann at 2026-01-31T23:59:59.999999Z"]
    assert "learner ann of north, window 2" in found["evidence"][0]


def test_a_book_with_an_invented_learner_holds_by_itself_and_not_by_your_facts(tmp_path: Path) -> None:
    """Whoever closes a book can close it over anything: digests cannot tell, and the customer's own facts can."""
    invented = login("99", "2026-01-09T10:00:00Z", "nobody")
    book = close_until(tmp_path / "book", subscription(), (*JANUARY, invented), "2026-02-02T00:00:00Z")
    export(book, 1, tmp_path / "b.zip")
    assert verify(tmp_path / "b.zip").holds
    found = differing(verify(tmp_path / "b.zip", [own(tmp_path / "own.csv", *JANUARY)]))
    assert found["your facts"] == ["only in the bundle: lms/99, login of nobody at 2026-01-09T10:00:00.000000Z"]
    assert "learner nobody of north, window 1: only in the statement" in found["evidence"][0]


def test_a_rejected_row_of_yours_is_told(bundle: Path, tmp_path: Path) -> None:
    facts = own(tmp_path / "own.csv", *JANUARY, *FEBRUARY, LATER.replace(type=""))
    found = differing(verify(bundle, [facts]))
    assert list(found) == ["your rows"]
    assert "type is empty" in found["your rows"][0]


def test_facts_of_yours_that_cannot_be_read_at_all_are_no_verdict(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BookError, match="does not exist"):
        verify(bundle, [str(tmp_path / "nowhere.csv")])


def test_the_command_recounts_from_your_facts(bundle: Path, tmp_path: Path) -> None:
    same = own(tmp_path / "own.csv", *JANUARY, *FEBRUARY)
    ran = call("verify", str(bundle), same)
    assert (ran.code, ran.err) == (0, "")
    assert "holds    your facts: against those of the bundle\n" in ran.out
    fewer = own(tmp_path / "fewer.csv", *JANUARY)
    ran = call("verify", str(bundle), fewer)
    assert ran.code == 1
    assert "DIFFERS  your facts" in ran.out
    assert "         - only in the bundle: lms/6, login of bob" in ran.out


def test_the_command_reads_your_columns_and_your_zone(bundle: Path, tmp_path: Path) -> None:
    rows = ["id;user;time;organisation;type;source"]
    for fact in (*JANUARY, *FEBRUARY):
        local = fact.occurred_at.replace(tzinfo=None).isoformat(sep=" ")
        rows.append(f"{fact.id};{fact.learner};{local};{fact.organisation};login;lms")
    (tmp_path / "own.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    facts = (str(bundle), str(tmp_path / "own.csv"), "--map", "learner=user", "--map", "occurred_at=time")
    assert call("verify", *facts, "--input-zone", "UTC").code == 0
    assert call("verify", *facts, "--input-zone", "Europe/Paris").code == 1
