"""A payment service calls back over HTTP: what is taken, and what is refused by name with nothing changed."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from everycent.base.money.calendar import BusinessCalendar
from everycent.flow.payments.channels.signing import signed
from everycent.flow.payments.contract import Move, PayoutSpec, RestChannelSpec, Said
from everycent.flow.payments.service import history, shown, take_in
from everycent.flow.pipeline.service import PAYMENT_OTHERS
from everycent.serve.payment_callbacks import receiving_payments

SECRET = "between us"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Service:
    """Somebody who calls back about merchant a's payment of 90.00; merchant b is paid by file."""

    def __init__(self, books: Any, address: str) -> None:
        self.books, self.address = books, address

    def row(self, party: str = "a") -> dict[str, Any]:
        rows = shown(self.books.connection, self.books.tenant, [], None, 9)
        return next(row for row in rows if row["party_id"] == f"merchant:{party}")

    def call(self, state: str, *, order: str | None = None, secret: str = SECRET, at_s: int | None = None,
             headers: dict[str, str] | None = None, amount: int = 9000) -> tuple[int, str]:  # fmt: skip
        order = order or self.row()["instruction_id"].hex
        body = json.dumps({"order": order, "state": state, "amount_minor": amount, "currency": "CNY"}).encode()
        if headers is None:
            path = urlsplit(self.address).path
            headers = signed(secret, int(time.time()) if at_s is None else at_s, "POST", path, body)
        return self.send(body, headers)

    def send(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        answer = httpx.post(self.address, content=body, headers=headers)
        said = answer.json()
        return answer.status_code, said.get("refusal") or said["outcome"]

    def standing(self) -> tuple[str, int]:
        row = self.row()
        return row["state"], len(history(self.books.connection, self.books.tenant, row["instruction_id"]))


@pytest.fixture
def service(books: Any) -> Iterator[Service]:
    rest = RestChannelSpec(url="PAY_URL", secret="PAY_SECRET")
    books.payouts = {"merchant": PayoutSpec(channels=("rest",), rest=rest)}
    books.book("""record debtor creditor amount booked_on
        A1 platform merchant:a 90.00 2026-03-01
        B1 platform brand:b  5.00 2026-02-01""")
    books.close("2026-03-02")
    books.instruct("2026-03-02")
    model: Any = SimpleNamespace(name=books.model, calendar=BusinessCalendar.parse("Asia/Shanghai", "00:00"))
    with receiving_payments(books.database.settings, model, SECRET) as address:
        told = Service(books, address)
        begun = Said(told.row()["instruction_id"], Move.BEGIN, "key", "everycent")
        take_in(books.connection, PAYMENT_OTHERS, books.tenant, [begun], NOW, date(2026, 3, 2))
        yield told


def test_what_is_said_again_or_late_is_heard_and_changes_nothing(service: Service) -> None:
    assert service.call("accepted") == (200, "moved")
    assert service.call("paid") == (200, "moved")
    before = service.standing()
    assert before[0] == "succeeded"
    assert [service.call("paid"), service.call("accepted")] == [(200, "repeated"), (200, "overtaken")]
    assert service.standing() == before
    assert service.call("returned") == (200, "moved") and service.standing()[0] == "returned"


def test_what_is_forged_old_strange_or_broken_is_refused_by_name(service: Service) -> None:
    before, now_s = service.standing(), int(time.time())
    other = next(row for row in shown(service.books.connection, "default", [], None, 9) if row["role"] == "brand")
    assert service.call("paid", headers={}) == (401, "not_signed")
    assert service.call("paid", secret="guessed") == (401, "wrong_signature")
    assert service.call("paid", at_s=now_s - 301) == (401, "too_old"), "a recorded one that is played back later"
    assert service.call("paid", order="0" * 32) == (404, "unknown_order")
    assert service.call("paid", order=other["instruction_id"].hex) == (404, "unknown_order"), "it has not this order"
    assert service.call("done") == (422, "unknown_state")
    assert service.send(b"{", signed(SECRET, now_s, "POST", "/", b"{")) == (422, "not_json")
    long = b" " * (1 << 21)
    assert service.send(long, signed(SECRET, now_s, "POST", "/", long)) == (413, "too_long")
    assert service.standing() == before


def test_one_that_contradicts_is_kept_for_a_person(service: Service) -> None:
    assert service.call("paid", amount=1) == (200, "contradicted")
    assert service.row()["finding"] == "other_amount"


def test_an_altered_instruction_takes_no_answer(service: Service) -> None:
    service.books.connection.execute("UPDATE payments.instruction SET account = 'mine'")
    assert service.call("paid") == (409, "altered")
    assert service.standing()[0] == "submitted"
