"""Text computed once per distinct combination of values, not once per row."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine


def over_distinct(engine: LocalEngine, columns: pa.Table, sql: str) -> pa.DictionaryArray:
    """`sql`, a text expression over the names of `columns`, for each row: int32 indices into the texts that occur.

    It is evaluated for the distinct combinations only, and these are in order of first appearance, so that the same
    rows always give the same array. An index is null where a column or the text is NULL.
    """
    assert columns.num_columns > 0, "there is nothing to tell rows apart by"
    codes, distinct = _codes(columns)
    texts = engine.query(f"SELECT {sql} AS text FROM distinct_values", distinct_values=distinct).column("text")
    assert len(texts) == distinct.num_rows, "one text for each distinct combination"
    dictionary = texts.combine_chunks()
    if dictionary.null_count:
        codes = pc.if_else(pc.is_in(codes, pc.indices_nonzero(dictionary.is_null()).cast(pa.int32())), None, codes)
        dictionary = dictionary.fill_null("")
    return pa.DictionaryArray.from_arrays(codes, dictionary)


def _codes(columns: pa.Table) -> tuple[pa.Array, pa.Table]:
    """Each row's place among the distinct combinations (int32, null where a value is null), and those combinations."""
    first, *others = columns.column_names
    codes, values = _encoded(columns.column(first))
    distinct = pa.table({first: values})
    for name in others:
        more, values = _encoded(columns.column(name))
        width = max(len(values), 1)
        pairs = pc.add(pc.multiply(codes.cast(pa.int64()), width), more.cast(pa.int64()))
        codes, both = _encoded(pa.chunked_array([pairs]))
        left, right = np.divmod(both.to_numpy(zero_copy_only=False), width)
        distinct = distinct.take(pa.array(left)).append_column(name, values.take(pa.array(right)))
    return codes, distinct


def _encoded(column: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    encoded = column.dictionary_encode().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], column.type).dictionary_encode()
    return encoded.indices, encoded.dictionary
