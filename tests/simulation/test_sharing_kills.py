"""kill -9 of the command that shares payments: none is shared twice, none is forgotten, and what is booked is what the
wallet did.

A real process sends real requests over HTTP; at a moment by chance it gets SIGKILL, wherever it is. The next goes on.
"""

import random
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from deaths import killed_at_work, successor
from paying_model import paying_model
from payment_service import SECRET, payment_service
from workplace import Place

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import connect
from everycent.base.platform.details import Details
from everycent.proof.verify.service import verify

PAYMENTS, REQUESTS = 9, 3
WALLET = "{channels: [wechat, bank_file], wallets: {wechat: {url: WALLET_URL, secret: WALLET_SECRET}}}"


def _file() -> str:
    """Of each payment, three requests: to a merchant and to somebody's friend, and the last one releases the rest."""
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date().isoformat()
    rows = ["payment,request,paid,paid_on,does,receiver,amount,party"]
    for payment in range(PAYMENTS):
        for request in range(REQUESTS):
            head = f"P{payment},r{request},100.00,{today},{'finish' if request == REQUESTS - 1 else 'share'}"
            rows += [f"{head},openid-m,{payment + 1}.00,merchant:m-1", f"{head},friend,0.{request + 1}0,"]
    return "\n".join(rows) + "\n"


def shared_under_kills(databases: Any, tmp_path: Path, kills: int, seed: int) -> None:
    (tmp_path / "model.yaml").write_text(paying_model(WALLET))
    (tmp_path / "sold.csv").write_text("id,merchant,price,at\nA1,m-1,500.00,2026-03-01\n")
    (tmp_path / "shares.csv").write_text(_file())
    chance, requests = random.Random(seed), PAYMENTS * REQUESTS
    with databases.fresh(tmp_path / "data") as settings, payment_service() as wallet:
        known = {"EVERYCENT_DATABASE_URL": str(settings.database_url), "WALLET_URL": wallet.url}
        place = Place(tmp_path / "place", {**known, "WALLET_SECRET": SECRET})
        run = ["run", str(tmp_path / "model.yaml"), "--records", str(tmp_path / "sold.csv"), "--as-of", "2026-03-02"]
        assert place.run(run).code == 0
        again = ["payments", "share", str(tmp_path / "model.yaml"), "--json"]
        share = [*again[:3], str(tmp_path / "shares.csv"), "--json"]
        for _ in range(kills):
            sender, target = place.start(share), len(wallet.sent) + chance.randint(1, requests // (kills + 1))
            killed_at_work(sender, chance, lambda target=target: len(wallet.sent) >= target)
        for arguments in (again, share) if kills > 1 else (share,):  # what was kept and has no end, then the rest
            told = successor(place, arguments)
            assert told.code == 0, told.err
        assert len(wallet.sent) <= requests + kills, "what the wallet has is not sent again"
        had = {(payment, each["order"]) for payment, all_of in wallet.shares.items() for each in all_of}
        assert len(had) == sum(map(len, wallet.shares.values())) == requests, "none is forgotten, none is there twice"
        got = Counter[str]()
        for receiver, fen in [one for all_of in wallet.shares.values() for each in all_of for one in each["shares"]]:
            got[receiver] += fen
        with connect(settings) as connection, LocalEngine(1, 512, tmp_path / "spill") as engine:
            balances = dict(
                connection.execute(
                    "SELECT account, sum(credits_minor - debits_minor)::bigint FROM ledger.account GROUP BY account"
                ).fetchall()
            )
            assert verify(connection, Details(connection, settings.lake_dir, "default"), engine, "default").ok
        assert balances["shared/shanghai"] == -got["friend"], "what others got is booked once"
        assert balances["party/merchant:m-1"] == -got["openid-m"], "and so is what a party got beside its payment"


def test_what_is_shared_under_a_kill_is_shared_and_booked_once(databases: Any, tmp_path: Path) -> None:
    shared_under_kills(databases, tmp_path, kills=1, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_what_is_shared_under_many_kills_is_shared_and_booked_once(databases: Any, tmp_path: Path, seed: int) -> None:
    shared_under_kills(databases, tmp_path, kills=5, seed=seed)
