"""Figures out of the ledger, of non-order charges and of instructions, set-wise in PostgreSQL."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from everycent.base.platform.database import Connection
from everycent.serve.figures.asked import Asked, Figures, columns, whole
from everycent.serve.figures.coming_in import CAME_IN, OF_AGE

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
#: What each party's account was credited and debited on each day. `{who}`: the party, or its role.
_PARTY_DAY = """
    SELECT substr(account, 7) AS party_id, currency, booked_on, sum(credits_minor) AS credits,
        sum(debits_minor) AS debits
    FROM ledger.account
    WHERE tenant = %(tenant)s AND model = %(model)s AND account LIKE 'party/%%' AND booked_on <= %(on)s
    GROUP BY 1, 2, 3
"""
_WHO = "CASE WHEN %(by_role)s THEN split_part(party_id, ':', 1) ELSE party_id END"

#: What is still open of a balance are its latest amounts: what came first is what was paid first.
_AGEING = f"""
    WITH {CAME_IN}, day AS ({_PARTY_DAY}),
    balance AS (
        SELECT party_id, currency, sum(credits - debits) AS minor FROM day GROUP BY 1, 2
        HAVING sum(credits - debits) <> 0),
    moved AS (
        SELECT party_id, currency, booked_on, balance.minor,
            CASE WHEN balance.minor > 0 THEN credits ELSE debits END AS amount
        FROM day JOIN balance USING (party_id, currency)),
    later AS (
        SELECT *, coalesce(sum(amount) OVER (PARTITION BY party_id, currency ORDER BY booked_on DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS after FROM moved),
    unpaid AS (
        SELECT party_id, currency, CASE WHEN minor > 0 THEN 'payable' ELSE 'receivable' END AS side,
            booked_on, least(amount, abs(minor) - after) AS amount
        FROM later WHERE after < abs(minor) AND amount > 0
        UNION ALL {OF_AGE}),
    aged AS (SELECT *, width_bucket(%(to)s::date - booked_on, %(ages)s::integer[]) AS age FROM unpaid)
    SELECT * FROM (
        SELECT {_WHO} AS who, side, sum(amount) AS total, {{ages}}, currency
        FROM aged GROUP BY 1, 2, currency) AS found
    ORDER BY currency COLLATE "C", side, total DESC, who COLLATE "C"
"""


def ageing(connection: Connection, asked: Asked) -> Figures:
    """What the house owes each party, and each party owes it, by how long ago it was booked; what parties were asked
    for and has not come in, less parts that have (`collecting`), and what came in and is for nothing yet (`on
    account`).

    Ages are counted up to the day asked for, or else to the last day that anything was booked on.
    """
    to = asked.on or _last_day(connection, asked)
    edges = (0, *asked.ages_days)
    ages = ", ".join(f"coalesce(sum(amount) FILTER (WHERE age = {at}), 0)" for at in range(len(edges)))
    values = {**asked.values, "to": to, "ages": list(asked.ages_days)}
    rows = connection.execute(_AGEING.replace("{ages}", ages), values).fetchall()
    names = [f"{first}-{last - 1} days" for first, last in pairwise(edges)]
    heads = columns([asked.by, "side"], ["total", *names, f"{edges[-1]} days and more"])
    return Figures("ageing", f"Receivable and payable by age, at the end of {to}", heads, whole(rows))


def _last_day(connection: Connection, asked: Asked) -> Any:
    (day,) = connection.execute(
        "SELECT coalesce(max(booked_on), '2000-01-01') FROM ledger.account"
        " WHERE tenant = %(tenant)s AND model = %(model)s AND account LIKE 'party/%%'",
        asked.values,
    ).fetchone() or (None,)
    return day


#: The operator's side of each fee. A deposit that can be given back is held, and no revenue.
_REVENUE = """
    SELECT * FROM (SELECT substring(account FROM '^operator/(.*)/[^/]*$') AS legal_entity,
        substring(account FROM '[^/]*$') AS charge,
        CASE WHEN substring(account FROM '[^/]*$') IN (
            SELECT c.account FROM non_order.charge AS c
            WHERE c.tenant = %(tenant)s AND c.model = %(model)s AND c.kind <> c.account)
            OR substring(account FROM '[^/]*$') = ANY(%(deposits)s) THEN 'deposit held' ELSE 'revenue' END AS what,
        sum(credits_minor) AS earned, sum(debits_minor) AS given, sum(credits_minor - debits_minor) AS net, currency
    FROM ledger.account
    WHERE tenant = %(tenant)s AND model = %(model)s AND account LIKE 'operator/%%'
        AND booked_on BETWEEN %(since)s AND %(on)s
    GROUP BY 1, 2, 3, currency) AS found
    ORDER BY currency COLLATE "C", legal_entity COLLATE "C", net DESC, charge COLLATE "C"
"""


def revenue(connection: Connection, asked: Asked, deposits: tuple[str, ...] = ()) -> Figures:
    """What each fee earned the platform's companies and cost them. `deposits`: the kinds that can be given back."""
    rows = connection.execute(_REVENUE, {**asked.values, "deposits": list(deposits)}).fetchall()
    heads = columns(["legal_entity", "charge", "what"], ["earned", "given", "net"])
    return Figures("revenue", f"Revenue by fee{_days(asked)}", heads, whole(rows))


_BALANCES = f"""
    WITH day AS ({_PARTY_DAY}),
    held AS (
        SELECT party_id, currency, 0::numeric AS credits, 0::numeric AS debits,
            CASE WHEN kind = account THEN amount_minor ELSE -amount_minor END AS deposit, 0 AS prepaid, 0 AS on_account
        FROM non_order.charge
        WHERE tenant = %(tenant)s AND model = %(model)s AND state = 'booked' AND booked_on <= %(on)s
            AND (account = ANY(%(deposits)s) OR account <> kind)
        UNION ALL
        SELECT substring(account FROM '^balance/.*?/([^/:]+:.*)$'), currency, 0, 0, 0, credits_minor - debits_minor, 0
        FROM ledger.account
        WHERE tenant = %(tenant)s AND model = %(model)s AND account LIKE 'balance/%%' AND booked_on <= %(on)s
        UNION ALL
        SELECT substr(account, 12), currency, 0, 0, 0, 0, credits_minor - debits_minor
        FROM ledger.account
        WHERE tenant = %(tenant)s AND model = %(model)s AND account LIKE 'on_account/%%' AND booked_on <= %(on)s)
    SELECT * FROM (SELECT {_WHO} AS who, sum(credits) AS credits, sum(debits) AS debits,
        sum(credits - debits) AS balance, sum(deposit) AS deposits, sum(prepaid) AS prepaid,
        sum(on_account) AS on_account, currency
    FROM (SELECT party_id, currency, credits, debits, 0 AS deposit, 0 AS prepaid, 0 AS on_account FROM day
        UNION ALL FROM_HELD) AS moved
    GROUP BY 1, currency) AS found
    ORDER BY currency COLLATE "C", abs(balance) DESC, who COLLATE "C"
""".replace("FROM_HELD", "SELECT * FROM held")


def balances(connection: Connection, asked: Asked, deposits: tuple[str, ...] = ()) -> Figures:
    """What the house owes each party (below 0: is owed by it), and what it was asked for as deposits and not given
    back, what it has prepaid, and what came in from it and has paid nothing yet."""
    rows = connection.execute(_BALANCES, {**asked.values, "deposits": list(deposits)}).fetchall()
    heads = columns([asked.by], ["credits", "debits", "balance", "deposits", "prepaid", "on_account"])
    return Figures("balances", f"Balances of parties{_days(asked)}", heads, whole(rows))


#: Where each stood at a moment is where its last move until then led; before its first it stood where that came from.
_PAYOUTS = """
    WITH moved AS (
        SELECT DISTINCT ON (instruction_id) instruction_id, to_state, booking FROM payments.instruction_move
        WHERE tenant = %(tenant)s AND model = %(model)s AND recorded_at < %(until)s
        ORDER BY instruction_id, move_no DESC),
    began AS (
        SELECT DISTINCT ON (instruction_id) instruction_id, from_state FROM payments.instruction_move
        WHERE tenant = %(tenant)s AND model = %(model)s ORDER BY instruction_id, move_no),
    came AS (
        SELECT instruction_id, sum(amount_minor) AS came FROM payments.receipt_use
        WHERE tenant = %(tenant)s AND model = %(model)s AND recorded_at < %(until)s GROUP BY 1)
    SELECT * FROM (SELECT legal_entity, channel, direction, coalesce(moved.to_state, began.from_state, state) AS state,
        count(*) AS instructions, sum(amount_minor) AS amount,
        sum(CASE WHEN coalesce(moved.booking, 'in_flight') <> 'in_flight' THEN 0
            WHEN direction = 'pay' THEN amount_minor ELSE -amount_minor END) AS in_flight,
        sum(CASE WHEN coalesce(moved.booking, 'in_flight') = 'in_flight' THEN coalesce(came, 0) ELSE 0 END) AS came_in,
        currency
    FROM payments.instruction LEFT JOIN came USING (instruction_id) LEFT JOIN moved USING (instruction_id)
        LEFT JOIN began USING (instruction_id)
    WHERE tenant = %(tenant)s AND model = %(model)s AND as_of <= %(on)s
    GROUP BY 1, 2, 3, 4, currency
    UNION ALL
    SELECT legal_entity, channel, CASE does WHEN 'return' THEN 'share returned' ELSE 'share' END, CASE said.state
            WHEN 'asked' THEN 'unknown' WHEN 'accepted' THEN 'processing' WHEN 'paid' THEN 'succeeded'
            WHEN 'refused' THEN 'failed' ELSE said.state END,
        count(*), sum(part.amount_minor), 0, 0, 'CNY'
    FROM payments.share AS s JOIN payments.share_part AS part USING (tenant, model, share_id), LATERAL (
        SELECT state FROM payments.share_move AS m WHERE m.tenant = s.tenant AND m.model = s.model
            AND m.share_id = s.share_id AND m.recorded_at < %(until)s ORDER BY move_no DESC LIMIT 1) AS said
    WHERE tenant = %(tenant)s AND model = %(model)s GROUP BY 1, 2, 3, 4) AS found
    ORDER BY currency COLLATE "C", legal_entity COLLATE "C", channel COLLATE "C", direction DESC, amount DESC, state
"""


def payouts(connection: Connection, asked: Asked, until: datetime | None = None) -> Figures:
    """Instructions up to the day, and shares of customers' payments by receiver, in the states that they had at the
    moment `until`; without one, that they have now.

    `in_flight`: what is with the channel, above 0 on its way to parties. `came_in`: parts of what is collected that
    came in, and are on account until they are all of it.
    """
    values = {**asked.values, "until": until or _NEVER}
    rows = connection.execute(_PAYOUTS, values).fetchall()
    heads = columns(
        ["legal_entity", "channel", "direction", "state"], ["amount", "in_flight", "came_in"], counts=["instructions"]
    )
    return Figures("payouts", f"Payouts by channel and state{_days(asked)}", heads, whole(rows))


def _days(asked: Asked) -> str:
    since = "" if asked.since is None else f", since {asked.since}"
    return since + ("" if asked.on is None else f", at the end of {asked.on}")
