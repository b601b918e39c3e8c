import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.base.engine import distinct
from everycent.base.engine.distinct import combinations, over_distinct
from everycent.base.engine.local import LocalEngine

rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.sampled_from("abc")), st.one_of(st.none(), st.integers(0, 3)), st.sampled_from("xy")
    ),
    max_size=30,
)


def table(values: list[tuple[str | None, int | None, str]]) -> pa.Table:
    first, second, third = ([row[at] for row in values] for at in range(3))
    return pa.table({"a": pa.array(first, pa.string()), "b": pa.array(second, pa.int64()), "c": third})


@given(rows, st.sampled_from([0, 1 << 20]))
def test_each_row_finds_its_values_again_and_they_are_in_order_of_first_appearance(values, listed_max):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "_PAIRS_LISTED_MAX", listed_max)
        found = combinations(table(values) if values else table([("a", 1, "x")]).slice(1))
    kept = found.values.to_pylist()
    assert found.places.type == pa.int32()
    for row, place in zip(values, found.places.to_pylist(), strict=True):
        assert (place is None) == (None in row)
        assert place is None or tuple(kept[place].values()) == row
    named = [place for place in found.places.to_pylist() if place is not None]
    assert list(dict.fromkeys(named)) == sorted(set(named)), "first come, first placed"


def test_text_is_computed_for_each_combination(engine: LocalEngine):
    given_rows = table([("b", 2, "x"), ("a", 1, "x"), ("b", 2, "x"), (None, 1, "y")])
    texts = over_distinct(engine, given_rows, "a || b || c")
    assert texts.to_pylist() == ["b2x", "a1x", "b2x", None]
    assert over_distinct(engine, given_rows, "nullif(a, 'b')").to_pylist() == [None, "a", None, None]
