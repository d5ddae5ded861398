"""A request's body, bounded: how many bytes it has, how many it has unpacked, and how many items stand in it.

Bytes come in blocks and are unpacked in blocks, so nothing larger than the limit is ever held: a body of a few
kilobytes that unpacks to gigabytes is stopped at the limit. What is refused is refused in words (`RefusedError`).
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Sequence
from itertools import islice

import msgspec
import pyarrow as pa
from django.conf import settings
from django.http import HttpRequest, UnreadablePostError

from rollbook.errors import Problem
from rollbook.server.refusals import RefusedError, refused

BLOCK_BYTES = 64 * 1024
VALUES_MAX = 100
"""Values of one item, on average over the largest batch. A body with more is refused before they are made objects."""

JSON = "application/json"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
UNDECLARED = ("", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded")
"""What programs send that do not say what they send; then the content decides."""

Packed = bytes | msgspec.Raw
"""One item as it was sent: JSON, not decoded."""

_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
_BLANK = re.compile(r"[ \t\r\n]*")
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_EXTENT = json.JSONDecoder(object_pairs_hook=len, parse_int=len, parse_float=len)
"""Finds where a value ends, and makes nothing of it."""

_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def body_bytes_max() -> int:
    """The largest body, packed or unpacked."""
    return int(settings.CONFIGURATION["ROLLBOOK_BODY_MIB_MAX"]) * 1024 * 1024


def read(request: HttpRequest) -> bytes:
    """The body of a request, unpacked. Raises RefusedError 400, 411, 413 or 415."""
    encoding = _encoding(request.headers.get("Content-Encoding", ""))
    if "Content-Length" not in request.headers and "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise refused(411, "length-missing", "body", "its length is not said", "send Content-Length, not chunks")
    most = body_bytes_max()
    try:
        length = int(request.headers.get("Content-Length") or 0)
        if length > most:
            raise _too_large(most)
        data = _bounded(request.read, most)
    except (UnreadablePostError, ValueError):
        raise _cut_off() from None
    if len(data) < length:
        raise _cut_off()
    return _unpacked(data, encoding, most) if encoding and data else data


def media_type(request: HttpRequest) -> str:
    """The kind of content that a request says it has, in small letters. Raises RefusedError 415 for other letters."""
    charset = (request.content_params or {}).get("charset", "utf-8")
    if charset.strip("\"'").lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise refused(415, "charset", "header Content-Type", "it names letters other than UTF-8", "send UTF-8")
    return (request.content_type or "").strip().lower()


def items(data: bytes, kind: str) -> Sequence[Packed]:
    """The items of a body: those of a JSON list, or one for each line that is not blank.

    kind  what the body is said to be; what says nothing is decided by the content: a list begins with [

    Raises RefusedError: 400 for a list that is none, 413 for too many items, 415 for another kind.
    """
    if kind not in (JSON, *NDJSON, *UNDECLARED):
        remedy = f"send a list as {JSON}, or an object on each line as {NDJSON[0]}"
        raise refused(415, "media-type", "header Content-Type", "facts are not read from content of this kind", remedy)
    data = data.removeprefix(codecs.BOM_UTF8)
    start = data[:BLOCK_BYTES].lstrip()[:1]
    if kind in NDJSON or (kind in UNDECLARED and start != b"["):
        return lines(data)
    return listed(data)


def lines(data: bytes) -> list[Packed]:
    """The lines that are not blank. Raises RefusedError 413."""
    most = _items_max()
    found: list[Packed] = [it.group() for it in islice(_LINE.finditer(data), most + 1)]
    if not found:
        raise _empty()
    if len(found) > most:
        raise _too_many(most)
    return found


def listed(data: bytes) -> Sequence[Packed]:
    """The items of a JSON list; an object alone is the one item of one. Raises RefusedError 400 or 413."""
    data = data.removeprefix(codecs.BOM_UTF8).strip(b" \t\r\n")
    if not data:
        raise _empty()
    if data[:1] == b"{":
        return [whole(data)]
    crowded(data)
    try:
        if not data.isascii():
            data.decode()
        found: list[Packed] = list(_decode_items(data))
    except UnicodeDecodeError:
        raise refused(400, "not-utf-8", "body", "it is not UTF-8", "send JSON in UTF-8") from None
    except RecursionError:
        raise refused(400, "too-deep", "body", "it is nested too deeply", "send each item flat") from None
    except msgspec.ValidationError:
        raise refused(400, "json-invalid", "body", "it is no list", "send a JSON list of objects") from None
    except msgspec.DecodeError as error:
        if not _HALF.search(data):
            raise _no_json(error, data) from None
        return counted(_sliced(data, error))
    return counted(found)


def crowded(data: bytes) -> None:
    """Refuses JSON with far more values than the largest batch has. Raises RefusedError 413."""
    most = _items_max()
    if data.count(b",") >= most * VALUES_MAX:
        raise _too_many(most)


def counted(found: Sequence[Packed]) -> Sequence[Packed]:
    """Items, if they are not too many. Raises RefusedError 413."""
    if len(found) > _items_max():
        raise _too_many(_items_max())
    return found


def whole(data: bytes) -> Packed:
    """One JSON value, whose syntax is right. Raises RefusedError 400."""
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        raise _empty()
    try:
        if not data.isascii():
            data.decode()
        return msgspec.json.decode(data, type=msgspec.Raw)
    except UnicodeDecodeError:
        raise refused(400, "not-utf-8", "body", "it is not UTF-8", "send JSON in UTF-8") from None
    except RecursionError:
        raise refused(400, "too-deep", "body", "it is nested too deeply", "send it flat") from None
    except msgspec.DecodeError as error:
        raise _no_json(error, data) from None


def _sliced(data: bytes, error: msgspec.DecodeError) -> list[Packed]:
    """The items of a list that has halves of characters in it, which are an item's fault and not the list's."""
    text, most = data.decode(), _items_max()
    found: list[Packed] = []
    place = _past_blanks(text, 1)
    while len(found) <= most:
        try:
            _, end = _EXTENT.raw_decode(text, place)
        except (ValueError, RecursionError):
            raise _no_json(error, data) from None
        found.append(text[place:end].encode())
        place = _past_blanks(text, end)
        if text[place : place + 1] != ",":
            break
        place = _past_blanks(text, place + 1)
    if len(found) <= most and text[place:] != "]":
        raise _no_json(error, data)
    return found


def _past_blanks(text: str, place: int) -> int:
    found = _BLANK.match(text, place)
    return found.end() if found else place


def _encoding(header: str) -> str:
    """How a body is packed: gzip, zstd, or ''. Raises RefusedError 415."""
    named = [it.strip().lower() for it in header.split(",") if it.strip()]
    named = [it for it in named if it != "identity"]
    if len(named) > 1:
        rule = "the body is packed several times"
    elif named and named[0] not in ("gzip", "x-gzip", "zstd"):
        rule = "the body is packed in a way that is not read here"
    else:
        return named[0].removeprefix("x-") if named else ""
    problem = Problem("header Content-Encoding", rule, "pack it once, with gzip or zstd, or not at all")
    raise RefusedError(415, "encoding", problem, {"Accept-Encoding": "gzip, zstd"})


def _unpacked(data: bytes, encoding: str, most: int) -> bytes:
    try:
        if encoding == "gzip":
            return _bounded(gzip.GzipFile(fileobj=io.BytesIO(data), mode="rb").read1, most)
        stream = pa.CompressedInputStream(pa.BufferReader(data), "zstd")
        return _bounded(stream.read, most)
    except EOFError:
        rule = "its packed data end too early"
    except (OSError, zlib.error, pa.ArrowException) as error:
        rule = "its packed data end too early" if "runcated" in str(error) else f"its packed data are no {encoding}"
    raise refused(400, "packing-damaged", "body", rule, "pack it again, and say how in Content-Encoding")


def _bounded(read_some: Callable[[int], bytes], most: int) -> bytes:
    """Everything that can be read, in blocks. Raises RefusedError 413 as soon as it is too much."""
    blocks: list[bytes] = []
    size = 0
    while block := read_some(BLOCK_BYTES):
        size += len(block)
        if size > most:
            raise _too_large(most)
        blocks.append(block)
    return b"".join(blocks)


def _items_max() -> int:
    return int(settings.CONFIGURATION["ROLLBOOK_BATCH_FACTS_MAX"])


def _cut_off() -> RefusedError:
    return refused(400, "cut-off", "body", "it ended before its length was reached", "send it again")


def _empty() -> RefusedError:
    return refused(400, "empty", "body", "it is empty", "send facts, a list of them or one on each line")


def _too_large(most: int) -> RefusedError:
    rule = f"it is larger than {most // 1024 // 1024} MiB, packed or unpacked"
    return refused(413, "too-large", "body", rule, "send fewer facts in one call")


def _too_many(most: int) -> RefusedError:
    return refused(413, "too-many", "body", f"it has more than {most:,} items, or is too large for so many", _FEWER)


_FEWER = "send fewer facts in one call"


def _no_json(error: msgspec.DecodeError, data: bytes) -> RefusedError:
    """Its words say where, and quote nothing that was sent."""
    words = str(error).removeprefix("JSON is malformed: ")[:160].lower()
    if _HALF.search(data):
        words += "; there are halves of characters in it (\\ud800 to \\udfff)"
    return refused(400, "json-invalid", "body", f"it is not JSON: {words}", "correct its syntax")
