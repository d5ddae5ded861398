"""One more day costs that day, whoever reads meanwhile reads on, and there are never many segments."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.errors import LedgerError
from rollbook.ledger import Segment, read_manifest
from rollbook.ledger.building import LARGER, _tail
from rollbook.ledger.checking import verify
from rollbook.ledger.locks import unread, writing
from rollbook.model.fact import Fact

from .building import add, kept, login, store_of, void


def segment(facts: int) -> Segment:
    """A segment of so many facts, of which nothing else is known."""
    return Segment(
        name="",
        rows=facts,
        groups=0,
        corrections=0,
        links=0,
        file_rows=(),
        learners=0,
        first_us=None,
        kinds=(),
        digest="",
        written=(),
    )


def grown(days: Iterable[int]) -> tuple[list[int], int, int]:
    """The sizes of segments after builds of so many facts each, the most there were, and how many facts were joined."""
    segments: list[Segment] = []
    joined = most = 0
    for day in days:
        segments.append(segment(day))
        tail = _tail(segments)
        if len(tail) > 1:
            size = sum(it.facts for it in tail)
            segments[-len(tail) :] = [segment(size)]
            joined += size
        most = max(most, len(segments))
    return [it.facts for it in segments], most, joined


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=300))
def test_every_segment_is_several_times_as_large_as_the_next_so_there_are_few(days: list[int]) -> None:
    sizes, most, _ = grown(days)
    assert sum(sizes) == sum(days)
    assert all(older >= LARGER * newer for older, newer in pairwise(sizes))
    assert most <= 1 + math.log(sum(days), LARGER)


def test_ten_years_of_days_make_six_segments_and_write_each_fact_a_dozen_times() -> None:
    days = 3650
    _, most, joined = grown([1] * days)
    assert most == 6
    # Once when it arrives, and whenever its segment is joined to others.
    assert 1 + joined / days < 12.5


def test_a_segment_that_would_have_too_many_rows_to_number_is_not_joined() -> None:
    sizes, _, _ = grown([1 << 30, 1 << 30, 5])
    assert sizes == [1 << 30, 1 << 30, 5]


def test_a_day_writes_what_it_brings_and_leaves_every_other_file_alone(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    chance = random.Random(5)
    history = [
        Fact(id=f"{chance.random()}", at_us=number * 1_000_000, type="login", learner=f"l{number % 3000}")
        for number in range(40_000)
    ]
    add(ledger, *history, void("v", "x"))
    before = {path: path.stat() for path in ledger.rglob("*.*") if path.is_file() and path.name != "manifest.json"}
    add(ledger, *[login(f"day {number}", f"l{number}") for number in range(100)])
    after = {path: path.stat() for path in ledger.rglob("*.*") if path.is_file() and path.name != "manifest.json"}
    kept_ = [path for path in before if "segments" in path.parts]
    assert all(after[path].st_ino == before[path].st_ino for path in kept_)
    assert all(after[path].st_mtime_ns == before[path].st_mtime_ns for path in kept_)
    written = sum(stat.st_size for path, stat in after.items() if path not in before)
    # A four-hundredth of the facts; each file has a beginning and an end however little is in it.
    assert written < sum(stat.st_size for stat in before.values()) / 20


def test_what_is_being_read_stays_while_builds_go_on_and_is_removed_afterwards(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    add(ledger, login("1"))
    with store_of(ledger) as store:
        for number in range(2, 6):
            add(ledger, login(str(number)))
        assert {fact.id for fact in store.iterate()} == {"1"}
        assert store.place("", "1").endswith("000001/facts-000.parquet:1")
        assert store.connection.execute("select count(*) from targets").fetchall() == [(0,)]
        with store_of(ledger) as newer:
            assert newer.facts == 5
    add(ledger)
    named = {it.name for it in read_manifest(ledger).segments}
    assert {path.name for path in (ledger / "segments").iterdir()} == named
    assert len(list(ledger.glob("targets-*"))) == 1
    assert verify(ledger).holds


def test_what_a_killed_build_left_is_removed_even_while_somebody_reads(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    add(ledger, login("1"))
    half = ledger / "segments" / f"{read_manifest(ledger).next:06}"
    half.mkdir()
    (half / "facts-000.parquet").write_bytes(b"PAR1")
    (ledger / "manifest.json.new").write_bytes(b"{")
    with store_of(ledger):
        add(ledger, login("2"))
    assert kept(ledger) == {login("1"), login("2")}


def test_two_builds_at_once_are_told_to_wait_for_each_other(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    add(ledger, login("1"))
    with writing(ledger), pytest.raises(LedgerError, match="another build is writing this ledger; wait"):
        add(ledger, login("2"))
    with store_of(ledger), unread(ledger) as alone:
        assert not alone
    with unread(ledger) as alone:
        assert alone
    assert kept(ledger) == {login("1")}
