"""`everycent breaks ageing`: how old open breaks are and whose, and which of them are overdue."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from everycent.base.money.currency import currency
from everycent.base.platform.settings import Settings
from everycent.flow.pipeline.session import open_session
from everycent.proof.recon.breaks.desk import NotDone
from everycent.proof.recon.breaks.exporting import BY, ageing
from everycent.proof.recon.breaks.standing import AGES
from everycent.serve.cli import exits
from everycent.serve.cli.breaking import Meant, summed_said
from everycent.serve.cli.terminal import out, print_json, print_table
from everycent.serve.sheets import write_sheet
from everycent.serve.wiring import migrations

_AMOUNTS = ("difference", "at_stake")


def ageing_command(meant: Meant, by: str, file: Path | None, *, as_json: bool) -> int:
    """Shows the table; writes it where a file is named. 0, whatever is overdue."""
    if by not in BY:
        raise NotDone(f"--by {by}: write one of {', '.join(BY)}")
    now = datetime.now(UTC)
    with open_session(Settings.load(), migrations()) as session:
        rows = ageing(session.connection, session.tenant, meant.chosen, by, now)
    if file is not None:
        write_sheet(file, "ageing", _table(rows, by, now), dict.fromkeys(_AMOUNTS, "currency"))
    if as_json:
        print_json({"by": by, "rows": rows})
        return exits.OK
    shown = [
        [row["name"], f"{row['breaks']:,}", *(f"{number:,}" for number in row["ages"].values()), f"{row['overdue']:,}",
         f"{(now - row['oldest_at']).days} d",
         *(summed_said(row[f"{name}_minor"], row["currency"]) for name in _AMOUNTS)] for row in rows
    ]  # fmt: skip
    columns = (by, "breaks", *(name for name, _ in AGES), "overdue", "oldest", "difference", "at stake")
    print_table(f"Open breaks by {by}", columns, shown, right=frozenset(range(1, len(columns))))
    if file is not None:
        out.print(f"written: {file}", markup=False)
    return exits.OK


def _table(rows: Any, by: str, now: datetime) -> pa.Table:
    """For a sheet: a column for each age."""
    decimals = max((currency(row["currency"]).exponent for row in rows if row["currency"]), default=0)
    exact = pa.decimal128(38, decimals)
    columns: dict[str, pa.Array] = {
        by: pa.array([row["name"] for row in rows], pa.string()),
        "breaks": pa.array([row["breaks"] for row in rows], pa.int64()),
        **{name: pa.array([row["ages"][name] for row in rows], pa.int64()) for name, _ in AGES},
        "overdue": pa.array([row["overdue"] for row in rows], pa.int64()),
        "oldest_days": pa.array([(now - row["oldest_at"]).days for row in rows], pa.int64()),
    }
    for name in _AMOUNTS:
        major = [
            None if row["currency"] is None
            else Decimal(row[f"{name}_minor"]).scaleb(-currency(row["currency"]).exponent)
            for row in rows
        ]  # fmt: skip
        columns[name] = pa.array(major, exact)
    columns["currency"] = pa.array([row["currency"] for row in rows], pa.string())
    return pa.table(columns)
