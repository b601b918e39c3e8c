"""Which channel each instruction takes: the first of its role's routes that fits. What none fits waits at the last,
with what keeps it from each."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.flow.payments.contract import BALANCE, BANK_FILE, DAYS
from everycent.flow.payments.core.plan import PaymentPlan, Route

#: What parties have on their prepaid balances and is not promised: party_id, legal_entity, currency, left_minor.
PREPAID = pa.schema(
    [
        ("party_id", pa.string()), ("legal_entity", pa.string()), ("currency", pa.string()),
        ("left_minor", pa.decimal128(38, 0)),
    ]
)  # fmt: skip

#: A party's balance with a legal entity in a currency.
Place = tuple[str, str, str]

_UNCOVERED = pa.schema([("instruction_id", pa.uuid()), ("why", pa.string())])


def route(
    plan: PaymentPlan, instructed: pa.Table, found: pa.Table, prepaid: pa.Table, at: datetime, engine: LocalEngine
) -> pa.Table:
    """`found` (rows of find_accounts, for each of `instructed`) with the `channel` that each takes.

    `prepaid`: PREPAID rows. `at`: the moment, in the plan's time zone. A balance needs no account. Ordered by
    instruction_id.
    """
    given = {"instruction": instructed, "found": found}
    sql, uncovered = _ROUTED.format(**_channels_sql(plan, at)), _UNCOVERED.empty_table()
    if plan.with_balance:
        wished = engine.query(sql, uncovered=uncovered, **given).filter(pc.equal(pc.field("channel"), BALANCE))
        uncovered = _uncovered(plan, instructed, set(wished["instruction_id"].to_pylist()), prepaid)
    routed = engine.query(sql, uncovered=uncovered, **given)
    assert routed.num_rows == instructed.num_rows, "each instruction has one channel"
    assert routed["channel"].null_count == 0, "each role has a channel"
    return routed


def place(row: Mapping[str, Any]) -> Place:
    """Whose balance an instruction is about."""
    return row["party_id"], row["legal_entity"], row["currency"]


def _uncovered(plan: PaymentPlan, instructed: pa.Table, wished: AbstractSet[UUID], prepaid: pa.Table) -> pa.Table:
    """Of those that would take from the balance, what it does not cover, and why; one after the other by id. What goes
    onto it now counts, if nobody has to release that before."""
    left = {place(row): int(row["left_minor"]) for row in prepaid.to_pylist()}
    rows = (row for row in instructed.to_pylist() if row["instruction_id"] in wished)
    uncovered = []
    for row in sorted(rows, key=lambda row: (row["direction"] != "pay", row["instruction_id"])):
        at, amount = place(row), int(row["amount_minor"])
        free = left.get(at, 0)
        if row["direction"] == "pay":
            left[at] = free + (0 if row["role"] in plan.release else amount)
        elif free >= amount:
            left[at] = free - amount
        else:
            party_id, legal_entity, code = at
            why = f"{party_id} has {_amount(free, code)} free with {legal_entity}, it takes {_amount(amount, code)}"
            uncovered.append({"instruction_id": row["instruction_id"], "why": f"balance: {why}"})
    return pa.Table.from_pylist(uncovered, schema=_UNCOVERED)


def _channels_sql(plan: PaymentPlan, at: datetime) -> dict[str, str]:
    """By role the channel that fits, the one at which waits what none fits, and why none does."""
    fits, last, why = "", "", ""
    for role in plan.roles:
        whys = [_why_not_sql(route, at) for route in role.routes]
        whens = " ".join(
            f"WHEN {reason} IS NULL THEN {literal(route.channel)}"
            for route, reason in zip(role.routes, whys, strict=True)
        )
        fits += f" WHEN {literal(role.role)} THEN CASE {whens} END"
        last += f" WHEN {literal(role.role)} THEN {literal(role.routes[-1].channel)}"
        why += f" WHEN {literal(role.role)} THEN concat_ws('; ', {', '.join(whys)})"
    return {"fits": f"CASE role{fits} END", "last": f"CASE role{last} END", "why": f"CASE role{why} END"}


def _why_not_sql(route: Route, at: datetime) -> str:
    """SQL: why a route does not fit an instruction; NULL where it does."""
    whens = " ".join(f"WHEN {misses} THEN {why}" for misses, why in _misses(route, at))
    return f"(CASE {whens} END)" if whens else "CAST(NULL AS VARCHAR)"


def _misses(route: Route, at: datetime) -> Iterator[tuple[str, str]]:
    """As SQL, what keeps an instruction from a route, and what it is then told."""
    name = route.channel
    if route.direction is not None:
        yield f"direction <> '{route.direction}'", literal(f"{name}: to {route.direction} alone")
    if route.legal_entities:
        yield f"legal_entity NOT IN ({_listed(route.legal_entities)})", f"{literal(f'{name}: not of ')} || legal_entity"
    if route.currencies:
        yield f"currency NOT IN ({_listed(route.currencies)})", f"{literal(f'{name}: not in ')} || currency"
    if route.methods:
        told = f"{literal(f'{name}: not to ')} || coalesce(method, 'an account of which nothing tells how it is paid')"
        yield f"coalesce(method, '') NOT IN ({_listed(route.methods)})", told
    if name == BANK_FILE:
        yield "method <> 'bank_card'", f"{literal(f'{name}: not to ')} || method"
    for sign, word, bounds in (("<", "from", route.least_minor), (">", "up to", route.most_minor)):
        if bounds:
            bound = _by_currency({code: str(minor) for code, minor in bounds.items()})
            amounts = {code: literal(f"{name}: {word} {_amount(minor, code)}") for code, minor in bounds.items()}
            yield f"amount_minor {sign} {bound}", _by_currency(amounts)
    day, minute = DAYS[at.weekday()], at.hour * 60 + at.minute
    if route.days and day not in route.days:
        yield "true", literal(f"{name}: on {', '.join(route.days)} alone, not on {day}")
    if route.hours is not None and not _within(minute, *route.hours):
        yield "true", literal(f"{name}: not at {at:%H:%M}")
    if name == BALANCE:
        yield "pays_back", literal(f"{name}: money is not paid back onto it")
        yield "direction = 'collect' AND uncovered.why IS NOT NULL", "uncovered.why"


def _by_currency(told: Mapping[str, str]) -> str:
    """SQL: what is told of an instruction's currency; NULL of others."""
    return f"CASE currency {' '.join(f'WHEN {literal(code)} THEN {each}' for code, each in told.items())} END"


def _amount(minor: int, code: str) -> str:
    return f"{grouped_minor(minor, currency(code))} {code}"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(map(literal, words))


def _within(minute: int, first: int, last: int) -> bool:
    return first <= minute < last if first < last else minute >= first or minute < last


_ROUTED = f"""
    WITH judged AS (
        SELECT found.*, instruction.* EXCLUDE (instruction_id),
            substr(instruction.party_id, length(role) + 2) AS party_key, {{fits}} AS fits,
            {{last}} AS last, {{why}} AS why
        FROM (SELECT instruction_id, role, party_id, legal_entity, currency, direction, amount_minor, pays_back
            FROM instruction)
                AS instruction
            JOIN found USING (instruction_id) LEFT JOIN uncovered USING (instruction_id)
    )
    SELECT instruction_id, coalesce(fits, last) AS channel,
        CASE WHEN fits = '{BALANCE}' THEN party_key WHEN fits IS NOT NULL THEN account END AS account,
        CASE WHEN fits <> '{BALANCE}' THEN account_id END AS account_id,
        CASE WHEN fits = '{BALANCE}' THEN party_key WHEN fits IS NOT NULL THEN account_name END AS account_name,
        CASE WHEN fits = '{BANK_FILE}' THEN mandate END AS mandate,
        CASE WHEN fits = '{BANK_FILE}' THEN mandate_signed_on END AS mandate_signed_on,
        CASE WHEN fits IS NULL THEN 'waiting' WHEN fits = '{BALANCE}' THEN 'created' ELSE state END AS state,
        CASE WHEN fits IS NULL THEN coalesce(reason || '; ', '') || 'no channel takes it: ' || why
            WHEN fits <> '{BALANCE}' THEN reason END AS reason
    FROM judged ORDER BY instruction_id
"""
