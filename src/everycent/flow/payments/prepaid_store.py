"""The SQL of prepaid balances: what parties have there to pay with. Callers own the transaction."""

import pyarrow as pa

from everycent.base.engine.sql import literal
from everycent.base.platform.bulk import copy_out
from everycent.base.platform.database import Connection
from everycent.flow.payments.core.routing import PREPAID


def prepaid(connection: Connection, tenant: str, model: str, *, promised: bool) -> pa.Table:
    """What parties have on their balances: PREPAID rows in their order; those with nothing may be missing.

    `promised`: less what is to be taken from them and not taken yet. Whoever keeps instructing out (`store.alone`)
    keeps the balances as they are.
    """
    of_model = f"tenant = {literal(tenant)} AND model = {literal(model)}"
    # An account's name ends in the party's id, the one that begins with a role and a colon.
    query = f"""
        SELECT party_id, legal_entity, currency, sum(amount)::numeric(38, 0) AS left_minor FROM (
            SELECT substring(account FROM '^balance/.*?/([^/:]+:.*)$') AS party_id,
                substring(account FROM '^balance/(.*?)/[^/:]+:.*$') AS legal_entity, currency,
                credits_minor - debits_minor - debits_pending_minor AS amount
            FROM ledger.account WHERE {of_model} AND account LIKE 'balance/%'
            UNION ALL
            SELECT party_id, legal_entity, currency, -amount_minor FROM payments.instruction
            WHERE {promised} AND {of_model} AND channel = 'balance' AND direction = 'collect'
                AND state IN ('created', 'approved')) AS moved
        GROUP BY 1, 2, 3 ORDER BY party_id COLLATE "C", legal_entity COLLATE "C", currency COLLATE "C"
    """
    return copy_out(connection, query, PREPAID)
