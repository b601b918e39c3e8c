"""kill -9 of the sender between creation and payment: no payment is made twice, and none is forgotten.

A real process sends real orders over HTTP to a payment service that remembers what it did; at a moment by chance it
gets SIGKILL, wherever it is. The next one goes on.
"""

import random
from pathlib import Path
from typing import Any

import pytest
from deaths import killed_at_work, successor
from paying_model import paying_model
from payment_service import SECRET, payment_service
from workplace import Place

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import connect
from everycent.base.platform.details import Details
from everycent.flow.payments.service import shown
from everycent.proof.verify.service import verify

PAYMENTS = 30


def paid_under_kills(databases: Any, tmp_path: Path, *, queryable: bool, idempotent: bool, kills: int) -> None:
    can = f"idempotent: {str(idempotent).lower()}, queryable: {str(queryable).lower()}"
    payout = f"{{channels: [rest], rest: {{url: PAY_URL, secret: PAY_SECRET, {can}}}}}"
    (tmp_path / "model.yaml").write_text(paying_model(payout))
    sold = "".join(f"A{at},m-{at},{at}.00,2026-03-01\n" for at in range(1, PAYMENTS + 1))
    (tmp_path / "sold.csv").write_text(f"id,merchant,price,at\n{sold}")
    chance = random.Random(kills)
    with databases.fresh(tmp_path / "data") as settings, payment_service() as service:
        service.idempotent = idempotent
        known = {"EVERYCENT_DATABASE_URL": str(settings.database_url), "PAY_URL": service.url, "PAY_SECRET": SECRET}
        place = Place(tmp_path / "place", known)
        run = ["run", str(tmp_path / "model.yaml"), "--records", str(tmp_path / "sold.csv"), "--as-of", "2026-03-02"]
        assert place.run(run).code == 0
        submit = ["payments", "submit", str(tmp_path / "model.yaml"), "--as-of", "2026-03-03", "--json"]
        for _ in range(kills):
            seen, sender = len(service.paid), place.start(submit)
            target = seen + chance.randint(1, max(1, PAYMENTS // (kills + 1)))
            killed_at_work(sender, chance, lambda target=target: len(service.paid) >= target)
        told = successor(place, submit)
        assert told.code == 0, told.err
        with connect(settings) as connection, LocalEngine(1, 512, tmp_path / "spill") as engine:
            listed = shown(connection, "default", [], None, 99)
            details = Details(connection, settings.lake_dir, "default")
            assert verify(connection, details, engine, "default").ok
        ended = {each["instruction_id"].hex: each["state"] for each in listed}
        assert len(ended) == PAYMENTS, "none is forgotten"
        assert set(service.paid.values()) <= {1}, "none is made twice"
        sure = {key for key, state in ended.items() if state == "succeeded"}
        parked = {key for key, state in ended.items() if state == "parked"}
        assert sure | parked == set(ended) and len(parked) <= kills, ended
        assert sure <= set(service.paid), "what is said to be paid is"
        if queryable or idempotent:
            assert sure == set(service.paid), "what is paid is said to be"


def test_a_sender_that_is_killed_pays_nothing_twice_and_forgets_nothing(databases: Any, tmp_path: Path) -> None:
    paid_under_kills(databases, tmp_path, queryable=True, idempotent=True, kills=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("queryable", "idempotent"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_hundred_kills(databases: Any, tmp_path: Path, seed: int, queryable: bool, idempotent: bool) -> None:
    del seed  # each goes its own way: where the process is when the signal comes is up to the machine
    paid_under_kills(databases, tmp_path, queryable=queryable, idempotent=idempotent, kills=5)
