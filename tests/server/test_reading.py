"""The quick reading takes what is plainly clean, and then says what the gate says."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.model.fact import COLUMNS, MODES, ROLES, TYPES, Fact
from rollbook.server.receiving import reading
from rollbook.server.receiving.reading import Rejected, read_rows

CLEAN = {"id": "1", "occurred_at": "2026-03-01T09:30:00Z", "type": "login", "learner": "ana"}
AT_US = 1_772_357_400_000_000
"""2026-03-01T09:30:00Z: 20,513 days and 34,200 seconds after 1970."""

HARD = st.sampled_from(
    [
        *("", " ", "x", " x ", "ünï", "日本", 'a"b', "a\\b", "a/b", "\0", "\x7f", "\x85", "\u200d", "\ud800", "😀"),
        *(
            "\t",
            "a\nb",
            "x" * 4096,
            "x" * 4097,
            "é" * 4096,
            "NaN",
            "null",
            '","id":"2',
            "\u2028",
            "\ufeff",
            "\xa0x\xa0",
        ),
    ]
)
TIMES = st.sampled_from(
    [
        *("2026-03-01T09:30:00Z", "2026-03-01T09:30:00.5Z", "2026-03-01T09:30:00.123456Z", "2026-03-01T09:30:00+05:30"),
        *("2026-03-01T09:30:00.1234567Z", "2026-03-01 09:30:00Z", "2026-03-01T24:00:00Z", "2026-02-30T00:00:00Z"),
        *("2026-03-01T09:30:60Z", "2026-03-01T09:30:00-14:59", "2026-03-01T09:30:00+15:00", "1969-12-31T23:59:59Z"),
        *("1970-01-01T00:00:00+00:01", "2199-12-31T23:59:59.999999Z", "2200-01-01T00:00:00Z", "2026-03-01"),
        *("2026-03-01T09:30:00", "0001-01-01T00:00:00+14:00", "٢٠٢٦-03-01T09:30:00Z", "2026-W01-1T00:00:00Z", " ", ""),
        "2026-03-01T09:30:00z",
    ]
)
VALUES = HARD | st.none() | st.integers(-(10**25), 10**25) | st.booleans() | st.floats() | st.just({"a": [1, None]})


def column(name: str) -> st.SearchStrategy[Any]:
    """Mostly what a clean row has, and often what it should not."""
    known: dict[str, tuple[str, ...]] = {"type": TYPES, "role": ROLES, "mode": MODES}
    if name in ("occurred_at", "recorded_at"):
        return TIMES | TIMES | TIMES | VALUES
    usual = st.sampled_from(known[name]) if name in known else st.text(max_size=5)
    return usual | usual | usual | HARD | VALUES


ROWS = st.fixed_dictionaries(
    {name: column(name) for name in ("id", "occurred_at", "learner", "type")},
    optional={name: column(name) for name in COLUMNS if name not in ("id", "occurred_at", "learner", "type")},
)


def by_gate(data: Any) -> Any:
    return reading._by_gate(0, data, partial(reading._recorded, received_us=None, trusts=True))


@settings(max_examples=1500, deadline=None)
@given(row=ROWS | st.dictionaries(st.sampled_from([*COLUMNS, "leaner", "Id"]), VALUES), ascii_=st.booleans())
def test_what_is_read_quickly_is_what_the_gate_reads(*, row: dict[str, Any], ascii_: bool) -> None:
    data = json.dumps(row, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
    assert read_rows([data]) == [by_gate(data)]
    assert read_rows([row]) == [by_gate(row)]


@settings(max_examples=500, deadline=None)
@given(pairs=st.lists(st.tuples(st.sampled_from(COLUMNS), st.text(alphabet='a"\\', max_size=3)), max_size=6))
def test_a_key_that_stands_twice_is_never_read_quickly(pairs: list[tuple[str, str]]) -> None:
    given_pairs = [*CLEAN.items(), *pairs]
    data = ("{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in given_pairs) + "}").encode()
    [made] = read_rows([data])
    assert made == by_gate(data)
    if len({key for key, _ in given_pairs}) < len(given_pairs):
        assert isinstance(made, tuple)
        assert made[0].code == "duplicate-key"


def test_clean_rows_do_not_need_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_by_gate", lambda *_: pytest.fail("the gate was asked"))
    rows: list[dict[str, Any]] = [
        CLEAN,
        CLEAN | {"learner": "Ünï", "mode": None, "object": 7, "role": "admin"},
        CLEAN
        | {"object": "https://example.org/a", "attributes": '{"a": 1}', "occurred_at": "2026-03-01T15:00:00+05:30"},
    ]
    php = json.dumps(CLEAN | {"object": "https://example.org/a"}).replace("/", "\\/").encode()
    found = read_rows([*(json.dumps(row).encode() for row in rows), php])
    assert [it.at_us if isinstance(it, Fact) else it for it in found] == [AT_US] * 4


def test_a_platform_is_believed_about_when_a_fact_was_recorded_and_others_are_not() -> None:
    told = CLEAN | {"recorded_at": "2026-03-01T09:30:01Z"}

    def recorded(row: dict[str, Any], **how: Any) -> int | None:
        [quick], [slow] = read_rows([row], 5, **how), read_rows([row | {"attributes": {"a": 1}}], 5, **how)
        assert isinstance(quick, Fact)
        assert isinstance(slow, Fact)
        assert quick.recorded_us == slow.recorded_us
        return quick.recorded_us

    assert recorded(told, trusts_recorded=True) == AT_US + 10**6
    assert recorded(told, trusts_recorded=False) == 5
    assert recorded(CLEAN, trusts_recorded=True) == 5


def rejected(data: bytes) -> Rejected:
    [made] = read_rows([data])
    assert isinstance(made, tuple), made
    return made[0]


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b'{"id": "1", "leaner": "ana"}', "unknown-field", 'there is no field "leaner" (nearest: learner)'),
        (b"[1]", "no-object", "it is no JSON object"),
        (b"{" * 100_000, "json-invalid", "it is not JSON"),
        (b'{"attributes":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too-deep", "nested more than 64 deep"),
        (b'{"attributes":' + b"[" * 64 + b"]" * 64 + b"}", "too-deep", "nested more than 64 deep"),
        (b'{"id":' + b"9" * 5000 + b"}", "number-too-long", "a number in it has 5,000 digits"),
        (b'{"id": 1, "id": 2}', "duplicate-key", "a key stands in it twice"),
        (b'{"id": "' + b"x" * 1_100_000 + b'"}', "too-long", "1,100,010 bytes, more than 1,048,576"),
        (b'{"id": "\xff"}', "not-utf-8", "it is not UTF-8"),
        (b'{"id": NaN}', "json-invalid", "NaN is no value"),
        (b'{"id": "1"', "json-invalid", "it is not JSON: expecting ',' delimiter at character 10"),
        (b"\x00\x01\x02", "json-invalid", "it is not JSON"),
        (b'{"learner": "a\\u0000"}', "invalid", "with control characters in it"),
        (b'{"learner": "a\\ud83d"}', "invalid", "with half a character in it"),
        (b'{"learner": {"id": 1}}', "invalid", "learner is an object, where text is needed"),
        (b'{"id": 1e400}', "invalid", "a number too large to be exact"),
    ],
)
def test_hostile_rows_are_rejected_in_words(data: bytes, code: str, words: str) -> None:
    found = rejected(data)
    assert (found.code, found.index) == (code, 0)
    assert words in found.rule
    assert found.remedy


def test_nothing_of_a_person_is_repeated() -> None:
    for name in ("learner", "actor", "impersonator", "object", "session", "attributes"):
        made = read_rows([CLEAN | {name: 'Zoë "Zed" Secret\0'}])[0]
        assert isinstance(made, tuple)
        assert "Secret" not in repr(made), name
        assert name in made[0].rule


def test_a_field_that_is_called_like_a_learner_is_not_named() -> None:
    for name in ("ana@example.org", "4711", "Zoë", "x" * 100, ""):
        [made] = read_rows([CLEAN | {name: 1}])
        assert isinstance(made, tuple)
        assert made[0].rule == "it has a field whose name is none"


def test_names_in_events_of_other_formats_are_bounded_and_texts_are_not() -> None:
    long = "x" * 2000
    assert reading.decode_event(json.dumps({"result": {"response": long}}).encode())
    for event in ({"verb": {"id": long}}, {"a": [{"roles": ["ok", long]}]}, {"type": long}):
        with pytest.raises(reading.UnreadableError, match="more than 1,024 characters"):
            reading.decode_event(json.dumps(event).encode())


def test_rows_may_come_as_they_were_cut_out_of_a_list() -> None:
    rows = msgspec.json.decode(json.dumps([CLEAN, CLEAN | {"id": "2"}]), type=list[msgspec.Raw])
    assert [it.id for it in read_rows(rows) if isinstance(it, Fact)] == ["1", "2"]
