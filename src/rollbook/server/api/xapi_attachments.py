"""Bodies of kind multipart/mixed: the statements are the first part, the others are attachments, which are dropped.

A statement's attachment has to be there all the same, or somewhere else (`fileUrl`): the specification refuses
statements whose attachments are nowhere. Parts are told by the digest in their headers; their bytes are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rollbook.server.refusals import RefusedError, refused

PARTS_MAX = 1000
"""Parts of one body, that of the statements included."""

BOUNDARY_MAX = 70
"""Characters of a boundary (RFC 2046)."""

_HASH = re.compile(rb"^x-experience-api-hash:[ \t]*([0-9a-f]{1,128})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_JSON = re.compile(rb"^content-type:[ \t]*application/json[ \t]*(;[^\r\n]*)?\r?$", re.IGNORECASE | re.MULTILINE)


def statements_of(data: bytes, boundary: str) -> tuple[bytes, frozenset[str]]:
    """The JSON in the first part, and the digests of the others. Raises RefusedError 400 or 413."""
    boundary = boundary.strip('"')
    if not boundary or len(boundary) > BOUNDARY_MAX or not boundary.isascii():
        raise _broken("there is no boundary in the Content-Type")
    mark = b"\r\n--" + boundary.encode()
    _, *parts = (b"\r\n" + data).split(mark, PARTS_MAX + 1)
    if len(parts) > PARTS_MAX:
        raise refused(413, "too-many", "body", f"it has more than {PARTS_MAX} parts", "send fewer statements at once")
    if len(parts) < 2 or not parts[-1].startswith(b"--"):  # noqa: PLR2004 - a part, and the mark of the end
        raise _broken("it does not end with its boundary, or has no parts")
    heads = []
    first = b""
    for part in parts[:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if not blank:
            raise _broken("a part has no headers")
        heads.append(head)
        first = first or content
    if not _JSON.search(heads[0]):
        raise _broken("its first part is not application/json")
    digests: set[str] = set()
    for head in heads[1:]:
        found = _HASH.search(head)
        if not found:
            raise _broken("a part has no X-Experience-API-Hash")
        digests.add(found[1].decode().lower())
    return first, frozenset(digests)


def is_somewhere(attachment: Mapping[str, Any], digests: frozenset[str]) -> bool:
    """Whether the bytes of an attachment came with it, or stand where it says."""
    return bool(attachment.get("fileUrl")) or str(attachment.get("sha2")).lower() in digests


def _broken(rule: str) -> RefusedError:
    return refused(400, "multipart-invalid", "body", rule, "send what RFC 2046 and xAPI say of multipart/mixed")
