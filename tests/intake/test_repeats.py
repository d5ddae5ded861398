"""(source, id) names one fact, for ever: the same content is a duplicate, other content a conflict."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rollbook.intake import loader, repeats
from rollbook.intake.problems import Problems
from rollbook.intake.reader import read_facts

from .reading import AT_US, FORMATS, GOOD, Read, good, write


@pytest.mark.parametrize("format_", FORMATS)
def test_the_same_content_again_is_a_duplicate_whenever_it_was_recorded(format_: str, tmp_path: Path) -> None:
    rows = [good(recorded_at=""), good(recorded_at="2026-03-02T00:00:00Z"), good(id="2", recorded_at="")]
    read = Read(write(tmp_path, rows, format_))
    assert (read.rows, read.counted, read.duplicates, read.rejected) == (3, 2, 1, 0)
    assert read.facts[0].recorded_us is None, "the first stays"
    assert read.messages == []
    assert read.adds_up()


@pytest.mark.parametrize("format_", FORMATS)
def test_of_a_conflict_every_version_is_refused_and_names_another(format_: str, tmp_path: Path) -> None:
    first = write(tmp_path, [good(), good(id="2")], format_, "first")
    second = write(tmp_path, [good(learner="bob"), good()], format_, "second")
    read = Read(first, second)
    shift = 1 if format_.startswith("csv") else 0
    other = "give each export a source of its own, or correct the row"
    assert read.messages == [
        f'{first}:{1 + shift}: id "1" of source "lms" has other content at {second}:{1 + shift}; {other}',
        f'{second}:{1 + shift}: id "1" of source "lms" has other content at {first}:{1 + shift}; {other}',
        f'{second}:{2 + shift}: id "1" of source "lms" has other content at {second}:{1 + shift}; {other}',
    ]
    assert (read.rows, read.counted, read.duplicates, read.rejected) == (4, 1, 0, 3)
    assert read.adds_up()


def test_the_same_id_from_two_sources_is_two_facts(tmp_path: Path) -> None:
    read = Read(write(tmp_path, [good(), good(source="crm")], "csv"))
    assert [fact.source for fact in read.facts] == ["crm", "lms"]


def test_a_conflict_between_formats_is_one_too(tmp_path: Path) -> None:
    read = Read(write(tmp_path, [GOOD], "parquet"), write(tmp_path, [good(type="logout")], "ndjson"), [good()])
    assert (read.rows, read.rejected, read.counted) == (3, 3, 0)
    assert "facts 3:1: " in read.messages[2]


VOID = good(id="void", type="fact.voided", learner="", voids="target")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("untidy", [False, True])
def test_repeats_and_targets_are_found_within_a_file_and_across(
    format_: str, tmp_path: Path, *, apart: bool, untidy: bool
) -> None:
    """Facts in typed files are compared within the file first; what only the gate can read comes later."""
    blank = " " if untidy else ""
    first = [good(id="target"), good(id="other"), good(id="twice")]
    second = [good(id=f"twice{blank}"), good(id="target", learner=f"ann{blank}"), VOID]
    files = [(first, "first"), (second, "second")] if apart else [(first + second, "only")]
    with read_facts([write(tmp_path, rows, format_, name) for rows, name in files]) as store:
        assert (store.rows, store.facts, store.duplicates, store.rejected) == (6, 4, 2, 0)
        targets = store.connection.execute("SELECT id, count(*) FROM targets GROUP BY id").fetchall()
        assert ("target", 1) in targets
        numbered = "SELECT count(*) FROM targets SEMI JOIN facts USING (organisation, source, id, number)"
        assert store.connection.execute(numbered).fetchall() == [(sum(count for _, count in targets),)]


@pytest.mark.parametrize("format_", FORMATS)
def test_long_contents_are_compared_to_their_end(format_: str, tmp_path: Path) -> None:
    """Short contents are compared as they are, long ones by their digest."""
    text = "x" * 400
    rows = [good(id=id_, object=text + end) for id_, end in (("1", ""), ("1", ""), ("2", "a"), ("2", "b"))]
    read = Read(write(tmp_path, rows, format_))
    assert (read.counted, read.duplicates, read.rejected) == (1, 1, 2)


@pytest.mark.parametrize("format_", ["csv", "typed.parquet"])
def test_keys_that_share_their_hash_are_told_apart(
    format_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (loader, repeats):
        monkeypatch.setattr(module, "hashed", lambda *_, **__: "0::UINTEGER")
    rows = [good(), good(source="crm"), good(id="2"), good(id="2"), good(id="3"), good(id="3", learner="bob"), VOID]
    read = Read(write(tmp_path, rows, format_))
    assert (read.counted, read.duplicates, read.rejected) == (4, 1, 2)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("more", [False, True])
def test_organisations_and_the_first_instant_are_those_of_facts(format_: str, tmp_path: Path, *, more: bool) -> None:
    """Found without another pass over typed files, unless rows of them are no facts."""
    early, late = "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"
    rows = [good(), good(), good(id="2", organisation="so\u0308d", occurred_at=late)]
    if more:
        rows += [good(id="3", organisation="west", occurred_at=early, learner=learner) for learner in ("ann", "bob")]
        rows += [good(id="4", organisation="east", occurred_at=early, learner="")]
    with read_facts([write(tmp_path, rows, format_), [good(id="5", organisation="")]]) as store:
        assert store.organisations == ("", "north", "so\u0308d")
        assert store.first_us == AT_US


NAMELESS = {name: value for name, value in GOOD.items() if name != "id"}


def test_an_absent_id_is_the_digest_of_the_content_and_an_ordinal() -> None:
    [first, second] = Read([NAMELESS, NAMELESS]).facts
    content = ["1772357400000000", "north", "ann", "login", "learner", "", "", "lms", "", "", "", "", ""]
    digest = hashlib.sha256("".join(f"{len(text)}:{text}" for text in content).encode()).hexdigest()
    assert content[0] == str(AT_US)
    assert (first.id, second.id) == (f"content-{digest[:32]}-1", f"content-{digest[:32]}-2")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("empty", [False, True])
def test_an_export_without_ids_delivered_again_is_all_duplicates(format_: str, tmp_path: Path, *, empty: bool) -> None:
    rows = [{"id": "", **NAMELESS} if empty else NAMELESS] * 3 + [{**good(id=""), "learner": "bob"}]
    rows = rows if empty else [{k: v for k, v in row.items() if k != "id"} for row in rows]
    path = write(tmp_path, rows, format_)
    read = Read(path, path)
    assert (read.rows, read.counted, read.duplicates) == (8, 4, 4)
    assert sorted(fact.id[-2:] for fact in read.facts) == ["-1", "-1", "-2", "-3"]
    assert read.adds_up()


def test_the_ordinal_follows_the_lines_and_the_format_does_not_matter(tmp_path: Path) -> None:
    inputs = [write(tmp_path, [NAMELESS, NAMELESS], format_) for format_ in FORMATS]
    read = Read(*inputs)
    assert (read.counted, read.duplicates) == (2, 10)
    assert [read.places[fact.key] for fact in read.facts] == [f"{inputs[0]}:2", f"{inputs[0]}:3"]


def test_contents_that_differ_only_in_where_a_text_ends_have_different_ids() -> None:
    facts = Read([{**NAMELESS, "object": "1:a", "actor": ""}, {**NAMELESS, "object": "", "actor": "1:a"}]).facts
    assert facts[0].id != facts[1].id


def test_many_problems_are_counted_and_the_first_are_kept() -> None:
    read = Read({**GOOD, "learner": ""} for _ in range(100_050))
    assert (read.rejected, read.total, len(read.messages)) == (100_050, 100_050, 100_000)
    assert read.messages[-1].startswith("facts 1:100000: ")
    problems = Problems(kept_max=1)
    assert (problems.room, bool(problems), len(problems)) == (1, False, 0)
