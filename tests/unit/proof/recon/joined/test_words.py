"""Texts as numbers: they order as the texts' bytes do."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.proof.recon.core.joined.ordering import ordered
from everycent.proof.recon.core.joined.words import same_texts, words

TEXTS = st.lists(st.text("ab\0é单-9", max_size=30), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(texts=TEXTS)
def test_numbers_order_as_texts_do(texts: list[str]) -> None:
    numbers, exact = words(pa.array(texts))
    for one, a in zip(texts, numbers.tolist(), strict=True):
        for other, b in zip(texts, numbers.tolist(), strict=True):
            if one.encode() < other.encode():
                assert a < b or (a == b and not exact)
            assert (one != other) or a == b


@settings(max_examples=60, deadline=None)
@given(texts=TEXTS)
def test_lines_are_in_the_order_of_keys_also_where_numbers_do_not_tell_them_apart(texts: list[str]) -> None:
    keys = sorted(set(texts))
    at = np.array([keys.index(text) for text in texts], np.int32)
    places = np.arange(len(texts), dtype=np.int64)[::-1].copy()
    order = ordered(pa.array(keys), at, at, np.zeros(len(texts), np.int8), places, places)
    assert order.tolist() == sorted(range(len(texts)), key=lambda line: (texts[line].encode(), places[line]))


def test_texts_are_the_same_or_not() -> None:
    texts = pa.array(["x", "one", "one", "two", ""])[1:]
    numbers = [np.array(places, np.int32) for places in ([0, -1, 3], [1, 2, 3], [0, 1, 3])]
    assert same_texts(texts, numbers[0], numbers[1])
    assert not same_texts(texts, numbers[1], numbers[2])
