"""What parties' own contracts say of their statements, by business time; it goes before what the model says of a role.

A period is cut where a contract, or a revision of it, begins or ends, so that one statement has one contract.
"""

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.money.cycle import BEGINNING, FOREVER, Cycle, Length
from everycent.flow.parties.contract import CONTRACT_PERIOD
from everycent.flow.settlement.contract import AGREED
from everycent.flow.settlement.core.plan import SettlementPlan, StatementRole

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
_PERIODS = pa.schema(
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
    texts = pc.unique(contracts["cycle"]).to_pylist()
    cycles = pa.table([list(column) for column in zip(*_cycles(roles, texts), strict=True)], schema=_CYCLES)
    return engine.query(_AGREED_SQL, contracts=contracts, cycles=cycles).cast(AGREED)


def _cycles(roles: tuple[StatementRole, ...], texts: list[str]) -> list[tuple[str, str, str, int]]:
    """By role and cycle, how its periods gather days, and how many days after a period's last day it closes."""
    found = []
    for role in roles:
        for text in texts:
            cycle = Cycle.parse(text)
            found.append((role.role, text, cycle.gathers, cycle.closes_after(role.ready_after)))
    return found


#: Words that a contract does not have are not there, so the model's stand.
_AGREED_SQL = """
    SELECT party_id, since, until, gathers, closes_after, mode, CAST(json_merge_patch('{}', json_object(
        'contract', contract_no, 'revision', revision, 'cycle', cycle, 'mode', mode, 'negative', negative,
        'reserve_ratio', rtrim(rtrim(CAST(reserve_ratio AS VARCHAR), '0'), '.'),
        'reserve_days', CASE WHEN reserve_ratio IS NOT NULL
            THEN (coalesce(reserve_release_seconds, 0) + 86399) // 86400 END,
        'minimum_minor', nullif(CAST(minimum_payout_minor AS JSON), CAST('{}' AS JSON)),
        'silent_days', silent_days, 'invoice', invoice, 'charge_groups', CAST(charge_groups AS JSON)
        )) AS VARCHAR) AS agreed
    FROM contracts JOIN cycles USING (role, cycle)
    ORDER BY party_id, since
"""


def agreed_days(plan: SettlementPlan, pairs: pa.Table, engine: LocalEngine) -> pa.Table:
    """AGREED_DAY rows for those of `pairs` (party_id, booked_on; each once) on which a contract holds. Raises
    PastTheCalendar."""
    if plan.agreed.num_rows == 0 or pairs.num_rows == 0:
        return AGREED_DAY.empty_table()
    cycles = {text: Cycle.parse(text, plan.calendars) for text in pc.unique(plan.agreed["gathers"]).to_pylist()}
    periods: list[tuple[object, ...]] = []
    for row in engine.query(_GATHERED_SQL, agreed=plan.agreed, pairs=pairs).to_pylist():
        text, day = row["gathers"], row["booked_on"]
        if cycles[text].length is not Length.EVENT:
            period = cycles[text].period(day)
            periods.append((text, day, period.label, period.first, period.last))
    columns = [list(column) for column in zip(*periods, strict=True)] if periods else [[] for _ in _PERIODS.names]
    table = pa.table(columns, schema=_PERIODS)
    found = engine.query(_DAYS_SQL, agreed=plan.agreed, pairs=pairs, periods=table, turns=plan.turns)
    return found.cast(AGREED_DAY)


_HELD = """
    pairs JOIN agreed ON agreed.party_id = pairs.party_id AND since <= pairs.booked_on
        AND (until IS NULL OR pairs.booked_on < until)
"""
_GATHERED_SQL = f"SELECT DISTINCT gathers, booked_on FROM {_HELD} ORDER BY gathers, booked_on"
#: What ends a turn is not known as it begins, so the name of a period of it has only what is: its first day, the turn,
#: and the contract's own last day where it says one.
_DAYS_SQL = f"""
    WITH held AS (
        SELECT pairs.party_id, pairs.booked_on, mode, closes_after, agreed, gathers, since, until
        FROM {_HELD}
    ), whole AS (
        SELECT held.*, label, first, last, false AS by_event FROM held JOIN periods USING (gathers, booked_on)
        UNION ALL
        SELECT held.*, coalesce(turn, 'E1'), coalesce(first, DATE '{BEGINNING}'), coalesce(last, DATE '{FOREVER}'), true
        FROM held LEFT JOIN turns ON turns.party_id = held.party_id AND held.booked_on BETWEEN first AND last
        WHERE starts_with(gathers, 'until ')
    )
    SELECT party_id, booked_on, mode,
        CASE WHEN by_event THEN concat_ws('..', strftime(cut_first, '%Y-%m-%d'), label,
                strftime(CAST(until - 1 AS DATE), '%Y-%m-%d'))
            WHEN cut_first = first AND cut_last = last THEN label
            ELSE strftime(cut_first, '%Y-%m-%d') || '..' || strftime(cut_last, '%Y-%m-%d') END AS period,
        cut_first AS period_first, cut_last AS period_last,
        CAST(cut_last + CASE WHEN cut_last = DATE '{FOREVER}' THEN 1 ELSE closes_after END AS DATE) AS closes_on, agreed
    FROM (
        SELECT *, greatest(first, since) AS cut_first,
            least(last, coalesce(CAST(until - 1 AS DATE), last)) AS cut_last
        FROM whole
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
