"""`everycent party account`: given, confirmed, verified by the made-up service, shown masked."""

import json
from pathlib import Path
from typing import Any

import pytest
from contract_messages import said

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app
from everycent.serve.cli.party_app import party_app

MODEL = """\
model: mall
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties:
  platform: {operator: shanghai}
  merchant: {key: [merchant, store], onboard: {}}
onboarding: {sources: {mall: [1]}}
records:
  sale:
    id: [sale]
    occurred_at: at
    columns: {sale: text, merchant: text, store: text, price: money, at: timestamp}
charges: {goods: {for: sale, amount: price, debtor: platform, creditor: merchant}}
statements: {merchant: {cycle: daily}}
"""
PARTY = "merchant:1001/0001"


@pytest.fixture
def model(tmp_path: Path, database: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    assert run_app(["party", "account", "new-key", "k1"]) == exits.OK
    monkeypatch.setenv("EVERYCENT_ACCOUNT_KEYS", capsys.readouterr().out.strip())
    (tmp_path / "model.yaml").write_text(MODEL)
    (tmp_path / "contracts.jsonl").write_bytes(said())
    assert run_app(["party", "contract", "take", str(tmp_path / "model.yaml"), str(tmp_path / "contracts.jsonl")]) == 0
    capsys.readouterr()
    return str(tmp_path / "model.yaml")


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run_app(["party", "account", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def give(number: str, tmp_path: Path, who: str = "ann") -> list[str]:
    (tmp_path / "number.txt").write_text(f"{number}\n")
    how = ["--method", "bank_card", "--holder", "Tea House", "--as", who]
    return ["give", PARTY, *how, "--number-from", str(tmp_path / "number.txt")]


def test_an_account_from_given_to_used(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, first = answer(capsys, *give("6222020012345678", tmp_path))
    assert (code, first["state"], first["masked"]) == (exits.OK, "confirmed", "****5678")
    code, told = answer(capsys, "verify", model, "--simulated")
    assert (code, [each["state"] for each in told["accounts"]]) == (exits.OK, ["verified"])
    (tmp_path / "mandate.txt").write_text("MANDATE-0001\n")
    signed = ["mandate", first["account_id"], "--id-from", str(tmp_path / "mandate.txt"), "--signed-on", "2026-03-01"]
    assert answer(capsys, *signed)[1]["mandate"] == "****0001" and answer(capsys, *signed)[1]["changed"] is False
    assert answer(capsys, "list")[1]["accounts"][0]["mandate_signed_on"] == "2026-03-01"
    revoked = ["revoke-mandate", first["account_id"], "--why", "by letter", "--on", "2026-03-02"]
    assert answer(capsys, *revoked)[1]["revoked_on"] == "2026-03-02"
    change = answer(capsys, *give("6222020087654321", tmp_path))[1]
    assert change["state"] == "given"
    for one, why in (("ann", "own_change: account"), ("Ann ", "own_change: account"), (" ", "is not a person's name")):
        assert run_app(["party", "account", "confirm", change["account_id"], "--as", one]) == exits.REFUSED
        assert why in capsys.readouterr().err
    assert answer(capsys, "confirm", change["account_id"], "--as", "bob")[1]["state"] == "confirmed"
    code, told = answer(capsys, "verify", model, "--simulated")
    assert (code, told["accounts"][0]["state"]) == (exits.OK, "refused"), "its number ends in 1"
    shown = answer(capsys, "show", change["account_id"])[1]
    assert [each["move"] for each in shown["moves"]] == ["give", "confirm", "ask", "refuse"]
    assert shown["moves"][-1]["reason"] == "the name is another"
    (tmp_path / "number.txt").write_text("6222 0200 1234 5678")
    found = answer(capsys, "find", "--number-from", str(tmp_path / "number.txt"))[1]
    assert [each["account_id"] for each in found["accounts"]] == [first["account_id"]]
    assert answer(capsys, "rekey")[1]["sealed_anew"] == 0
    assert answer(capsys, "answers")[1] == {"refused": []}
    for command in (["list"], ["show", change["account_id"]], ["answers"]):
        assert run_app(["party", "account", *command]) == exits.OK
    assert "6222" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["confirm", "7"], "'7' is no account's id"),
        (["give", PARTY, "--method", "cash", "--holder", "x"], "write one of bank_card, alipay, wechat"),
        (["show", "00000000-0000-0000-0000-000000000000"], "there is no account"),
        (["verify", "MODEL"], "EVERYCENT_VERIFICATION_URL is ''"),
    ],
)
def test_what_cannot_be_done_is_refused(
    model: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [model if each == "MODEL" else each for each in arguments]
    assert run_app(["party", "account", *named]) == exits.REFUSED
    assert message in capsys.readouterr().err


def test_without_a_key_no_account_is_given(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del model
    monkeypatch.delenv("EVERYCENT_ACCOUNT_KEYS")
    assert run_app(["party", "account", *give("6222020012345678", tmp_path)]) == exits.REFUSED
    assert "EVERYCENT_ACCOUNT_KEYS is not set" in capsys.readouterr().err


def test_every_command_has_its_help() -> None:
    assert party_app.registered_groups, "contract and account"
    assert run_app(["party", "account", "verify", "--help"]) == exits.OK
