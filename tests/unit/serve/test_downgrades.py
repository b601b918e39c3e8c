"""What an older program cannot know is not thrown away: those who take a migration back are told."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

TAKEN_BACK = (
    (
        "everycent.flow.ledger.migrations.0005_vouchers", "ledger.voucher_pass", "vouchers were made",
        "VALUES ('t', 'shop', '2026-03-01', 0, 0, 5, 'each', 'ann', now())",
    ),
    (
        "everycent.flow.settlement.migrations.0007_cycle_events", "settlement.cycle_event", "periods were ended",
        "VALUES ('t', 'shop', 'e1', 'closed', 'merchant:m', '2026-03-01', 'ann', NULL, NULL, NULL, now())",
    ),
    (
        "everycent.flow.settlement.migrations.0009_calendar_periods", "settlement.calendar_period",
        "statements go by a calendar", "VALUES ('t', 'shop', 'retail', '2026-P01', '2026-02-01', '2026-02-28')",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("migration", "table", "said", "row"), TAKEN_BACK)
def test_a_migration_is_taken_back_only_while_nothing_needs_it(
    database: Any, monkeypatch: pytest.MonkeyPatch, migration: str, table: str, said: str, row: str
) -> None:
    module = import_module(migration)
    monkeypatch.setattr(module, "op", SimpleNamespace(execute=database.connection.execute))
    with database.connection.transaction(force_rollback=True):
        database.connection.execute(f"INSERT INTO {table} {row}")
        with (
            pytest.raises(psycopg.errors.RaiseException, match=f"{said}.*, which an older program"),
            database.connection.transaction(),
        ):
            module.downgrade()
    with database.connection.transaction(force_rollback=True):
        module.downgrade()
        assert database.connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,)
