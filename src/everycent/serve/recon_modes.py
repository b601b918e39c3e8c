"""What a scenario's modes need from outside, and what they give: tables of rates, files of matches."""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import Currency, currency
from everycent.flow.pipeline.service import write_table
from everycent.proof.recon.contract import EXCHANGE_RATE, MATCH_ALTERNATIVE, MATCH_DIFFERENCE, MatchLabel, ReconSpec
from everycent.proof.recon.service import PARTS, ReconRun, apart, beyond_limit


class RatesRefused(ValueError):
    """A table of rates is not there, or cannot be read."""


def rates_of(folder: Path, spec: ReconSpec) -> dict[str, pa.Table]:
    """The tables of exchange rates that the scenario's rules name (EXCHANGE_RATE): `rates: fx` is fx.csv in `folder`.

    RatesRefused where a file is not there or cannot be read.
    """
    names = {rule.convert.rates for rule in spec.rules if rule.convert is not None}
    return {name: _rates(folder / f"{name}.csv") for name in sorted(names)}


def _rates(path: Path) -> pa.Table:
    types = dict(zip(EXCHANGE_RATE.names, EXCHANGE_RATE.types, strict=True))
    try:
        return pacsv.read_csv(path, convert_options=pacsv.ConvertOptions(column_types=types))
    except FileNotFoundError:
        raise RatesRefused(
            f"rates: there is no file {path.name} beside the model; its columns are {', '.join(EXCHANGE_RATE.names)}"
        ) from None
    except pa.ArrowInvalid as error:
        raise RatesRefused(f"rates: {path.name} cannot be read: {error}") from None


def matches_as_dict(run: ReconRun, money: Currency) -> dict[str, Any]:
    """How many matches rules made, by how sure they are, and what sure ones leave, by cause, in the scenario's currency
    `money` and by currency in others; for programs."""
    found = run.beyond.explained
    by_currency = differences_by_currency(run, money)
    return {
        **{str(label): found.matches_with(label) for label in MatchLabel},
        "differences_minor": by_currency.pop(money.code, {}),
        "differences_in_others_minor": by_currency,
    }


def differences_by_currency(run: ReconRun, money: Currency) -> dict[str, dict[str, int]]:
    """By currency and cause, what sure matches leave in minor units; those that name no currency are in the scenario's,
    `money`, which comes first. What two currencies make of each other (`conversion`) is of none, and no amount."""
    causes: dict[str, dict[str, int]] = {}
    for row in run.beyond.explained.differences.to_pylist():
        if row["cause"] == "conversion":
            continue
        of = causes.setdefault(row["currency"] or money.code, {})
        of[row["cause"]] = of.get(row["cause"], 0) + int(row["difference_minor"])
    codes = sorted(causes, key=lambda code: (code != money.code, code))
    return {code: dict(sorted(causes[code].items())) for code in codes}


def totals_as_dict(run: ReconRun, shown: int = 20) -> dict[str, Any] | None:
    """Both sides in total: where total and details part, and where by more than the limit; None without totals."""
    lines = run.beyond.dimensions
    if not lines.num_rows:
        return None
    parted, failed = apart(lines), beyond_limit(lines)
    return {
        "dimensions": lines.num_rows,
        "apart": len(parted),
        "beyond_limit": len(failed),
        "lines": [
            {name: int(value) if isinstance(value, Decimal) else value for name, value in row.items()}
            for row in (failed or parted)[:shown]
        ],
    }


def parts_beyond_limit(run: ReconRun) -> bool:
    """True where a total parts by more than its scenario's limit: then the run has failed."""
    return bool(beyond_limit(run.beyond.dimensions))


def parts_told(scenario: str, run: ReconRun, money: Currency) -> list[str]:
    """Where totals part from details, or from each other, in words; the first ones."""
    found = totals_as_dict(run, shown=3)
    if found is None or not found["apart"]:
        return []
    lines = []
    for line in found["lines"]:
        code = json.loads(line["dimension"]).get("currency")
        of = money if code is None else currency(code)
        parted = grouped_minor(line["difference_minor"], of)
        detail = line["detail_minor"]
        told = "were not compared" if detail is None else f"show {grouped_minor(detail, of)}"
        lines.append(f"{scenario}: {line['dimension']}: left less right is {parted}, details {told}")
    limit = f", {found['beyond_limit']} of them beyond the limit: the run has failed" if found["beyond_limit"] else ""
    return [f"{scenario}: {found['apart']} of {found['dimensions']} totals part{limit}", *lines]


def write_matches(folder: Path, runs: Sequence[tuple[str, ReconRun]]) -> list[Path]:
    """matches.parquet, match_differences.parquet and match_alternatives.parquet of all scenarios, by name, with rules;
    no file where no rule claimed anything."""
    told = [(name, run.beyond.explained) for name, run in runs if run.beyond.explained.matches.num_rows]
    if not told:
        return []
    files = {
        "matches": [(name, found.matches) for name, found in told],
        "match_differences": [(name, found.differences.cast(MATCH_DIFFERENCE)) for name, found in told],
        "match_alternatives": [(name, found.alternatives.cast(MATCH_ALTERNATIVE)) for name, found in told],
    }
    return [
        write_table(folder / f"{file}.parquet", pa.concat_tables([_named(name, table) for name, table in parts]))
        for file, parts in files.items()
    ]


def payouts_as_dict(run: ReconRun) -> dict[str, Any] | None:
    """What all payouts are made of, by part, in the scenario's currency and by currency in others; None where the
    scenario does not ask for it."""
    parts = run.beyond.payouts
    if not parts.num_rows:
        return None
    sums = {None: dict.fromkeys(PARTS, 0)}
    summed = parts.group_by(["currency", "part"]).aggregate([("amount_minor", "sum")]).to_pylist()
    for row in sorted(summed, key=lambda row: row["currency"] or ""):
        of = sums.setdefault(row["currency"], dict.fromkeys(PARTS, 0))
        of[row["part"]] = int(row["amount_minor_sum"])
    return {
        "payouts": parts.group_by(["payout", "paid_key"]).aggregate([]).num_rows,
        "parts_minor": sums.pop(None),
        "parts_in_others_minor": sums,
    }


def carried_as_dict(run: ReconRun) -> dict[str, Any] | None:
    """What the day cut carries on, and how old the oldest of it is; None where nothing is carried on."""
    if not run.beyond.cut.num_rows:
        return None
    rows = run.beyond.carried
    return {
        "day": run.beyond.cut["day"][0].as_py().isoformat(),
        "rows": rows.num_rows,
        "oldest_days": pc.max(rows["age_days"]).as_py() or 0,
    }


def write_carried(folder: Path, runs: Sequence[tuple[str, ReconRun]]) -> list[Path]:
    """carried.parquet: the rows that are open at the cut, with their age, of all scenarios that carry on."""
    told = [_named(name, run.beyond.carried) for name, run in runs if run.beyond.cut.num_rows]
    return [write_table(folder / "carried.parquet", pa.concat_tables(told))] if told else []


def write_payouts(folder: Path, runs: Sequence[tuple[str, ReconRun]]) -> list[Path]:
    """payouts.parquet: what each payout is made of, order by order, of all scenarios that ask for it."""
    told = [_named(name, run.beyond.payouts) for name, run in runs if run.beyond.payouts.num_rows]
    return [write_table(folder / "payouts.parquet", pa.concat_tables(told))] if told else []


def entries_as_dict(run: ReconRun, money: Currency) -> dict[str, Any] | None:
    """How many entries, and what they come to by cause, whichever way round, in the scenario's currency `money` and by
    currency in others; None where nothing is booked."""
    if not run.beyond.entries.num_rows:
        return None
    turnover: dict[str, dict[str, int]] = {}
    summed = run.beyond.entries.group_by(["currency", "cause"]).aggregate([("amount_minor", "sum")]).to_pylist()
    for row in sorted(summed, key=lambda row: (row["currency"], row["cause"])):
        turnover.setdefault(row["currency"], {})[row["cause"]] = int(row["amount_minor_sum"])
    return {
        "entries": run.beyond.entries.num_rows,
        "turnover_minor": turnover.pop(money.code, {}),
        "turnover_in_others_minor": turnover,
    }


def write_entries(folder: Path, runs: Sequence[tuple[str, ReconRun]]) -> list[Path]:
    """entries.parquet: what is written off, as entries for the books, of all scenarios that name accounts."""
    told = [_named(name, run.beyond.entries) for name, run in runs if run.beyond.entries.num_rows]
    return [write_table(folder / "entries.parquet", pa.concat_tables(told))] if told else []


def write_across(folder: Path, tables: Sequence[tuple[str, pa.Table | None]]) -> list[Path]:
    """sides_NAME.parquet: of a scenario of more than two sides, what each side says of the keys that part."""
    return [
        write_table(folder / f"sides_{name.partition('/')[0]}.parquet", table)
        for name, table in tables
        if table is not None
    ]


def _named(scenario: str, table: pa.Table) -> pa.Table:
    return table.add_column(0, "scenario", pa.array([scenario] * table.num_rows, pa.string()))
