"""Who settles which charge on which day: a table without gaps and overlaps."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.flow.clearing.contract import ClearingRefused
from everycent.flow.clearing.core.legal_entities import COLUMNS, Settled, read_legal_entities, settled_by

CHARGES = ("goods", "fee")


def read(text: str) -> dict[str, Settled]:
    rows = [(line, row.strip().split(",")) for line, row in enumerate(text.strip().splitlines(), 2)]
    return read_legal_entities("entities.csv", COLUMNS, rows, "default", "market", CHARGES)


def test_a_charge_goes_to_another_company_on_a_day() -> None:
    assert read(
        """
        default,market,goods,beijing,2026-03-01,
        default,market,goods,shanghai,,2026-03-01
        other,market,goods,nobody,,
        default,elsewhere,rent,nobody,,
        """
    ) == {"goods": ((date.min, "shanghai"), (date(2026, 3, 1), "beijing"))}


def test_what_a_row_leaves_empty_it_says_of_all() -> None:
    assert read(",,,shanghai,,") == dict.fromkeys(CHARGES, ((date.min, "shanghai"),))
    assert read(",,rent,shanghai,,") == {}, "a charge of another business"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("default,market,goods,a,2026-01-01,", "nobody settles 'goods' before 2026-01-01; leave valid_from empty"),
        ("default,market,goods,a,,2026-01-01", "nobody settles 'goods' from 2026-01-01 on; leave valid_to empty"),
        (",,goods,a,,2026-01-01\n,,goods,b,2026-02-01,", "nobody settles 'goods' from 2026-01-01 until 2026-02-01"),
        (",,goods,a,,2026-02-01\n,,goods,b,2026-01-01,", "two settle 'goods' on 2026-01-01, line 2 (a until 2026-02-"),
        (",,goods,a,,\n,,,b,,", "two settle 'goods' on 0001-01-01, line 2 (a) and line 3 (b)"),
        (",market,good,a,,", "line 2: the model has no charge 'good'; did you mean 'goods'?"),
        (",,goods,,,", "line 2: the legal entity is missing"),
        (",,goods,a,2026-02-30,", "line 2: '2026-02-30' is not a date"),
        (",,goods,a,2026-02-01,2026-02-01", "line 2: it ends before it begins"),
    ],
)
def test_a_day_without_anybody_or_with_two_is_refused(text: str, message: str) -> None:
    with pytest.raises(ClearingRefused) as refused:
        read(text)
    assert message in str(refused.value)


def test_a_table_with_other_columns_is_refused() -> None:
    with pytest.raises(ClearingRefused, match="the table has tenant, business, charge"):
        read_legal_entities("entities.csv", ("charge",), [], "default", "market", CHARGES)


FIRST = date(2026, 1, 1)


@given(
    st.lists(st.integers(1, 20), max_size=4, unique=True).map(sorted),
    st.lists(st.tuples(st.integers(0, 1), st.integers(-5, 25)), max_size=20),
)
def test_each_row_has_the_one_whose_days_it_is_on(changes: list[int], rows: list[tuple[int, int]]) -> None:
    starts = [date.min, *(FIRST + timedelta(change) for change in changes)]
    goods: Settled = tuple((start, f"e{at}") for at, start in enumerate(starts))
    days = [FIRST + timedelta(day) for _, day in rows]
    numbers = np.array([(day - date(1970, 1, 1)).days for day in days], dtype=np.int32)
    code, names = settled_by([goods, ((date.min, "operator"),)], np.array([c for c, _ in rows], int), lambda: numbers)
    ends = [*(end for _, end in pairwise(starts)), date.max]
    for (charge, _), day, place in zip(rows, days, code, strict=True):
        right = [name for (start, name), end in zip(goods, ends, strict=True) if start <= day < end]
        assert [names[place]] == (right if charge == 0 else ["operator"])
