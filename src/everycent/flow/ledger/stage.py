"""The ledger's stage: obligations → transfers, one per day, pair of accounts and currency."""

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.flow.ledger.contract import OBLIGATIONS_CAUSE, OPERATOR_ACCOUNT, PARTY_ACCOUNT, TRANSFER


def post(obligations: pa.Table, operators: Collection[str], engine: LocalEngine, occasion: str = "") -> pa.Table:
    """Obligations (clearing's rows) → TRANSFER rows, ordered by (booked_on, debit_account, credit_account, currency).

    `operators` are the party ids of the operator: its side is booked per legal entity and charge. An obligation debits
    its debtor and credits its creditor; where the amount is negative the two swap, so that a transfer's is positive.
    What stays within one account moves nothing and has no transfer. The obligations that a record has on its arrival
    come in one batch, so the first of its records, its day and its accounts tell a transfer from all others; those that
    come later do so on an `occasion`, whose name tells them apart.
    """
    transfers = engine.query(_transfers_sql(operators, occasion), obligations=obligations)
    transfers = transfers.cast(TRANSFER.columns)
    assert transfers.num_rows == 0 or pc.min(transfers["amount_minor"]).as_py() > 0, "a transfer's amount is positive"
    return TRANSFER.check(transfers)


def _transfers_sql(operators: Collection[str], occasion: str) -> str:
    named = f", {literal(occasion)}" if occasion else ""
    debtor, creditor = _account_sql("debtor", operators), _account_sql("creditor", operators)
    return f"""
        WITH moved AS (
            SELECT booked_on, currency, {debtor} AS debtor_account, {creditor} AS creditor_account,
                min(record_id) AS first_record,
                sum(amount_minor) FILTER (WHERE amount_minor > 0) AS forth,
                -sum(amount_minor) FILTER (WHERE amount_minor < 0) AS back
            FROM obligations
            GROUP BY ALL
        ), transfer AS (
            SELECT booked_on, debtor_account AS debit_account, creditor_account AS credit_account, currency,
                first_record, forth AS amount
            FROM moved WHERE forth IS NOT NULL
            UNION ALL
            SELECT booked_on, creditor_account, debtor_account, currency, first_record, back
            FROM moved WHERE back IS NOT NULL
        ), total AS (
            SELECT booked_on, debit_account, credit_account, currency, min(first_record) AS first_record,
                sum(amount) AS amount
            FROM transfer WHERE debit_account <> credit_account
            GROUP BY ALL
        )
        SELECT
            CAST(substr(sha256(concat_ws(
                chr(31), first_record, booked_on, debit_account, credit_account, currency{named}
            )), 1, 32) AS UUID) AS transfer_id,
            booked_on, debit_account, credit_account, CAST(amount AS DECIMAL(38, 0)) AS amount_minor, currency,
            {literal(OBLIGATIONS_CAUSE)} AS cause
        FROM total
        ORDER BY booked_on, debit_account, credit_account, currency
    """


def _account_sql(end: str, operators: Collection[str]) -> str:
    assert end in ("debtor", "creditor"), end
    party = f"{literal(PARTY_ACCOUNT)} || {end}"
    if not operators:
        return party
    inside = ", ".join(literal(name) for name in sorted(operators))
    operator = f"{literal(OPERATOR_ACCOUNT)} || legal_entity || '/' || charge"
    return f"CASE WHEN {end} IN ({inside}) THEN {operator} ELSE {party} END"
