"""A tree of digests over rows: its root stands for all of them, and a path of digests for one.

A leaf is a row with a salt of its own, so that nobody can find out by guessing who else is in the tree. Leaves and
inner nodes begin with different bytes, and the tree has the shape of RFC 6962, section 2.1: there the left half is the
largest power of two, which comes to the same as joining pairs level by level and passing up whoever is left over.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence

LEAF, NODE = b"\x00", b"\x01"
EMPTY = hashlib.sha256(b"").digest()
"""The root of a tree without rows."""


def salt(secret: bytes, row: bytes) -> bytes:
    """The salt of a row: known to whoever holds the statement's secret, and to whom a row is shown."""
    return hmac.digest(secret, row, "sha256")


def leaf(row: bytes, salted_with: bytes) -> bytes:
    """The digest of a row with its salt."""
    return hashlib.sha256(LEAF + salted_with + row).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves in their order."""
    level = list(leaves)
    while len(level) > 1:
        level = [_joined(level[n : n + 2]) for n in range(0, len(level), 2)]
    return level[0] if level else EMPTY


def path(leaves: Sequence[bytes], index: int) -> tuple[tuple[str, bytes], ...]:
    """What proves the leaf at `index`: from the bottom up, which side the other digest stands on, and that digest."""
    return tuple(_path(list(leaves), index))


def follows(one: bytes, way: Sequence[tuple[str, bytes]], expected: bytes) -> bool:
    """Whether a leaf, joined with the digests along its path, gives the root."""
    found = one
    for side, other in way:
        found = _joined([other, found] if side == "left" else [found, other])
    return hmac.compare_digest(found, expected)


def _path(level: list[bytes], index: int) -> Iterator[tuple[str, bytes]]:
    while len(level) > 1:
        other = index ^ 1
        if other < len(level):
            yield ("left" if other < index else "right", level[other])
        level = [_joined(level[n : n + 2]) for n in range(0, len(level), 2)]
        index //= 2


def _joined(pair: Sequence[bytes]) -> bytes:
    """Two digests make one; one that is left over goes up as it is."""
    return hashlib.sha256(NODE + pair[0] + pair[1]).digest() if len(pair) == 2 else pair[0]  # noqa: PLR2004
