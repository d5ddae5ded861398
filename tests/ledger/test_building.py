"""What a build says of each row, and what then stands in the ledger."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

from rollbook.ledger import build, building, opened, read_manifest, writing
from rollbook.ledger.checking import verify
from rollbook.model.fact import LINKED, Fact
from rollbook.model.instants import EARLIEST_US, LATEST_US

from .building import AT, add, at, kept, login, numbers, store_of, targets, void


def test_a_build_counts_what_it_added_and_what_repeats_within_it_and_before_it(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    ana, bo, cid = login("1"), login("2", "bo"), login("3", "cid")
    # bo twice in one build: one stands, one repeats. Then ana and bo again, beside cid who is new.
    assert numbers(add(ledger, ana, bo, bo)) == (3, 2, 1, 0)
    second = add(ledger, cid, bo, ana)
    assert numbers(second) == (3, 1, 2, 0)
    assert not second.store.problems
    assert kept(ledger) == {ana, bo, cid}
    assert [record.added for record in read_manifest(ledger).builds] == [2, 1]


def test_when_it_was_received_does_not_make_a_repeat_a_contradiction(tmp_path: Path) -> None:
    first = login("1").replace(recorded_us=at(3))
    add(tmp_path / "l", first)
    assert numbers(add(tmp_path / "l", first.replace(recorded_us=at(4)))) == (1, 0, 1, 0)
    assert kept(tmp_path / "l") == {first}


def test_every_version_is_refused_where_one_build_contradicts_itself_and_a_later_one_puts_it_right(
    tmp_path: Path,
) -> None:
    ledger = tmp_path / "ledger"
    once, other = login("1"), login("1", "bo")
    built = add(ledger, once, other, login("2"))
    assert numbers(built) == (3, 1, 0, 2)
    assert built.store.problems.total == 2
    assert numbers(add(ledger, other)) == (1, 1, 0, 0)
    assert kept(ledger) == {other, login("2")}


def test_what_stands_stands_and_other_content_under_its_id_is_refused_by_file_and_line(tmp_path: Path) -> None:
    ledger, day = tmp_path / "ledger", tmp_path / "tuesday.csv"
    stands = login("1", source="lms")
    add(ledger, stands)
    rows = (
        "id,occurred_at,learner,type,source",
        "9,2026-03-03T09:00:00Z,bo,login,lms",
        "1,2026-03-02T09:00:00Z,bo,login,lms",
    )
    day.write_text("\n".join(rows), encoding="utf-8")
    built = build(ledger, [str(day)], at=AT)
    assert numbers(built) == (2, 1, 0, 1)
    [problem] = built.store.problems
    assert problem.place == f"{day}:3"
    assert problem.rule == f'id "1" of source "lms" stands in {ledger} with other content'
    assert kept(ledger) == {stands, login("9", "bo", day=3, source="lms")}


def test_of_two_contradictions_and_what_stands_only_what_stands_remains(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    add(ledger, login("1"))
    assert numbers(add(ledger, login("1"), login("1", "bo"))) == (2, 0, 0, 2)
    assert kept(ledger) == {login("1")}


def test_a_bad_row_is_refused_and_its_correction_is_taken(tmp_path: Path) -> None:
    ledger, export = tmp_path / "ledger", tmp_path / "f.csv"
    head = "id,occurred_at,learner,type\n1,2026-03-02T09:00:00Z,ana,login\n"
    export.write_text(head + "2,yesterday,bo,login\n", encoding="utf-8")
    built = build(ledger, [str(export)], at=AT)
    assert numbers(built) == (2, 1, 0, 1)
    assert [problem.place for problem in built.store.problems] == [f"{export}:3"]
    export.write_text(head + "2,2026-03-02T09:00:00Z,bo,login\n", encoding="utf-8")
    assert numbers(build(ledger, [str(export)], at=AT)) == (2, 1, 1, 0)
    assert kept(ledger) == {login("1"), login("2", "bo")}
    with store_of(ledger) as store:
        assert [note.rule for note in store.problems.notes] == ["1 rows were refused when it was built"]


def test_a_build_of_nothing_is_a_ledger_of_nothing_and_changes_none(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    assert numbers(add(ledger)) == (0, 0, 0, 0)
    assert kept(ledger) == set()
    assert verify(ledger).holds
    add(ledger, login("1"))
    before = read_manifest(ledger)
    add(ledger)
    add(ledger, login("1"))
    assert read_manifest(ledger).segments == before.segments
    assert read_manifest(ledger).targets == before.targets


def test_a_ledger_may_begin_with_corrections_only_and_their_targets_come_later(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    link = Fact(id="3", at_us=at(5), type=LINKED, learner="ana", object="a.smith")
    assert numbers(add(ledger, void("2", "1"), link)) == (2, 2, 0, 0)
    assert kept(ledger) == {void("2", "1"), link}
    assert targets(ledger) == set()
    with patch.object(building, "LARGER", 0):
        add(ledger, login("1"))
    assert targets(ledger) == {("", "", "1", "ana")}
    assert verify(ledger).holds


@pytest.mark.parametrize("larger", [0, building.LARGER])
def test_voids_find_their_targets_before_and_after_them_and_only_in_their_own_organisation(
    tmp_path: Path, larger: int
) -> None:
    ledger = tmp_path / "ledger"
    north, south = {"organisation": "north", "source": "n"}, {"organisation": "south", "source": "s"}
    with patch.object(building, "LARGER", larger):
        add(ledger, login("1", **north), void("v2", "2", **north), login("1", "sue", **south))
        # Of one source, but of another organisation: found by its key, and not what the void of south may take back.
        add(ledger, login("2", "bo", **north), void("v9", "1", organisation="south", source="n"))
        add(ledger, void("v1", "1", **north), login("3", "cid", **south))
    assert len(read_manifest(ledger).segments) == (1 if larger else 3)
    assert targets(ledger) == {("north", "n", "1", "ana"), ("north", "n", "2", "bo")}
    with store_of(ledger) as store:
        aims = {fact.key for fact in store.voids_of([login("1", **north)])}
    assert aims == {("n", "v1")}


HARD = (
    "",
    "é",
    "e\u0301",
    "👩\u200d👩\u200d👧",
    "中文",
    "x" * 4000,
    "'; drop table facts; --",
    "a b, c",
    "%_*?[",
    "\u202eabc",
)


@pytest.mark.parametrize("groups", [3, writing.GROUP_ROWS])
def test_any_text_comes_back_and_is_found_as_id_learner_source_and_organisation(tmp_path: Path, groups: int) -> None:
    ledger = tmp_path / "ledger"
    facts = [
        login(id_ or "0", learner or "nobody", source=source, organisation=source)
        for id_ in HARD
        for learner, source in zip(HARD, (*HARD[3:], *HARD[:3]), strict=True)
    ]
    with patch.object(writing, "GROUP_ROWS", groups), patch.object(writing, "FILE_ROWS", groups * 3):
        first = build(ledger, [facts[:70]], at=AT)
        assert numbers(first) == (70, 70, 0, 0), list(first.store.problems)[:3]
        # The first seventy again, and thirty that are new.
        assert numbers(add(ledger, *facts)) == (100, 30, 70, 0)
    assert kept(ledger) == set(facts)
    with store_of(ledger) as store:
        assert store.organisations == tuple(sorted(HARD))
        for learner in HARD:
            name = learner or "nobody"
            assert set(store.of_learners([name])) == {fact for fact in facts if fact.learner == name}
        assert len(store.places([fact.key for fact in facts])) == 100
        assert store.places([("no such", "1")]) == {}


def test_rows_lie_in_the_order_that_is_promised(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    facts = [
        login(f"{number:02}", learner, day=day, organisation=organisation, source=source)
        for number, (organisation, learner, day, source) in enumerate(
            (organisation, learner, day, source)
            for organisation in ("süd", "north", "")
            for learner in ("zoë", "Zoe", "ana", "z")
            for day in (5, 2)
            for source in ("b", "a")
        )
    ]
    with patch.object(writing, "GROUP_ROWS", 5), patch.object(writing, "FILE_ROWS", 15):
        add(ledger, *facts)
    wanted = sorted(facts, key=lambda it: (it.organisation.encode(), it.learner.encode(), *it.rank))
    with store_of(ledger) as store:
        files = ", ".join(f"'{path}'" for path in store.paths[:-1])
        rows = store.connection.execute(
            f"select id, learner_number, organisation, learner from read_parquet([{files}])"
        ).fetchall()
    assert [row[0] for row in rows] == [fact.id for fact in wanted]
    # Dense, from 0, by (organisation, learner): 3 organisations with 4 learners each, 4 facts a learner.
    assert [row[1] for row in rows] == [place // 4 for place in range(48)]


def test_the_first_and_the_last_instant_that_a_fact_may_have_are_kept(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    edges = {
        Fact(id="1", at_us=EARLIEST_US, type="login", learner="ana", recorded_us=EARLIEST_US),
        Fact(id="2", at_us=LATEST_US - 1, type="login", learner="ana"),
    }
    add(ledger, *edges)
    assert kept(ledger) == edges
    with store_of(ledger) as store:
        assert store.first_us == EARLIEST_US


def test_more_kinds_than_two_bytes_hold_are_kept_without_numbers(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    facts = [login(str(number)).replace(type=f"type.{number % 7}") for number in range(20)]
    with patch.object(writing, "KINDS_MAX", 6):
        add(ledger, *facts)
    [segment] = read_manifest(ledger).segments
    assert segment.kinds == ()
    assert kept(ledger) == set(facts)


def test_a_ledger_of_ledgers_and_files_has_all_their_facts_once(tmp_path: Path) -> None:
    one, two, export = tmp_path / "one", tmp_path / "two", tmp_path / "f.csv"
    add(one, login("1"), void("4", "2"))
    add(two, login("1"), login("2", "bo"))
    export.write_text("id,occurred_at,learner,type\n3,2026-03-02T09:00:00Z,cid,login\n", encoding="utf-8")
    everything = {login("1"), login("2", "bo"), login("3", "cid"), void("4", "2")}
    with opened([one, two, str(export)]) as store:
        assert set(store.iterate()) == everything
        assert (store.rows, store.facts, store.duplicates) == (5, 4, 1)
    assert numbers(build(tmp_path / "all", [one, two, str(export)], at=AT)) == (5, 4, 1, 0)
    assert kept(tmp_path / "all") == everything
    assert targets(tmp_path / "all") == {("", "", "2", "bo")}


def test_the_digest_of_a_segment_is_that_of_its_facts_whatever_way_they_came(tmp_path: Path) -> None:
    facts = [login(str(number), f"l{number % 5}") for number in range(30)]
    add(tmp_path / "at once", *facts)
    for first in range(0, 30, 10):
        add(tmp_path / "in parts", *reversed(facts[first : first + 10]))
    [whole], [parts] = (read_manifest(tmp_path / name).segments for name in ("at once", "in parts"))
    assert whole.digest == parts.digest
