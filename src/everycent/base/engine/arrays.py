"""Columns as arrays and back, and arrays in the memory of Arrow's pool, which keeps what was freed for the next batch.

numpy gives the memory of each large array back to the system and asks for it anew, in huge pages. On a virtual machine
such a page may take longer to arrive than the arithmetic on it: a batch of a million records then took between 0.25 and
0.65 s, by the memory of the host alone (docs/decisions/0008).
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.tables import UUID

_UUID = np.dtype("V16")


def empty(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """What `numpy.empty` gives: an array whose values are yet to be written."""
    kind = np.dtype(dtype)
    cells = shape if isinstance(shape, int) else math.prod(shape)
    return np.ndarray(shape, kind, buffer=pa.allocate_buffer(cells * kind.itemsize))


def fixed(column: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The memory of a column of one width without nulls, read-only. (Arrow's own `to_numpy` loads pandas where that is
    installed, which takes a second.)"""
    assert column.null_count == 0, "a null has no value"
    return read_only(np.frombuffer(column.buffers()[1] or b"", dtype)[column.offset : column.offset + len(column)])


def read_only(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same memory. Arrow's arrays are read-only and numpy's are not: a kernel is compiled for one of them."""
    view = values.view()
    view.flags.writeable = False
    return view


def uuid_storage(ids: pa.ChunkedArray) -> pa.Array:
    """The 16 bytes of each UUID."""
    chunks = [chunk.storage for chunk in ids.chunks]
    if len(chunks) == 1:
        return chunks[0]
    return pa.concat_arrays(chunks) if chunks else pa.array([], UUID.storage_type)


def uuid_values(ids: pa.ChunkedArray) -> npt.NDArray[np.void]:
    """UUIDs without nulls as values of 16 bytes."""
    return fixed(uuid_storage(ids), _UUID)


def uuids(values: npt.NDArray[np.void]) -> pa.Array:
    """The inverse of `uuid_values`."""
    return UUID.wrap_array(pa.Array.from_buffers(UUID.storage_type, len(values), [None, pa.py_buffer(values)]))


@lru_cache(maxsize=8)
def no_uuids(count: int) -> pa.Array:
    """As many nulls. Their bytes are zeros that nobody reads, so they never take real memory; kept, as
    batches mostly are of a size."""
    zeros = [pa.py_buffer(np.zeros(size, dtype=np.uint8)) for size in (-(-count // 8), 16 * count)]
    return UUID.wrap_array(pa.Array.from_buffers(UUID.storage_type, count, zeros, null_count=count))
