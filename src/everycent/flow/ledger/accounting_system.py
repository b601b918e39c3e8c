"""An accounting system outside of the house: it takes vouchers one by one, and acknowledges each.

    POST <EVERYCENT_ACCOUNTING_URL>/vouchers         a voucher's content, byte for byte; `webhook-id` is its id
    GET <EVERYCENT_ACCOUNTING_URL>/vouchers/<id>
    both answer                                      {"voucher", "state", "number", "reason"}
    call-backs, by POST                              the same

`state`: accepted, with the system's own `number`; refused, with a `reason`; taken, where it has yet to decide; unknown,
where it does not have the voucher. Requests, answers and call-backs are signed by the shared secret.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from everycent.base.platform.signed_service import NotBelieved, SignedService, said_in
from everycent.flow.ledger.contract import Said, Voucher, VoucherMove

#: No acknowledgement is longer.
ACKNOWLEDGEMENT_BYTES_MAX = 16_384
_TEXT_MOST = 500
_TAKEN, _UNKNOWN = "taken", "unknown"
_MOVES = {"accepted": VoucherMove.ACCEPT, "refused": VoucherMove.REFUSE}


class NotAnAcknowledgement(ValueError):
    """A message that says nothing of a voucher; the message says what would be right."""


@dataclass(frozen=True)
class Acknowledged:
    """What a message says. `said` is None where the system has yet to decide, or lacks the voucher (not `has_it`)."""

    voucher_id: UUID
    has_it: bool
    said: Said | None


class RestAccounting(SignedService):
    """The accounting system, and the secret that both sides sign with."""

    called = "accounting system"
    url_setting = "EVERYCENT_ACCOUNTING_URL"
    secret_setting = "EVERYCENT_ACCOUNTING_SECRET"

    def submit(self, voucher: Voucher, now: datetime) -> Said | None:
        """Hands one over; what is said of it, None where that comes later. Raises NotReached, NotBelieved."""
        heard = self._exchange("POST", "/vouchers", voucher.voucher_id, voucher.content.encode(), now)
        if not heard.has_it:
            raise NotBelieved("it answers a voucher with not knowing it")
        return heard.said

    def ask(self, voucher_id: UUID, now: datetime) -> tuple[bool, Said | None]:
        """Whether it has the voucher, and what it says of it. Raises NotReached, NotBelieved."""
        heard = self._exchange("GET", f"/vouchers/{voucher_id}", voucher_id, b"", now)
        return heard.has_it, heard.said

    def _exchange(self, method: str, path: str, voucher_id: UUID, body: bytes, now: datetime) -> Acknowledged:
        try:
            heard = read_acknowledgement(self.exchange(method, path, voucher_id, body, now))
        except NotAnAcknowledgement as odd:
            raise NotBelieved(f"its answer is no acknowledgement: {odd}") from None
        if heard.voucher_id != voucher_id:
            raise NotBelieved(f"its answer is about another voucher, {heard.voucher_id}")
        return heard


def read_acknowledgement(body: bytes, who: str = RestAccounting.called) -> Acknowledged:
    """What a message says. Raises NotAnAcknowledgement."""
    try:
        given = said_in(body)
    except ValueError as odd:
        raise NotAnAcknowledgement(str(odd)) from None
    if not isinstance(given, dict) or given.get("state") not in (*_MOVES, _TAKEN, _UNKNOWN):
        raise NotAnAcknowledgement(f"its state is one of {', '.join([*_MOVES, _TAKEN, _UNKNOWN])}")
    try:
        voucher_id = UUID(str(given.get("voucher")))
    except ValueError:
        raise NotAnAcknowledgement("its voucher is the id that was handed over") from None
    state = given["state"]
    if state not in _MOVES:
        return Acknowledged(voucher_id, state == _TAKEN, None)
    needed = "number" if state == "accepted" else "reason"
    text = given.get(needed)
    if not isinstance(text, str) or not text.strip() or len(text) > _TEXT_MOST:
        raise NotAnAcknowledgement(f"one that is {state} has a {needed}, a text of up to {_TEXT_MOST} characters")
    said = Said(voucher_id, _MOVES[state], who, *((text, None) if needed == "number" else (None, text)))
    return Acknowledged(voucher_id, True, said)
