"""`everycent party`: contract messages from files, and what became of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from contract_messages import said

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

MODEL = """\
model: mall
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties:
  platform: {operator: shanghai}
  merchant: {key: [merchant, store], onboard: {merchant_types: [concessionaire]}}
onboarding: {sources: {mall: [1]}}
records:
  sale:
    id: [sale]
    occurred_at: at
    columns: {sale: text, merchant: text, store: text, price: money, at: timestamp}
charges: {goods: {for: sale, amount: price, debtor: platform, creditor: merchant}}
statements: {merchant: {cycle: daily}}
"""


@pytest.fixture
def model(tmp_path: Path, database: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    (tmp_path / "model.yaml").write_text(MODEL)
    return str(tmp_path / "model.yaml")


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run_app([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_contracts_make_parties_that_are_found_by_what_the_business_calls_them(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = tmp_path / "contracts.jsonl"
    messages.write_bytes(b"\n".join([said(), said(), said(contract="HT-2", tenant="9"), b"", b"{"]))
    code, told = answer(capsys, "party", "contract", "take", model, str(messages), "--dry-run")
    assert (code, told["taken"], told["duplicate"], told["refused"]) == (exits.FAILED, 1, 1, 2)
    assert answer(capsys, "party", "list")[1] == {"parties": []}
    code, told = answer(capsys, "party", "contract", "take", model, str(messages))
    assert (code, told["new_parties"]) == (exits.FAILED, 1)
    assert [each["refusal"] for each in told["messages"]] == [None, None, "unknown_tenant", "not_json"]
    code, found = answer(capsys, "party", "list", "--where", "merchant=1001", "--where", "store=0001")
    assert (code, [each["party_id"] for each in found["parties"]]) == (exits.OK, ["merchant:1001/0001"])
    code, shown = answer(capsys, "party", "show", "merchant:1001/0001")
    assert (shown["relations"][0]["company"], shown["contracts"][0]["contract_no"]) == ("1000", "HT-1")
    assert shown["events"][0]["kind"] == "payout_account_wanted"
    code, refused = answer(capsys, "party", "contract", "list", "--refused")
    assert [each["refusal"] for each in refused["refused"]] == ["unknown_tenant", "not_json"]
    assert answer(capsys, "party", "contract", "retry", model)[1]["refused"] == 2
    for command in (["list"], ["show", "merchant:1001/0001"], ["contract", "list"], ["contract", "list", "--refused"]):
        assert run_app(["party", *command]) == exits.OK
    assert "from 2026-01-01 until 2027-01-01" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "merchant:9"], "there is no party 'merchant:9'"),
        (["list", "--where", "colour=red"], "write FIELD=VALUE with one of role, party_id, system"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    model: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(["party", *arguments]) == exits.REFUSED
    assert message in capsys.readouterr().err


def test_a_model_without_onboarding_takes_no_contracts(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = MODEL.replace("onboarding: {sources: {mall: [1]}}\n", "").replace(
        ", onboard: {merchant_types: [concessionaire]}", ""
    )
    Path(model).write_text(plain)
    assert run_app(["party", "contract", "take", model, model]) == exits.REFUSED
    assert "takes no contracts; add 'onboarding'" in capsys.readouterr().err
