"""A small market, stored row by row as the contracts say, each sum worked out here in plain Python.

Six items sold by two merchants (coupons shared by the platform and a brand), one of them half refunded a week later;
the first week is closed and paid.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.base.platform.batches import open_batch, seal_sql
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.intake.contract import QUARANTINE, RECORD
from everycent.flow.rating.contract import CHARGE, SNAPSHOT
from everycent.flow.settlement.contract import SideEnd
from everycent.flow.settlement.service import settle
from everycent.proof.recon.contract import REFUSED, SIDE
from everycent.proof.recon.core.dimensions import TotalPlan
from everycent.proof.recon.core.matching.plan import plan_match
from everycent.proof.recon.rules import MatchRuleSpec
from everycent.proof.recon.service import ReconPlan, SideRows, run

SPACE = UUID(int=7)
SOLD, REFUND_DAY = date(2026, 3, 3), date(2026, 3, 10)
WEEKS = {
    SOLD: ("2026-W10", date(2026, 3, 2), date(2026, 3, 8)),
    REFUND_DAY: ("2026-W11", date(2026, 3, 9), date(2026, 3, 15)),
}
MONTH = ("2026-03", date(2026, 3, 1), date(2026, 3, 31))
BODY = pa.struct([("order_id", pa.string()), ("price", pa.int64()), ("coupon", pa.int64())])
FACTORS = pa.struct([("rate", pa.decimal128(18, 4))])
MODEL = """
model: market
calendar: {time_zone: Asia/Shanghai}
charges:
  goods: {for: item_sold, amount: price - coupon, debtor: platform, creditor: merchant}
  commission: {for: item_sold, amount: 'greatest(price * rate, 0.30)', round: half_even, on_refund: return}
  coupon:
    for: item_sold
    rules:
      - {name: large, when: "coupon > 5", amount: coupon}
factors:
  rate: {table: rates.csv, key: [category]}
records:
  item_sold: {columns: {order_id: text, price: money, coupon: {type: money, from: c}}}
  item_refunded: {columns: {order_id: text, price: money, coupon: money}}
"""


@dataclass
class Market:
    """The stored market, and ways to look at it."""

    database: Any
    details: Details
    engine: LocalEngine

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self.database.connection.execute(query, values or None)
        return cursor.fetchall() if cursor.description else []


def record_id(key: str) -> UUID:
    return uuid5(SPACE, key)


def content_hash(body: dict[str, Any]) -> UUID:
    """As flow/intake/core/identity.py says it: name, length, text, of each column by name."""
    said = "".join(f"{name}\x1f{len(str(value).encode())}\x1f{value}\x1e" for name, value in sorted(body.items()))
    return UUID(sha256(said.encode()).hexdigest()[:32])


@pytest.fixture(params=["postgres", "lake"])
def market(request: pytest.FixtureRequest, store_market: Callable[[int], Market]) -> Market:
    """The market in either tier."""
    return store_market(1 if request.param == "lake" else 1_000_000)


@pytest.fixture
def hot_market(store_market: Callable[[int], Market]) -> Market:
    """The market in PostgreSQL."""
    return store_market(1_000_000)


@pytest.fixture
def lake_market(store_market: Callable[[int], Market]) -> Market:
    """The market in the lake."""
    return store_market(1)


@pytest.fixture
def store_market(
    databases: Any, stored: Callable[[int], tuple[str, Path]], engine: LocalEngine, tmp_path: Path
) -> Iterator[Callable[[int], Market]]:
    """The market of a tier in a database and a lake of the test's own."""
    with ExitStack() as held:

        def copied(lake_from_rows: int) -> Market:
            name, lake_dir = stored(lake_from_rows)
            database = held.enter_context(databases.opened(tmp_path / "market", copy_of=name))
            if lake_dir.exists():
                shutil.copytree(lake_dir, database.settings.lake_dir)
            return Market(database, replace_limit(database.details, lake_from_rows), engine)

        yield copied


@pytest.fixture(scope="session")
def stored(databases: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], tuple[str, Path]]]:
    """The market of either tier, stored once: the name of its database, which nobody is connected to, and its lake."""
    made: dict[int, tuple[str, Path]] = {}
    with ExitStack() as held:

        def of(lake_from_rows: int) -> tuple[str, Path]:
            if lake_from_rows not in made:
                folder = tmp_path_factory.mktemp("stored")
                database = held.enter_context(databases.opened(folder))
                with LocalEngine(1, 512, folder / "spill") as engine:
                    _store(Market(database, replace_limit(database.details, lake_from_rows), engine))
                made[lake_from_rows] = (database.connection.info.dbname, database.settings.lake_dir)
                database.connection.close()
            return made[lake_from_rows]

        yield of


def _store(market: Market) -> None:
    market.sql(
        f"""INSERT INTO platform.model_version
            (tenant, model, model_version, source, files, decision_tables, recorded_at, seal)
        SELECT t.*, {seal_sql("t")} FROM (SELECT 'default' AS tenant, 'market' AS model, 'v1' AS model_version,
            %s AS source, '{{}}'::jsonb AS files, '{{}}'::jsonb AS decision_tables, now() AS recorded_at) AS t""",
        MODEL,
    )
    owed: list[dict[str, Any]] = []
    _store_batch(market, "item_sold", _sales(), owed)
    _store_batch(market, "item_refunded", _refunds(owed), owed)
    _settle(market, owed)
    _reconcile(market)


def replace_limit(details: Details, lake_from_rows: int) -> Details:
    return Details(details.connection, details.lake_dir, details.tenant, lake_from_rows)


def _sales() -> list[dict[str, Any]]:
    records = []
    for n in range(1, 7):
        price, coupon, merchant = 10_000 + 101 * n, 1_000, f"merchant:m-{n % 2 + 1}"
        fee = (price * 5 + 50) // 100
        owes = [
            ("goods", 0, "platform", merchant, price - coupon),
            ("commission", 0, merchant, "platform", fee),
            ("coupon", 0, "platform", merchant, 600),
            ("coupon", 1, "brand:b-1", merchant, 400),
        ]
        records.append(_record("item_sold", f"A{n}/1", n, SOLD, None, price, coupon, owes))
    return records


def _refunds(owed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Half of A2; its commission is returned whole."""
    of = record_id("item_sold:A2/1")
    owes = [
        (row["charge"], row["bearer"], row["debtor"], row["creditor"],
         -row["amount_minor"] if row["charge"] == "commission" else -(row["amount_minor"] // 2))
        for row in owed if row["record_id"] == of
    ]  # fmt: skip
    return [_record("item_refunded", "R1", 1, REFUND_DAY, of, 5_101, 0, owes)]


def _record(
    kind: str, key: str, line: int, day: date, of: UUID | None, price: int, coupon: int, owes: list[tuple[Any, ...]]
) -> dict[str, Any]:
    ident = record_id(f"{kind}:{key}")
    body = {"order_id": key.partition("/")[0], "price": price, "coupon": coupon}
    return {
        "record_id": ident, "kind": kind, "key": key,
        "occurred_at": datetime(day.year, day.month, day.day, 9, tzinfo=UTC),
        "business_date": day, "booked_on": day, "refund_of": of, "amount_minor": price,
        "content_hash": content_hash(body), "source_file": f"{kind}.csv", "source_line": line + 1,
        "body": body, "owes": owes,
    }  # fmt: skip


def _store_batch(market: Market, kind: str, records: list[dict[str, Any]], owed: list[dict[str, Any]]) -> None:
    obligations = [_obligation(record, *row) for record in records for row in record["owes"]]
    quarantine = [
        {"source_file": f"{kind}.csv", "source_line": 99, "outcome": outcome, "reason": "r", "kind": kind, "key": None,
         "record_id": None, "raw": "{}"} for outcome in ("duplicate", "quarantined")
    ]  # fmt: skip
    batch = open_batch(market.details, "market", "v1", kind, f"{kind}.csv", 0, f"hash of {kind}")
    batch.write(RECORD, pa.Table.from_pylist(records, RECORD.with_body(BODY)))
    batch.write(QUARANTINE, pa.Table.from_pylist(quarantine, QUARANTINE.columns))
    batch.write(CHARGE, pa.Table.from_pylist(_charges(obligations), CHARGE.columns))
    if kind == "item_sold":
        snapshots = [{"record_id": record["record_id"], "body": {"rate": Decimal("0.05")}} for record in records]
        batch.write(SNAPSHOT, pa.Table.from_pylist(snapshots, SNAPSHOT.with_body(FACTORS)))
    batch.write(OBLIGATION, pa.Table.from_pylist(obligations, OBLIGATION.columns))
    counts = {
        "rows_read": len(records) + 2,
        "accepted": len(records),
        "duplicates": 1,
        "conflicts": 0,
        "quarantined": 1,
    }
    batch.commit(counts, lambda connection, batch_no: _post(connection, batch_no, obligations))
    owed += obligations


def _charges(obligations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    charges: dict[tuple[UUID, str], dict[str, Any]] = {}
    for row in obligations:
        key = (row["record_id"], row["charge"])
        if key in charges:
            charges[key]["amount_minor"] += row["amount_minor"]
        else:
            apportioned = row["charge"] == "coupon"
            rule = "large" if apportioned else row["charge"]
            charges[key] = row | {"rule": rule, "debtor": None if apportioned else row["debtor"]}
    return list(charges.values())


def _obligation(
    record: dict[str, Any], charge: str, bearer: int, debtor: str, creditor: str, amount: int
) -> dict[str, Any]:
    day = record["booked_on"]
    return {
        "record_id": record["record_id"], "charge": charge, "bearer": bearer, "debtor": debtor, "creditor": creditor,
        "amount_minor": amount, "currency": "CNY", "legal_entity": "market-sh", "booked_on": day,
        "refund_of": record["refund_of"], "debtor_statement": _statement_id(debtor, day),
        "creditor_statement": _statement_id(creditor, day),
    }  # fmt: skip


def _period(party: str, day: date) -> tuple[str, date, date]:
    return MONTH if party.startswith("brand:") else WEEKS[day]


def _statement_id(party: str, day: date) -> str | None:
    return None if party == "platform" else f"market/{party}/{_period(party, day)[0]}/CNY/market-sh"


def _account(party: str, charge: str) -> str:
    return f"operator/market-sh/{charge}" if party == "platform" else f"party/{party}"


def _post(connection: Any, batch_no: int | None, obligations: list[dict[str, Any]]) -> None:
    moved: dict[tuple[date, str, str], int] = defaultdict(int)
    for row in obligations:
        ends = [_account(row["debtor"], row["charge"]), _account(row["creditor"], row["charge"])]
        debit, credit = ends if row["amount_minor"] > 0 else ends[::-1]
        moved[row["booked_on"], debit, credit] += abs(row["amount_minor"])
    transfers = [(uuid5(SPACE, f"{batch_no}{key}"), *key, amount) for key, amount in moved.items() if amount]
    for transfer in transfers:
        _transfer(connection, batch_no, *transfer)


def _transfer(
    connection: Any, batch_no: int | None, ident: UUID, day: date, debit: str, credit: str, amount: int
) -> None:
    connection.execute(
        "INSERT INTO ledger.transfer (tenant, model, batch_no, transfer_id, booked_on, debit_account, credit_account,"
        " amount_minor, currency, cause) VALUES ('default', 'market', %s, %s, %s, %s, %s, %s, 'CNY', %s)",
        (batch_no, ident, day, debit, credit, amount, "obligations" if batch_no else f"instruction {ident}"),
    )
    for account, debits, credits in ((debit, amount, 0), (credit, 0, amount)):
        connection.execute(
            "INSERT INTO ledger.account AS a (tenant, model, account, currency, booked_on, debits_minor, credits_minor)"
            " VALUES ('default', 'market', %s, 'CNY', %s, %s, %s)"
            " ON CONFLICT (tenant, model, account, currency, booked_on, stripe) DO UPDATE"
            " SET debits_minor = a.debits_minor + excluded.debits_minor,"
            " credits_minor = a.credits_minor + excluded.credits_minor",
            (account, day, debits, credits),
        )


def _settle(market: Market, owed: list[dict[str, Any]]) -> None:
    """Statements of all parties; the first week's and the brand's are closed and paid."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in owed:
        for end, side in (("creditor", 0), ("debtor", 1)):
            if row[end] != "platform":
                entry = sums[row[f"{end}_statement"], row[end]]
                entry[side] += row["amount_minor"]
                entry[2] += 1
    connection = market.database.connection
    for (statement, party), (payable, receivable, ends) in sums.items():
        period = statement.split("/")[-3]
        _, first, last = MONTH if period == MONTH[0] else next(week for week in WEEKS.values() if week[0] == period)
        closed, gross = period != "2026-W11", party.startswith("brand")
        role, _, key = party.partition(":")
        connection.execute(
            "INSERT INTO parties.party VALUES ('default', 'market', %s, %s, %s, 1) ON CONFLICT DO NOTHING",
            (party, role, key),
        )
        connection.execute(
            "INSERT INTO settlement.statement (tenant, model, statement_id, party_id, role, period, period_first,"
            " period_last, closes_on, currency, legal_entity, mode, payable_minor, receivable_minor, obligations,"
            " state,"
            " closed_as_of) VALUES ('default', 'market', %s, %s, %s, %s, %s, %s, %s, 'CNY', 'market-sh', %s, %s, %s,"
            " %s,"
            " %s, %s)",
            (statement, party, role, period, first, last, date(2026, 4, 1), "gross" if gross else "net",
             payable, receivable, ends, "closed" if closed else "open", date(2026, 4, 1) if closed else None),
        )  # fmt: skip
        if closed:
            sides = [("payable", payable), ("receivable", -receivable)] if gross else [("net", payable - receivable)]
            for side, due in sides:
                _instruct(connection, statement, party, side, due)
    _tell_lives(connection)
    zero = connection.execute("SELECT statement_id, side FROM payments.instruction_statement WHERE outcome = 'zero'")
    said = ("without payment", "settled without payment")
    settle(connection, "default", "market", [SideEnd(*side, True, *said) for side in zero], date(2026, 4, 1))
    connection.execute(
        "INSERT INTO ledger.account_limit SELECT tenant, model, account, currency, -1000000, NULL, sum(debits_minor),"
        " sum(credits_minor), 0, 0 FROM ledger.account WHERE account = 'party/brand:b-1' GROUP BY 1, 2, 3, 4"
    )


def _tell_lives(connection: Any) -> None:
    """Of the closed statements, the second merchant's was confirmed and approved, the others waited for nothing."""
    connection.execute(
        """
        UPDATE settlement.statement SET confirms = true, approve = '[{"by": "operations"}, {"by": "finance"}]',
            state = 'approved', approval_id = '00000000-0000-0000-0000-00000000000a', moves = 4
        WHERE party_id = 'merchant:m-2' AND state = 'closed';
        UPDATE settlement.statement SET released_as_of = closed_as_of WHERE state <> 'open';
        UPDATE settlement.statement SET moves = 1 WHERE state = 'closed';
        INSERT INTO settlement.statement_move
            (tenant, model, statement_id, move_no, move, from_state, to_state, person, as_of)
        SELECT tenant, model, statement_id, move_no, move, from_state, to_state, person, closed_as_of
        FROM settlement.statement JOIN (VALUES
            (1, 'close', 'open', 'closed', 'everycent'), (2, 'confirm', 'closed', 'confirmed', 'ann'),
            (3, 'approve', 'confirmed', 'approved', 'cid'), (4, 'release', 'approved', 'approved', 'cid')
        ) AS made (move_no, move, from_state, to_state, person) ON move_no <= moves;
        INSERT INTO approvals.request (tenant, model, request_id, kind, subject_id, digest, amount_minor, currency,
            requested_by, levels, state, recorded_at, finished_at)
        SELECT tenant, model, approval_id, 'statement', statement_id, 'd', abs(net_minor), currency, 'ann',
            '[{"group": "operations"}, {"group": "finance"}]', 'approved', now(), now()
        FROM settlement.statement WHERE state = 'approved';
        INSERT INTO approvals.decision (tenant, model, request_id, level, person, yes, recorded_at)
        SELECT tenant, model, request_id, level, person, true, now()
        FROM approvals.request, (VALUES (1, 'bob'), (2, 'cid')) AS said (level, person)
        """
    )


def _instruct(connection: Any, statement: str, party: str, side: str, due: int) -> None:
    ident = uuid5(SPACE, f"pay {statement} {side}") if due else None
    if ident is not None:
        connection.execute(
            "INSERT INTO payments.instruction (tenant, model, instruction_id, party_id, role, legal_entity, currency,"
            " direction, amount_minor, channel, as_of, account, state, seal) VALUES ('default', 'market', %s, %s, %s,"
            " 'market-sh',"
            " 'CNY', %s, %s, 'bank_file', '2026-04-01', '62220001', 'created', gen_random_uuid())",
            (ident, party, party.partition(":")[0], "pay" if due > 0 else "collect", abs(due)),
        )
        connection.execute("UPDATE payments.instruction t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid")
        ends = [f"party/{party}", "channel/bank_file"]
        debit, credit = ends if due > 0 else ends[::-1]
        _transfer(connection, None, ident, date(2026, 4, 1), debit, credit, abs(due))
    connection.execute(
        "INSERT INTO payments.instruction_statement VALUES ('default', 'market', %s, %s, %s, %s, %s, '2026-04-01')",
        (statement, side, due, "instructed" if due else "zero", ident),
    )


def _reconcile(market: Market) -> None:
    def side(*rows: tuple[str, int]) -> SideRows:
        given = [
            {"source_file": "f", "source_line": n, "key": key, "amount_minor": amount, "status": None}
            for n, (key, amount) in enumerate(rows)
        ]
        return SideRows(pa.Table.from_pylist(given, SIDE), REFUSED.empty_table(), 0)

    plan = ReconPlan("bill", 1, left_sums=False, right_sums=False, compares_status=False)
    left, right = side(("A", 5), ("B", 7), ("C", 9)), side(("A", 5), ("B", 8), ("D", 4))
    run(market.database.connection, market.engine, "default", "market", "CNY", plan, left, right)
    rules = (MatchRuleSpec.model_validate({"key": {"may_differ": "amount"}}),)
    found = plan_match("ruled", rules, currency("CNY"), {})
    total = TotalPlan((), 0, "CNY")
    ruled = ReconPlan("ruled", 0, False, False, False, found, "rules", one_way=True, total=total)
    left, right = side(("E", 500), ("G", 300), ("G", 300), ("H", 1)), side(("E", 490), ("G", 400), ("J", 2))
    run(market.database.connection, market.engine, "default", "market", "CNY", ruled, left, right)
