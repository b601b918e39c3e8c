"""The law over profit sharing: whatever is lost, late, repeated or out of order, each request is done at most once,
none is forgotten, and no payment is shared above its cap."""

import random
from collections import Counter
from datetime import date

import pytest
from sharing_simulator import SharingSimulator

from everycent.flow.payments.core.sharing import PUBLISHED, read_requests
from everycent.flow.payments.sharing import share

DAY = date(2026, 3, 2)


@pytest.mark.parametrize("seed", range(20))
def test_each_request_is_done_once_and_within_the_cap(seed: int) -> None:
    chance = random.Random(seed)
    rows = [
        {"payment": f"P{payment}", "request": f"r{request}", "paid": "100.00", "paid_on": "2026-03-01",
         "does": "finish" if request == 5 else "share", "receiver": receiver,
         "amount": f"{chance.choice((100, 300, 799)) / 100:.2f}"}
        for payment in range(4) for request in range(6) for receiver in ("openid-a", "openid-b")
    ]  # fmt: skip
    wallet, limits = SharingSimulator(chance.randrange, 3000), PUBLISHED["wechat"]
    requests = list(read_requests(rows))
    for _ in range(60):
        wallet.work()
        told = share(wallet, requests, limits, DAY)
        if all(each.came in ("repeated", "refused") for each in told) and not wallet.under_way:
            break
    assert {each.came for each in told} <= {"repeated", "refused"}, "each has its end"
    assert set(wallet.done.values()) == {1}, "nothing is done twice"
    shared = Counter[str]()
    for payment, had in wallet.has.items():
        shared[payment] = sum(amount for each in had if each.state != "refused" for _, amount in each.shares)
    assert 0 < max(shared.values()) <= 3000, "30 % of 100.00"
    here = {(each.payment, each.request) for each in told if each.came == "repeated"}
    assert here == set(wallet.done), "what it says is what the wallet has"
    refusals = {each.refusal for each in told if each.refusal is not None}
    assert refusals <= {"above_ratio", "finished"}, refusals
