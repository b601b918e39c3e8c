"""What a file's cells are read as, once, and what one look at them tells before they are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.contract import ROW, CauseText
from everycent.proof.recon.core.cells import (
    WHOLE_TYPES,
    Column,
    Kind,
    Reading,
    exact_sql,
    folded_sql,
    mended_sql,
    text_sql,
    value_sql,
)
from everycent.proof.recon.core.columns import CURRENCY_NAME, Pair

#: Whole units beyond these may not fit 64 bits with nine decimals.
_SURELY_FITS = 9_000_000_000


@dataclass(frozen=True)
class Field:
    """A pair of columns and how it is compared. `said`: by the caller; then a cell that cannot be read so refuses its
    row. `note`: what was found of it that is worth telling."""

    pair: Pair
    kind: Kind
    left: Column
    right: Column
    said: bool = False
    note: CauseText | None = None

    def of(self, side: int) -> Column:
        """0 left, 1 right."""
        return self.right if side else self.left


@dataclass(frozen=True)
class Looked:
    """What one look at a side's rows tells. `refusable`: rows without a key, or whose cells cannot be read as said.
    `mended`: rows with a text that is not compared as it stands. `currencies`: some of the values of the currency's
    column. `newest`: of the first column of times."""

    rows: int
    refusable: int
    mended: int
    decimals: int
    currencies: tuple[str, ...]
    newest: datetime | None


def read_rows(
    relation: str,
    side: int,
    key: Sequence[Pair],
    amount: Field | None,
    others: Sequence[Field],
    reading: Reading,
    engine: LocalEngine,
    *,
    once: bool,
) -> None:
    """Makes `relation`_read of the engine: place, key, amount (a number, NULL where it is none), the others as o0, o1,
    ..., `unread`: whether a cell is not of the kind that was said, and `mended`: whether a text is not taken as it
    stands. once: a table; otherwise a view of a file whose rows are numbered (ROW), which has the numbers, too."""
    values = [value_sql(field.of(side), field.kind, reading) for field in others] or ["NULL::VARCHAR"]
    cells = "".join(f", {value} AS o{place}" for place, value in enumerate(values))
    number = "0::BIGINT"
    if amount is not None:
        column = amount.of(side)
        whole = column.type in WHOLE_TYPES
        number = f"{identifier(column.name)}::BIGINT" if whole else exact_sql(column, reading)
    unread = [unread_sql(field, side, reading) for field in others if field.said and field.kind != "text"]
    texts = [pair.of(side) for pair in key] + [field.of(side).name for field in others if field.kind == "text"]
    mended = ["false"] if once else [mended_sql(name, reading) for name in texts]
    engine.connection.execute(
        f"""CREATE OR REPLACE {"TABLE" if once else "VIEW"} {identifier(f"{relation}_read")} AS
        SELECT source_file, source_line, {"" if once else f"{ROW}, "}{key_sql(key, side, reading)} AS key,
            {number} AS amount, {" OR ".join(unread) or "false"} AS unread, {" OR ".join(mended)} AS mended{cells}
        FROM {identifier(relation)}"""
    )


def scaled_rows(relation: str, amount: Field | None, side: int, decimals: int) -> str:
    """The read rows with `scaled`, the amount in units of 10**-decimals: a step of its own, to be computed once."""
    read = identifier(f"{relation}_read")
    if _is_whole(amount, side) and not decimals:
        return f"(SELECT *, amount AS scaled FROM {read})"
    return f"(SELECT *, TRY(amount::DECIMAL(38, 9) * {10**decimals}) AS scaled FROM {read})"


def minor_of_read(amount: Field | None, side: int, decimals: int) -> str:
    """Of scaled rows, the amount in whole units; NULL where it has more decimals, or does not fit 64 bits."""
    if _is_whole(amount, side) and not decimals:
        return "scaled"
    return "CASE WHEN scaled = trunc(scaled) THEN TRY_CAST(scaled AS BIGINT) END"


def _is_whole(amount: Field | None, side: int) -> bool:
    return amount is None or amount.of(side).type in WHOLE_TYPES


def look(
    relation: str, side: int, amount: Field | None, others: Sequence[Field], decimals: int | None, engine: LocalEngine
) -> Looked:
    """One pass over a side's read rows, for all that is to be known of them before they are compared."""
    digits = "0"
    if not _is_whole(amount, side):
        # Money has two decimals mostly; digits are counted where there are more
        digits = """max(CASE WHEN amount = trunc(amount) THEN 0 WHEN TRY(amount * 10) = trunc(TRY(amount * 10)) THEN 1
            WHEN TRY(amount * 100) = trunc(TRY(amount * 100)) THEN 2
            ELSE length(rtrim(split_part(amount::VARCHAR, '.', 2), '0')) END)"""
    wrong = f"key IS NULL OR unread OR amount IS NULL OR amount NOT BETWEEN -{_SURELY_FITS} AND {_SURELY_FITS}"
    currency = currency_among(others)
    codes = "[]::VARCHAR[]" if currency is None else f"list(DISTINCT o{others.index(currency)})"
    dated = next((place for place, field in enumerate(others) if field.kind == "time"), None)
    newest = "NULL::TIMESTAMP" if dated is None else f"max(o{dated})"
    found = engine.query(
        f"""SELECT count(*) AS rows, count(CASE WHEN {wrong} THEN 1 END) AS refusable,
            count(CASE WHEN mended THEN 1 END) AS mended, coalesce({digits}, 0) AS decimals,
            {codes} AS currencies, {newest} AS newest
        FROM {identifier(f"{relation}_read")}"""
    ).to_pylist()[0]
    too_many = decimals is not None and int(found["decimals"]) > decimals
    return Looked(
        found["rows"],
        found["rows"] if too_many else found["refusable"],
        found["mended"],
        int(found["decimals"]),
        tuple(sorted(str(name) for name in found["currencies"] or () if name is not None)),
        found["newest"],
    )


def key_sql(key: Sequence[Pair], side: int, reading: Reading) -> str:
    """The key columns as text joined by "/", which a part's own "/" does not imitate. NULL where a part is missing."""
    parts = [folded_sql(pair.of(side), reading) for pair in key]
    if len(parts) == 1:
        return parts[0]
    return " || '/' || ".join(rf"replace(replace({part}, '\', '\\'), '/', '\/')" for part in parts)


def unread_sql(field: Field, side: int, reading: Reading) -> str:
    """Whether a cell has a value that cannot be read as its kind."""
    column = field.of(side)
    return f"({text_sql(column.name, reading)} IS NOT NULL AND ({value_sql(column, field.kind, reading)}) IS NULL)"


def currency_among(fields: Sequence[Field]) -> Field | None:
    """The column among them that names the currency of a row's amount."""
    return next((field for field in fields if CURRENCY_NAME.search(field.pair.left)), None)
