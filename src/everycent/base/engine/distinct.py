"""Text computed once per distinct combination of values, not once per row."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine

#: Up to so many pairs of codes are told apart by a table of all of them, which is faster than hashing.
_PAIRS_LISTED_MAX = 1 << 20
#: Of so many values at most the texts are kept.
_KEPT_MAX = 20_000
_TEXT = "text of it"


@dataclass(frozen=True)
class Combinations:
    """The distinct combinations of some columns' values, in order of first appearance, and each row's place in them.

    `places`: int32, null where a value of the row is null.
    """

    places: pa.Array
    values: pa.Table


def over_distinct(engine: LocalEngine, columns: pa.Table, sql: str) -> pa.DictionaryArray:
    """`sql`, a text expression over the names of `columns`, for each row: int32 indices into the texts that occur.

    It is evaluated for the distinct combinations only, and these are in order of first appearance, so that the same
    rows always give the same array. An index is null where a column or the text is NULL.
    """
    return over_combinations(engine, combinations(columns), sql)


def over_combinations(engine: LocalEngine, found: Combinations, sql: str) -> pa.DictionaryArray:
    """What `over_distinct` gives, for combinations that were found before."""
    places, dictionary = found.places, _texts(engine, found.values, sql)
    if dictionary.null_count:
        places = pc.if_else(pc.is_in(places, pc.indices_nonzero(dictionary.is_null()).cast(pa.int32())), None, places)
        dictionary = dictionary.fill_null("")
    return pa.DictionaryArray.from_arrays(places, dictionary)


def _texts(engine: LocalEngine, values: pa.Table, sql: str) -> pa.Array:
    """`sql` for each of the distinct values. Those of one column are kept by the engine for the next time: a window
    mostly has the parties of the one before it, and a query takes longer than looking them up."""
    if values.num_columns > 1 or values.num_rows > _KEPT_MAX:
        return _computed(engine, values, sql)
    [name], [column] = values.column_names, values.columns
    asked = (sql, name, str(column.type))
    known = engine.kept_texts.get(asked)
    if known is None or known.num_rows > _KEPT_MAX:
        known = pa.table({name: pa.array([], column.type), _TEXT: pa.array([], pa.string())})
    new = values.filter(pc.invert(pc.is_in(column, value_set=known.column(name).combine_chunks())))
    if new.num_rows:
        known = pa.concat_tables([known, new.append_column(_TEXT, _computed(engine, new, sql))]).combine_chunks()
        engine.kept_texts[asked] = known
    texts = known.column(_TEXT).take(pc.index_in(column, value_set=known.column(name).combine_chunks()))
    return texts.combine_chunks()


def _computed(engine: LocalEngine, values: pa.Table, sql: str) -> pa.Array:
    texts = engine.query(f"SELECT {sql} AS text FROM distinct_values", distinct_values=values).column("text")
    assert len(texts) == values.num_rows, "one text for each distinct combination"
    return texts.combine_chunks()


def combinations(columns: pa.Table) -> Combinations:
    """The distinct combinations of the columns' values. Needs no engine, so that it can be found beside a query."""
    assert columns.num_columns > 0, "there is nothing to tell rows apart by"
    first, *others = columns.column_names
    places, values = _encoded(columns.column(first))
    distinct = pa.table({first: values})
    for name in others:
        more, values = _encoded(columns.column(name))
        width = max(len(values), 1)
        pairs_max = distinct.num_rows * width
        number = pa.int32() if pairs_max <= _PAIRS_LISTED_MAX else pa.int64()
        pairs = pc.add(pc.multiply(places.cast(number), pa.scalar(width, number)), more.cast(number))
        if pairs.null_count or pairs_max > _PAIRS_LISTED_MAX:
            places, both = _encoded(pa.chunked_array([pairs]))
        else:
            places, both = _listed(pairs, pairs_max)
        left, right = np.divmod(both.to_numpy(zero_copy_only=False), width)
        distinct = distinct.take(pa.array(left)).append_column(name, values.take(pa.array(right)))
    return Combinations(places, distinct)


def _encoded(column: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    encoded = column.dictionary_encode().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], column.type).dictionary_encode()
    return encoded.indices, encoded.dictionary


def _listed(numbers: pa.Array, end: int) -> tuple[pa.Array, pa.Array]:
    """What `_encoded` gives for whole numbers from 0 to below `end`, without nulls."""
    rows = numbers.to_numpy()
    first = np.full(end, len(rows), dtype=np.int32)
    first[rows[::-1]] = np.arange(
        len(rows) - 1, -1, -1, dtype=np.int32
    )  # of several, the last to be written stays: the first row
    occurring = np.flatnonzero(first < len(rows))
    occurring = occurring[np.argsort(first[occurring])]
    place = np.empty(end, dtype=np.int32)
    place[occurring] = np.arange(len(occurring), dtype=np.int32)
    return pa.array(place[rows]), pa.array(occurring)
