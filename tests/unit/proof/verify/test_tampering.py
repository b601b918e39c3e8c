"""Whatever is changed behind the house's back is named: in hot rows, lake files, decided rows and the manifest."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from forger import reseal

from everycent.proof.verify import service
from everycent.proof.verify.contract import Verdict
from everycent.proof.verify.core import (
    accounts,
    booked,
    corrected,
    invoices,
    lines,
    non_order,
    ordered,
    profit_sharing,
    receipts,
    vouchers,
)
from everycent.proof.verify.core.ledger import ORDERED_POSTED
from everycent.proof.verify.core.recon import (
    BUCKET_CURRENCIES,
    ENTRIES,
    ENTRY_ACCOUNTS,
    FINDING_CURRENCIES,
    PAYOUTS,
)
from everycent.proof.verify.core.recon import CARRIED as CUT_CARRIED
from everycent.proof.verify.manifest import check_hot_parts, check_lake, check_seals
from everycent.proof.verify.service import verify
from everycent.proof.verify.tables import each_slice

HOT_TABLES = (
    "intake.record", "intake.quarantine", "rating.charge", "rating.held_charge", "rating.snapshot",
    "clearing.obligation", "rating.retry", "rating.retry_snapshot",
)  # fmt: skip

#: Nothing is held in this market, so nothing is rated again.
NOT_HERE = {"rating.held_charge", "rating.retry", "rating.retry_snapshot"}

#: Nothing is booked, paid out or carried from day to day here (test_entries.py, tests/story/test_payouts_and_sides.py,
#: test_carried_over.py), and nothing is cleared in order in this
#: market: tests/unit/flow/pipeline/test_in_order.py shows those.
IN_ORDER = {*(rule.name for rule in (*ordered.RULES, *corrected.RULES)), ORDERED_POSTED.name}
IN_ORDER |= {rule.name for rule in lines.RULES}  # nothing is handed on: tests/unit/flow/settlement/test_handing_on.py
IN_ORDER |= {rule.name for rule in invoices.RULES}  # nothing is invoiced: tests/unit/flow/settlement/test_invoices.py
IN_ORDER |= {rule.name for rule in accounts.RULES}  # nobody has a payout account: test_accounts.py
IN_ORDER |= {rule.name for rule in receipts.RULES}  # nothing is on account: tests/unit/flow/payments/test_receipts.py
IN_ORDER |= {rule.name for rule in profit_sharing.RULES}  # nothing is shared: tests/simulation/test_sharing.py
IN_ORDER |= {rule.name for rule in (CUT_CARRIED, ENTRIES, ENTRY_ACCOUNTS, PAYOUTS, *booked.RULES)}
IN_ORDER |= {FINDING_CURRENCIES.name, BUCKET_CURRENCIES.name}  # one currency: recon/breaks/test_in_their_currencies.py
IN_ORDER |= {rule.name for rule in non_order.RULES}  # nobody is fined: tests/unit/flow/non_order/test_life.py
IN_ORDER |= {rule.name for rule in vouchers.RULES}  # no vouchers are made: tests/unit/flow/ledger/test_vouchers.py
#: Nothing is sealed here either: test_sealed.py.
IN_ORDER |= {
    "each sealed transfer is as it was sealed",
    "each seal of the ledger has the root of its transfers, chained to the one before",
}

CHARGED_HERE = "each charge is of a record of the same batch, or was released in its batch"
CONTENT = "each record's content gives its content hash"
SEALED = "each sealed row is as it was written"
LISTED = "each batch's hot rows are those it listed"
RECONCILED = "each reconciliation's rows are those it found"
MATCHED = "each reconciliation's matches add up to their buckets"
NAMED = "what a sure match leaves has names"
DIMENSIONS = "each reconciliation's totals by dimension add up to both sides and to its details"
WAYS = "each match that is not sure has its ways, and no sure one has any"
CARRIED = "each charge's obligations add up to it, in its currency, on its date"
STATEMENT = "each statement is the sum of its obligations"
POSTED = "each batch posted its obligations, account by account"
PLACED = "each end of an obligation stands on its party's statement of its period"
PERIOD = "each statement's days are those that its period names"
OUTCOME = "each side of a released statement has its outcome, with its amount"
STOOD = "each statement stands where its moves led"
DATED = "each statement was closed and released on the days that its moves say"
SETTLED = "each statement is settled where its payments are made"
RELEASED = "each released statement was confirmed and approved as was frozen on it"
DECIDED_REQUEST = "each request stands where its decisions led"
OTHERS = "each level of a request is decided by another person, none of them who asked for it"
INSTRUCTED = "each instruction moves what its statements add up to, for their party"
ACCOUNTS = "each account's balance is the sum of its transfers"
BALANCES = "each party's balance is what its statements say and no instruction has moved"


def look(market: Any) -> Verdict:
    return verify(market.database.connection, market.details, market.engine, "default")


def found(market: Any) -> dict[str, str]:
    return {check.name: str(check.first_bad) for check in look(market).findings}


def found_by(rules: set[str], market: Any) -> dict[str, str]:
    """As `found`, by those alone of the verifier's rules that are so named, and by all that are no rule."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "RULES", tuple(rule for rule in service.RULES if rule.name in rules))
        return found(market)


@contextmanager
def undone(market: Any, tamper: str) -> Iterator[None]:
    """The tampering, and after it the market as it was."""
    with market.database.connection.transaction(force_rollback=True):
        market.sql(tamper)
        yield


A1 = "(SELECT record_id FROM intake.record WHERE key = 'A1/1')"
A2 = "(SELECT record_id FROM intake.record WHERE key = 'A2/1')"
ONE = f"record_id = {A1} AND charge = 'goods'"


def test_what_is_untouched_adds_up(market: Any) -> None:
    verdict = look(market)
    assert verdict.ok, verdict.findings
    assert {check.model for check in verdict.checks} == {"market"}
    looked_at = {check.name: check.rows for check in verdict.checks}
    assert looked_at[CARRIED] == 21 and looked_at[STATEMENT] == 4 and looked_at[INSTRUCTED] == 3
    assert not [name for name, rows in looked_at.items() if rows == 0 and "lake" not in name and "hot" not in name
                and "held" not in name and name not in IN_ORDER]  # fmt: skip


def test_looking_changes_nothing_and_leaves_nothing_behind(hot_market: Any) -> None:
    assert look(hot_market) == look(hot_market)
    assert hot_market.sql("SELECT count(*) FROM rating.charge") == [(21,)]


ALTERED_ROWS = [
    (f"UPDATE clearing.obligation SET amount_minor = amount_minor + 1 WHERE {ONE}", "clearing.obligation",
     {CARRIED, STATEMENT, POSTED}),
    (f"UPDATE clearing.obligation SET amount_minor = amount_minor - 1 WHERE {ONE}", "clearing.obligation",
     {CARRIED, STATEMENT, POSTED}),
    (f"UPDATE rating.charge SET amount_minor = amount_minor + 1 WHERE {ONE}", "rating.charge", {CARRIED}),
    (f"UPDATE rating.charge SET amount_minor = amount_minor - 1 WHERE {ONE}", "rating.charge", {CARRIED}),
    (f"UPDATE intake.record SET amount_minor = amount_minor + 1 WHERE record_id = {A1}", "intake.record", set()),
    (f"UPDATE intake.record SET body = body || '{{\"price\": 1}}' WHERE record_id = {A1}", "intake.record", {CONTENT}),
    (f"UPDATE intake.record SET body = body - 'coupon' WHERE record_id = {A1}", "intake.record", {CONTENT}),
    (f"UPDATE intake.record SET content_hash = record_id WHERE record_id = {A1}", "intake.record", {CONTENT}),
    (f"UPDATE rating.snapshot SET body = '{{\"rate\": 0.06}}' WHERE record_id = {A1}", "rating.snapshot", set()),
    ("UPDATE intake.quarantine SET reason = 'fine' WHERE outcome = 'duplicate'", "intake.quarantine", set()),
    (f"UPDATE clearing.obligation SET currency = 'USD' WHERE {ONE}", "clearing.obligation", {CARRIED, PLACED}),
    (f"UPDATE clearing.obligation SET creditor = 'merchant:m-1' WHERE {ONE}", "clearing.obligation",
     {"each obligation is between its charge's parties, in one currency", PLACED}),
    (f"UPDATE clearing.obligation SET creditor = 'merchant:m-9' WHERE {ONE}", "clearing.obligation",
     {"each end of an obligation is a known party or the operator"}),
    (f"UPDATE clearing.obligation SET booked_on = '2026-03-10' WHERE {ONE}", "clearing.obligation",
     {CARRIED, PLACED, POSTED}),
    # moved to the same party's other statement, to another party's, to none, to one that is not there
    (f"UPDATE clearing.obligation SET creditor_statement = replace(creditor_statement, 'W10', 'W11') WHERE record_id"
     f" = {A2}"
     " AND charge = 'goods'", "clearing.obligation", {PLACED, STATEMENT}),
    (f"UPDATE clearing.obligation SET creditor_statement = replace(creditor_statement, 'm-2', 'm-1') WHERE {ONE}",
     "clearing.obligation", {PLACED, STATEMENT}),
    (f"UPDATE clearing.obligation SET creditor_statement = NULL WHERE {ONE}", "clearing.obligation",
     {PLACED, STATEMENT}),
    (f"UPDATE clearing.obligation SET creditor_statement = 'x' WHERE {ONE}", "clearing.obligation",
     {PLACED, STATEMENT}),
    # pairs that compensate: within a charge, between two records, in charge and obligation alike
    (f"UPDATE clearing.obligation SET amount_minor = amount_minor + 1 - 2 * bearer WHERE record_id = {A1} AND charge"
     f" = 'coupon'",
     "clearing.obligation", {STATEMENT, POSTED}),
    (f"UPDATE clearing.obligation SET amount_minor = amount_minor + CASE record_id WHEN {A1} THEN 1 ELSE -1 END"
     " WHERE charge = 'goods' AND record_id IN (SELECT record_id FROM intake.record WHERE key IN ('A1/1', 'A3/1'))",
     "clearing.obligation", {CARRIED}),
    (f"UPDATE rating.charge SET amount_minor = amount_minor + CASE record_id WHEN {A1} THEN 1 ELSE -1 END"
     " WHERE charge = 'goods' AND record_id IN (SELECT record_id FROM intake.record WHERE key IN ('A1/1', 'A3/1'))",
     "rating.charge", {CARRIED}),
    (f"UPDATE clearing.obligation SET amount_minor = amount_minor + CASE charge WHEN 'goods' THEN 1 ELSE -1 END"
     f" WHERE record_id = {A1} AND charge IN ('goods', 'commission')", "clearing.obligation", {CARRIED, STATEMENT}),
    (f"UPDATE clearing.obligation SET amount_minor = amount_minor + 1 WHERE {ONE};"
     f" UPDATE rating.charge SET amount_minor = amount_minor + 1 WHERE {ONE}", "rating.charge", {STATEMENT, POSTED}),
    ("UPDATE clearing.obligation SET amount_minor = amount_minor * 3 WHERE refund_of IS NOT NULL;"
     " UPDATE rating.charge SET amount_minor = amount_minor * 3 WHERE refund_of IS NOT NULL", "rating.charge",
     {"refunds give back at most what was charged, between the same parties", STATEMENT}),
    # rows that are gone, and rows too many
    (f"DELETE FROM clearing.obligation WHERE {ONE}", None, {CARRIED, STATEMENT, POSTED}),
    (f"DELETE FROM rating.charge WHERE {ONE}", None, {CARRIED}),
    (f"DELETE FROM rating.charge WHERE {ONE}; DELETE FROM clearing.obligation WHERE {ONE}", None, {STATEMENT, POSTED}),
    (f"DELETE FROM rating.charge WHERE record_id = {A1}; DELETE FROM clearing.obligation WHERE record_id = {A1}", None,
     {"each record of a kind that is charged has a charge or a held charge", STATEMENT}),
    (f"DELETE FROM intake.record WHERE record_id = {A1}", None,
     {"each batch's counts are its stored rows", CHARGED_HERE}),
    (f"DELETE FROM intake.record WHERE record_id = {A2}", None, {"each refund is of a record that is there"}),
    (f"DELETE FROM rating.snapshot WHERE record_id = {A1}", None, set()),
    ("DELETE FROM intake.quarantine WHERE outcome = 'duplicate'", None, {"each batch's counts are its stored rows"}),
]  # fmt: skip

NEW = '{"record_id": "00000000-0000-0000-0000-000000000001"}'


def doubled(table: str, change: str, where: str) -> str:
    """A row once more, with another key and the seal that belongs to it."""
    row = f"to_jsonb(t) || '{change}'"
    seal = f"jsonb_build_object('seal', md5((({row}) - 'seal')::text)::uuid)"
    again = f"(jsonb_populate_record(NULL::{table}, {row} || {seal})).*"
    return f"INSERT INTO {table} SELECT {again} FROM {table} t WHERE {where}"


OWED = {CARRIED, STATEMENT, POSTED}
COUNTED = {"each batch's counts are its stored rows"}
DOUBLED_ROWS = [
    (doubled("clearing.obligation", '{"bearer": 5}', ONE), None, OWED),
    (doubled("clearing.obligation", '{"charge": "again"}', ONE), None, OWED),
    (doubled("clearing.obligation", NEW, ONE), None, OWED),
    (doubled("rating.charge", '{"charge": "again"}', ONE), None, {CARRIED}),
    (doubled("rating.charge", NEW, ONE), None, {CARRIED, CHARGED_HERE}),
    (doubled("intake.record", NEW, f"record_id = {A1}"), None, COUNTED),
    (doubled("intake.record", NEW[:-1] + ', "batch_no": 77}', f"record_id = {A1}"), None, COUNTED),
]  # fmt: skip


def test_a_hot_row_is_named_by_its_seal_or_its_batch(hot_market: Any) -> None:
    connection = hot_market.database.connection
    for tamper, sealed, _ in ALTERED_ROWS + DOUBLED_ROWS:
        with undone(hot_market, tamper):
            named = str(check_seals(connection, "default", "market").first_bad)
            listed = check_hot_parts(connection, "default", "market")
            assert sealed in named if sealed is not None else not listed.ok, f"{tamper}: {named}"


def test_a_forger_who_also_reseals_is_given_away_by_the_sums(hot_market: Any) -> None:
    for tamper, _, sums in ALTERED_ROWS + DOUBLED_ROWS:
        if sums:
            with undone(hot_market, tamper):
                reseal(hot_market.database.connection, HOT_TABLES)
                names = found_by(sums, hot_market)
                assert SEALED not in names
                assert sums <= set(names), f"{tamper}: {names}"


@pytest.mark.parametrize("each", [10, pytest.param(1, marks=pytest.mark.soak)])
def test_slices_find_what_the_whole_finds(hot_market: Any, monkeypatch: pytest.MonkeyPatch, each: int) -> None:
    """More rows than memory holds are looked at slice by slice. One of so many tamperings."""
    tampers = [tamper for tamper, _, sums in ALTERED_ROWS + DOUBLED_ROWS if sums][::each]
    for tamper in ["SELECT 1", *tampers]:
        with undone(hot_market, tamper):
            reseal(hot_market.database.connection, HOT_TABLES)
            whole = {check.name: (check.rows, check.bad) for check in look(hot_market).checks}
            with monkeypatch.context() as patch:
                patch.setattr(service, "each_slice", lambda engine, by, _: each_slice(engine, by, 3))
                sliced = {check.name: (check.rows, check.bad) for check in look(hot_market).checks}
            assert sliced == whole, tamper


def test_it_tells_how_many_of_its_checks_are_made(hot_market: Any) -> None:
    told: list[tuple[str, int, int | None]] = []
    verdict = verify(
        hot_market.database.connection,
        hot_market.details,
        hot_market.engine,
        "default",
        None,
        lambda *at: told.append(at),
    )
    total = len(verdict.checks)
    assert told == [("verifying market", made, total) for made in range(total + 1)]


DECIDED = [
    ("UPDATE settlement.statement SET payable_minor = payable_minor + 1 WHERE period = '2026-W11'",
     {STATEMENT, BALANCES}),
    ("UPDATE settlement.statement SET receivable_minor = receivable_minor - 1 WHERE period = '2026-W11'", {STATEMENT}),
    ("UPDATE settlement.statement SET payable_minor = payable_minor + 1, receivable_minor = receivable_minor + 1"
     " WHERE period = '2026-W11'", {STATEMENT}),
    ("UPDATE settlement.statement SET payable_minor = payable_minor + CASE party_id WHEN 'merchant:m-1' THEN 1 ELSE"
     " -1 END"
     " WHERE period = '2026-W10'", {STATEMENT, OUTCOME}),
    ("UPDATE settlement.statement SET obligations = obligations + 1 WHERE period = '2026-W11'", {STATEMENT}),
    ("UPDATE settlement.statement SET period_first = period_first - 1 WHERE period = '2026-W11'", {PERIOD}),
    ("UPDATE settlement.statement SET period_last = period_last - 1 WHERE period = '2026-03'", {PERIOD}),
    ("UPDATE parties.party SET party_key = 'm-9' WHERE party_id = 'merchant:m-1'",
     {"each party is named after its role and its key"}),
    ("UPDATE settlement.statement SET party_id = 'merchant:m-2' WHERE period = '2026-W11'",
     {PLACED, "each statement is one party's, named after what it holds"}),
    ("UPDATE settlement.statement SET state = 'open', closed_as_of = NULL, released_as_of = NULL"
     " WHERE party_id = 'merchant:m-1'", {OUTCOME, STOOD}),
    ("UPDATE settlement.statement SET released_as_of = NULL WHERE party_id = 'merchant:m-1'", {OUTCOME, DATED}),
    ("UPDATE settlement.statement SET released_as_of = released_as_of + 1 WHERE state = 'approved'", {DATED}),
    ("UPDATE settlement.statement SET closed_as_of = closes_on + 1, released_as_of = closes_on + 1"
     " WHERE state <> 'open'", {DATED}),
    ("DELETE FROM settlement.statement_move WHERE move = 'approve'", {STOOD}),
    ("DELETE FROM settlement.statement_move WHERE move = 'confirm'", {STOOD, RELEASED}),
    ("UPDATE settlement.statement_move SET move = 'release' WHERE move = 'confirm'", {"each move of a statement is one"
     " that may be made", RELEASED}),
    ("UPDATE settlement.statement_move SET to_state = 'disputed' WHERE move = 'close'", {STOOD}),
    ("UPDATE settlement.statement SET approval_id = NULL WHERE state = 'approved'", {RELEASED}),
    ("UPDATE settlement.statement SET approval_id = gen_random_uuid() WHERE state = 'approved'", {RELEASED}),
    ("UPDATE approvals.request SET amount_minor = amount_minor + 1", {RELEASED}),
    ("UPDATE approvals.request SET subject_id = 'other'", {RELEASED}),
    ("UPDATE approvals.request SET levels = '[]'", {RELEASED, DECIDED_REQUEST}),
    ("UPDATE approvals.request SET state = 'refused'", {RELEASED, DECIDED_REQUEST}),
    ("DELETE FROM approvals.decision WHERE level = 1", {DECIDED_REQUEST}),
    ("UPDATE approvals.decision SET yes = false WHERE level = 1", {DECIDED_REQUEST}),
    ("UPDATE approvals.decision SET person = 'ann' WHERE level = 2", {OTHERS}),
    ("UPDATE approvals.decision SET on_behalf_of = 'bob' WHERE level = 2", {OTHERS}),
    ("DELETE FROM settlement.statement WHERE period = '2026-W11'", {PLACED, STATEMENT, BALANCES}),
    ("UPDATE payments.instruction SET amount_minor = amount_minor + 1 WHERE party_id = 'merchant:m-1'",
     {INSTRUCTED, BALANCES, "each instruction is posted, once"}),
    ("UPDATE payments.instruction SET amount_minor = amount_minor + CASE party_id WHEN 'merchant:m-1' THEN 1 ELSE -1"
     " END"
     " WHERE direction = 'pay'", {INSTRUCTED, BALANCES}),
    ("UPDATE payments.instruction SET account = '62229999' WHERE party_id = 'merchant:m-1'", {SEALED}),
    ("UPDATE payments.instruction SET account_name = 'M' WHERE party_id = 'merchant:m-1'", {SEALED}),
    ("UPDATE payments.instruction SET state = 'filed', file = 'f', filed_as_of = as_of", {SEALED}),
    ("UPDATE payments.instruction SET direction = 'collect' WHERE party_id = 'merchant:m-1'", {INSTRUCTED, BALANCES}),
    ("UPDATE payments.instruction SET party_id = 'merchant:m-2' WHERE party_id = 'merchant:m-1'",
     {INSTRUCTED, BALANCES}),
    ("UPDATE payments.instruction_statement SET amount_minor = amount_minor - 1 WHERE side = 'net'",
     {OUTCOME, INSTRUCTED}),
    ("DELETE FROM payments.instruction_statement WHERE statement_id LIKE '%m-1/2026-W10%'", {OUTCOME, INSTRUCTED}),
    ("UPDATE payments.instruction_statement SET outcome = 'zero', instruction_id = NULL WHERE statement_id LIKE"
     " '%m-1/%'",
     {INSTRUCTED, SETTLED, "sides settled without payment add up to nothing"}),
    ("UPDATE settlement.statement SET settled_sides = '{}'", {SETTLED}),
    ("UPDATE ledger.transfer SET amount_minor = amount_minor + 1 WHERE batch_no = 1 AND debit_account LIKE"
     " 'party/brand%'",
     {POSTED, ACCOUNTS}),
    ("UPDATE ledger.transfer SET amount_minor = amount_minor + 1 WHERE batch_no IS NULL AND debit_account LIKE '%m-1'",
     {"each instruction is posted, once", ACCOUNTS}),
    ("UPDATE ledger.transfer SET booked_on = booked_on + 1 WHERE batch_no = 2", {POSTED, ACCOUNTS}),
    ("DELETE FROM ledger.transfer WHERE batch_no = 2", {POSTED, ACCOUNTS}),
    ("INSERT INTO ledger.transfer SELECT tenant, model, batch_no, gen_random_uuid(), booked_on, debit_account,"
     " credit_account,"
     " amount_minor, currency, cause FROM ledger.transfer WHERE batch_no = 2 LIMIT 1", {POSTED, ACCOUNTS}),
    ("INSERT INTO ledger.transfer SELECT tenant, model, NULL, gen_random_uuid(), booked_on, debit_account,"
     " credit_account,"
     " amount_minor, currency, cause FROM ledger.transfer WHERE batch_no = 2 LIMIT 1",
     {"each instruction is posted, once", ACCOUNTS}),
    ("UPDATE ledger.account SET debits_minor = debits_minor + 1 WHERE account LIKE '%m-1'",
     {ACCOUNTS, BALANCES, "the trial balance is zero in each currency"}),
    ("UPDATE ledger.account SET credits_minor = credits_minor + 1, debits_minor = debits_minor + 1 WHERE account"
     " LIKE '%m-1'",
     {ACCOUNTS}),
    ("UPDATE ledger.account SET credits_minor = credits_minor + CASE account WHEN 'party/merchant:m-1' THEN 1 ELSE"
     " -1 END"
     " WHERE account IN ('party/merchant:m-1', 'party/merchant:m-2') AND booked_on ="
     " (SELECT min(booked_on) FROM ledger.account WHERE account = 'party/merchant:m-2' AND credits_minor > 0)",
     {ACCOUNTS, BALANCES}),
    ("DELETE FROM ledger.account WHERE account LIKE '%m-1'", {ACCOUNTS}),
    ("UPDATE ledger.account SET debits_pending_minor = 1 WHERE account LIKE '%m-1'", {ACCOUNTS}),
    ("UPDATE ledger.account_limit SET debits_minor = debits_minor + 1",
     {"a limited account's totals are those of the account"}),
    ("INSERT INTO ledger.transfer (tenant, model, transfer_id, booked_on, debit_account, credit_account, amount_minor,"
     " currency, cause, kind, settles) SELECT tenant, model, gen_random_uuid(), booked_on, debit_account,"
     " credit_account, amount_minor, currency, 'test', 'post_pending', transfer_id FROM ledger.transfer"
     " ORDER BY transfer_id LIMIT 1",
     {"what settles a pending transfer settles one, once, and not more than all of it", ACCOUNTS}),
    ("DELETE FROM parties.party WHERE party_id = 'brand:b-1'", {"each end of an obligation is a known party or the"
     " operator"}),
    ("UPDATE platform.batch SET rows_read = rows_read + 1, accepted = accepted + 1 WHERE batch_no = 1",
     {"each batch's counts are its stored rows"}),
    ("UPDATE platform.batch SET duplicates = 0, conflicts = 1 WHERE batch_no = 1",
     {"each batch's counts are its stored rows"}),
    ("ALTER TABLE platform.batch DROP CONSTRAINT batch_check; UPDATE platform.batch SET rows_read = 1 WHERE batch_no"
     " = 1",
     {"each row read ended as accepted, duplicate, conflict or quarantined"}),
    ("UPDATE platform.model_version SET source = replace(source, 'money', 'timestamp')", {CONTENT}),
    ("UPDATE platform.model_version SET source = replace(source, 'item_sold', 'item_bought')", {CONTENT}),
    ("UPDATE platform.model_version SET source = '{'", {CONTENT}),
    ("DELETE FROM platform.model_version", {CONTENT}),
    ("UPDATE platform.model_version SET source = source || '# a word more'", {SEALED}),
    ("UPDATE platform.model_version SET files = files || '{\"rates.csv\": \"0\"}'", {SEALED}),
    ("UPDATE platform.model_version SET decision_tables = '{\"rules.csv\": \"rate\"}'", {SEALED}),
    ("UPDATE platform.model_version SET recorded_at = recorded_at - interval '1 day'", {SEALED}),
    ("UPDATE platform.batch SET source_file = 'other.csv' WHERE batch_no = 1", {SEALED}),
    ("UPDATE platform.batch SET content_hash = 'x' WHERE batch_no = 1", {SEALED}),
    ("UPDATE platform.batch SET committed_at = committed_at - interval '1 day' WHERE batch_no = 1", {SEALED}),
    ("UPDATE platform.batch SET seal = NULL WHERE batch_no = 1", {SEALED}),
    ("UPDATE platform.batch_part SET kind = 'other' WHERE table_name = 'rating.charge' AND batch_no = 1", {SEALED}),
    ("UPDATE platform.batch_part SET digest = 'x' WHERE table_name = 'rating.charge'", {LISTED, SEALED}),
    ("UPDATE platform.batch_part SET rows = rows + 1 WHERE table_name = 'rating.charge'", {LISTED}),
    ("DELETE FROM platform.batch_part WHERE table_name = 'rating.charge' AND batch_no = 1", {LISTED}),
    ("UPDATE recon.run SET left_minor = left_minor + 1, difference_minor = difference_minor + 1",
     {"each reconciliation's buckets add up to both sides, without a residual"}),
    ("UPDATE recon.total SET left_minor = left_minor + 1, difference_minor = difference_minor + 1 WHERE bucket ="
     " 'equal'",
     {"what a reconciliation calls equal is equal"}),
    ("UPDATE recon.total SET left_rows = left_rows + 1 WHERE bucket = 'missing_right'",
     {"each reconciliation's breaks and write-offs add up to their buckets"}),
    ("SET LOCAL session_replication_role = replica; DELETE FROM recon.break WHERE key = 'C'",
     {"each reconciliation's breaks and write-offs add up to their buckets"}),
    ("UPDATE recon.run SET left_not_taken = left_not_taken + 1", {SEALED}),
    ("UPDATE recon.run SET digests = digests - 'recon.break'", {SEALED, RECONCILED}),
    ("UPDATE recon.total SET keys = keys + 1 WHERE bucket = 'equal'", {RECONCILED}),
    ("UPDATE recon.break SET left_line = 7", {RECONCILED}),
    ("UPDATE recon.break SET cause = 'missing_left' WHERE key = 'C'", {RECONCILED}),
    ("UPDATE recon.write_off SET right_file = 'other.csv'", {RECONCILED}),
    ("INSERT INTO recon.refused SELECT tenant, model, run_id, 'left', 'f', 1, 'why' FROM recon.run", {RECONCILED}),
    ("DELETE FROM recon.total WHERE bucket = 'within_tolerance'", {RECONCILED}),
    ("UPDATE recon.match SET amount_minor = amount_minor + 1 WHERE key = 'E' AND side = 'left'",
     {MATCHED, NAMED, RECONCILED}),
    ("UPDATE recon.match SET rows = rows + 1 WHERE key = 'G' AND side = 'right'", {MATCHED}),
    ("UPDATE recon.match SET label = 'unique' WHERE key = 'G'", {MATCHED, NAMED, WAYS}),
    ("UPDATE recon.total SET left_rows = left_rows + 1 WHERE bucket = 'matched'", {MATCHED}),
    ("DELETE FROM recon.match_difference", {NAMED, RECONCILED}),
    ("UPDATE recon.match_difference SET cause = 'fee'", {RECONCILED}),
    ("DELETE FROM recon.match_alternative WHERE alternative_no = 2", {WAYS, RECONCILED}),
    ("UPDATE recon.match_alternative SET match_no = 1", {WAYS}),
    ("UPDATE recon.match SET rule = 'other'", {RECONCILED}),
    ("UPDATE recon.total SET left_rows = 1, left_minor = 1, difference_minor = difference_minor + 1"
     " WHERE bucket = 'only_right'", {"what only the right side has is nothing of the left"}),
    ("UPDATE recon.dimension SET left_rows = left_rows + 1", {DIMENSIONS, RECONCILED}),
    ("UPDATE recon.dimension SET detail_minor = detail_minor + 1, apart_minor = apart_minor - 1", {DIMENSIONS}),
    ("UPDATE recon.dimension SET apart_minor = apart_minor + 1", {DIMENSIONS}),
    ("UPDATE recon.dimension SET limit_minor = 5", {RECONCILED}),
    ("DELETE FROM recon.dimension", {RECONCILED}),
    ("DELETE FROM recon.write_off", {"each reconciliation's breaks and write-offs add up to their buckets"}),
]  # fmt: skip


def test_a_message_writes_amounts_with_all_their_digits(hot_market: Any) -> None:
    large = 10**30 + 1
    with undone(hot_market, f"UPDATE recon.run SET left_minor = {large}, difference_minor = {large} - right_minor"):
        assert (
            f" {large} - "
            in found(hot_market)["each reconciliation's buckets add up to both sides, without a residual"]
        )


def test_a_decided_row_is_named_by_every_sum_it_breaks(hot_market: Any) -> None:
    for tamper, wanted in DECIDED:
        with undone(hot_market, tamper):
            names = found_by(wanted, hot_market)
            assert wanted <= set(names), f"{tamper}: {names}"


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_whole_verifier_names_it_too(hot_market: Any) -> None:
    """No other rule stumbles over what one names."""
    for tamper, wanted in DECIDED + [(each, sums) for each, _, sums in ALTERED_ROWS + DOUBLED_ROWS]:
        with undone(hot_market, tamper):
            assert wanted <= set(found(hot_market)), tamper


def test_a_lake_file_is_named(lake_market: Any) -> None:
    listed = lake_market.sql("SELECT table_name, path FROM platform.batch_part ORDER BY batch_no, table_name")
    assert {table for table, _ in listed} == set(HOT_TABLES) - NOT_HERE
    for _, path in listed:
        file = lake_market.details.lake_dir / path
        content = file.read_bytes()
        spoilt = (bytes([*content[:40], content[40] ^ 1, *content[41:]]), b"", content + b" ", None)
        for instead in spoilt:
            file.unlink() if instead is None else file.write_bytes(instead)
            check, _ = check_lake(lake_market.database.connection, lake_market.details.lake_dir, "default", "market")
            fault = str(check.first_bad)
            assert path in fault and ("it is missing" if instead is None else "its SHA-256 is") in fault
        file.unlink(missing_ok=True)
        assert path in found(lake_market)["each lake file is as it was written"]
        file.write_bytes(content)
    assert look(lake_market).ok


def test_another_file_put_in_a_lake_files_place_is_named(lake_market: Any) -> None:
    (one,), (two,) = lake_market.sql("SELECT path FROM platform.batch_part WHERE table_name = 'rating.charge'")
    lake_market.sql("UPDATE platform.batch_part SET path = %s WHERE path = %s", two, one)
    assert two in found(lake_market)["each lake file is as it was written"]


def test_a_file_listed_twice_doubles_its_rows_and_is_named(lake_market: Any) -> None:
    lake_market.sql(
        "INSERT INTO platform.batch_part SELECT 2, table_name, 9, kind, tier, rows, path, digest FROM"
        " platform.batch_part"
        " WHERE batch_no = 1 AND table_name IN ('intake.record', 'rating.charge', 'clearing.obligation')"
    )
    names = found(lake_market)
    assert {"each record is stored once", "each charge is stored once", "each obligation is stored once"} <= set(names)


def test_a_finding_names_the_row_and_both_figures(hot_market: Any) -> None:
    hot_market.sql(f"UPDATE clearing.obligation SET amount_minor = amount_minor + 1 WHERE {ONE}")
    ((ident,),) = hot_market.sql(f"SELECT {A1}")
    names = found(hot_market)
    assert names[CARRIED] == f"charge {ident}/goods: charged 9101 minor units, its obligations add up to 9102"
    assert names[SEALED].startswith(f"clearing.obligation {ident}/goods/0 (batch 1) was altered: its content gives")
    assert names[STATEMENT].startswith("statement market/merchant:m-2/2026-W10/CNY/market-sh: payable ")
