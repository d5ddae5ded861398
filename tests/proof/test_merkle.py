"""The tree: one root for all rows, and a path for each."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.proof.merkle import EMPTY, follows, leaf, path, root, salt

SECRET = b"s" * 32
SIZES = range(71)


def leaves(size: int) -> list[bytes]:
    return [salted(str(number).encode()) for number in range(size)]


def salted(row: bytes) -> bytes:
    return leaf(row, salt(SECRET, row))


def as_the_rfc_says(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word: the left part is the largest power of two smaller than all."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    left = 1
    while left * 2 < len(hashes):
        left *= 2
    return hashlib.sha256(b"\x01" + as_the_rfc_says(hashes[:left]) + as_the_rfc_says(hashes[left:])).digest()


@pytest.mark.parametrize("size", SIZES)
def test_the_shape_is_that_of_rfc_6962(size: int) -> None:
    assert root(leaves(size)) == as_the_rfc_says(leaves(size))


def test_the_roots_are_those_that_certificate_transparency_publishes() -> None:
    """Its test vectors have no salt: eight entries, and the roots over the first one, two, three and eight of them."""
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    hashes = [leaf(bytes.fromhex(entry), b"") for entry in entries]
    assert root(hashes[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert root(hashes[:2]).hex() == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert root(hashes[:3]).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
    assert root(hashes).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_without_rows_the_root_is_the_digest_of_nothing() -> None:
    assert root([]) == EMPTY == hashlib.sha256(b"").digest()


def test_the_salt_of_a_row_is_a_digest_that_needs_the_secret() -> None:
    assert salt(SECRET, b"row") == hmac.new(SECRET, b"row", "sha256").digest()
    assert leaf(b"row", b"salt") == hashlib.sha256(b"\x00" + b"salt" + b"row").digest()


@pytest.mark.parametrize("size", SIZES)
def test_every_path_leads_its_own_leaf_to_the_root_and_no_other(size: int) -> None:
    hashes = leaves(size)
    for index, one in enumerate(hashes):
        way = path(hashes, index)
        assert follows(one, way, root(hashes))
        assert not any(follows(other, way, root(hashes)) for place, other in enumerate(hashes) if place != index)
        assert 2 ** len(way) < 2 * max(size, 1), "a path is as long as the tree is high, at most"


@given(st.integers(1, 70), st.data())
def test_whatever_is_changed_about_a_proof_it_no_longer_leads_to_the_root(size: int, data: st.DataObject) -> None:
    rows = [str(number).encode() for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    hashes, row = [salted(row) for row in rows], rows[index]
    top, way, with_salt = root(hashes), list(path(hashes, index)), salt(SECRET, row)
    assert follows(leaf(row, with_salt), way, top)
    bit = data.draw(st.integers(0, 255))

    def flipped(digest: bytes) -> bytes:
        return (int.from_bytes(digest, "big") ^ 1 << bit).to_bytes(32, "big")

    assert not follows(leaf(row + b"x", with_salt), way, top)
    assert not follows(leaf(row, flipped(with_salt)), way, top)
    assert not follows(leaf(row, with_salt), way, flipped(top))
    assert not follows(leaf(row, with_salt), [*way, ("left", top)], top)
    for place, (side, other) in enumerate(way):
        turned = ("left" if side == "right" else "right", other)
        for changed in (turned, (side, flipped(other))):
            assert not follows(leaf(row, with_salt), [*way[:place], changed, *way[place + 1 :]], top)
        assert not follows(leaf(row, with_salt), way[:place] + way[place + 1 :], top)


@given(st.lists(st.binary(max_size=4), unique=True, min_size=1, max_size=20), st.data())
def test_a_row_changed_added_dropped_or_moved_changes_the_root(rows: list[bytes], data: st.DataObject) -> None:
    before = root([salted(row) for row in rows])
    index = data.draw(st.integers(0, len(rows) - 1))
    changed = [
        [*rows[:index], rows[index] + b"x", *rows[index + 1 :]],
        [*rows, b"added"],
        rows[:index] + rows[index + 1 :],
    ]
    if len(rows) > 1:
        changed.append([*rows[1:], rows[0]])
    assert before not in [root([salted(row) for row in others]) for others in changed]
