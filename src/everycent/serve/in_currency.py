"""A run by its currencies: what it holds of each, and what each break is in. Amounts of several never add up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.money.currency import Currency, currency
from everycent.proof.recon.service import ReconRun

#: What a side has, in minor units of each currency: nothing where it has no row; no difference where the sides are in
#: several currencies.
Amounts = tuple[tuple[int, Currency], ...]
_SUMS = ("left_rows", "right_rows", "left_minor", "right_minor", "difference_minor")


@dataclass(frozen=True)
class InCurrency:
    """What a run holds of one currency: `buckets`, those with rows (as TOTAL_CURRENCY), and what they add up to."""

    currency: Currency
    buckets: Sequence[Mapping[str, Any]]

    @property
    def whole(self) -> dict[str, int]:
        """Of both sides: rows, minor units, and left less right."""
        return {name: sum(int(row[name]) for row in self.buckets) for name in _SUMS}

    def as_dict(self) -> dict[str, Any]:
        """For programs: what the buckets add up to, and each of them."""
        return {
            **self.whole,
            "buckets": {row["bucket"]: {name: int(row[name]) for name in _SUMS} for row in self.buckets},
        }


def each_currency(run: ReconRun, money: Currency) -> list[InCurrency]:
    """The scenario's currency, `money`, first, then the others by code; it alone where all rows are in it."""
    lines = run.beyond.money.totals.to_pylist()
    if not lines:
        return [InCurrency(money, [row for row in run.reconciled.totals.to_pylist() if _has_rows(row)])]
    codes = sorted({row["currency"] for row in lines}, key=lambda code: (code != money.code, code))
    order = {bucket: place for place, bucket in enumerate(run.reconciled.totals["bucket"].to_pylist())}
    found = sorted(lines, key=lambda row: order[row["bucket"]])
    return [InCurrency(currency(code), [row for row in found if row["currency"] == code]) for code in codes]


def _has_rows(row: Mapping[str, Any]) -> bool:
    return bool(row["left_rows"] or row["right_rows"])


def with_currencies(run: ReconRun, money: Currency) -> pa.Table:
    """The run's breaks (BREAK) with `left_currency` and `right_currency`: what each side's amount is in, joined by "+"
    where it adds up several; None where the side has no row."""
    breaks, others = run.reconciled.breaks, run.beyond.money.breaks
    at = others["finding_no"].to_numpy() - 1
    for side in ("left", "right"):
        codes = np.full(breaks.num_rows, money.code, dtype=object)
        codes[at] = [
            code if amounts is None else "+".join(json.loads(amounts))
            for code, amounts in zip(
                others[f"{side}_currency"].to_pylist(), others[f"{side}_amounts"].to_pylist(), strict=True
            )
        ]
        there = pc.is_valid(breaks[f"{side}_amount_minor"])
        breaks = breaks.append_column(f"{side}_currency", pc.if_else(there, pa.array(codes, pa.string()), None))
    return breaks


def largest_breaks(run: ReconRun, money: Currency, most: int) -> list[dict[str, Any]]:
    """The breaks (BREAK) in which most is in dispute, at most so many, each with `left`, `right` and `difference`
    (Amounts). Of several currencies the largest of each; the scenario's first, what is in several last."""
    breaks, others = run.reconciled.breaks, run.beyond.money.breaks
    codes = [money.code, *sorted(_codes(others) - {money.code})]
    place = np.zeros(breaks.num_rows, dtype=np.int64)
    for row in others.to_pylist():
        code = _of_one(row)
        place[row["finding_no"] - 1] = len(codes) if code is None else codes.index(code)
    table = pa.table({
        "place": place, "size": pc.negate(pc.abs(breaks["difference_minor"])), "key": breaks["key"],
        "bucket": breaks["bucket"].cast(pa.string()), "at": np.arange(breaks.num_rows),
    })  # fmt: skip
    table = table.take(pc.sort_indices(table, [(name, "ascending") for name in ("place", "size", "key", "bucket")]))
    sorted_place = table["place"].to_numpy()
    first = np.searchsorted(sorted_place, sorted_place, side="left")
    rank = np.arange(table.num_rows) - first
    chosen = np.sort(np.lexsort((sorted_place, rank))[:most])
    at = table["at"].to_numpy()[chosen]
    told = others.filter(pc.is_in(others["finding_no"], pa.array(at + 1))).to_pylist()
    told_of = {row["finding_no"]: row for row in told}
    return [
        {**row, **_amounts(row, told_of.get(int(number) + 1), money)}
        for number, row in zip(at, breaks.take(pa.array(at)).to_pylist(), strict=True)
    ]


def _codes(others: pa.Table) -> set[str]:
    return {
        code
        for name in ("left_currency", "right_currency")
        for code in pc.unique(others[name]).to_pylist()
        if code is not None
    }


def _of_one(told: Mapping[str, Any]) -> str | None:
    """The currency of both sides; None where they are in several."""
    if told["left_amounts"] is not None or told["right_amounts"] is not None:
        return None
    codes = {told["left_currency"], told["right_currency"]} - {None}
    return str(codes.pop()) if len(codes) == 1 else None


def _amounts(row: Mapping[str, Any], told: Mapping[str, Any] | None, money: Currency) -> dict[str, Amounts]:
    found: dict[str, Amounts] = {}
    for side in ("left", "right"):
        minor = row[f"{side}_amount_minor"]
        if minor is None:
            found[side] = ()
        elif told is not None and told[f"{side}_amounts"] is not None:
            held = json.loads(told[f"{side}_amounts"])
            found[side] = tuple((int(each), currency(code)) for code, each in held.items())
        else:
            found[side] = ((int(minor), money if told is None else currency(told[f"{side}_currency"])),)
    one = money.code if told is None else _of_one(told)
    found["difference"] = () if one is None else ((int(row["difference_minor"]), currency(one)),)
    return found
