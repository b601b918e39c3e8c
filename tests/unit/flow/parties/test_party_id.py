"""One rule names a party, wherever it is met."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.flow.parties.contract import PartySpec, party_id_sql

STORE = PartySpec(key=("merchant", "store"))


def party_id(spec: PartySpec, *values: str | None) -> str | None:
    marks = ", ".join("?" for _ in spec.key)
    source = f"(SELECT {party_id_sql('merchant', spec)} FROM (VALUES ({marks})) AS record({', '.join(spec.key)}))"
    found: str | None = duckdb.execute(f"SELECT * FROM {source}", list(values)).fetchall()[0][0]
    return found


@pytest.mark.parametrize(
    ("merchant", "store", "named"),
    [
        ("m-7", "s-1", "merchant:m-7/s-1"),
        ("m/7", "s-1", r"merchant:m\/7/s-1"),
        ("m\\", "/s", r"merchant:m\\/\/s"),
        ("商户", "it's", "merchant:商户/it's"),
        ("m-7", None, None),
        ("m-7", "", None),
    ],
)
def test_a_party_is_named_by_its_role_and_key(merchant: str, store: str | None, named: str | None) -> None:
    assert party_id(STORE, merchant, store) == named


def test_the_operator_is_named_by_its_role() -> None:
    assert duckdb.sql(f"SELECT {party_id_sql('platform', PartySpec(operator='its us'))}").fetchall() == [("platform",)]


def test_key_columns_of_other_types_are_texts() -> None:
    sql = party_id_sql("merchant", STORE, lambda column: f"record.{column}")
    assert duckdb.sql(f"SELECT {sql} FROM (SELECT 7 AS merchant, DATE '2026-03-01' AS store) AS record").fetchall() == [
        ("merchant:7/2026-03-01",)
    ]


def parts(named: str) -> list[str]:
    """Reads the key values back, one character at a time."""
    values, rest = [""], iter(named.removeprefix("merchant:"))
    for char in rest:
        if char == "/":
            values.append("")
        else:
            values[-1] += next(rest) if char == "\\" else char
    return values


value = st.text(alphabet=st.sampled_from("ab/\\:\"' 商"), min_size=1, max_size=8)


@given(st.lists(value, min_size=2, max_size=2))
def test_different_keys_never_share_an_id(values: list[str]) -> None:
    named = party_id(STORE, *values)
    assert named is not None
    assert parts(named) == values
