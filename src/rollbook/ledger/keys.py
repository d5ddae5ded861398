"""Which (source, id) are there already: sorted digests on disk, searched where they lie.

A key is 96 bits of the MD5 of (source, id): with a thousand million facts two different keys are taken for one with a
probability of 10⁻¹¹. It guards against repeats and not against forgers: whoever makes two ids of one digest loses the
second of one's own facts. Of what a fact says 32 bits are kept: they tell a repeat from a contradiction, and in both
cases what stands remains.

One batch is looked up in order, so the pages of a file are touched once: a day of facts costs that day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from rollbook.intake.tables import SAID
from rollbook.ledger.layout import Segment, segment_folder
from rollbook.ledger.trust import array

COLUMNS = {"keys-heads.npy": np.uint64, "keys-tails.npy": np.uint64, "keys-rows.npy": np.uint32}
"""The files of keys, each one array."""

BATCH_ROWS = 1 << 20


def keyed(source: str = "source", id_: str = "id", said: str = SAID) -> str:
    """SQL of a key: `head`, 64 bits of it, and `tail`, 32 more with 32 bits of the digest of what the fact says."""
    key = f"md5_number(concat(length({source}), ':', {source}, {id_}))"
    low = "4294967295::uhugeint"
    return f"""
        ({key} >> 64)::ubigint as head,
        ((({key} & {low}) << 32) | (md5_number({said}) & {low}))::ubigint as tail
        """


def key_of(source: str, id_: str) -> tuple[int, int]:
    """The head of a key, and the upper half of its tail: as `keyed` has them."""
    digest = hashlib.md5(f"{len(source)}:{source}{id_}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little"), int.from_bytes(digest[:4], "little")


@dataclass(frozen=True, slots=True)
class Found:
    """For each key that was asked: the row that has it, or -1; and whether what it says is the same."""

    rows: NDArray[np.int64]
    same: NDArray[np.bool_]


class Keys:
    """The keys of one segment, mapped from disk. Raises LedgerError where they are not as many as it has facts."""

    def __init__(self, folder: Path, segment: Segment) -> None:
        where = segment_folder(folder, segment.name)
        self.heads, self.tails, self.rows = (
            array(where / name, type_, segment.facts) for name, type_ in COLUMNS.items()
        )
        self._rows = segment.facts

    def find(self, heads: NDArray[np.uint64], tails: NDArray[np.uint64]) -> Found:
        """Looks up keys; those asked in the order of their heads are found fastest."""
        rows = np.full(len(heads), -1, np.int64)
        same = np.zeros(len(heads), np.bool_)
        at = np.searchsorted(self.heads, heads)
        # Several keys may share a head, so the search goes on from where the first one is, as long as any head agrees.
        open_ = np.arange(len(heads))
        while True:
            open_ = open_[at[open_] < len(self.heads)]
            open_ = open_[self.heads[at[open_]] == heads[open_]]
            if not len(open_):
                if len(rows) and rows.max() >= self._rows:
                    raise ValueError("the keys name rows that are not there")
                return Found(rows, same)
            found = self.tails[at[open_]]
            hit = (found >> np.uint64(32)) == (tails[open_] >> np.uint64(32))
            rows[open_[hit]] = self.rows[at[open_[hit]]]
            same[open_[hit]] = found[hit] == tails[open_[hit]]
            open_ = open_[~hit]
            at[open_] += 1


def write_keys(connection: duckdb.DuckDBPyConnection, query: str, count: int, folder: Path) -> str:
    """Writes the keys that a query of (head, tail, row) gives, in their order; returns the digest of them all."""
    digest = _Digest()
    with ExitStack() as stack:
        files = [stack.enter_context((folder / name).open("wb")) for name in COLUMNS]
        for file, type_ in zip(files, COLUMNS.values(), strict=True):
            # Written one after the other and not mapped: a full disk is then an error, and does not end the process.
            header = {"descr": np.dtype(type_).str, "fortran_order": False, "shape": (count,)}
            np.lib.format.write_array_header_1_0(file, header)
        for columns in batches(connection, f"select head, tail, row from ({query}) order by head, tail"):
            for file, column, type_ in zip(files, columns, COLUMNS.values(), strict=True):
                file.write(column.astype(type_).tobytes())
            digest.add(columns)
    return digest.value


def digest_of_keys(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[str, int]:
    """The digest of the keys that a query gives, and how many there are; nothing is written."""
    digest = _Digest()
    for columns in batches(connection, f"select head, tail from ({query}) order by head, tail"):
        digest.add(columns)
    return digest.value, digest.facts


class _Digest:
    """SHA-256 over heads and tails, in order of both, each as eight bytes with the least first."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.facts = 0

    def add(self, columns: list[NDArray[np.uint64]]) -> None:
        self._digest.update(np.stack(columns[:2], axis=1).astype("<u8").tobytes())
        self.facts += len(columns[0])

    @property
    def value(self) -> str:
        return self._digest.hexdigest()


def batches(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[list[NDArray[np.uint64]]]:
    """The columns of a query of whole numbers, a batch at a time."""
    for batch in connection.sql(query).to_arrow_reader(BATCH_ROWS):
        yield [column.to_numpy(zero_copy_only=False) for column in batch.columns]
