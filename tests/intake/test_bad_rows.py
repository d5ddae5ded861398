"""A row that is wrong becomes a problem at its place, in every format alike; its neighbours are facts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.model.fact import TEXT_LENGTH_MAX

from .reading import AT_US, FORMATS, Read, good, line_of, write

BAD_ROWS = {
    "no time": (good(occurred_at=""), "occurred_at is missing"),
    "no offset": (good(occurred_at="2026-03-01T09:30:00"), "has no offset from UTC; name the zone"),
    "two days": (
        good(occurred_at="03/04/2026 09:00 Z"),
        'occurred_at is "03/04/2026 09:00 Z", which could be two days',
    ),
    "leap second": (good(occurred_at="2016-12-31T23:59:60Z"), "is the leap second"),
    "year 1": (good(occurred_at="0001-01-01T00:00:00Z"), "outside the years 1970 to 2199"),
    "year 9999": (good(occurred_at="9999-12-31T00:00:00Z"), "outside the years 1970 to 2199"),
    "epoch seconds": (good(occurred_at="1772357400"), "as seconds since 1970 it would be 2026-03-01T09:30:00Z"),
    "epoch milliseconds": (good(occurred_at="1772357400000"), "as milliseconds since 1970"),
    "no such day": (good(occurred_at="2026-02-30T00:00:00Z"), "which is no date of the calendar"),
    "no time at all": (good(occurred_at="soon"), 'occurred_at is "soon", which is no time'),
    "no type": (good(type=""), "type is empty; say what happened"),
    "no learner": (good(learner=""), "learner is empty; give an id, or role guest"),
    "blank learner": (good(learner="   "), "learner is empty; give an id, or role guest"),
    "unknown role": (good(role="teecher"), 'role is "teecher", which is none of the roles'),
    "near role": (good(role="Learner"), "(nearest: learner)"),
    "unknown mode": (good(mode="ondemand"), "(nearest: on-demand)"),
    "too long": (good(learner="a" * (TEXT_LENGTH_MAX + 1)), "learner has 4097 characters, more than 4096"),
    "control character": (good(learner="an\x07n"), r'learner is "an\x07n", with control characters in it'),
    "NUL": (good(id="a\0b"), "with control characters in it; take them out"),
    "void of nothing": (good(type="fact.voided", learner=""), "voids is empty; name the id of the fact"),
    "void of itself": (good(type="fact.voided", voids="1"), "the fact voids itself"),
    "void elsewhere": (good(voids="7"), 'voids is given, and "login" voids nothing'),
    "link of nobody": (good(type="identity.linked", learner="", object="b"), "give the id that survives"),
    "link to nothing": (
        good(type="identity.linked"),
        "object is empty; for identity.linked, give the id that is given up",
    ),
    "link to itself": (good(type="identity.linked", object="ann"), "a learner is linked to itself"),
    "bad recorded_at": (good(recorded_at="later"), 'recorded_at is "later", which is no time'),
    "empty": (dict.fromkeys(good(), ""), "the row is empty; delete it"),
}


CASES = [
    (kind, format_)
    for kind, (row, _) in BAD_ROWS.items()
    for format_ in FORMATS
    if not format_.startswith("typed") or row["occurred_at"] in ("", good()["occurred_at"])
]
"""Every kind in every format; only a column of typed times cannot hold times of every kind."""


@pytest.mark.parametrize(("kind", "format_"), CASES)
def test_a_bad_row_is_refused_at_its_place_and_its_neighbours_stay(kind: str, format_: str, tmp_path: Path) -> None:
    row, message = BAD_ROWS[kind]
    path = write(tmp_path, [good(id="first"), row, good(id="last")], format_)
    read = Read(path)
    assert [fact.id for fact in read.facts] == ["first", "last"]
    assert read.messages
    assert all(m.startswith(f"{path}:{line_of(format_, 2)}: ") for m in read.messages)
    assert any(message in m for m in read.messages), read.messages
    assert (read.rows, read.rejected) == (3, 1)
    assert read.adds_up()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_good_row_is_a_fact_with_exactly_its_values(format_: str, tmp_path: Path) -> None:
    row = good(
        mode="live", object="c-1", recorded_at="2026-03-01T10:30:00+01:00", actor="boss", impersonator="imp",
        session="s", attributes='{"a": 1}',
    )  # fmt: skip
    [fact] = Read(write(tmp_path, [row], format_)).facts
    assert (fact.id, fact.at_us, fact.organisation, fact.learner, fact.type) == ("1", AT_US, "north", "ann", "login")
    assert (fact.role, fact.mode, fact.object, fact.source) == ("learner", "live", "c-1", "lms")
    assert (fact.recorded_us, fact.actor, fact.impersonator) == (AT_US, "boss", "imp")
    assert (fact.session, fact.voids, fact.attributes) == ("s", "", '{"a": 1}')


@pytest.mark.parametrize("format_", FORMATS)
def test_white_space_around_a_text_is_no_part_of_it(format_: str, tmp_path: Path) -> None:
    [fact] = Read(write(tmp_path, [good(learner=" ann\u00a0", type="login ")], format_)).facts
    assert (fact.learner, fact.type) == ("ann", "login")


@pytest.mark.parametrize("format_", FORMATS)
def test_letters_of_every_script_are_kept(format_: str, tmp_path: Path) -> None:
    names = ["Zoë", "李雷", "محمد", 'O"Neil\\', "🎓", "a b"]
    rows = [good(id=str(n), learner=name) for n, name in enumerate(names)]
    assert [fact.learner for fact in Read(write(tmp_path, rows, format_)).facts] == names


@pytest.mark.parametrize("format_", FORMATS)
def test_corrections_and_guests_need_less(format_: str, tmp_path: Path) -> None:
    rows = [
        good(id="v", type="fact.voided", learner="", voids="1"),
        good(id="l", type="identity.linked", object="old"),
        good(id="g", learner="", role="guest"),
    ]
    read = Read(write(tmp_path, rows, format_))
    assert [fact.id for fact in read.facts] == ["g", "l", "v"]
    assert read.messages == []


@pytest.mark.parametrize("format_", FORMATS)
def test_absent_columns_have_their_defaults(format_: str, tmp_path: Path) -> None:
    row = {"id": "1", "occurred_at": "2026-03-01T09:30:00Z", "type": "login", "learner": "ann"}
    [fact] = Read(write(tmp_path, [row], format_)).facts
    assert (fact.role, fact.source, fact.organisation, fact.mode, fact.recorded_us) == ("learner", "", "", "", None)


def test_everything_that_is_wrong_with_a_row_is_said_at_once(tmp_path: Path) -> None:
    read = Read(write(tmp_path, [good(type="", learner="", occurred_at="x", role="y")], "csv"))
    assert len(read.messages) == 4
    assert (read.rejected, read.total) == (1, 4)


JSON_LINES = [
    ("[1, 2]", "the line is no JSON object"),
    ("7", "the line is no JSON object"),
    ('{"id": "1"', "the line is not JSON"),
    ('{"id": NaN}', "the line is not JSON: nan is no value of json"),
    ("[" * 200_000, "the line is nested too deeply"),
    ('{"a": ' * 20_000, "the line is nested too deeply"),
    ('{"learner": {"id": 5}}', "learner is an object, where text is needed"),
    ('{"learner": ["a"]}', "learner is a list, where text is needed"),
    ('{"learner": true}', "learner is true, where text is needed"),
    ('{"learner": 1e300}', "learner is a number too large to be exact"),
    ('{"learner": 1e400}', "learner is a number too large to be exact"),
    ('{"learner": 9007199254740993.0}', "learner is a number too large to be exact"),
    ('{"learner": "\\ud800"}', "with half a character in it"),
    ('{"occurred_at": 1772357400}', "occurred_at is the number 1772357400"),
    ('{"occurred_at": 1772357400.5}', "occurred_at is the number 1772357400.5"),
    ('{"occurred_at": {"$date": "2026"}}', "which is no time"),
    ('{"Learner": "a", "LEARNER": "b"}', "the column learner stands there 2 times"),
    ("1" * 5000, "the line is not JSON"),
]


@pytest.mark.parametrize(("line", "message"), JSON_LINES, ids=[message for _, message in JSON_LINES])
def test_a_json_line_that_is_no_row_is_refused(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "facts.ndjson"
    whole = write(tmp_path, [good(id="first"), good(id="last")], "ndjson").read_text().splitlines()
    path.write_text("\n".join([whole[0], line, whole[1]]))
    read = Read(path)
    assert [fact.id for fact in read.facts] == ["first", "last"]
    assert any(f"{path}:2: " in m and message in m for m in read.messages), read.messages
    assert read.rejected == 1
    assert read.adds_up()


def test_whole_numbers_in_json_are_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "facts.ndjson"
    path.write_text(
        '{"id": 42, "occurred_at": "2026-03-01T09:30:00Z", "type": "login", "learner": 7.0, "object": 1.5, '
        '"session": null, "organisation": 123456789012345678901234567890, "attributes": {"b": [1], "a": "é"}}\n'
    )
    [fact] = Read(path).facts
    assert (fact.id, fact.learner, fact.object, fact.session) == ("42", "7", "1.5", "")
    assert fact.organisation == "123456789012345678901234567890"
    assert fact.attributes == '{"a":"é","b":[1]}'


CSV_HEAD = "id,occurred_at,type,learner\n"
CSV_GOOD = "{},2026-03-01T09:30:00Z,login,ann\n"


CSV_LINES = [
    ("1,2026-03-01T09:30:00Z,login\n", "3 fields, where the header has 4"),
    ("1,2026-03-01T09:30:00Z,login,ann,x\n", "5 fields, where the header has 4"),
    ('1,2026-03-01T09:30:00Z,login,"ann"x\n', "text follows a closing quote"),
    ('1,2026-03-01T09:30:00Z,login,"ann\n', "quote"),
    ("1,2026-03-01T09:30:00Z,lo\rgin,ann\n", "a line break stands inside a field without quotes"),
    (f"1,2026-03-01T09:30:00Z,login,{'a' * 200_000}\n", "a field is longer than 131,072 characters"),
    (f"1,2026-03-01T09:30:00Z,login,{'a' * 10_000_000}\n", "the line is longer than 1,048,576 bytes"),
    (",,,\n", "the row is empty"),
]


@pytest.mark.parametrize(("line", "message"), CSV_LINES, ids=[message for _, message in CSV_LINES])
def test_a_csv_line_that_is_no_row_is_refused(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text(CSV_HEAD + CSV_GOOD.format("a") + line + CSV_GOOD.format("b"), newline="")
    read = Read(path)
    assert [fact.id for fact in read.facts] == ["a", "b"]
    assert any(f"{path}:3: " in m and message in m for m in read.messages), read.messages
    assert read.rejected == 1
    assert read.adds_up()


def test_a_stray_quote_swallows_no_row_after_it(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    rows = [CSV_GOOD.format(n) for n in range(2000)]
    rows[100] = '100,2026-03-01T09:30:00Z,login,"ann\n'
    path.write_text(CSV_HEAD + "".join(rows))
    read = Read(path)
    assert (read.rows, read.counted) == (2000, 1999)
    assert read.messages[0].startswith(f"{path}:102: a quote opens here")


def test_a_quoted_line_break_belongs_to_its_field_and_lines_go_on_counting(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text(
        "id,occurred_at,type,learner,attributes\n"
        '1,2026-03-01T09:30:00Z,login,ann,"two\nlines"\n'
        "\n"
        "2,2026-03-01T09:30:00Z,login,,\n"
    )
    read = Read(path)
    assert [fact.attributes for fact in read.facts] == ["two\nlines"]
    assert read.messages == [f"{path}:5: learner is empty; give an id, or role guest"]


def test_a_line_that_is_not_utf8_is_refused_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    text = CSV_HEAD + "1,2026-03-01T09:30:00Z,login,ann\n2,2026-03-01T09:30:00Z,login,Zoë\n"
    path.write_bytes(text.encode("latin-1"))
    read = Read(path)
    assert [fact.id for fact in read.facts] == ["1"]
    assert read.messages == [
        f"{path}:3: the line is not UTF-8; convert the file: it was probably written as Windows-1252 or Latin-1"
    ]
    assert read.adds_up()
