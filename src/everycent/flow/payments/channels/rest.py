"""The channels `rest`, `wechat` and `alipay`: services that take orders one by one.

    POST <url>/payments         {"order", "direction", "amount_minor", "currency", "account", "name", "legal_entity"};
                                for a wallet "remark", too
    GET <url>/payments/<order>
    both answer                 {"order", "state", "amount_minor", "currency", "reference", "reason"}
    call-backs, by POST         the same

`state`: accepted, paid, refused, returned, or unknown where the service does not know the order. `order` is the
instruction's id; it is the Idempotency-Key, too. Requests and call-backs are signed (signing.py). Whatever else comes
back (another status, no JSON, another order, nothing within the time) is no answer: the payment may have been made.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from everycent.base.platform.signed_service import said_in
from everycent.flow.payments.channels.signing import refuse_unsigned, signed
from everycent.flow.payments.contract import REST, Capabilities, ComeBackRefused, Move, NoAnswer, NotSent, Order, Said

_STATES = {
    "accepted": Move.ACCEPT,
    "paid": Move.PAY,
    "refused": Move.REFUSE,
    "returned": Move.RETURN,
    "unknown": Move.DENY,
}
#: Of an answer or a call-back.
CALL_BACK_BYTES_MAX = 1 << 20
#: What tells that a connection was never made: nothing of the order has left.
_NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)


@dataclass
class RestChannel:
    """A service at `url`. `clock_s`: seconds since 1970. `remark`: what a wallet tells its receivers."""

    url: str
    secret: str = field(repr=False)
    capabilities: Capabilities
    timeout_s: float
    clock_s: Callable[[], int]
    name: str = REST
    remark: str | None = None

    def submit(self, order: Order) -> Said:
        """Sends an order. Raises NoAnswer, NotSent."""
        body = json.dumps(
            {
                "order": order.key.hex,
                "direction": order.direction,
                "amount_minor": order.amount_minor,
                "currency": order.currency,
                "account": order.account,
                "name": order.account_name,
                "legal_entity": order.legal_entity,
                **({} if self.remark is None else {"remark": self.remark}),
            }
        ).encode()
        said = self._asked("POST", "/payments", body, order)
        if said.move is Move.DENY:
            raise NoAnswer("the service answers an order with not knowing it")
        return said

    def ask(self, order: Order) -> Said:
        """What became of an order. Raises NoAnswer, NotSent."""
        return self._asked("GET", f"/payments/{order.key.hex}", b"", order)

    def _asked(self, method: str, path: str, body: bytes, order: Order) -> Said:
        address = self.url.rstrip("/") + path
        response = signed_request(self.secret, self.clock_s(), self.timeout_s, method, address, body, order.key.hex)
        try:
            said = said_of(response.content, f"answer to {method}", self.name)
        except ComeBackRefused as odd:
            unread = f"its answer cannot be read: {str(odd).partition(': ')[2]}"
            raise NoAnswer(f"the payment service answered with status {response.status_code}, {unread}") from None
        if said.key != order.key:
            raise NoAnswer(f"the answer is about another order, {said.key.hex}")
        refused = said.move is Move.REFUSE and response.status_code < 500
        if not refused and response.status_code not in (200, 201, 202, 404):
            raise NoAnswer(f"the payment service answered with status {response.status_code}")
        return said


def signed_request(
    secret: str, at_s: int, timeout_s: float, method: str, address: str, body: bytes, key: str
) -> httpx.Response:
    """A service's answer to a signed request, of CALL_BACK_BYTES_MAX at most. Raises NoAnswer, NotSent."""
    headers = signed(secret, at_s, method, urlsplit(address).path, body)
    headers |= {"Idempotency-Key": key, "Content-Type": "application/json"}
    try:
        with httpx.Client(timeout=timeout_s, follow_redirects=False) as client:
            response = client.request(method, address, content=body, headers=headers)
    except _NOT_CONNECTED as error:
        raise NotSent(f"the payment service cannot be reached ({type(error).__name__})") from None
    except httpx.HTTPError as error:
        raise NoAnswer(f"the payment service did not answer ({type(error).__name__})") from None
    if len(response.content) > CALL_BACK_BYTES_MAX:
        raise NoAnswer("the payment service's answer is too long")
    return response


def read_call_back(
    secret: str, now_s: int, path: str, headers: Mapping[str, str], body: bytes, who: str = REST
) -> Said:
    """What a call-back says. Raises ComeBackRefused, named after the rule that it breaks."""
    if len(body) > CALL_BACK_BYTES_MAX:
        raise ComeBackRefused(f"too_long: a call-back has {CALL_BACK_BYTES_MAX} bytes at most")
    refuse_unsigned(secret, now_s, "POST", path, body, headers)
    return said_of(body, "call-back", who)


def said_of(body: bytes, source: str, who: str) -> Said:
    """What a message says. Raises ComeBackRefused."""
    try:
        given = said_in(body)
    except ValueError as odd:
        raise ComeBackRefused(f"not_json: {odd}; send one JSON object in UTF-8") from None
    if not isinstance(given, dict) or given.get("state") not in tuple(_STATES):
        raise ComeBackRefused(f"unknown_state: a message has a state of {', '.join(_STATES)}")
    try:
        key = UUID(hex=str(given.get("order")))
    except ValueError:
        raise ComeBackRefused("unknown_order: a message names an order by the 32 digits that it was given") from None
    move = _STATES[given["state"]]
    amount, code = given.get("amount_minor"), given.get("currency")
    told = move is Move.DENY or (isinstance(amount, int) and not isinstance(amount, bool) and isinstance(code, str))
    if not told and move is not Move.REFUSE:
        raise ComeBackRefused("no_amount: a message has amount_minor, a whole number, and currency")
    why, reference = given.get("reason"), given.get("reference")
    cause = f"{source} {given['state']} {reference or ''}".strip()
    stated = (amount, code) if told and move is not Move.DENY else (None, None)
    return Said(key, move, cause, who, None if why is None else str(why)[:500], *stated)
