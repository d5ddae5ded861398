"""What holds for all producers together: none takes another's exports, and no broken export breaks the reader."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.intake import ReadOptions, read_facts
from rollbook.intake.producers import PRODUCERS, Producer, find_producer
from tests.intake.producers import fuzz
from tests.intake.producers.exports import HERE, fixtures, mutated, owners
from tests.intake.reading import Read

LONG = os.environ.get("ROLLBOOK_LAWS") == "long"
FIXTURES = fixtures()
SECONDS_MAX = 20
"""A fixture is a few kilobytes; a reader that needs this long for one has lost its bounds."""

PLACES = st.integers(0, 50_000)
BYTES = st.one_of(
    st.binary(max_size=6), st.sampled_from([b'"', b"\n", b",", b"\x00", b"\xff", b"[", b"]", b"{", b"}", b"null", b"-"])
)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["flip", "cut", "double", "remove", "put"]), PLACES, BYTES), min_size=1, max_size=4
)


def shown(producer: Producer) -> str:
    return f"{producer.name}-{producer.kind}"


def readers(path: Path) -> set[str]:
    """Who takes an export where nobody says what it is."""
    with read_facts(path, ReadOptions(input_zone="UTC", date_order="dmy")) as store:
        return set(store.producers.values())


@pytest.mark.parametrize("producer", PRODUCERS, ids=shown)
def test_every_producer_has_a_name_for_people_and_says_what_its_events_mean(producer: Producer) -> None:
    assert producer.title != producer.name
    assert producer.kind in ("csv", "json")
    assert producer.meanings()
    assert find_producer(producer.name, producer.kind) is producer


@pytest.mark.parametrize("producer", PRODUCERS, ids=shown)
def test_no_producer_takes_rows_of_nobody(producer: Producer) -> None:
    assert not producer.recognises({})
    assert not producer.recognises({"name": "", "date": "", "course": "", "email": ""})


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: str(path.relative_to(HERE)))
def test_each_fixture_is_taken_by_its_own_producer_or_by_none(path: Path) -> None:
    assert readers(path) <= owners(path)


@pytest.mark.parametrize("name", sorted({producer.name for producer in PRODUCERS}))
def test_every_producer_recognises_a_fixture_of_its_own(name: str) -> None:
    mine = [path for path in FIXTURES if name in owners(path)]
    assert any(name in readers(path) for path in mine)


@settings(max_examples=4000 if LONG else 60, deadline=None)
@given(st.sampled_from(FIXTURES), CHANGES)
def test_a_broken_export_loses_no_row_and_ends_in_time(path: Path, changes: list[tuple[str, int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        broken = Path(folder) / path.name
        broken.write_bytes(mutated(path.read_bytes(), changes))
        began = time.monotonic()
        read = Read(broken, input_zone="UTC", date_order="dmy")
    assert time.monotonic() - began < SECONDS_MAX
    assert read.adds_up()


@settings(max_examples=2000 if LONG else 40, deadline=None)
@given(st.sampled_from(FIXTURES), st.sampled_from(PRODUCERS), CHANGES)
def test_an_export_of_another_producer_is_refused_row_by_row(
    path: Path, producer: Producer, changes: list[tuple[str, int, bytes]]
) -> None:
    """Somebody names the wrong one with `--input`: no exception, and no row without a fact or a reason."""
    with tempfile.TemporaryDirectory() as folder:
        broken = Path(folder) / path.name
        broken.write_bytes(mutated(path.read_bytes(), changes))
        read = Read(broken, input=producer.name, input_zone="UTC", date_order="dmy")
    assert read.adds_up()
    assert read.rows or read.files or read.notes


@pytest.mark.parametrize(
    ("way", "place", "put", "result"),
    [
        ("flip", 8, b"", b"`bc"),
        ("cut", 1, b"", b"a"),
        ("double", 1, b"", b"abbc"),
        ("remove", 1, b"x", b"a"),
        ("put", 4, b"--", b"--abc"),
        ("put", 3, b"--", b"abc--"),
    ],
)
def test_a_change_breaks_what_it_says(way: str, place: int, put: bytes, result: bytes) -> None:
    """Places count round: of three bytes, place 4 is the first again, and place 8 flips bit 0."""
    assert mutated(b"abc", [(way, place, put)]) == result


def test_the_fuzzer_leaves_behind_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("here")

    monkeypatch.setattr(fuzz, "FOUND", tmp_path / "found")
    monkeypatch.setattr(fuzz, "light", fails)
    with pytest.raises(ValueError, match="here"):
        fuzz.check(b"\x00\x00\x01\x00\x03ab")
    name, data = fuzz.broken(b"\x00\x00\x01\x00\x03ab")
    assert data == FIXTURES[0].read_bytes()[:3]
    assert (tmp_path / "found" / name).read_bytes() == data


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: str(path.relative_to(HERE)))
def test_the_fuzzer_sees_every_row_of_a_fixture(path: Path) -> None:
    counted = fuzz.light(path, ReadOptions(input_zone="UTC", date_order="dmy"))
    whole = Read(path, input_zone="UTC", date_order="dmy")
    assert (counted.rows, len(counted.faults)) == (whole.rows, len(whole.files))
    assert counted.rows == counted.facts + counted.rejected


def test_the_fuzzer_reads_broken_exports_for_as_long_as_it_is_told_to() -> None:
    assert fuzz.at_random(seconds=1, seed=7) >= 1
