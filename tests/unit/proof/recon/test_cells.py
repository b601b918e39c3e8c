"""How cells of files are read: as people and programs write numbers and times."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.proof.recon.core import kinds
from everycent.proof.recon.core.cells import (
    Column,
    Mark,
    Reading,
    exact_sql,
    mended_sql,
    minor_sql,
    number_sql,
    text_sql,
    time_sql,
    value_sql,
)
from everycent.proof.recon.core.kinds import readable


def numbers(engine: LocalEngine, texts: list[str], mark: Mark) -> list[Any]:
    rows = ", ".join(f"({at}, {literal(text)})" for at, text in enumerate(texts))
    found = engine.query(f"SELECT {number_sql('x', mark)} AS n FROM (VALUES {rows}) AS t(place, x) ORDER BY place")
    return found["n"].to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("1250.50", "1250.5", None), ("1,250.50", "1250.5", None), ("1.250,50", None, "1250.5"), ("-7", "-7", "-7"),
        ("¥1,250.5", "1250.5", None), ("€ 12", "12", "12"), ("$-5", "-5", "-5"), ("-$5", "-5", "-5"),
        ("10元", "10", "10"),
        ("(12.50)", "-12.5", None), ("12.50-", "-12.5", None), ("12,50-", None, "-12.5"), ("1'250.50", "1250.5", None),
        ("1 250,50", None, "1250.5"), (".5", "0.5", None), ("5.", "5", None), ("1e-07", "0.0000001", None),
        ("1,2,3", None, None), ("12,50", None, "12.5"), ("1e5", None, None), ("1_000", None, None), ("--5", None, None),
        ("abc", None, None), ("-", None, None), ("$", None, None), ("12.5.1", None, None), ("()", None, None),
    ],
)  # fmt: skip
def test_a_number_is_read_as_people_write_it(
    engine: LocalEngine, text: str, point: str | None, comma: str | None
) -> None:
    for mark, expected in ((".", point), (",", comma)):
        (found,) = numbers(engine, [text], mark)  # type: ignore[arg-type]
        assert found == (None if expected is None else Decimal(expected)), f"{text} with '{mark}'"


@given(st.lists(st.decimals(-(10**20), 10**20, places=4, allow_nan=False), min_size=1, max_size=30))
def test_whatever_way_a_number_is_written_it_is_the_same(engine: LocalEngine, amounts: list[Decimal]) -> None:
    swapped = str.maketrans(",.", ".,")
    for written, mark in (
        ([f"{amount:f}" for amount in amounts], "."),
        ([f"{amount:,f}" for amount in amounts], "."),
        ([f"{amount:,f}".translate(swapped) for amount in amounts], ","),
        ([f"({-amount:,f})" if amount < 0 else f"{amount:,f}" for amount in amounts], "."),
    ):
        assert numbers(engine, written, mark) == amounts  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "formats", "moment"),
    [
        ("2026-03-01 10:00", (), "2026-03-01 10:00:00"), ("2026/03/01 10:00:05", (), "2026-03-01 10:00:05"),
        ("2026-03-01T10:00:00+08:00", (), "2026-03-01 02:00:00"), ("2026-03-01T10:00:00Z", (), "2026-03-01 10:00:00"),
        ("01.03.2026", ("%d.%m.%Y",), "2026-03-01 00:00:00"), ("30.02.2026", ("%d.%m.%Y",), "None"), ("x", (), "None"),
    ],
)  # fmt: skip
def test_a_time_is_utc_where_it_says_how_far_from_it(
    engine: LocalEngine, text: str, formats: tuple[str, ...], moment: str
) -> None:
    found = engine.query(f"SELECT {time_sql('x', formats)} AS t FROM (SELECT {literal(text)} AS x)")["t"][0].as_py()
    assert str(found) == moment


def read(engine: LocalEngine, cells: list[str | None], reading: Reading | None = None) -> Any:
    rows = ", ".join("(NULL)" if cell is None else f"({literal(cell)})" for cell in cells)
    engine.connection.execute(f"CREATE OR REPLACE TABLE told AS SELECT x::VARCHAR AS x FROM (VALUES {rows}) AS t(x)")
    (found,) = readable("told", [Column("x", "VARCHAR")], reading or Reading(), 0, engine)
    return found


def test_a_column_is_what_all_of_its_cells_are(engine: LocalEngine) -> None:
    assert "number" in read(engine, ["1", "2.5", None]).kinds
    assert read(engine, ["1.250,50", "3,10"]).column.mark == ","
    assert "number" not in read(engine, ["007", "008"]).kinds, "a number that begins with 0 is a name"
    assert "number" not in read(engine, ["1", "2", "three"]).kinds
    assert read(engine, ["1", "2", "three"]).numbers == 2
    assert read(engine, ["03.01.2026", "15.01.2026"]).column.times[-1] == "%d.%m.%Y"
    assert "time" in read(engine, ["2026年3月1日", "2026年12月31日"]).kinds


def test_a_day_that_may_be_a_month_is_not_guessed(engine: LocalEngine) -> None:
    unsure = read(engine, ["03/01/2026", "05/02/2026"])
    assert "time" not in unsure.kinds and "%d/%m/%Y or %m/%d/%Y" in unsure.unsure.en
    assert read(engine, ["03/01/2026", "15/02/2026"]).column.times[-1] == "%d/%m/%Y"
    said = read(engine, ["03/01/2026", "05/02/2026"], Reading(times=("%m/%d/%Y", None)))
    assert "time" in said.kinds and said.column.times == ("%m/%d/%Y",)


def test_a_column_whose_first_rows_are_empty_is_looked_at_to_its_end(engine: LocalEngine) -> None:
    engine.connection.execute(
        "CREATE OR REPLACE TABLE late AS SELECT CASE WHEN n < 12000 THEN '' ELSE 'word' END AS x FROM range(12010) t(n)"
    )
    (found,) = readable("late", [Column("x", "VARCHAR")], Reading(), 0, engine)
    assert found.kinds == {"text"} and found.cells == 10


def test_numbers_too_long_for_arithmetic_are_compared_as_their_digits(engine: LocalEngine) -> None:
    engine.connection.execute(
        "CREATE OR REPLACE TABLE long AS SELECT 123456789012345678901234567890123456::DECIMAL(38, 0) AS x"
    )
    column = Column("x", "DECIMAL(38,0)")
    found = engine.query(
        f"""SELECT {value_sql(column, "digits", Reading())} AS d, {exact_sql(column, Reading())} AS e,
        {minor_sql(column, 2, Reading())} AS m FROM long"""
    ).to_pylist()[0]
    assert found == {"d": "123456789012345678901234567890123456", "e": None, "m": None}


#: Letters, and blanks of one byte and of several, at which texts are cut.
_TEXTS = st.text(st.sampled_from("aé店 \t\u00a0\u3000!~\x7f"), max_size=6)


@given(st.lists(_TEXTS, min_size=1, max_size=30), st.booleans(), st.sampled_from([(), ("a",), ("-",)]))
def test_a_text_is_trimmed_as_the_engine_trims_it_and_mended_only_where_that_changes_it(
    engine: LocalEngine, texts: list[str], trim: bool, blanks: tuple[str, ...]
) -> None:
    reading = Reading(blanks=blanks, trim=trim)
    rows = ", ".join(f"({at}, {literal(text)})" for at, text in enumerate(texts))
    found = engine.query(
        f"""SELECT {text_sql("x", reading)} AS read, {mended_sql("x", reading)} AS mended, trim(x) AS trimmed
        FROM (VALUES {rows}) AS t(place, x) ORDER BY place"""
    ).to_pylist()
    for text, row in zip(texts, found, strict=True):
        expected = row["trimmed"] if trim else text
        assert row["read"] == (None if expected in ("", *blanks) else expected)
        assert row["mended"] == (row["read"] != text)


def test_every_way_to_write_a_time_may_be_one() -> None:
    """Columns of what may be none are not read as times at all."""
    moment = datetime(2026, 3, 1, 9, 5)
    ways = [written for formats in kinds._WRITTEN_TIMES for written in formats] + ["%Y-%m-%d", "%Y/%m/%dT%H:%M:%S"]
    texts = [moment.strftime(way) for way in ways] + ["1.3.2026", "2026-3-1"]
    assert [text for text in texts if re.fullmatch(kinds._MAY_BE_TIME, text) is None] == []
    assert re.fullmatch(kinds._MAY_BE_TIME, "12.50") is None
