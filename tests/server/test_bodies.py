"""A body is read as far as it may be large, and what cannot be read is refused in words."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from rollbook.server.api import bodies
from rollbook.server.configuration import Configuration
from rollbook.server.refusals import RefusedError

MIB = 1024 * 1024


@pytest.fixture
def limits(settings: Any) -> Callable[..., None]:
    """Sets ROLLBOOK_… of this test."""

    def set_to(**named: int) -> None:
        settings.CONFIGURATION = Configuration(dict(settings.CONFIGURATION.values) | named)

    return set_to


def request(data: bytes, kind: str = "application/json", **headers: str) -> Any:
    return RequestFactory().generic("POST", "/v1/facts", data, content_type=kind, headers=headers)


def read(data: bytes, encoding: str = "") -> bytes:
    return bodies.read(request(data, **({"Content-Encoding": encoding} if encoding else {})))


def refusal(call: Callable[[], object]) -> tuple[int, str, str]:
    with pytest.raises(RefusedError) as caught:
        call()
    [problem] = caught.value.problems
    assert problem.remedy
    return caught.value.status, caught.value.code, problem.rule


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("zstd", zstd)])
def test_packed_bodies_are_unpacked(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    data = json.dumps([{"id": str(number)} for number in range(10_000)]).encode()
    assert read(pack(data), encoding) == data
    assert read(pack(data[:100]) + pack(data[100:]), encoding) == data


def test_a_body_that_is_not_packed_is_itself() -> None:
    assert read(b"[]") == b"[]"
    assert read(b"[]", "identity") == b"[]"


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstd)])
def test_a_bomb_is_stopped_at_the_limit(
    limits: Callable[..., None], encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    limits(ROLLBOOK_BODY_MIB_MAX=4)
    bomb = pack(bytes(256 * MIB))
    assert len(bomb) < MIB
    tracemalloc.start()
    found = refusal(lambda: read(bomb, encoding))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == (413, "too-large", "it is larger than 4 MiB, packed or unpacked")
    assert peak < 8 * MIB


def test_the_limit_itself_is_allowed(limits: Callable[..., None]) -> None:
    limits(ROLLBOOK_BODY_MIB_MAX=1)
    assert len(read(bytes(MIB))) == MIB
    assert len(read(gzip.compress(bytes(MIB), mtime=0), "gzip")) == MIB
    assert refusal(lambda: read(bytes(MIB + 1)))[0] == 413
    assert refusal(lambda: read(gzip.compress(bytes(MIB + 1), mtime=0), "gzip"))[0] == 413


@pytest.mark.parametrize(
    ("encoding", "data", "words"),
    [
        ("gzip", gzip.compress(b"x" * 1000, mtime=0)[:-4], "its packed data end too early"),
        ("gzip", gzip.compress(b"x" * 1000, mtime=0)[:15], "its packed data end too early"),
        ("gzip", b"\x00\x01\x02 no gzip at all", "its packed data are no gzip"),
        ("gzip", gzip.compress(b"x" * 1000, mtime=0) + b"rubbish", "its packed data are no gzip"),
        ("gzip", gzip.compress(b"x", mtime=0)[:-8] + bytes(8), "its packed data are no gzip"),
        ("zstd", zstd(b"x" * 1000)[:-3], "its packed data end too early"),
        ("zstd", b"no zstd at all", "its packed data are no zstd"),
        ("zstd", b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", "its packed data are no zstd"),  # a window of 2 GiB
        ("zstd", gzip.compress(b"[]", mtime=0), "its packed data are no zstd"),
    ],
)
def test_damaged_packing_is_told(encoding: str, data: bytes, words: str) -> None:
    assert refusal(lambda: read(data, encoding)) == (400, "packing-damaged", words)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip, zstd", "rot13"])
def test_other_packings_and_several_are_refused(encoding: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read(b"[]", encoding)
    assert (caught.value.status, caught.value.headers) == (415, {"Accept-Encoding": "gzip, zstd"})


def test_a_body_of_unknown_length_is_refused() -> None:
    unknown = request(b"", **{"Transfer-Encoding": "chunked"})
    unknown.META.pop("CONTENT_LENGTH", None)
    assert refusal(lambda: bodies.read(unknown))[:2] == (411, "length-missing")


@pytest.mark.parametrize(
    ("kind", "data", "count"),
    [
        ("application/json", b"[{}, {}]", 2),
        ("application/json", b"[]", 0),
        ("application/json", b' {"id": "1"} ', 1),
        ("application/json", b"\xef\xbb\xbf[{}]", 1),
        ("application/x-ndjson", b"{}\n\n  \r\n{}\r\n{}", 3),
        ("application/x-ndjson", b"[1]\n[2]", 2),
        ("application/x-ndjson", b"{broken\n{}", 2),
        ("application/x-www-form-urlencoded", b"[{}, {}]", 2),
        ("application/x-www-form-urlencoded", b"{}\n{}", 2),
        ("", b"\n\n [{}]", 1),
        ("text/plain", b"{}", 1),
    ],
)
def test_a_list_and_lines_are_told_by_the_kind_and_then_by_the_content(kind: str, data: bytes, count: int) -> None:
    assert len(bodies.items(data, kind)) == count


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("application/json", b"", (400, "empty", "it is empty")),
        ("application/x-ndjson", b" \n \r\n", (400, "empty", "it is empty")),
        ("application/json", b"[{}", (400, "json-invalid", "it is not JSON: input data was truncated")),
        ("application/json", b'"x"', (400, "json-invalid", "it is no list")),
        ("application/json", b"[{}] []", (400, "json-invalid", "it is not JSON: trailing characters (byte 6)")),
        ("application/json", b"{}\n{}", (400, "json-invalid", "it is not JSON: trailing characters (byte 4)")),
        ("application/json", b'[{"a": "\xff"}]', (400, "not-utf-8", "it is not UTF-8")),
        ("application/json", b"[" * 100_000, (400, "too-deep", "it is nested too deeply")),
        ("text/csv", b"id,learner", (415, "media-type", "facts are not read from content of this kind")),
    ],
)
def test_a_body_that_is_neither_is_refused(kind: str, data: bytes, expected: tuple[int, str, str]) -> None:
    assert refusal(lambda: bodies.items(data, kind)) == expected


def test_too_many_items_are_refused_and_the_limit_is_allowed(limits: Callable[..., None]) -> None:
    limits(ROLLBOOK_BATCH_FACTS_MAX=3)
    for kind, three, four in (
        ("application/json", b"[1,2,3]", b"[1,2,3,4]"),
        ("application/x-ndjson", b"1\n2\n3\n", b"1\n2\n3\n4"),
    ):
        assert len(bodies.items(three, kind)) == 3
        assert refusal(lambda kind=kind, four=four: bodies.items(four, kind))[:2] == (413, "too-many")


@pytest.mark.parametrize(
    "data", [b"[" + b"1," * (16 * MIB) + b"1]", b"1\n" * (16 * MIB), b"[" + b"{}," * (10 * MIB) + b"1]"]
)
def test_millions_of_items_are_refused_before_they_are_made(data: bytes) -> None:
    tracemalloc.start()
    found = refusal(lambda: bodies.items(data, "" if data[:1] == b"1" else "application/json"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found[0] == 413
    assert peak < 2 * len(data) + 8 * MIB


def test_half_a_character_is_the_fault_of_its_item_and_not_of_the_list() -> None:
    data = b'[ {"id": "1"} , {"learner": "\\ud83d", "n": 1.5} ,3 ] '
    assert [bytes(it) for it in bodies.items(data, "application/json")] == [
        b'{"id": "1"}',
        b'{"learner": "\\ud83d", "n": 1.5}',
        b"3",
    ]
    for broken in (b'["\\ud83d",]', b'["\\ud83d"', b'["\\ud83d"] 1', b'["\\ud83d" 1]', b'[,"\\ud83d"]'):
        assert refusal(lambda broken=broken: bodies.items(broken, "application/json"))[1] == "json-invalid"


def test_the_answer_repeats_nothing_of_a_body() -> None:
    for data in (b'[{"learner": "Secret" x}]', b'[{"Secret\xff": 1}]', b"Secret"):
        assert "ecret" not in str(refusal(lambda data=data: bodies.items(data, "application/json")))


@pytest.mark.parametrize("kind", ["application/json; charset=utf-16", "application/json; charset=latin1"])
def test_letters_other_than_utf_8_are_refused(kind: str) -> None:
    assert refusal(lambda: bodies.media_type(request(b"[]", kind)))[:2] == (415, "charset")


@examples(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=200)
    | st.text(alphabet='[]{},:"\\1 \nae\ud800', max_size=60).map(lambda it: it.encode("utf-8", "surrogatepass")),
    kind=st.sampled_from(["application/json", "application/x-ndjson", ""]),
    encoding=st.sampled_from(["", "gzip", "zstd"]),
)
def test_whatever_comes_is_read_or_refused(data: bytes, kind: str, encoding: str) -> None:
    try:
        bodies.items(read(data, encoding), kind)
    except RefusedError as error:
        answer = error
    else:
        return
    assert answer.status in (400, 413, 415)
    assert answer.problems


@examples(max_examples=300, deadline=None)
@given(
    values=st.lists(
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=8,
        )
    )
)
def test_the_items_of_a_list_are_its_values(values: list[Any]) -> None:
    found = bodies.items(json.dumps(values).encode(), "application/json")
    assert [json.loads(bytes(it)) for it in found] == values
