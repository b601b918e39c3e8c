"""The order of breaks: by key, bucket, left place, right place; a row that is missing comes last."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.proof.recon.core.joined.meeting import NONE, Long, Numbers
from everycent.proof.recon.core.joined.words import words

Order = npt.NDArray[np.int64]

_LAST = np.iinfo(np.int64).max


def ordered(
    keys: pa.StringArray, key_at: Numbers, heads: Numbers, buckets: npt.NDArray[np.int8], left: Long, right: Long
) -> Order:
    """The order of some lines. key_at: where each line's key is among `keys`; heads: the same of lines with one key
    alone; buckets: in the order of their names; left, right: places."""
    values, exact = words(keys)
    value = values[key_at]
    order = np.argsort(value, kind="stable")
    value = value[order]
    same = value[1:] == value[:-1]
    tied = np.flatnonzero(np.concatenate([[False], same]) | np.concatenate([same, [False]]))
    if not len(tied):
        return order
    lines = order[tied]
    key: npt.NDArray[np.uint64] = value[tied]
    if not exact and (heads[lines][1:] != heads[lines][:-1])[key[1:] == key[:-1]].any():
        key = _ranks(keys.take(pa.array(key_at[lines])))
    places = [np.where(each[lines] == NONE, _LAST, each[lines]) for each in (right, left)]
    order[tied] = lines[np.lexsort((places[0], places[1], buckets[lines], key))]
    return order


def _ranks(texts: pa.StringArray) -> npt.NDArray[np.uint64]:
    """Of each text its place among them, the same of equal ones."""
    sorted_at = np.asarray(pc.sort_indices(texts))
    in_order = texts.take(pa.array(sorted_at))
    new = np.asarray(pc.not_equal(in_order[1:], in_order[:-1]).cast(pa.uint8()))
    ranks = np.zeros(len(texts), np.uint64)
    ranks[sorted_at[1:]] = np.cumsum(new)
    return ranks
