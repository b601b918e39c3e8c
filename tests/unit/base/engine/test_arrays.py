"""Arrays whose memory is Arrow's."""

import itertools
import uuid

import numpy as np
import pyarrow as pa
import pytest

from everycent.base.engine.arrays import empty, fixed, read_only, uuid_values, uuids


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


def test_a_column_is_read_where_it_lies_be_it_a_part_of_another():
    column = pa.array([1, 2, 3, 4], pa.int64()).slice(1, 2)
    there = fixed(column, np.int64)
    assert there.tolist() == [2, 3] and not there.flags.writeable
    with pytest.raises(AssertionError, match="no value"):
        fixed(pa.array([1, None], pa.int64()), np.int64)


def test_what_is_read_only_shares_its_memory():
    values = np.arange(3)
    seen = read_only(values)
    values[0] = 7
    assert seen[0] == 7 and not seen.flags.writeable and values.flags.writeable


@pytest.mark.parametrize("cut", [[0, 5], [0, 2, 5], [0, 0]])
def test_uuids_come_back_as_they_were(cut: list[int]):
    ids = pa.array([uuid.UUID(int=number).bytes for number in range(5)], pa.uuid())
    parts = [ids.slice(start, end - start) for start, end in itertools.pairwise(cut)]
    column = pa.chunked_array(parts, pa.uuid())
    assert uuids(uuid_values(column)).to_pylist() == column.to_pylist()
