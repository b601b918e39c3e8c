"""Small books proven: what the verifier's rules find in them, and after a tampering."""

from collections.abc import Sequence
from typing import Any

import pytest

from everycent.proof.verify import service as verifying
from everycent.proof.verify.core.rule import Rule
from everycent.proof.verify.manifest import check_seals
from everycent.proof.verify.tables import stored_tables


def faults(books: Any, rules: Sequence[Rule]) -> dict[str, str]:
    """The checks that find something, each with the first thing that it finds; of rules only these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verifying, "RULES", rules)
        verdict = verifying.verify(books.connection, books.database.details, books.engine, books.tenant, "market")
    return {check.name: str(check.first_bad) for check in verdict.findings}


def named_after(books: Any, tamper: str, rules: Sequence[Rule]) -> set[str]:
    """Those of the rules, and of the seals, that find something after a tampering, which is undone."""
    with books.connection.transaction(force_rollback=True):
        books.connection.execute(tamper)
        seals = check_seals(books.connection, books.tenant, "market")
        with stored_tables(books.connection, books.engine, books.tenant, "market", []):
            found = {rule.name for rule in rules if books.engine.connection.execute(rule.sql).fetchone()[1]}
    return found | ({seals.name} if seals.bad else set())


def balance(books: Any, account: str) -> int:
    """Credits less debits."""
    (row,) = books.connection.execute(
        "SELECT coalesce(sum(credits_minor - debits_minor), 0) FROM ledger.account WHERE account = %s", (account,)
    ).fetchall()
    return int(row[0])
