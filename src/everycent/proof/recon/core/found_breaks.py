"""What two files' comparison found, as people read it: both sides' values of each column beside each other, and what of
the whole difference each cause explains."""

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.proof.recon.core.cells import DECIMALS_MOST
from everycent.proof.recon.core.looking import Field
from everycent.proof.recon.core.two_files import FilesPlan

_BEFORE = ("key", "bucket", "cause", "left_amount_minor", "right_amount_minor", "difference_minor", "differs")
_PLACES = ("left_file", "left_line", "right_file", "right_line")
#: What else a table of breaks has, so that a file's own columns do not take these names.
_OWN = {*_BEFORE, *_PLACES, "left_amount", "right_amount", "difference"}

#: What explains the difference between the totals, and by how much. Ordered by currency, then cause.
_CAUSED = pa.schema(
    [("currency", pa.string()), ("cause", pa.string()), ("rows", pa.int64()), ("minor", pa.decimal128(38, 0))]
)
#: What a side holds of a currency (null: rows do not say which). Ordered by currency.
_HELD = pa.schema([("currency", pa.string()), ("rows", pa.int64()), ("minor", pa.decimal128(38, 0))])


def column_names(plan: FilesPlan) -> tuple[tuple[str, str], ...]:
    """Of each other column, the names under which a break has the left and the right side's value."""
    taken, names = set(_OWN), []
    for field in plan.others:
        pair = tuple(_free(f"{word}_{field.pair.of(side)}", taken) for side, word in enumerate(("left", "right")))
        taken |= set(pair)
        names.append((pair[0], pair[1]))
    return tuple(names)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def breaks_of(plan: FilesPlan, found: pa.Table, engine: LocalEngine) -> pa.Table:
    """Breaks (BREAK), with the names of the other columns that differ, and both sides' values of each, typed as they
    are compared. Ordered as they were."""
    differ = ", ".join(
        f"CASE WHEN left_status.o{at} IS DISTINCT FROM right_status.o{at} THEN {literal(name)} END"
        for at, name in enumerate(plan.other_names)
    )
    types = _types(plan, found, engine)
    values = [
        f"{status}.o{at}::{kind} AS {identifier(named)}"
        for at, (kind, both) in enumerate(zip(types, column_names(plan), strict=True))
        for status, named in zip(("left_status", "right_status"), both, strict=True)
    ]
    listed = engine.query(
        f"""SELECT key, bucket, cause, left_amount_minor, right_amount_minor, difference_minor,
            CASE WHEN left_rows > 0 AND right_rows > 0 THEN concat_ws(', ', {differ or "NULL"}) END AS differs,
            {"".join(f"{value}, " for value in values)}{", ".join(_PLACES)}
        FROM found""",
        found=found,
    )
    assert listed["key"].equals(found["key"]), "the engine keeps the order of a table that it only projects"
    return listed


def _types(plan: FilesPlan, found: pa.Table, engine: LocalEngine) -> list[str]:
    """Of each other column, the engine's type; a number has as many decimals as the breaks' values need."""
    if not plan.others:
        return []
    texts = [pa.types.is_string(kind.type) for kind in found.schema.field("left_status").type.fields]
    digits = ", ".join(
        f"greatest({', '.join(_decimals(f'{status}.o{at}') for status in ('left_status', 'right_status'))}) AS d{at}"
        if field.kind == "number" and not text
        else f"max(0) AS d{at}"
        for at, (field, text) in enumerate(zip(plan.others, texts, strict=True))
    )
    most = engine.query(f"SELECT {digits} FROM found", found=found).to_pylist()[0]
    return [
        "VARCHAR" if text else _type(field, most[f"d{at}"])
        for at, (field, text) in enumerate(zip(plan.others, texts, strict=True))
    ]


def _decimals(number: str) -> str:
    return f"max(length(rtrim(split_part({number}::VARCHAR, '.', 2), '0')))"


def _type(field: Field, decimals: int | None) -> str:
    match field.kind:
        case "whole":
            return "BIGINT"
        case "number":
            return f"DECIMAL(38, {min(decimals or 0, DECIMALS_MOST)})"
        case "time":
            return "TIMESTAMP"
    return "VARCHAR"


def caused(plan: FilesPlan, found: pa.Table, engine: LocalEngine) -> pa.Table:
    """What each cause among breaks (BREAK) explains of left total - right total: currency, cause, rows, minor. In a
    break whose sides have different currencies, each side's amount counts in its own."""
    currency = ["NULL::VARCHAR"] * 2
    if plan.currency is not None:
        at = plan.others.index(plan.currency)
        currency = [f"{status}.o{at}::VARCHAR" for status in ("left_status", "right_status")]
    ours, theirs = currency
    return engine.query(
        f"""SELECT currency, cause, sum(n)::BIGINT AS rows, sum(minor)::DECIMAL(38, 0) AS minor FROM (
            SELECT {ours} AS currency, cause, 1 AS n, left_amount_minor AS minor FROM found
            WHERE left_amount_minor IS NOT NULL
            UNION ALL
            SELECT {theirs}, cause, (left_amount_minor IS NULL OR {ours} IS DISTINCT FROM {theirs})::INTEGER,
                -right_amount_minor
            FROM found WHERE right_amount_minor IS NOT NULL)
        GROUP BY currency, cause ORDER BY currency NULLS LAST, cause""",
        found=found,
    ).cast(_CAUSED)


def held(plan: FilesPlan, side: str, engine: LocalEngine) -> pa.Table:
    """What a side (a view of `side_view`) holds of each currency: currency, rows, minor."""
    column = "NULL::VARCHAR"
    if plan.currency is not None:
        column = identifier(plan.other_names[plan.others.index(plan.currency)])
    return engine.query(
        f"""SELECT {column} AS currency, count(*) AS rows, sum(amount_minor)::DECIMAL(38, 0) AS minor
        FROM {identifier(side)} GROUP BY 1 ORDER BY 1 NULLS LAST"""
    ).cast(_HELD)
