"""The payment service over real HTTP: what its answers mean, and which call-backs are believed."""

import json
import time
from collections.abc import Iterator
from uuid import UUID

import pytest
from payment_service import SECRET, PaymentService, payment_service

from everycent.flow.payments.channels.rest import RestChannel, read_call_back
from everycent.flow.payments.channels.signing import signed
from everycent.flow.payments.contract import Capabilities, ComeBackRefused, Move, NoAnswer, NotSent, Order

KEY = UUID(int=77)
ORDER = Order(KEY, "pay", 500, "CNY", "6222", "Anna", "shanghai")
NOW_S = 1_772_400_000


@pytest.fixture
def service() -> Iterator[PaymentService]:
    with payment_service() as running:
        yield running


def channel(url: str, secret: str = SECRET) -> RestChannel:
    return RestChannel(url, secret, Capabilities(idempotent=True, queryable=True), 5, lambda: int(time.time()))


def test_an_order_is_sent_signed_and_answered(service: PaymentService) -> None:
    paying = channel(service.url)
    assert paying.ask(ORDER).move is Move.DENY
    said = paying.submit(ORDER)
    assert (said.key, said.move, said.amount_minor, said.currency) == (KEY, Move.PAY, 500, "CNY")
    assert paying.submit(ORDER).move is Move.PAY and paying.ask(ORDER).move is Move.PAY
    assert service.paid == {KEY.hex: 1} and service.unsigned == 0
    assert service.orders[KEY.hex]["account"] == "6222"


@pytest.mark.parametrize("fault", [500, 502, 401, 302, "hang up", "no json", "other order"])
def test_whatever_is_no_answer_leaves_it_open(service: PaymentService, fault: object) -> None:
    service.faults = [fault]
    with pytest.raises(NoAnswer) as silence:
        channel(service.url).submit(ORDER)
    assert "_" not in str(silence.value), "a person reads it"
    assert service.paid == {KEY.hex: 1}, "it was carried out all the same"
    assert channel(service.url).ask(ORDER).move is Move.PAY


def test_a_wrong_secret_is_no_refusal_of_the_payment(service: PaymentService) -> None:
    with pytest.raises(NoAnswer, match="status 401"):
        channel(service.url, "another").submit(ORDER)
    assert service.unsigned == 1 and not service.paid


def test_where_nothing_listens_nothing_was_sent() -> None:
    with payment_service() as gone:
        url = gone.url
    for ask in (channel(url).submit, channel(url).ask):
        with pytest.raises(NotSent):
            ask(ORDER)


def call_back(state: str = "paid", **more: object) -> bytes:
    given = {"order": KEY.hex, "state": state, "amount_minor": 500, "currency": "CNY", "reference": "P-1"}
    return json.dumps({**given, **more}).encode()


def headers(body: bytes, secret: str = SECRET, at_s: int = NOW_S, path: str = "/paid") -> dict[str, str]:
    return signed(secret, at_s, "POST", path, body)


def test_a_signed_call_back_is_believed() -> None:
    body = call_back("returned", reason="AC01")
    said = read_call_back(SECRET, NOW_S + 300, "/paid", headers(body), body)
    assert (said.key, said.move, said.amount_minor, said.why) == (KEY, Move.RETURN, 500, "AC01")
    assert said.cause == "call-back returned P-1"


TWICE = call_back()[:-1] + b', "state": "refused"}'
HALF, NOUGHT = call_back(reference="\ud800"), call_back(reason="a\0b")
LISTED = call_back().replace(b'"paid"', b'["paid"]')


@pytest.mark.parametrize(
    ("body", "given", "rule"),
    [
        (call_back(), {}, "not_signed"),
        (call_back(), headers(call_back(), "guessed"), "wrong_signature"),
        (call_back(), headers(call_back("refused")), "wrong_signature"),
        (call_back(), headers(call_back(), path="/elsewhere"), "wrong_signature"),
        (call_back(), headers(call_back(), at_s=NOW_S - 301), "too_old"),
        (call_back(), headers(call_back(), at_s=NOW_S + 301), "too_old"),
        (b"{", headers(b"{"), "not_json"),
        (TWICE, headers(TWICE), "not_json: it has a name twice"),
        (HALF, headers(HALF), "not_json: a text of it holds a character that no database keeps"),
        (NOUGHT, headers(NOUGHT), "not_json: a text of it holds a character that no database keeps"),
        (LISTED, headers(LISTED), "unknown_state"),
        (call_back("gone"), headers(call_back("gone")), "unknown_state"),
        (call_back(order="A1"), headers(call_back(order="A1")), "unknown_order"),
        (call_back(amount_minor=5.0), headers(call_back(amount_minor=5.0)), "no_amount"),
    ],
)
def test_others_are_refused_by_name(body: bytes, given: dict[str, str], rule: str) -> None:
    with pytest.raises(ComeBackRefused, match=rf"^{rule}[:,;]"):
        read_call_back(SECRET, NOW_S, "/paid", given, body)
