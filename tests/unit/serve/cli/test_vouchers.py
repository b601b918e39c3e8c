"""`everycent ledger vouchers`: made, listed, written, sent, acknowledged, corrected; and what is refused by name."""

import csv
import json
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from accounting_system import SECRET, accounting_system

from everycent.flow.ledger.contract import Transfer
from everycent.flow.ledger.service import post
from everycent.serve.cli import exits, voucher_files
from everycent.serve.outside_accounting import receiving_acknowledgements

DAY = date(2026, 3, 1)
ACCOUNTING = """
model: shop
legal_entity: north
codes:
  party/*: "2202"
  operator/*: "6001"
"""

Say = Callable[..., tuple[int, Any]]


@pytest.fixture
def accounting(database: Any, tmp_path: Path) -> str:
    """A day of a shop with two companies; the file that says how its books are handed on."""
    for number, (debit, amount) in enumerate(
        (("operator/north/goods", 8999), ("operator/south/goods", 700), ("party/=1+1:x", 3)), 1
    ):
        asked = Transfer(UUID(int=number), DAY, debit, "party/merchant:m", amount, "CNY", "obligations")
        post(database.connection, "default", "shop", [asked])
    file = tmp_path / "accounting.yaml"
    file.write_text(ACCOUNTING, encoding="utf-8")
    return str(file)


def test_from_the_books_to_files_that_a_person_answers(say: Say, accounting: str, tmp_path: Path) -> None:
    code, told = say("ledger vouchers make --through 2026-03-01", accounting)
    assert code == exits.OK
    assert [(one["legal_entity"], one["number"], one["total_minor"]) for one in told["vouchers"]] == [
        ("north", 1, 9002), ("south", 1, 700)
    ]  # fmt: skip
    north, south = (one["voucher"] for one in told["vouchers"])
    code, told = say(f"ledger vouchers write --hand-over --by ann --out {tmp_path / 'out'}")
    assert code == exits.OK and len(told["written"]) == 4
    of_north = tmp_path / "out" / f"shop-north-00000001-1-{north[:8]}"
    text = of_north.with_suffix(".json").read_bytes()
    assert UUID(hex=sha256(text).hexdigest()[:32]) == UUID(north)
    with of_north.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    same = [
        {name: "" if line[name] is None else str(line[name]) for name in line} for line in json.loads(text)["lines"]
    ]
    assert [{name: row[name] for name in same[0]} for row in rows] == same
    assert (
        say("ledger vouchers write --hand-over", "--id", north[:8], "--out", str(tmp_path / "again"))[0] == exits.FAILED
    )
    assert say(f"ledger vouchers answer {north[:8]} --accepted 0301-7 --by ann")[1]["state"] == "accepted"
    assert say(f"ledger vouchers answer {south[:8]}", "--refused", "the month is closed")[1]["state"] == "refused"
    code, told = say(f"ledger vouchers correct {accounting} {south[:8]}")
    assert (code, told["number"], told["revision"], told["state"]) == (exits.OK, 1, 2, "made")
    code, told = say(f"ledger vouchers answer {north[:8]} --refused no")
    assert (code, told["outcome"]) == (exits.FAILED, "not_allowed")
    code, told = say(f"ledger vouchers show {north[:8]}")
    assert [move["to_state"] for move in told["moves"]] == ["sent", "accepted"] and told["their_number"] == "0301-7"


def test_who_dies_between_a_hand_over_and_its_files_is_gone_on_from(
    say: Say, accounting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [one["voucher"] for one in say("ledger vouchers make --through 2026-03-01", accounting)[1]["vouchers"]]
    write = ("ledger vouchers write --hand-over --by ann --out", str(tmp_path))

    def states() -> list[str]:
        return [one["state"] for one in say("ledger vouchers list")[1]["vouchers"]]

    def dies(*_: object) -> None:
        raise OSError("it is gone")

    with monkeypatch.context() as death:
        death.setattr(voucher_files, "write", dies)
        assert say(*write)[0] == exits.UNAVAILABLE
        assert states() == ["made", "made"], "it dies before its files are there: nobody has anything"
    with monkeypatch.context() as death:
        death.setattr(voucher_files, "_put_in_place", dies)
        assert say(*write)[0] == exits.UNAVAILABLE
    assert states() == ["sent", "made"], "it dies once the first is handed over, and before anybody can find it"
    assert list(tmp_path.glob("*.json")) == []
    (blocked,) = (tmp_path / f"shop-south-00000001-1-{ids[1][:8]}.csv",)
    blocked.mkdir()
    code, told = say(*write)
    assert (code, len(told["written"]), told["not_handed_over"]) == (exits.FAILED, 2, [])
    assert [(one["voucher"], one["why"]) for one in told["not_in_place"]] == [(ids[1], f"{blocked}: Is a directory")]
    blocked.rmdir()
    code, told = say(*write, "--id", ids[1])
    assert code == exits.OK and len(told["written"]) == 2, "who asks for it by name gets it, too"
    assert not (tmp_path / ".being-handed-over").exists() and say(*write)[1]["written"] == []
    assert {UUID(hex=sha256(path.read_bytes()).hexdigest()[:32]) for path in tmp_path.glob("shop-*.json")} == {
        UUID(one) for one in ids
    }
    assert all(
        [move["move"] for move in say(f"ledger vouchers show {one}")[1]["moves"]] == ["hand_over"] for one in ids
    )


def test_who_hands_over_answers_or_corrects_is_a_person(say: Say, accounting: str, tmp_path: Path) -> None:
    (north, _) = say("ledger vouchers make --through 2026-03-01 --by ann", accounting)[1]["vouchers"]
    commands = (
        f"make --through 2026-03-01 {accounting}", f"write --hand-over --out {tmp_path / 'out'}",
        f"answer {north['voucher']} --accepted 7", f"correct {accounting} {north['voucher']}",
    )  # fmt: skip
    for command in commands:
        for nobody in ("", " ", "everycent"):
            code, told = say(f"ledger vouchers {command} --by", nobody)
            assert (code, f"--by '{nobody}' is not a person's name" in told) == (exits.REFUSED, True), (command, told)
    assert not (tmp_path / "out").exists()
    assert {one["state"] for one in say("ledger vouchers list")[1]["vouchers"]} == {"made"}


def test_a_system_that_is_made_up_acknowledges_by_call_back_and_refuses_what_it_does_not_know(
    say: Say, accounting: str
) -> None:
    Path(accounting).write_text(ACCOUNTING.replace('"6001"', '"9001"'), encoding="utf-8")
    say("ledger vouchers make --through 2026-03-01", accounting)
    code, told = say("ledger vouchers send --simulated")
    assert code == exits.FAILED and [one["state"] for one in told["called_back"]] == ["refused", "refused"]
    refused = say("ledger vouchers list --state refused")[1]["vouchers"]
    assert {one["reason"] for one in refused} == {"there is no account 9001"}
    Path(accounting).write_text(ACCOUNTING, encoding="utf-8")
    for one in refused:
        assert say(f"ledger vouchers correct {accounting} {one['voucher']}")[0] == exits.OK
    assert say("ledger vouchers send --simulated")[0] == exits.OK
    accepted = say("ledger vouchers list --state accepted")[1]["vouchers"]
    assert [one["their_number"] for one in accepted] == ["2026-03/0001", "2026-03/0001"], "one of each company"


def test_sent_to_a_system_that_answers_later(
    say: Say, accounting: str, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("ledger vouchers make --through 2026-03-01", accounting)
    with accounting_system() as system:
        monkeypatch.setenv("EVERYCENT_ACCOUNTING_URL", system.url)
        monkeypatch.setenv("EVERYCENT_ACCOUNTING_SECRET", SECRET.decode())
        system.faults = ["slow", "refuse"]
        code, told = say("ledger vouchers send")
        assert code == exits.FAILED and [one["state"] for one in told["answered"]] == ["refused"]
        [waits] = [one["voucher"] for one in told["waiting"]]
        heard = []
        with receiving_acknowledgements(database.settings, SECRET, told=heard.append) as address:
            accepted = {"voucher": waits, "state": "accepted", "number": "J-1"}
            assert system.call_back(address, accepted, b"somebody else's") == (401, heard[-1].__dict__)
            assert heard[-1].outcome == "signature_wrong"
            assert [system.call_back(address, accepted)[0] for _ in range(2)] == [200, 200]
            assert [one.outcome for one in heard[-2:]] == ["moved", "repeated"]
            assert system.call_back(address, accepted | {"voucher": str(uuid4())})[0] == 404
            assert system.call_back(address, accepted | {"state": "refused", "reason": "no"})[0] == 409
            assert (heard[-1].outcome, heard[-1].state) == ("contradicted", "disputed")
            for odd in (b"{", accepted | {"number": None}, accepted | {"state": "taken"}, accepted | {"voucher": "7"}):
                assert system.call_back(address, odd)[0] == 422
            assert heard[-1].outcome == "not_an_acknowledgement"
    code, told = say("ledger vouchers send")
    assert (code, told["answered"], told["unreachable"]) == (exits.OK, [], None), "what is disputed waits for a person"
    assert [one["state"] for one in say("ledger vouchers list")[1]["vouchers"]] == ["disputed", "refused"]


REFUSED = (
    ("make --through 2026-03-01 NOWHERE", "there is no such file"),
    ("make --through 2026-03-01 NO_CODE", "there is no code for operator/north/goods"),
    ("make --through 2026-03-01 OTHER", "there are no books of 'stall'; there are: shop"),
    ("make --through 2026-03-01 MISSPELT", "unknown word 'code'; did you mean 'codes'?"),
    ("list --state lost", "--state lost: write one of made, sent, accepted"),
    ("show 77", "there is no voucher '77'"),
    ("answer 77", "say what became of it: --accepted NUMBER, or --refused WHY"),
    ("send", "EVERYCENT_ACCOUNTING_URL is ''"),
)  # fmt: skip


def test_what_cannot_be_done_is_refused_by_name(say: Say, accounting: str, tmp_path: Path) -> None:
    files = {
        "NO_CODE": ACCOUNTING.replace("operator/*", "operator/south/*"),
        "OTHER": ACCOUNTING.replace("shop", "stall"),
        "MISSPELT": ACCOUNTING.replace("codes", "code"),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for command, said in REFUSED:
        *words, last = command.split()
        given = str(tmp_path / last) if last in (*files, "NOWHERE") else last
        code, told = say("ledger vouchers", *words, given)
        assert code == exits.REFUSED and said in " ".join(told.split()), (command, told)
    assert say("ledger vouchers list")[1] == {"vouchers": []}
