"""Column types: what a model writes, and what it is in DuckDB and Arrow."""

import pyarrow as pa
import pytest

from everycent.base.engine.types import ColumnType


@pytest.mark.parametrize(
    ("text", "duckdb", "arrow"),
    [
        ("text", "VARCHAR", pa.string()),
        ("integer", "BIGINT", pa.int64()),
        ("decimal", "DECIMAL(18, 6)", pa.decimal128(18, 6)),
        ("decimal(0)", "DECIMAL(18, 0)", pa.decimal128(18, 0)),
        ("decimal(18)", "DECIMAL(18, 18)", pa.decimal128(18, 18)),
        ("money", "BIGINT", pa.int64()),
        ("boolean", "BOOLEAN", pa.bool_()),
        ("timestamp", "TIMESTAMP", pa.timestamp("us")),
        ("date", "DATE", pa.date32()),
    ],
)
def test_a_type_of_the_model(text: str, duckdb: str, arrow: pa.DataType) -> None:
    kind = ColumnType.parse(text, money_scale=3)
    assert (kind.duckdb, kind.arrow) == (duckdb, arrow)
    assert ColumnType.parse(str(kind), money_scale=3) == kind
    assert ColumnType.parse("money", money_scale=3).scale == 3


@pytest.mark.parametrize(
    ("text", "words"), [("decimal(19)", r"decimal\(18\)"), ("float", "is not a type"), ("", "is not")]
)
def test_no_type_of_the_model(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ColumnType.parse(text)
