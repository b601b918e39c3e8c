"""What parties' own contracts say of their statements, by business time; it goes before what the model says of a role.

A period is cut where a contract, or a revision of it, begins or ends, so that one statement has one contract.
"""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.money.cycle import Cycle
from everycent.flow.parties.contract import CONTRACT_PERIOD
from everycent.flow.settlement.contract import AGREED
from everycent.flow.settlement.core.plan import StatementRole

#: What holds for a party on a day: its statement's period and terms.
AGREED_DAY = pa.schema(
    [
        ("party_id", pa.string()), ("booked_on", pa.date32()), ("mode", pa.string()), ("period", pa.string()),
        ("period_first", pa.date32()), ("period_last", pa.date32()), ("closes_on", pa.date32()),
        ("agreed", pa.string()),
    ]
)  # fmt: skip

_CYCLES = pa.schema(
    [("role", pa.string()), ("cycle", pa.string()), ("gathers", pa.string()), ("closes_after", pa.int32())]
)
_TURNS = pa.schema(
    [
        ("gathers", pa.string()), ("booked_on", pa.date32()), ("label", pa.string()), ("first", pa.date32()),
        ("last", pa.date32()),
    ]
)  # fmt: skip


def agree(roles: tuple[StatementRole, ...], contracts: pa.Table, engine: LocalEngine) -> pa.Table:
    """The terms of contracts (CONTRACT_PERIOD rows) with parties that have statements: AGREED rows."""
    CONTRACT_PERIOD.check(contracts)
    if contracts.num_rows == 0:
        return AGREED.empty_table()
    cycles = pa.table(
        [list(column) for column in zip(*_cycles(roles, pc.unique(contracts["cycle"]).to_pylist()), strict=True)],
        schema=_CYCLES,
    )
    return engine.query(_AGREED_SQL, contracts=contracts, cycles=cycles).cast(AGREED)


def _cycles(roles: tuple[StatementRole, ...], texts: list[str]) -> list[tuple[str, str, str, int]]:
    """By role and cycle, how its periods gather days, and how many days after a period's last day it closes."""
    found = []
    for role in roles:
        for text in texts:
            cycle = Cycle.parse(text)
            turn = cycle.period(date(2000, 1, 1))
            days = (cycle.closes_on(turn, role.ready_after) - turn.last).days
            found.append((role.role, text, cycle.gathers, days))
    return found


#: Words that a contract does not have are not there, so the model's stand.
_AGREED_SQL = """
    SELECT party_id, since, until, gathers, closes_after, mode, CAST(json_merge_patch('{}', json_object(
        'contract', contract_no, 'revision', revision, 'cycle', cycle, 'mode', mode, 'negative', negative,
        'reserve_ratio', rtrim(rtrim(CAST(reserve_ratio AS VARCHAR), '0'), '.'),
        'reserve_days', CASE WHEN reserve_ratio IS NOT NULL
            THEN (coalesce(reserve_release_seconds, 0) + 86399) // 86400 END,
        'minimum_minor', nullif(CAST(minimum_payout_minor AS JSON), CAST('{}' AS JSON)),
        'silent_days', silent_days, 'invoice', invoice)) AS VARCHAR) AS agreed
    FROM contracts JOIN cycles USING (role, cycle)
    ORDER BY party_id, since
"""


def agreed_days(agreed: pa.Table, pairs: pa.Table, engine: LocalEngine) -> pa.Table:
    """AGREED_DAY rows for those of `pairs` (party_id, booked_on; each once) on which a contract holds."""
    if agreed.num_rows == 0 or pairs.num_rows == 0:
        return AGREED_DAY.empty_table()
    days = sorted(pc.unique(pairs["booked_on"]).to_pylist())
    turns = []
    for text in pc.unique(agreed["gathers"]).to_pylist():
        for day in days:
            period = Cycle.parse(text).period(day)
            turns.append((text, day, period.label, period.first, period.last))
    table = pa.table([list(column) for column in zip(*turns, strict=True)], schema=_TURNS)
    return engine.query(_DAYS_SQL, agreed=agreed, pairs=pairs, turns=table).cast(AGREED_DAY)


_DAYS_SQL = """
    SELECT party_id, booked_on, mode,
        CASE WHEN cut_first = first AND cut_last = last THEN label
            ELSE strftime(cut_first, '%Y-%m-%d') || '..' || strftime(cut_last, '%Y-%m-%d') END AS period,
        cut_first AS period_first, cut_last AS period_last,
        CAST(cut_last + closes_after AS DATE) AS closes_on, agreed
    FROM (
        SELECT pairs.party_id, pairs.booked_on, mode, closes_after, agreed, label, first, last,
            greatest(first, since) AS cut_first,
            least(last, coalesce(CAST(until - 1 AS DATE), last)) AS cut_last
        FROM pairs JOIN agreed ON agreed.party_id = pairs.party_id AND since <= pairs.booked_on
                AND (until IS NULL OR pairs.booked_on < until)
            JOIN turns ON turns.gathers = agreed.gathers AND turns.booked_on = pairs.booked_on
    )
"""


def pairs_of(apart: pa.Table, obligations: pa.Table, engine: LocalEngine) -> pa.Table:
    """Each party of `apart` (party_id) and each day on which something of it is booked, once: party_id, booked_on."""
    return engine.query(
        """
        SELECT DISTINCT party_id, booked_on FROM (
            SELECT creditor AS party_id, booked_on FROM obligations UNION ALL
            SELECT debtor, booked_on FROM obligations
        ) SEMI JOIN apart USING (party_id)
        """,
        obligations=obligations.select(["creditor", "debtor", "booked_on"]),
        apart=apart,
    )
