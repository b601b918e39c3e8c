"""`everycent recon LEFT RIGHT`: two files, compared; what differs on the terminal and in files."""

import tempfile
from decimal import Decimal
from json import loads
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.settings import Settings
from everycent.proof.recon.contract import Bucket
from everycent.serve.cli import exits
from everycent.serve.cli.terminal import err, out, print_json, print_table, shorten
from everycent.serve.comparing import Asked, Compared, FileSide, compare_files

BREAKS_SHOWN = 12
_HEADINGS = {
    Bucket.EQUAL: "equal",
    Bucket.WITHIN_TOLERANCE: "within tolerance",
    Bucket.MISSING_LEFT: "missing on the left",
    Bucket.MISSING_RIGHT: "missing on the right",
    Bucket.DUPLICATED_LEFT: "duplicated on the left",
    Bucket.DUPLICATED_RIGHT: "duplicated on the right",
    Bucket.AMOUNT_DIFFERS: "amount differs",
    Bucket.STATUS_DIFFERS: "other column differs",
}


def compare_command(left: Path, right: Path, asked: Asked, folder: Path | None, *, as_json: bool) -> int:
    """0 where both sides agree, 1 where they do not or a file contradicts itself."""
    settings = Settings.load()
    with (
        tempfile.TemporaryDirectory(prefix="everycent-recon-") as spill,
        LocalEngine(settings.threads, settings.memory_mb, Path(spill)) as engine,
    ):
        compared = compare_files(left, right, asked, engine)
    written = [] if folder is None else write_breaks(compared, folder)
    if as_json:
        print_json(_as_dict(compared, written))
    else:
        _print(compared, written)
    agree = not compared.reconciled.breaks.num_rows and not any(table.num_rows for table in compared.refused)
    return exits.OK if agree and not compared.lying else exits.FAILED


def write_breaks(compared: Compared, folder: Path) -> list[Path]:
    """breaks.parquet and breaks.csv in the folder, amounts as decimals."""
    from pyarrow import csv, parquet

    folder.mkdir(parents=True, exist_ok=True)
    table = breaks_table(compared)
    paths = [folder / "breaks.parquet", folder / "breaks.csv"]
    parquet.write_table(table, paths[0])
    csv.write_csv(table, paths[1])
    return paths


def breaks_table(compared: Compared) -> pa.Table:
    """The breaks with amounts in major units."""
    table, decimals = compared.breaks, compared.plan.decimals
    for name in ("left_amount", "right_amount", "difference"):
        at = table.column_names.index(f"{name}_minor")
        # The same digits, with the point in their midst: no division
        whole = pa.chunked_array([_pointed(chunk, decimals) for chunk in table.column(at).chunks], _decimal(decimals))
        table = table.set_column(at, name, whole)
    return table


def _pointed(minor: pa.Array, decimals: int) -> pa.Array:
    return pa.Array.from_buffers(_decimal(decimals), len(minor), minor.buffers(), offset=minor.offset)


def _decimal(decimals: int) -> pa.DataType:
    return pa.decimal128(38, decimals)


def _print(compared: Compared, written: list[Path]) -> None:
    found, plan = compared.reconciled, compared.plan
    for word, side in (("left ", compared.left), ("right", compared.right)):
        out.print(f"{word} {side.path} ({side.kind})", markup=False)
    amount = "no amount" if plan.amount is None else f"amount {plan.amount.name}"
    others = ", ".join(pair.name for pair, _ in plan.others) or "nothing else"
    out.print(f"by {', '.join(pair.name for pair in plan.key)}; compared: {amount}; {others}\n", markup=False)
    rows = [
        [_HEADINGS[Bucket(row["bucket"])], f"{row['left_rows']:,}", f"{row['right_rows']:,}", *_amounts(compared, row)]
        for row in found.totals.to_pylist()
        if row["left_rows"] or row["right_rows"]
    ]
    left, right = found.left_total, found.right_total
    whole = {
        "left_minor": left.amount_minor,
        "right_minor": right.amount_minor,
        "difference_minor": found.difference_minor,
    }
    rows.append(["in all", f"{left.rows:,}", f"{right.rows:,}", *_amounts(compared, whole)])
    headings = ["", "left rows", "right rows", "left", "right", "left - right"]
    width = len(headings) if plan.amount is not None else 3
    print_table(
        "Where each row ends", headings[:width], [row[:width] for row in rows], right=frozenset(range(1, width))
    )
    shown = breaks_table(compared).slice(0, BREAKS_SHOWN).to_pylist()
    if shown:
        print_table(
            f"Breaks: {found.breaks.num_rows:,}, here {len(shown):,}",
            ["key", "kind", "left", "right", "left - right", "where the others differ"],
            [
                [shorten(row["key"], 40), _HEADINGS[Bucket(row["bucket"])], row["left_amount"], row["right_amount"],
                 row["difference"], _apart(row)]
                for row in shown
            ],
            right=frozenset({2, 3, 4}),
        )  # fmt: skip
    _print_troubles(compared)
    for path in written:
        out.print(f"written: {path}", markup=False)


def _apart(row: dict[str, Any]) -> str:
    """The other columns that differ, each with both its values."""
    if not row["differs"]:
        return ""
    left, right = loads(row["left_other"]), loads(row["right_other"])
    return shorten("; ".join(f"{name}: {left[name]} | {right[name]}" for name in left if left[name] != right[name]))


def _amounts(compared: Compared, row: dict[str, Any]) -> list[str]:
    decimals = compared.plan.decimals
    return [f"{Decimal(row[f'{name}_minor']).scaleb(-decimals):,f}" for name in ("left", "right", "difference")]


def _print_troubles(compared: Compared) -> None:
    for side, refused in zip((compared.left, compared.right), compared.refused, strict=True):
        for row in refused.slice(0, 5).to_pylist():
            err.print(f"{side.path}, line {row['source_line']}: not compared: {row['reason']}", markup=False)
        if refused.num_rows > 5:
            err.print(f"{side.path}: {refused.num_rows:,} rows are not compared", markup=False)
    for side, control in compared.lying:
        place = "" if control.line is None else f", line {control.line}"
        err.print(
            f"{side.path}{place}: the file contradicts itself: {control.name} is stated as {control.stated}, its rows "
            f"give {control.found}",
            markup=False,
        )


def _as_dict(compared: Compared, written: list[Path]) -> dict[str, Any]:
    found = compared.reconciled
    return {
        "key": [pair.name for pair in compared.plan.key],
        "amount": None if compared.plan.amount is None else compared.plan.amount.name,
        "decimals": compared.plan.decimals,
        "others": [pair.name for pair, _ in compared.plan.others],
        "left": _side_dict(compared.left, found.left_total.rows, found.left_total.amount_minor, compared.refused[0]),
        "right": _side_dict(
            compared.right, found.right_total.rows, found.right_total.amount_minor, compared.refused[1]
        ),
        "difference_minor": found.difference_minor,
        "residual_minor": found.residual_minor,
        "breaks": found.breaks.num_rows,
        "buckets": {
            row["bucket"]: {name: int(row[name]) for name in ("left_rows", "right_rows", "difference_minor")}
            for row in found.totals.to_pylist()
        },
        "written_off_minor": int(pc.sum(found.write_offs["difference_minor"]).as_py() or 0),
        "written": [str(path) for path in written],
    }


def _side_dict(side: FileSide, rows: int, amount_minor: int, refused: pa.Table) -> dict[str, Any]:
    return {
        "file": str(side.path),
        "format": side.kind,
        "rows": rows,
        "amount_minor": amount_minor,
        "refused": refused.num_rows,
        "controls": [
            {"name": c.name, "stated": c.stated, "found": c.found, "line": c.line, "agrees": c.agrees}
            for c in side.controls
        ],
    }
