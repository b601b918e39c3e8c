"""Columns as arrays: ids, texts by their place, and the way back."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.arrays import uuid_storage

Places = npt.NDArray[np.int64]


def places_of_ids(ids: pa.ChunkedArray, among: pa.ChunkedArray) -> Places:
    """Each id's place in `among`, which has none twice; -1 where it is not there, or NULL."""
    wanted, known = uuid_storage(ids), uuid_storage(among)
    if wanted.null_count == 0 and wanted.equals(known):  # a charge that each record has: no need to search
        return straight(len(wanted))
    found = pc.index_in(wanted, value_set=known, skip_nulls=True)
    places: Places = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return places


def encoded(texts: pa.ChunkedArray) -> pa.DictionaryArray:
    """Texts as indices into the distinct ones, in one piece."""
    coded = texts.dictionary_encode()
    if coded.num_chunks == 1:
        return coded.chunk(0)
    one = coded.combine_chunks()
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


def days_of(charges: pa.Table, records: pa.Table) -> npt.NDArray[np.int32]:
    """The business day of each charge's record, as days since 1970; each of the charges comes with its record."""
    places = places_of_ids(charges.column("record_id"), records.column("record_id"))
    assert (places >= 0).all(), "each charge comes with its record"
    return days(records.column("business_date"))[places]


def days(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """Dates without NULLs as days since 1970."""
    assert column.null_count == 0, "a date is missing"
    return np.asarray(column.cast(pa.int32()).to_numpy(), dtype=np.int32)


def dates(days: npt.NDArray[np.int32]) -> pa.Array:
    """The inverse of `days`."""
    return pa.array(days).view(pa.date32())


@lru_cache(maxsize=8)
def straight(count: int) -> Places:
    """0, 1, 2 ...: places of what stands in order already. One array for all who ask, by which `taken` knows it."""
    places = np.arange(count, dtype=np.int64)
    places.flags.writeable = False
    return places


def taken(values: npt.NDArray[Any], places: Places) -> npt.NDArray[Any]:
    """The values at these places; all of them, and no copy, where the places are `straight`."""
    count = len(places)
    return values if count == len(values) and places is straight(count) else values[places]


@lru_cache(maxsize=8)
def zeros(count: int) -> npt.NDArray[np.int32]:
    """Codes of a single text. Kept, as windows mostly are of a size, and never written, so that they take no memory."""
    codes = np.zeros(count, dtype=np.int32)
    codes.flags.writeable = False
    return codes
