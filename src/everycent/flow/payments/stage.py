"""The payments' stage: closed statements → instructions, what became of each statement, and the transfers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.flow.ledger.contract import CHANNEL_ACCOUNT, PARTY_ACCOUNT, TRANSFER
from everycent.flow.payments.contract import INSTRUCTED_STATEMENT, INSTRUCTION
from everycent.flow.payments.core.accounts import find_accounts
from everycent.flow.payments.core.netting import CHARGE_PARTS_SQL, PARTS_SQL, groups_sql, payout_table
from everycent.flow.payments.core.plan import PaymentPlan, PayoutRefused, plan_payments
from everycent.flow.payments.core.routing import PREPAID, route

__all__ = ["Instructed", "PaymentPlan", "PayoutRefused", "instruct", "plan_payments"]


@dataclass(frozen=True)
class Instructed:
    """What a closing pays: INSTRUCTION rows by instruction_id, INSTRUCTED_STATEMENT rows by key, TRANSFER rows."""

    instructions: pa.Table
    statements: pa.Table
    transfers: pa.Table


def instruct(
    plan: PaymentPlan,
    statements: pa.Table,
    settled: pa.Table,
    tables: Mapping[str, pa.Table],
    engine: LocalEngine,
    *,
    tenant: str,
    model: str,
    as_of: date,
    reopenings: int = 0,
    charges: pa.Table | None = None,
    prepaid: pa.Table | None = None,
    at: datetime | None = None,
) -> Instructed:
    """Nets closed statements into one amount per party, legal entity, currency and side, and instructs it.

    `statements`: closed STATEMENT rows with a side still to settle. `settled`: their sides (statement_id, side) that
    are settled already. `tables`: the model's attached tables, by name. `charges`: non-order charges to settle, apart
    or with those statements (columns statement_id, apart, role, party_id, legal_entity, currency, amount_minor),
    and money that is paid back (`pays_back`).
    `prepaid`: what parties' balances have free (PREPAID rows). `at`: the moment in the plan's time zone, which routes
    ask for; the first of the day where it is not given.
    """
    foreign = set(pc.unique(statements["currency"]).to_pylist()) - {known.code for known in plan.currencies}
    assert not foreign, f"the model pays in {[known.code for known in plan.currencies]}, a statement is in {foreign}"
    parts = engine.query(PARTS_SQL, statement=statements, settled=settled)
    if charges is not None and charges.num_rows:
        along = engine.query(CHARGE_PARTS_SQL, charge=charges, part=parts).cast(parts.schema)
        parts = pa.concat_tables([parts, along])
    groups = engine.query(groups_sql(tenant, model, as_of, reopenings), part=parts, payout=payout_table(plan))
    outcomes = engine.query(_outcomes_sql(as_of), part=parts, grouped=groups).cast(INSTRUCTED_STATEMENT.columns)
    instructed = engine.query(_INSTRUCTED_SQL, grouped=groups)
    moment = datetime.combine(as_of, time()) if at is None else at
    routed = look_up(plan, instructed, tables, prepaid, as_of, moment, engine)
    instructions = engine.query(_instructions_sql(as_of), instructed=instructed, routed=routed)
    transfers = engine.query(_transfers_sql(as_of), instructed=instructed, routed=routed).cast(TRANSFER.columns)
    assert outcomes.num_rows == parts.num_rows, "each side has one outcome"
    assert instructions.num_rows == transfers.num_rows, "each instruction moves its amount once"
    return Instructed(INSTRUCTION.check(instructions.cast(INSTRUCTION.columns)), outcomes, TRANSFER.check(transfers))


def look_up(
    plan: PaymentPlan,
    instructed: pa.Table,
    tables: Mapping[str, pa.Table],
    prepaid: pa.Table | None,
    as_of: date,
    at: datetime,
    engine: LocalEngine,
) -> pa.Table:
    """For each instruction its channel, its account there, and its state: rows of `route`, by instruction_id.

    `instructed`: INSTRUCTION rows with the column `pays_back`, true of what pays back money on account.
    """
    found = find_accounts(plan, instructed, tables, as_of, engine)
    return route(plan, instructed, found, PREPAID.empty_table() if prepaid is None else prepaid, at, engine)


def _outcomes_sql(as_of: date) -> str:
    return f"""
        SELECT statement_id, side, amount_minor, outcome, instruction_id, DATE {literal(as_of.isoformat())} AS as_of
        FROM part JOIN grouped USING (role, party_id, legal_entity, currency, side, apart)
        ORDER BY statement_id, side
    """


_INSTRUCTED_SQL = """
    SELECT instruction_id, party_id, role, legal_entity, currency, direction, abs(total_minor) AS amount_minor,
        pays_back
    FROM grouped WHERE outcome = 'instructed'
    ORDER BY instruction_id
"""


def _instructions_sql(as_of: date) -> str:
    return f"""
        SELECT instructed.* EXCLUDE (pays_back), channel, DATE {literal(as_of.isoformat())} AS as_of, account,
            account_id, account_name, mandate, mandate_signed_on, state, reason, CAST(NULL AS VARCHAR) AS file,
            CAST(NULL AS DATE) AS filed_as_of, 'in_flight' AS booking, CAST(NULL AS VARCHAR) AS finding
        FROM instructed JOIN routed USING (instruction_id)
        ORDER BY instruction_id
    """


def _transfers_sql(as_of: date) -> str:
    party, channel = f"{literal(PARTY_ACCOUNT)} || party_id", f"{literal(CHANNEL_ACCOUNT)} || channel"
    return f"""
        SELECT instruction_id AS transfer_id, DATE {literal(as_of.isoformat())} AS booked_on,
            CASE direction WHEN 'pay' THEN {party} ELSE {channel} END AS debit_account,
            CASE direction WHEN 'pay' THEN {channel} ELSE {party} END AS credit_account,
            amount_minor, currency, 'instruction ' || CAST(instruction_id AS VARCHAR) AS cause
        FROM instructed JOIN routed USING (instruction_id)
        ORDER BY transfer_id
    """
