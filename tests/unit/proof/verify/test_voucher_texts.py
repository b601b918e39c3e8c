"""What texts of vouchers say is read from all of them, however many are read at once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.proof.verify.voucher_texts import read_vouchers

_HEAD = {
    "tenant": "t", "model": "m", "legal_entity": "e", "revision": 1, "booked_on": "2026-03-02", "supplement": 0,
    "currency": "CNY",
}  # fmt: skip


def _text(number: int) -> str:
    accounts = (("party/a", "1.50", "0.00"), ("operator/e/x", "0.00", "1.50"))
    lines = [
        {"account": account, "purpose": "goods", "transfers": 1, "debit": debit, "credit": credit}
        for account, debit, credit in accounts
    ]
    return json.dumps({**_HEAD, "number": number, "debit": "1.50", "lines": lines})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    """One with a hundred vouchers, the last of which was overwritten by what is no JSON."""
    with LocalEngine(threads=1, memory_mb=256, temp_dir=tmp_path) as engine:
        engine.connection.execute("CREATE SCHEMA ledger; CREATE TABLE ledger.voucher (voucher_id INT, content VARCHAR)")
        rows = [[number, _text(number)] for number in range(1, 100)]
        engine.connection.executemany("INSERT INTO ledger.voucher VALUES (?, ?)", [*rows, [100, "{scratched out"]])
        yield engine


def test_each_line_of_each_voucher_is_read_once(engine: LocalEngine) -> None:
    read_vouchers(engine)
    found = engine.connection.execute("""SELECT account, count(DISTINCT voucher_id), count(*), sum(debit), sum(credit)
        FROM ledger.voucher_line GROUP BY 1 ORDER BY 1 DESC""").fetchall()
    assert found == [("party/a", 99, 99, 99 * 150, 0), ("operator/e/x", 99, 99, 0, 99 * 150)]


def test_a_text_that_cannot_be_read_says_nothing_but_has_its_digest(engine: LocalEngine) -> None:
    read_vouchers(engine)
    found = engine.connection.execute("""SELECT said_minor, head, digested = sha256(content)
        FROM ledger.voucher_said JOIN ledger.voucher USING (voucher_id) WHERE voucher_id >= 99 ORDER BY voucher_id
        """).fetchall()
    assert found == [(150, ["t", "m", "e", "99", "1", "2026-03-02", "0", "CNY"], True), (None, None, True)]
