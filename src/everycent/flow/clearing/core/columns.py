"""Columns as arrays: ids, texts by their place, and the way back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.tables import UUID

Places = npt.NDArray[np.int64]

_ID = np.dtype("V16")


def storage(ids: pa.ChunkedArray) -> pa.Array:
    """The 16 bytes of each UUID."""
    chunks = [chunk.storage for chunk in ids.chunks]
    return pa.concat_arrays(chunks) if chunks else pa.array([], UUID.storage_type)


def ids_as_values(ids: pa.ChunkedArray) -> npt.NDArray[np.void]:
    """UUIDs without NULLs as values of 16 bytes."""
    one = storage(ids)
    assert one.null_count == 0, "an id is missing"
    return np.frombuffer(one.buffers()[1] or b"", dtype=_ID)[one.offset : one.offset + len(one)]


def ids_from(values: npt.NDArray[np.void]) -> pa.Array:
    """The inverse of `ids_as_values`."""
    return UUID.wrap_array(pa.Array.from_buffers(UUID.storage_type, len(values), [None, pa.py_buffer(values)]))


def places_of_ids(ids: pa.ChunkedArray, among: pa.ChunkedArray) -> Places:
    """Each id's place in `among`, which has none twice; -1 where it is not there, or NULL."""
    wanted, known = storage(ids), storage(among)
    if wanted.null_count == 0 and wanted.equals(known):  # a charge that each record has: no need to search
        return np.arange(len(wanted), dtype=np.int64)
    found = pc.index_in(wanted, value_set=known, skip_nulls=True)
    places: Places = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return places


def encoded(texts: pa.ChunkedArray) -> pa.DictionaryArray:
    """Texts as indices into the distinct ones, in one piece."""
    one = texts.dictionary_encode().combine_chunks()
    if isinstance(one, pa.ChunkedArray):
        one = one.chunk(0) if one.num_chunks else pa.array([], pa.string()).dictionary_encode()
    return one


def places_of_texts(texts: pa.ChunkedArray, among: Sequence[str]) -> Places:
    """Each text's place in `among`; -1 where it is not there."""
    codes = encoded(texts)
    found = pc.fill_null(pc.index_in(codes.dictionary, value_set=pa.array(among, pa.string())), -1).to_numpy()
    return found.astype(np.int64)[codes.indices.to_numpy()] if len(codes) else np.empty(0, dtype=np.int64)


def texts(codes: npt.NDArray[Any], distinct: Sequence[str] | pa.Array) -> pa.DictionaryArray:
    """Texts by their place in `distinct`, which each of the codes has. (Arrow does not look at them again, which takes
    as long as all else here.)"""
    values = distinct if isinstance(distinct, pa.Array) else pa.array(distinct, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32, copy=False)), values, safe=False)


def minor(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Amounts without NULLs."""
    assert column.null_count == 0, "an amount is missing"
    return np.asarray(column.to_numpy(), dtype=np.int64)


def days(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """Dates without NULLs as days since 1970."""
    assert column.null_count == 0, "a date is missing"
    return np.asarray(column.cast(pa.int32()).to_numpy(), dtype=np.int32)


def dates(days: npt.NDArray[np.int32]) -> pa.Array:
    """The inverse of `days`."""
    return pa.array(days).view(pa.date32())


def taken(values: npt.NDArray[Any], places: Places) -> npt.NDArray[Any]:
    """The values at these places, which rise; all of them where each has its place."""
    return values if len(places) == len(values) and _all_in_order(places) else values[places]


def _all_in_order(places: Places) -> bool:
    if len(places) == 0:
        return True
    return places[0] == 0 and places[-1] == len(places) - 1 and bool((places[1:] > places[:-1]).all())


def no_ids(count: int) -> pa.Array:
    """NULL ids. Their bytes are zeros that nobody reads, so they never take real memory."""
    zeros = [pa.py_buffer(np.zeros(size, dtype=np.uint8)) for size in (-(-count // 8), 16 * count)]
    return UUID.wrap_array(pa.Array.from_buffers(UUID.storage_type, count, zeros, null_count=count))
