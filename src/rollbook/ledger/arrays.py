"""Columns between Python, NumPy and Arrow as they lie in memory, without nulls.

`pa.array`, `to_numpy` of a column and `parquet.read_table` ask for pandas, and import it where it is
installed: 0.2 s.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import accumulate
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_Number = TypeVar("_Number", bound=np.generic)

_TYPES = {np.dtype(np.int16): pa.int16(), np.dtype(np.int32): pa.int32(), np.dtype(np.int64): pa.int64()}


def values(column: pa.ChunkedArray, type_: type[_Number]) -> NDArray[_Number]:
    """A column as an array of this type, which has to be that of the column."""
    if not len(column):
        return np.empty(0, type_)
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return np.frombuffer(whole.buffers()[1], type_, len(whole), whole.offset * np.dtype(type_).itemsize)


def column(values: NDArray[np.signedinteger]) -> pa.Array:
    """An array of whole numbers as a column."""
    lying = np.ascontiguousarray(values)
    return pa.Array.from_buffers(_TYPES[lying.dtype], len(lying), [None, pa.py_buffer(lying)])


def texts(values: Iterable[object]) -> pa.Array:
    """Texts as a column."""
    encoded = [str(value).encode() for value in values]
    ends = array("i", accumulate(map(len, encoded), initial=0))
    return pa.Array.from_buffers(pa.string(), len(encoded), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))])
