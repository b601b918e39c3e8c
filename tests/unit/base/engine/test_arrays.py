"""Arrays whose memory is Arrow's."""

import numpy as np
import pyarrow as pa
import pytest

from everycent.base.engine.arrays import empty


@pytest.mark.parametrize("shape", [0, 7, (0, 3), (5, 3)])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.bool_, "V16"])
def test_an_array_has_its_shape_and_can_be_written(shape: int | tuple[int, ...], dtype: str):
    array = empty(shape, dtype)
    like = np.empty(shape, dtype)
    assert (array.shape, array.dtype) == (like.shape, like.dtype)
    assert array.flags.c_contiguous
    array[...] = np.zeros(1, dtype)
    assert array.tobytes() == bytes(like.nbytes)


def test_its_memory_is_arrows_and_goes_back_to_it():
    before = pa.total_allocated_bytes()
    array = empty((1_000, 3), np.int64)
    assert pa.total_allocated_bytes() - before == 24_000
    column = pa.array(array.reshape(-1))
    del array
    assert pa.total_allocated_bytes() - before == 24_000, "an Arrow array made of it keeps it"
    del column
    assert pa.total_allocated_bytes() == before
