"""How much may go to channels on a day: what passes a limit waits, and so does all after it that it is a limit of."""

from collections.abc import Mapping

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.flow.payments.core.plan import PaymentPlan
from everycent.flow.payments.core.wallets import WALLET_CURRENCY

#: What went to channels on a day: role, channel, currency, legal_entity, party_id, sent_minor.
SENT = pa.schema(
    [
        ("role", pa.string()), ("channel", pa.string()), ("currency", pa.string()), ("legal_entity", pa.string()),
        ("party_id", pa.string()), ("sent_minor", pa.decimal128(38, 0)),
    ]
)  # fmt: skip

#: A limit is a role's (`day` and so on) or a wallet's (`wallet day`, `wallet receiver_day`).
_LIMIT = pa.schema(
    [("whose", pa.string()), ("currency", pa.string()), ("name", pa.string()), ("most_minor", pa.int64())]
)
_SAME = {
    "day": "role",
    "entity_day": "role, legal_entity",
    "party_day": "role, party_id",
    "wallet day": "channel, legal_entity",
    "wallet receiver_day": "channel, legal_entity, party_id",
}


def beyond_limits(ready: pa.Table, sent: pa.Table, plan: PaymentPlan, engine: LocalEngine) -> dict[object, str]:
    """Of INSTRUCTION rows that could go, those that may not on this day: instruction_id -> why.

    `sent`: what went before, on that day (SENT). The oldest go first, then by id.
    """
    limits = _limits(plan)
    if limits.num_rows == 0 or ready.num_rows == 0:
        return {}
    over = " UNION ALL ".join(_over_sql(name) for name in _SAME)
    rows = engine.query(
        f"SELECT * FROM ({over}) ORDER BY instruction_id, name",
        ready=ready, sent=sent.cast(SENT), limits=limits,
    )  # fmt: skip
    why: dict[object, str] = {}
    for row in rows.to_pylist():
        money = currency(row["currency"])
        used, most = (grouped_minor(int(row[name]), money) for name in ("before_minor", "most_minor"))
        said = f"limit {row['name']}: {used} of {most} {money} are used on this day; it waits for the next"
        why.setdefault(row["instruction_id"], said)
    return why


def _limits(plan: PaymentPlan) -> pa.Table:
    rows: list[Mapping[str, object]] = [
        {"whose": role.role, "currency": code, "name": name, "most_minor": most}
        for role in plan.roles
        for name, by_code in role.limits_minor.items()
        for code, most in by_code.items()
    ]
    rows += [
        {"whose": wallet, "currency": WALLET_CURRENCY, "name": name, "most_minor": most}
        for wallet, limits in plan.wallets.items()
        for name, most in (("wallet day", limits.day_minor), ("wallet receiver_day", limits.receiver_day_minor))
        if most is not None
    ]
    return pa.Table.from_pylist(rows, schema=_LIMIT)


def _over_sql(name: str) -> str:
    whose, same = _SAME[name].split(",")[0], _SAME[name]
    return f"""
        SELECT instruction_id, '{name}' AS name, before_minor, most_minor, currency
        FROM (
            SELECT ready.instruction_id, currency, ready.amount_minor, limits.most_minor,
                coalesce(gone.sent_minor, 0) + sum(ready.amount_minor) OVER (
                    PARTITION BY {same}, currency ORDER BY as_of, instruction_id) - ready.amount_minor
                    AS before_minor
            FROM ready JOIN limits USING (currency)
                LEFT JOIN (SELECT {same}, currency, sum(sent_minor) AS sent_minor FROM sent GROUP BY ALL) AS gone
                USING ({same}, currency)
            WHERE limits.name = '{name}' AND whose = {whose} AND ready.direction = 'pay')
        WHERE before_minor + amount_minor > most_minor
    """
