"""`everycent payments` and `everycent statement`: from a closing to each end, command by command."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bank import payments_of, status_report
from paying_model import paying_model
from payment_service import SECRET, payment_service

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

REST = "{channels: [rest], rest: {url: PAY_URL, secret: PAY_SECRET, queryable: yes}}"
Told = Callable[..., tuple[int, Any]]


@pytest.fixture
def shop(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a day's sales of merchants a, b and c: 1.00, 2.00 and 3.00."""
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    sold = "".join(f"S{at},{name},{at}.00,2026-03-01\n" for at, name in enumerate("abc", 1))
    (tmp_path / "sold.csv").write_text(f"id,merchant,price,at\n{sold}")
    return tmp_path


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    def run(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = run_app([*words, "--json"])
        text = capsys.readouterr().out
        return code, json.loads(text) if text.startswith("{") else text

    return run


def close(shop: Path, payout: str, more: str = "", **ends: str) -> str:
    (shop / "model.yaml").write_text(paying_model(payout, **ends) + more)
    files = ["--records", str(shop / "sold.csv"), "--as-of", "2026-03-02", "--out", str(shop / "out")]
    assert run_app(["run", str(shop / "model.yaml"), *files]) == exits.OK
    return str(shop / "model.yaml")


def ids(told: Told) -> dict[str, str]:
    """The newest instruction of each merchant."""
    _, found = told("payments", "list")
    return {row["party_id"][-1]: str(row["instruction_id"]) for row in reversed(found["instructions"])}


def waits(told: Told) -> dict[str, tuple[str, int]]:
    """What waits, for whom, and how many."""
    return {row["what"]: (row["who"], row["things"]) for row in told("figures", "waiting")[1]["rows"]}


def came(answer: tuple[int, Any]) -> tuple[int, list[str]]:
    return answer[0], [one["came"] for one in answer[1]["taken"]]


def test_from_the_bank_and_back(shop: Path, told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    close(shop, "{channels: [bank_file]}")
    (xml,) = (shop / "out").glob("payments-*.xml")
    a, b, _ = sorted(payments_of(xml), key=lambda one: one.amount)
    code, found = told("payments", "list", "--state", "filed")
    assert code == exits.OK and found["counts"][0]["instructions"] == 3
    key = ids(told)
    assert told("payments", "show", key["a"][:13])[1]["statements"][0]["side"] == "net"
    assert told("payments", "release", key["a"], "--as", "anna")[1]["refused"][0]["refusal"] == "not_asked"
    assert came(told("payments", "cancel", key["a"], "--why", "too late")) == (exits.FAILED, ["not_allowed"])
    (shop / "said.xml").write_text(status_report([a, b], {a.end_to_end: "ACSC", b.end_to_end: "RJCT"}))
    assert came(told("payments", "read", str(shop / "said.xml"), "--as-of", "2026-03-03")) == (0, ["moved", "moved"])
    assert came(told("payments", "read", str(shop / "said.xml")))[1] == ["repeated", "repeated"]
    for nobody in ("", "everycent"):
        assert run_app(["payments", "park", key["c"], "--why", "no answer", "--as", nobody]) == exits.REFUSED
        assert f"--as '{nobody}' is not a person's name; say who you are" in capsys.readouterr().err
    assert came(told("payments", "park", key["c"], "--why", "no answer")) == (exits.OK, ["moved"])
    judged = told("payments", "judge", key["c"], "--outcome", "returned", "--why", "a call", "--as", "ann")
    assert came(judged) == (exits.OK, ["moved"])
    capsys.readouterr()
    assert run_app(["payments", "events", "--after", "0"]) == exits.OK
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = {event["content"]["party_id"][-1]: (event["event_no"] == 3, event["kind"]) for event in events}
    assert {name: kind for name, (_, kind) in kinds.items()} == {
        "a": "payment_succeeded", "b": "payment_failed", "c": "payment_returned",
    }  # fmt: skip
    assert kinds["c"][0], "in the order in which they came"
    _, listed = told("statement", "list")
    waits = {one["party_id"][-1]: one["waits_for"] for one in listed["statements"]}
    assert waits == {"a": "nothing", "b": "payment", "c": "payment"}
    assert run_app(["statement", "list"]) == exits.OK
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"paid on 2026-03-03", said), said
    statement = listed["statements"][1]["statement_id"]
    assert told("statement", "park", statement, "--why", "in doubt", "--by", "ann")[1]["done"] == [statement]
    assert told("statement", "unpark", statement, "--by", "ann")[1]["done"] == [statement]


def test_released_sent_and_asked_about(shop: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    with payment_service() as service:
        monkeypatch.setenv("PAY_URL", service.url)
        monkeypatch.setenv("PAY_SECRET", SECRET)
        model = close(shop, REST.replace("}}", "}, release: [treasury]}"))
        assert told("approvals", "group", "treasury", "--add", "ben", "--by", "chief")[0] == exits.OK
        key = ids(told)
        assert waits(told) == {"a payment, to approve": ("treasury", 3)}
        assert told("payments", "submit", model)[1]["taken"] == [], "nobody released them"
        no = told("payments", "release", key["c"], "--no", "--why", "wrong", "--as", "ben")
        assert no[1]["done"] == [key["c"]]
        assert told("payments", "release", key["a"], key["b"], "--as", "ben")[1]["done"] == [key["a"], key["b"]]
        assert told("payments", "release", key["a"], "--as", "ben")[1]["unchanged"] == [key["a"]]
        assert waits(told) == {
            "a payment, to go out": ("the next file or submission", 2),
            "a payment that was not approved, to cancel": ("operations", 1),
        }
        assert came(told("payments", "cancel", key["c"], "--why", "as said")) == (exits.OK, ["moved"])
        assert told("payments", "stop", "--why", "a wrong table")[1]["changed"]
        assert len(told("payments", "submit", model)[1]["refused"]) == 2
        assert told("payments", "start")[1] == {"stopped": False, "channel": None, "changed": True}
        service.faults = ["hang up"]
        assert came(told("payments", "submit", model)) == (exits.OK, ["moved"] * 4)
        assert came(told("payments", "ask", model)) == (exits.OK, ["moved"])
    assert sorted(service.paid.values()) == [1, 1]
    assert told("payments", "list", "--state", "succeeded")[1]["counts"][0]["instructions"] == 2


SERVICES = """{
    channels: [{channel: wechat, methods: wechat}, rest], account: {table: accounts, method: pays_by},
    rest: {url: PAY_URL, secret: PAY_SECRET, queryable: yes, idempotent: yes, tells_returns: yes},
    wallets: {wechat: {url: WX_URL, secret: WX_SECRET}}}"""
ACCOUNTS = "merchant,account,pays_by\na,wx-3,wechat\nb,card-0,bank_card\nc,card-9,bank_card\n"
TABLE = (
    "tables: {accounts: {file: accounts.csv, key: [merchant], columns: {merchant: text, account: text, pays_by: text}}}"
)


def test_services_that_are_made_up_pay_call_back_and_write_their_bills(shop: Path, told: Told) -> None:
    (shop / "accounts.csv").write_text(ACCOUNTS)
    close(shop, " ".join(SERVICES.split()), more=TABLE)
    sending = ("submit", str(shop / "model.yaml"), "--simulated", "--to", str(shop / "bills"))
    code, sent = told("payments", *sending)
    assert code == exits.OK
    moves = {name: [(one["said"], one["came"]) for one in sent["taken"] if one["instruction"] == key]
             for name, key in ids(told).items()}  # fmt: skip
    assert moves == {
        "a": [("begin", "moved"), ("accept", "moved"), ("pay", "moved"), ("pay", "repeated")],
        "b": [("begin", "moved"), ("lose", "moved"), ("pay", "moved")],
        "c": [("begin", "moved"), ("accept", "moved"), ("pay", "moved"), ("return", "moved")],
    }, "a is told twice, of b the answer is lost, c's money comes back"
    assert sent["bills"] == [str(shop / "bills" / f"{name}-bill.csv") for name in ("rest", "wechat")]
    rows = [row.split(",")[2:5] for bill in sent["bills"] for row in Path(bill).read_text().splitlines()[1:]]
    assert sorted(rows) == [["payment", "1.00", "CNY"], ["payment", "2.00", "CNY"], ["payment", "3.00", "CNY"],
                            ["return", "-3.00", "CNY"]]  # fmt: skip
    before = [Path(bill).read_bytes() for bill in sent["bills"]]
    assert told("payments", *sending)[1]["taken"] == []
    assert [Path(bill).read_bytes() for bill in sent["bills"]] == before, "a bill is kept from one time to the next"


NOTICE = (
    "<?xml version='1.0'?><Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.054.001.08'><BkToCstmrDbtCdtNtfctn>"
    "<GrpHdr><MsgId>N-1</MsgId></GrpHdr><Ntfctn><Id>N-1</Id><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>"
    "{}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
)
CREDIT = (
    "<Ntry><Amt Ccy='CNY'>{}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>{}<NtryDtls><TxDtls>"
    "<Refs><EndToEndId>{}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>"
)


def test_what_parties_transfer_in_parts_is_told_and_a_person_says_the_rest(
    shop: Path, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    """Merchants a, b and c owe 1.00, 2.00 and 3.00; b pays a part, c too much, a a part without a number."""
    close(shop, "{channels: [bank_file]}", ends="debtor: merchant, creditor: platform")
    key = ids(told)
    own = {"b": "<AcctSvcrRef>R-1</AcctSvcrRef>", "c": "<AcctSvcrRef>R-2</AcctSvcrRef>"}
    came_in = [("a", "0.40"), ("b", "0.50"), ("c", "3.10")]
    entries = [CREDIT.format(amount, own.get(one, ""), key[one].replace("-", "")) for one, amount in came_in]
    (shop / "camt.xml").write_text(NOTICE.format("".join(entries)))
    code, read = told("payments", "read", str(shop / "camt.xml"), "--as-of", "2026-03-03")
    assert code == exits.FAILED and [(one["said"], one["state"]) for one in read["taken"]] == [("pay", "succeeded")]
    kept = {one["party_id"][-1]: (one["uses"][0]["left_minor"], one["free_minor"]) for one in read["on_account"]}
    assert kept == {"b": (150, 0), "c": (0, 10)}
    (listed,) = read["incoming"]
    assert (listed["fit"], listed["candidates"]) == ("other_amount", [key["a"]])
    line = ("take", str(shop / "camt.xml"), "--line", listed["line"], "--why", "by telephone", "--for")
    assert run_app(["payments", *line, key["b"], "--for", key["c"]]) == exits.REFUSED
    assert "other_party: the instructions are of several parties" in capsys.readouterr().err
    assert told("payments", *line, key["a"])[1]["on_account"][0]["uses"][0]["left_minor"] == 60
    assert told("payments", "read", str(shop / "camt.xml"))[1]["on_account_before"] == 3
    rows = {row["party_id"][-1]: row for row in told("payments", "on-account")[1]["on_account"]}
    assert {name: (row["set_aside_minor"], row["free_minor"]) for name, row in rows.items()} == {
        "a": (40, 0), "b": (50, 0), "c": (0, 10),
    }  # fmt: skip
    assert [part["amount_minor"] for part in told("payments", "show", key["b"])[1]["received"]] == [50]
    assert told("payments", "show", key["a"])[1]["received_minor"] == 40
    assert run_app(["payments", "list"]) == exits.OK
    assert "1.50 is left: the rest came in" in " ".join(capsys.readouterr().out.split())
    for command in (["on-account"], ["show", key["b"]], ["read", str(shop / "camt.xml")]):
        assert run_app(["payments", *command]) == exits.OK
    assert run_app(["payments", "use", key["a"], "--why", "nothing is free"]) == exits.REFUSED
    surplus = ["pay-back", rows["c"]["receipt_id"][:8], "--why", "too much"]
    for wrong, name in ((["--amount", "0.11"], "not_free"), (["--amount", "1.234"], "--amount 1.234")):
        assert run_app(["payments", *surplus, *wrong]) == exits.REFUSED and name in capsys.readouterr().err
    assert told("payments", *surplus, "--as-of", "2026-03-03")[1]["pay_back"]["amount_minor"] == 10
    assert run_app(["payments", *surplus]) == exits.REFUSED and "being_paid_back" in capsys.readouterr().err
    assert run_app(["verify"]) == exits.OK


def test_a_service_that_is_not_set_is_named(shop: Path, told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    model = close(shop, REST)
    for command in (["submit", model], ["ask", model], ["listen", model, "--port", "0"]):
        assert run_app(["payments", *command]) not in (exits.OK, exits.FAILED)
        assert "PAY_URL is not set" in capsys.readouterr().err
