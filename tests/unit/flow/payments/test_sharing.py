"""Profit sharing: what is refused by name before anything is sent, the wire, and the command."""

import json
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from paying_model import paying_model
from payment_service import SECRET, payment_service

from everycent.flow.payments.channels.sharing import SharingChannel
from everycent.flow.payments.contract import NoAnswer, NotSent, SharingSpec
from everycent.flow.payments.core.sharing import PUBLISHED, Asked, Does, Had, Refused, judge, limits_of_sharing
from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

PAID_ON = date(2026, 3, 1)
WECHAT = PUBLISHED["wechat"]


def asked(shares: str = "a=30.00", does: str = "share", request: str = "r1", paid: int = 10000) -> Asked:
    """`a=30.00 b=1`: receivers with what they get."""
    parts = [part.partition("=") for part in shares.split()]
    told = tuple((name, round(float(amount) * 100)) for name, _, amount in parts)
    return Asked("P1", request, paid, PAID_ON, Does(does), told)


def had(*requests: Asked, state: str = "paid") -> list[Had]:
    return [Had(each.key, each.does, each.shares, state) for each in requests]


BEFORE = asked("a=10.00 b=5.00", request="r0")


@pytest.mark.parametrize(
    ("request_", "known", "after_days", "refusal"),
    [
        (asked(), [], 30, None),
        (asked("a=0.01"), [], 31, "no_longer_frozen"),
        (asked("a=30.01"), [], 1, "above_ratio"),
        (asked("a=15.01"), had(BEFORE), 1, "above_ratio"),
        (asked("a=15.00"), had(BEFORE), 1, None),
        (asked("a=15.01"), had(BEFORE, state="refused"), 1, None),
        (asked("a=0.30", paid=101), [], 1, None),
        (asked("a=0.31", paid=101), [], 1, "above_ratio"),
        (asked(" ".join(f"r{at}=0.01" for at in range(50))), [], 1, None),
        (asked(" ".join(f"r{at}=0.01" for at in range(51))), [], 1, "too_many_receivers"),
        (asked("a=0.01"), had(*(asked("a=0.01", request=f"x{at}") for at in range(50))), 1, "too_many_requests"),
        (asked(""), [], 1, "nothing_asked"),
        (asked("", does="finish"), [], 1, None),
        (asked("a=1.00"), had(asked("", does="finish", request="r0")), 1, "finished"),
        (asked("a=0.00"), [], 1, "not_positive"),
        (asked("a=1.00 a=2.00"), [], 1, "receiver_twice"),
        (asked("a=1.00"), had(asked("a=2.00")), 1, "other_content"),
        (asked("b=1.00 a=2.00"), had(asked("a=2.00 b=1.00")), 99, None),
        (asked("a=10.00", does="return"), had(BEFORE), 180, None),
        (asked("a=10.00", does="return"), had(BEFORE), 181, "returned_too_late"),
        (asked("b=5.01", does="return"), had(BEFORE), 1, "above_share"),
        (asked("b=1.00", does="return"), had(BEFORE, asked("b=4.50", does="return", request="r9")), 1, "above_share"),
    ],
)  # fmt: skip
def test_what_is_refused_before_it_is_sent(
    request_: Asked, known: list[Had], after_days: int, refusal: str | None
) -> None:
    broken = judge(request_, known, WECHAT, PAID_ON + timedelta(days=after_days))
    assert (broken and str(broken.refusal)) == refusal, broken


def test_a_model_says_what_was_agreed() -> None:
    own = SharingSpec.model_validate({"ratio": "0.5", "freeze": "180 days", "receivers": "2"})
    limits = limits_of_sharing("wechat", own)
    assert judge(asked("a=50.00"), [], limits, PAID_ON + timedelta(days=180)) is None
    broken = judge(asked("a=1 b=1 c=1"), [], limits, PAID_ON)
    assert isinstance(broken, Refused) and broken.message == "it has 3 receivers; 2 at most in one request"


WALLET = "{channels: [wechat, bank_file], wallets: {wechat: {url: WALLET_URL, secret: WALLET_SECRET}}}"


@pytest.fixture
def say(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Callable[[str | None], tuple[int, Any]]:
    """Shares as a file asks, or asks about all without end: the exit and what was told, in short."""
    (tmp_path / "model.yaml").write_text(paying_model(WALLET))
    monkeypatch.setenv("WALLET_SECRET", SECRET)
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))

    def shared(rows: str | None) -> tuple[int, Any]:
        files = [] if rows is None else [str(tmp_path / "shares.csv")]
        for file in files:
            Path(file).write_text(f"payment,request,paid,paid_on,does,receiver,amount\n{rows}")
        code = run_app(["payments", "share", str(tmp_path / "model.yaml"), *files, "--as", "ann", "--json"])
        told = json.loads(capsys.readouterr().out)["requests"]
        return code, [(each["payment"], each["request"], each["refusal"] or each["came"]) for each in told]

    return shared


def test_a_file_of_shares_is_done_once(
    say: Callable[[str | None], tuple[int, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date().isoformat()
    rows = f"P1,r1,100.00,{today},share,openid-a,10.00\nP1,r1,100.00,{today},share,openid-b,5.00\n"
    rows += f"P1,r2,100.00,{today},finish,,\nP2,r1,100.00,{today},share,openid-a,31.00\nP3,r1,1.234,{today},,a,1\n"
    with payment_service() as service:
        monkeypatch.setenv("WALLET_URL", service.url)
        code, told = say(rows)
        assert (code, told) == (
            exits.FAILED,
            [("P1", "r1", "sent"), ("P1", "r2", "sent"), ("P2", "r1", "above_ratio"), ("P3", "r1", "not_readable")],
        )
        service.faults += ["hang up"]
        assert say(rows.splitlines()[0] + "\n") == (exits.UNAVAILABLE, [("P1", "r1", "unknown")])
        assert [came for *_, came in say(rows)[1]][:2] == ["repeated", "repeated"]
        assert [each["does"] for each in service.shares["P1"]] == ["share", "finish"]
        assert say(None) == (exits.OK, []), "all have their ends"
        more = f"P4,r1,100.00,{today},share,openid-a,10.00\n"
        service.faults += [200, "hang up"]
        assert say(more) == (exits.UNAVAILABLE, [("P4", "r1", "unknown")]), "kept, and its answer lost"
        assert say(None) == (exits.OK, [("P4", "r1", "repeated")])
    assert say(rows)[0] == exits.UNAVAILABLE


@pytest.mark.parametrize("fault", [500, "hang up", "no json", "other order"])
def test_what_cannot_be_read_is_no_answer(fault: object) -> None:
    with payment_service() as service:
        wallet = SharingChannel(service.url, SECRET, 5, lambda: int(time.time()))
        service.faults += [fault, fault]
        with pytest.raises(NoAnswer):
            wallet.send(asked())
        if fault != "other order":
            with pytest.raises(NoAnswer):
                wallet.had("P1")
    with pytest.raises(NotSent):
        wallet.had("P1")
