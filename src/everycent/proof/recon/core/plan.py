"""A reconciliation, ready to run: its scenario with every word resolved."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import pyarrow as pa

from everycent.base.money.amount import NotAnAmount, parse_minor
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import Currency
from everycent.proof.recon.contract import ReconSpec
from everycent.proof.recon.core.booking import Booking, BookPlan
from everycent.proof.recon.core.dimensions import TotalPlan
from everycent.proof.recon.core.matching.needs import refuse_lacking, refuse_unseen
from everycent.proof.recon.core.matching.plan import MatchPlan, plan_match
from everycent.proof.recon.core.payout import PayoutPlan
from everycent.proof.recon.limits import minor_by_currency


@dataclass(frozen=True)
class ReconPlan:
    """`*_sums`: several rows of a key add up on that side; otherwise they are duplicates of the first.

    `tolerance_minor` holds for rows in `currency`, `tolerances` (by code) for those in others; in any other it is 0.
    `rules`: what may explain what is not equal; None where nothing may. `words`: what the scenario says of its modes,
    as text, empty where it says nothing; runs are of the same kind only where these are the same.
    """

    scenario: str
    tolerance_minor: int
    left_sums: bool
    right_sums: bool
    compares_status: bool
    rules: MatchPlan | None = None
    words: str = ""
    one_way: bool = False
    detail: bool = True
    total: TotalPlan | None = None
    payout: PayoutPlan | None = None
    book: BookPlan | None = None
    booking: Booking | None = None  # of what people write off
    carry: bool = False
    currency: str = ""  # of rows that name none
    tolerances: Mapping[str, int] = field(default_factory=dict)


class RuleRefused(ValueError):
    """A rule does not fit, or names what a side lacks."""


class TotalRefused(ValueError):
    """What is added up, or the limit, does not fit."""


#: The words of a scenario that say how it is compared beyond pass one.
_MODES = {"rules", "mode", "detail", "total", "payout", "carry", "book"}


def plan_recon(
    scenario: str,
    spec: ReconSpec,
    currency: Currency,
    rates: Mapping[str, pa.Table] = MappingProxyType({}),
    calendar: BusinessCalendar | None = None,
) -> ReconPlan:
    """Resolves `spec`. Statuses are compared where both sides declare one. `rates`: EXCHANGE_RATE by name; `calendar`:
    whose days what people write off is booked on, None: it is not.

    ValueError when a tolerance has more decimals than its currency; RuleRefused, TotalRefused.
    """
    tolerances = _tolerances(scenario, spec, currency)
    rules = _rules(scenario, spec, currency, rates)
    said = spec.model_dump_json(include=_MODES, exclude_defaults=True)
    return ReconPlan(
        currency=currency.code,
        rules=rules,
        one_way=spec.mode == "one_way",
        detail=spec.detail,
        payout=_payout(scenario, spec, currency.code),
        book=None if spec.book is None else BookPlan(spec.book.against, spec.book.account_of, currency.code),
        booking=_booking(spec, calendar),
        carry=_carry(scenario, spec),
        total=_total(scenario, spec, currency),
        words=f"{'' if said == '{}' else said + _digest(spec, rates)}{_told(spec, tolerances)}",
        scenario=scenario,
        tolerance_minor=tolerances.get(currency.code, 0),
        tolerances={code: minor for code, minor in tolerances.items() if code != currency.code and minor},
        left_sums=spec.left.rows == "sum",
        right_sums=spec.right.rows == "sum",
        compares_status=spec.left.status is not None and spec.right.status is not None,
    )


def _tolerances(scenario: str, spec: ReconSpec, currency: Currency) -> dict[str, int]:
    """By code, in minor units."""
    if not isinstance(spec.tolerance, str) and spec.left.currency is None and spec.right.currency is None:
        other = next((code for code in spec.tolerance if code != currency.code), None)
        if other is not None:
            raise ValueError(
                f"recon '{scenario}': tolerance: no row is in {other}, for no side names the `currency` of its rows; "
                f"name it there, or write the tolerance of {currency} alone"
            )
    return minor_by_currency(spec.tolerance, currency)


def _told(spec: ReconSpec, tolerances: Mapping[str, int]) -> str:
    """That amounts are in their own currencies, as part of what makes runs of one kind: runs from before decisions 0039
    and 0041 took them for the scenario's, and the same sides are compared anew."""
    named = spec.left.currency is not None or spec.right.currency is not None
    return f" each in its currency {tolerances}" if named else ""


def _rules(scenario: str, spec: ReconSpec, currency: Currency, rates: Mapping[str, pa.Table]) -> MatchPlan | None:
    if not spec.rules:
        return None
    try:
        refuse_unseen(scenario, spec)
        return plan_match(scenario, spec.rules, currency, rates)
    except ValueError as refusal:
        raise RuleRefused(str(refusal)) from refusal


def _carry(scenario: str, spec: ReconSpec) -> bool:
    if spec.carry:
        refuse_lacking(f"recon '{scenario}': carry", "occurred_on", spec)
        if spec.mode == "one_way" or not spec.detail:
            raise ValueError(f"recon '{scenario}': carry: it is of two-way details; leave `mode` and `detail` out")
    return spec.carry


def _payout(scenario: str, spec: ReconSpec, currency: str) -> PayoutPlan | None:
    words = spec.payout
    if words is None:
        return None
    report = spec.left if words.report == "left" else spec.right
    if report.kind is None:
        raise ValueError(f"recon '{scenario}': payout: the {words.report} side has the report; write there `kind`")
    if report.rows != "sum":
        raise ValueError(f"recon '{scenario}': payout: rows of a payout add up; write `rows: sum` on the report")
    parts = {kind: part for part in type(words.parts).model_fields for kind in getattr(words.parts, part)}
    return PayoutPlan(words.report, parts, currency)


def _booking(spec: ReconSpec, calendar: BusinessCalendar | None) -> Booking | None:
    if spec.book is None or spec.book.written_off is None or calendar is None:
        return None
    day_cut = calendar.day_cut.isoformat("minutes")
    return Booking(spec.book.against, spec.book.written_off, calendar.time_zone, day_cut)


def _total(scenario: str, spec: ReconSpec, currency: Currency) -> TotalPlan | None:
    words = spec.total
    if words is None:
        if not spec.detail:
            raise TotalRefused(f"recon '{scenario}': without details there is nothing but totals; write `total`")
        return None
    if not spec.detail and (spec.rules or spec.mode != "two_way" or spec.tolerance != "0"):
        raise TotalRefused(f"recon '{scenario}': rules, mode and tolerance are of details; write `limit` of `total`")
    for column in words.by:
        refuse_lacking(f"recon '{scenario}': total", column, spec)
    named = spec.left.currency is not None or spec.right.currency is not None
    by = (*words.by, "currency") if named and "currency" not in words.by else words.by  # these never add up
    try:
        return TotalPlan(by, None if words.limit is None else parse_minor(words.limit, currency), currency.code)
    except NotAnAmount as refusal:
        raise TotalRefused(f"recon '{scenario}': total: limit: {refusal}") from refusal


def _digest(spec: ReconSpec, rates: Mapping[str, pa.Table]) -> str:
    """Of the tables of rates that rules name."""
    named = sorted({rule.convert.rates for rule in spec.rules if rule.convert is not None})
    text = "".join(f"{name}{rates[name].to_pylist()}" for name in named)
    return hashlib.sha256(text.encode()).hexdigest() if named else ""
