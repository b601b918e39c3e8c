"""`everycent ledger`: balances of any day, the trial balance, journals, seals and proofs that anybody can check."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from everycent.flow.ledger.contract import Transfer, TransferKind
from everycent.flow.ledger.service import post
from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

HOW_TO = Path(__file__).parents[4] / "docs" / "how-to" / "ledger.md"
FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)


@pytest.fixture(autouse=True)
def own_database(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    return database


def transfer(
    number: int, day: date, debit: str, credit: str, amount: int, currency: str = "CNY", **more: Any
) -> Transfer:
    return Transfer(UUID(int=number), day, debit, credit, amount, currency, "test", **more)


@pytest.fixture
def books(database: Any) -> Any:
    """Two days of a shop."""
    sold = transfer(1, FIRST, "operator/shanghai/goods", "party/merchant:m", 8999)
    paid = transfer(2, SECOND, "party/merchant:m", "channel/bank_file", 8000)
    held = transfer(3, SECOND, "party/merchant:m", "channel/bank_file", 900, kind=TransferKind.PENDING)
    grown = transfer(4, SECOND, "forest", "party/merchant:m", 1234, "tCO2e")
    post(database.connection, "default", "shop", [sold, paid, held, grown])
    return database


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run_app(["ledger", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_balances_at_the_end_of_any_day(books: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = told(capsys, "balance", "--on", "2026-03-01", "party/merchant:m")
    assert (code, [row["balance_minor"] for row in found["accounts"]]) == (exits.OK, [8999])
    code, found = told(capsys, "balance", "party/")
    assert found["accounts"] == [
        {"account": "party/merchant:m", "currency": "CNY", "debits_minor": 8000, "credits_minor": 8999,
         "debits_pending_minor": 900, "credits_pending_minor": 0, "balance_minor": 999},
        {"account": "party/merchant:m", "currency": "tCO2e", "debits_minor": 0, "credits_minor": 1234,
         "debits_pending_minor": 0, "credits_pending_minor": 0, "balance_minor": 1234},
    ]  # fmt: skip
    assert run_app(["ledger", "balance", "--decimals", "tCO2e=3", "--limit", "4"]) == exits.OK
    said = capsys.readouterr().out
    assert re.search(r"party/merchant:m +80\.00 +89\.99 +9\.99 +9\.00 +0\.00 +CNY", said), said
    assert re.search(r"forest +1\.234 +0\.000 +-1\.234 +0\.000 +0\.000 +tCO2e", said), said
    assert "the first 4 are shown" in said


def test_the_trial_balance_of_any_day_and_one_that_is_off(books: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = told(capsys, "trial-balance", "--on", "2026-03-01")
    assert code == exits.OK and found["balanced"]
    assert found["lines"] == [{"currency": "CNY", "accounts": 2, "debits_minor": 8999, "credits_minor": 8999}]
    assert run_app(["ledger", "trial-balance"]) == exits.OK
    assert re.search(r"CNY +3 +169\.99 +169\.99 +0\.00", capsys.readouterr().out)
    books.connection.execute("UPDATE ledger.account SET debits_minor = debits_minor + 1 WHERE account = 'forest'")
    assert run_app(["ledger", "trial-balance"]) == exits.FAILED
    assert "debits and credits differ" in capsys.readouterr().err


REFUSED = (
    (["balance", "party/nobody"], "the books of shop have nothing of 'party/nobody'"),
    (["balance", "--model", "stall"], "the ledger has no books of 'stall'; it has those of shop"),
    (["balance", "--on", "1st of March"], "'1st of March' is not a date; write for example 2026-03-31"),
    (["balance", "--decimals", "tCO2e"], "'tCO2e' is no commodity with its decimals"),
    (["export", "--out", "x", "--format", "excel"], "--format excel: write one of beancount, hledger"),
    (["export", "--out", "no/x"], "the folder no is not there"),
    (["prove", "00000000-0000-0000-0000-000000000007"], "hold no transfer 00000000-0000-0000-0000-000000000007"),
    (["prove", "00000000-0000-0000-0000-000000000001"], "was posted after the last seal; `everycent ledger seal`"),
)  # fmt: skip


def test_what_cannot_be_done_is_refused_by_name(
    books: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for asked, said in REFUSED:
        assert run_app(["ledger", *asked]) == exits.REFUSED
        message = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().err).split())
        assert said in message
    assert not (tmp_path / "x").exists()


def test_an_empty_ledger_and_several_books_are_told(database: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["ledger", "balance"]) == exits.REFUSED
    assert "the ledger is empty" in capsys.readouterr().err
    for model in ("stall", "shop"):
        post(database.connection, "default", model, [transfer(1, FIRST, "a", "b", 1)])
    assert run_app(["ledger", "seal"]) == exits.REFUSED
    assert "the books of shop, stall; name one with --model" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["beancount", "hledger"])
def test_a_journal_is_written_whole(books: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str) -> None:
    file = tmp_path / "books"
    code, found = told(capsys, "export", "--format", form, "--out", str(file), "--decimals", "tCO2e=3")
    counts = {name: found[name] for name in ("commodities", "accounts", "transfers", "balances")}
    assert code == exits.OK and counts == {"commodities": 2, "accounts": 4, "transfers": 3, "balances": 5}
    assert "1.234" in file.read_text() and "89.99 CNY" in file.read_text()
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_seals_and_a_proof_that_the_how_to_s_own_lines_check(books: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, made = told(capsys, "seal")
    assert code == exits.OK and [one["transfers"] for one in made["seals"]] == [4]
    post(books.connection, "default", "shop", [transfer(5, SECOND, "a", "b", 1)])
    assert run_app(["ledger", "seal"]) == exits.OK
    kept = re.search(r"seal 2: 1 transfers, chained root ([0-9a-f]{64})", capsys.readouterr().out)
    assert kept is not None
    code, proof = told(capsys, "prove", str(UUID(int=2)))
    assert code == exits.OK
    [check] = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(check, names)
    assert names["proven"](proof, kept[1])
    assert not names["proven"](proof | {"leaf": proof["leaf"].replace("8000", "9000")}, kept[1])
    assert not names["proven"](proof, "0" * 64)
    books.connection.execute("UPDATE ledger.transfer SET cause = 'other' WHERE transfer_id = %s", (UUID(int=2),))
    assert run_app(["ledger", "prove", str(UUID(int=2))]) == exits.FAILED
    assert "has another content there" in capsys.readouterr().err
    assert run_app(["verify", "--kept", kept[1]]) == exits.FAILED
