"""The verifier: re-adds everything that is stored, with SQL of its own."""

from collections.abc import Callable, Sequence

from psycopg.pq import TransactionStatus

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.proof.verify.content import check_content
from everycent.proof.verify.contract import Check, Verdict
from everycent.proof.verify.core import (
    accounts,
    approvals,
    booked,
    breaks,
    charges,
    corrected,
    invoices,
    ledger,
    lines,
    lives,
    non_order,
    ordered,
    payments,
    profit_sharing,
    receipts,
    recon,
    records,
    shares,
    statements,
    terms,
    vouchers,
)
from everycent.proof.verify.core.rule import Rule
from everycent.proof.verify.declared import declared_tables
from everycent.proof.verify.manifest import KEYS, check_hot_parts, check_lake, check_reconciled, check_seals
from everycent.proof.verify.sealed import check_kept, check_sealed
from everycent.proof.verify.tables import DECIDED, each_slice, rows_of_largest, stored_tables
from everycent.proof.verify.voucher_texts import read_vouchers

#: Rows of the largest table that a rule looks at together for each MB of the engine's; more are looked at in slices.
_ROWS_PER_MB = 20_000

#: In the order in which a finding says most: a row that is not as written comes before a sum that is off by it.
RULES: tuple[Rule, ...] = (
    *records.RULES,
    *charges.RULES,
    *shares.RULES,
    *ordered.RULES,
    *corrected.RULES,
    *statements.RULES,
    *terms.RULES,
    *lines.RULES,
    *invoices.RULES,
    *accounts.RULES,
    *lives.RULES,
    *approvals.RULES,
    *non_order.RULES,
    *payments.RULES,
    *receipts.RULES,
    *profit_sharing.RULES,
    *ledger.RULES,
    *vouchers.RULES,
    *recon.RULES,
    *booked.RULES,
    *breaks.RULES,
)


#: Told what is looked at, how many of its checks are made, and how many there are.
Report = Callable[[str, int, int | None], None]


def _silent(_stage: str, _done: int, _total: int | None) -> None:
    """Nobody asked how far it is."""


def verify(
    connection: Connection,
    details: Details,
    engine: LocalEngine,
    tenant: str,
    model: str | None = None,
    report: Report = _silent,
    kept: Sequence[str] = (),
) -> Verdict:
    """Checks one model, or all models of the tenant, against one state of the database. Changes nothing.

    `kept`: chained roots of the ledger's seals (hex) that were kept elsewhere, and must be there still.
    All checks run even where one fails. Asserts nothing of the data: whatever is wrong is a finding. Inside the
    caller's transaction it sees what the caller sees.
    """
    own = connection.info.transaction_status == TransactionStatus.IDLE
    with connection.transaction():
        if own:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        models = [model] if model is not None else _models(connection, tenant)
        checks = [
            check for each in models for check in _verify_model(connection, details, engine, tenant, each, report)
        ]
        return Verdict((*checks, *([check_kept(connection, tenant, models, kept)] if kept else [])))


def _verify_model(
    connection: Connection, details: Details, engine: LocalEngine, tenant: str, model: str, report: Report
) -> list[Check]:
    checks: list[Check] = []
    plain = (check_seals, check_hot_parts, check_reconciled)
    total = 4 + len(plain) + len(RULES)

    def made(check: Check) -> None:
        checks.append(check)
        report(f"verifying {model}", len(checks), total)

    report(f"verifying {model}", 0, total)
    lake, files = check_lake(connection, details.lake_dir, tenant, model)
    made(lake)
    for check in plain:
        made(check(connection, tenant, model))
    for found in check_sealed(connection, tenant, model):
        made(found)
    made(check_content(connection, engine, tenant, model, files))
    with (
        stored_tables(connection, engine, tenant, model, files) as filled,
        declared_tables(connection, engine, tenant, model),
    ):
        read_vouchers(engine)
        slices = 1 + rows_of_largest(engine) // (engine.memory_mb * _ROWS_PER_MB)
        for rule in RULES:
            made(Check(model, rule.name, 0, 0, None) if filled.isdisjoint(rule.tables)
                 else _applied(rule, engine, model, slices))  # fmt: skip
    return checks


def _applied(rule: Rule, engine: LocalEngine, model: str, slices: int) -> Check:
    parts = []
    for _ in each_slice(engine, rule.slice_by, slices):
        parts += engine.connection.execute(rule.sql).fetchall()  # one row: as Arrow it would take half as long again
    rows, bad = (sum(part[at] for part in parts) for at in (0, 1))
    first = next((said for _, _, said in parts if said is not None), None)
    assert (bad == 0) == (first is None), f"{rule.name}: a bad row without a message"
    return Check(model, rule.name, rows, bad, first)


def _models(connection: Connection, tenant: str) -> list[str]:
    """Every model that any stored row names: a row of a model without batches is found too."""
    tables = sorted({*KEYS, *DECIDED, "ledger.seal"})
    union = " UNION ".join(f"SELECT model FROM {table} WHERE tenant = %(tenant)s" for table in tables)
    return [
        str(name) for (name,) in connection.execute(f"SELECT model FROM ({union}) m ORDER BY 1", {"tenant": tenant})
    ]
