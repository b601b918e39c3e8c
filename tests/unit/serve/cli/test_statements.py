"""`everycent statement` and `everycent approvals` on the command line, from orders to what is paid."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from approval_system import SECRET, outside_approvals
from small_market import market

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app
from everycent.serve.outside_approvals import receiving_decisions

MODEL = market(
    """\
    charges:
      goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
    statements:
      merchant:
        cycle: daily
        confirm: {silent_after: 3 days}
        approve: [operations, {by: finance, above: "50.00"}]
      brand: {cycle: monthly}
    """
)
SOLD = "id,merchant,brand,price,coupon,at\nA1,m-7,b,99.99,0,2026-03-01 10:00:00\nA2,m-8,b,2.00,0,2026-03-01 10:00:00\n"
LARGE, SMALL = (f"promotions/merchant:m-{n}/2026-03-01/CNY/shanghai" for n in (7, 8))

Say = Callable[..., tuple[int, Any]]


@pytest.fixture
def closed(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """gus runs the market as of a day; what the run says."""
    monkeypatch.setenv("LOGNAME", "gus")
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    (tmp_path / "sold.csv").write_text(SOLD, encoding="utf-8")
    for group, people in {"operations": ("bob", "cid"), "finance": ("dora",)}.items():
        adds = [word for name in people for word in ("--add", name)]
        assert say("approvals group", group, *adds, "--by", "chief")[0] == exits.OK

    def run(as_of: str) -> Any:
        records = ("--records", str(tmp_path / "sold.csv"))
        code, told = say("run", str(tmp_path / "model.yaml"), *records, "--as-of", as_of)
        assert code == exits.OK and told["verified"], told
        return told

    return run


def test_a_statement_goes_from_closed_to_paid_by_peoples_words(
    say: Say, closed: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = closed("2026-03-02")
    assert (told["closed_statements"], told["closed_before"], told["instructions"]) == (2, [], 0)
    ((again,), more) = (closed("2026-03-02")[key] for key in ("closed_before", "closed_statements"))
    assert (again["by"], again["as_of"], again["statements"], more) == ("gus", "2026-03-02", 2, 0)
    _, listed = say("statement list --waits-for confirm")
    assert [(each["statement_id"], each["net_minor"]) for each in listed["statements"]] == [(LARGE, 9999), (SMALL, 200)]
    assert say("statement confirm", LARGE, SMALL, "--by", "ann")[1]["done"] == [LARGE, SMALL]
    assert [each["level"] for each in say("approvals list --by bob")[1]["requests"]] == [1, 1]
    assert say("approvals list --by dora")[1]["requests"] == []
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{LARGE}\n\n{SMALL}\n{LARGE}\n"))
    assert say("statement approve", "-", "--by", "bob")[1]["done"] == [LARGE, SMALL]
    (request,) = say("approvals list --by dora")[1]["requests"]
    assert (request["subject_id"], request["groups"], request["requested_by"]) == (LARGE, ["finance"], "ann")
    assert say("verify")[1]["verified"], "what is approved may wait for the next run"
    assert say("approvals decide", request["request_id"][:8], "--yes", "--by", "dora", "--why", "ok")[0] == exits.OK
    assert closed("2026-03-03")["instructions"] == 2
    shown = say("statement show", LARGE)[1]
    assert (shown["state"], shown["waits_for"], shown["released_as_of"]) == ("approved", "payment", "2026-03-02")
    assert [[level["by"] for level in each["levels"]] for each in shown["approvals"]] == [["bob", "dora"]]
    log = say("statement log", LARGE)[1]["log"]
    assert [(each["move"], each["person"]) for each in log] == [
        ("close", "gus"), ("confirm", "ann"), ("yes", "bob"), ("yes", "dora"), ("approve", "dora"),
        ("release", "everycent"),
    ]  # fmt: skip
    for asked in (["statement", "list"], ["statement", "show", LARGE], ["statement", "log", LARGE],
                  ["approvals", "list"], ["approvals", "group"]):  # fmt: skip
        assert run_app(asked) == exits.OK
    printed = capsys.readouterr().out
    assert "approved dora: yes" in printed.replace("bob: yes, ", "") and "nothing waits" in printed


def test_an_outside_system_approves_as_its_people_would_here(
    say: Say, closed: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed("2026-03-02")
    say("statement confirm", LARGE, "--by", "ann")
    with outside_approvals() as system, receiving_decisions(database.settings, SECRET) as address:
        monkeypatch.setenv("EVERYCENT_APPROVAL_URL", system.url)
        monkeypatch.setenv("EVERYCENT_APPROVAL_SECRET", SECRET.decode())
        system.deaf = True
        code, told = say("approvals send")
        assert code == exits.FAILED and told["sent"][0]["not_reached"] == "the approval system answers 503"
        system.deaf = False
        assert [say("approvals send")[0], say("approvals send")[0]] == [exits.OK, exits.OK]
        ((_, first),) = system.told.items()
        assert first | {"request": "any"} == {
            "request": "any", "model": "promotions", "kind": "statement", "subject": LARGE, "amount_minor": 9999,
            "currency": "CNY", "requested_by": "ann", "level": 1, "levels": 2, "groups": ["operations"], "due_at": None,
        }  # fmt: skip

        def heard(by: str, **more: object) -> tuple[int, str]:
            said = {"request": first["request"], "model": "promotions", "by": by, "yes": True, "reason": None} | more
            status, answer = system.answer(address, said)
            return status, answer["refusal"] or answer["outcome"]

        assert heard("bob", yes="perhaps") == (422, "not_a_decision")
        assert heard("bob", request="none") == (422, "not_a_decision")
        assert heard("bob", model="promo\ud800") == (422, "not_a_decision")
        assert heard("bob", request=str(UUID(int=0))) == (404, "unknown_request")
        assert heard("bob", reason="x" * 20_000) == (413, "too_long")
        assert system.answer(address, b"{", SECRET)[0] == 422
        assert system.answer(address, first, b"a secret of somebody else")[0] == 401
        assert (heard("dora"), heard("ann")) == ((409, "not_in_group"), (409, "own_request"))
        assert heard("bob", yes=False) == (409, "reason_missing")
        assert (heard("bob"), heard("bob")) == ((200, "done"), (200, "unchanged"))
        assert say("approvals send")[0] == exits.OK
        assert [each["groups"] for each in system.told.values()] == [["operations"], ["finance"]]
        assert (heard("dora"), heard("cid")) == ((200, "done"), (409, "already_decided"))
        assert (say("approvals send")[1]["sent"], len(system.told), system.unsigned) == ([], 2, 0)
        with pytest.raises(OSError, match=r"nothing can listen at 127\.0\.0\.1, port \d+: .*; name another port"):
            receiving_decisions(database.settings, SECRET, port=int(address.rpartition(":")[2].strip("/"))).__enter__()
    assert say("statement show", LARGE)[1]["state"] == "approved"
    say("statement confirm", SMALL, "--by", "bob")
    code, told = say("approvals send --simulated")
    ((called_back,), (sent,)) = (told["called_back"], told["sent"])
    assert (code, called_back["request"], called_back["state"]) == (exits.OK, sent["request_id"], "approved")
    assert called_back["said"]["by"] == "cid", "bob asked for it"
    assert say("verify")[1]["verified"]


def test_what_is_not_allowed_is_refused_by_name(say: Say, closed: Any) -> None:
    closed("2026-03-02")

    def refused(*asked: str) -> tuple[int, str]:
        code, told = say(*asked)
        return code, told["refused"][0]["refusal"]

    assert refused("statement approve", LARGE, "--by", "bob") == (exits.FAILED, "not_asked")
    assert refused("statement confirm", LARGE, "--by", "everycent") == (exits.FAILED, "unnamed")
    assert refused("statement resolve", LARGE, "--why", "done", "--by", "bob") == (exits.FAILED, "wrong_state")
    say("statement confirm", LARGE, "--by", "bob")
    assert refused("statement approve", LARGE, "--by", "bob") == (exits.FAILED, "own_request")
    assert refused("statement approve", LARGE, "--by", "dora") == (exits.FAILED, "not_in_group")
    assert refused("statement approve", LARGE, "--by", "cid", "--no") == (exits.FAILED, "reason_missing")
    (request,) = say("approvals list")[1]["requests"]
    assert refused("approvals withdraw", request["request_id"], "--by", "cid") == (exits.FAILED, "not_requester")
    assert say("approvals withdraw", request["request_id"], "--by", "bob")[0] == exits.OK
    assert say("statement show", LARGE)[1]["state"] == "disputed"
    assert refused("approvals group", "finance", "--add", "eve", "--by", "eve") == (exits.FAILED, "own_membership")
    days = ("--since", "2026-03-01", "--until", "2026-02-01")
    assert refused("approvals delegate", "--to", "eve", *days, "--by", "cid") == (exits.FAILED, "delegation_backwards")
    assert say("approvals delegate --to eve --days 1 --by cid")[0] == exits.OK, "today alone"
    assert say("verify")[1]["verified"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["statement", "list", "--state", "lost"], "--state lost: write one of open, closed, disputed"),
        (["statement", "list", "--waits-for", "god"], "--waits-for god: write one of close, confirm"),
        (["statement", "list", "--currency", "XYZ"], "'XYZ' is not a current ISO 4217 currency"),
        (["approvals", "listen", "--port", "80000"], "for '--port': Input should be less than or equal to 65535"),
        (["approvals", "send"], "EVERYCENT_APPROVAL_URL is ''; right would be: the service's address"),
        (["statement", "show", "none"], "there is no statement 'none'"),
        (["statement", "approve", "none"], "there is no statement 'none'"),
        (["approvals", "decide", "zz", "--yes"], "there is no request 'zz'"),
        (["approvals", "group", "--add", "ann"], "--add and --remove need a group"),
        (["approvals", "delegate", "--to", "eve"], "for how long? write --days 10, or --until"),
        (["approvals", "delegate", "--to", "eve", "--days", "1", "--until", "2026-02-01"], "one of the two"),
    ],
)
def test_what_cannot_be_meant_is_said(say: Say, capsys: Any, asked: list[str], says: str) -> None:
    assert run_app(asked) == exits.REFUSED
    assert says in " ".join(capsys.readouterr().err.split())
