"""Arrays in the memory of Arrow's pool, which keeps what was freed for the next batch.

numpy gives the memory of each large array back to the system and asks for it anew, in huge pages. On a virtual machine
such a page may take longer to arrive than the arithmetic on it: a batch of a million records then took between 0.25 and
0.65 s, by the memory of the host alone (docs/decisions/0008).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def empty(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """What `numpy.empty` gives: an array whose values are yet to be written."""
    kind = np.dtype(dtype)
    cells = shape if isinstance(shape, int) else math.prod(shape)
    return np.ndarray(shape, kind, buffer=pa.allocate_buffer(cells * kind.itemsize))


def integers(column: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The memory of a column of integers without nulls, read-only. (Arrow's own `to_numpy` loads pandas where that is
    installed, which takes a second.)"""
    assert column.null_count == 0, "a null has no number"
    return np.frombuffer(column.buffers()[1] or b"", dtype)[column.offset : column.offset + len(column)]
