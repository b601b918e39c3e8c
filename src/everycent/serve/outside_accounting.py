"""An accounting system's acknowledgements of vouchers, as they come: signed call-backs over HTTP."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from everycent.base.platform.database import connect
from everycent.base.platform.settings import Settings
from everycent.flow.ledger import service as ledger
from everycent.flow.ledger.contract import VoucherCame
from everycent.serve.call_backs import hearing, unheard

#: What the sender is told: 2xx need not come again, 4xx is refused.
_STATUS = {
    "too_long": 413,
    "not_an_acknowledgement": 422,
    VoucherCame.UNKNOWN.value: 404,
    VoucherCame.NOT_ALLOWED.value: 409,
    VoucherCame.CONTRADICTED.value: 409,
}


@dataclass(frozen=True)
class Heard:
    """A call-back. `outcome`: what came of it, or the name of the rule that it breaks; `reason`: why, in words."""

    outcome: str
    voucher: str | None = None
    state: str | None = None
    reason: str | None = None

    @property
    def status(self) -> int:
        """What its sender is told."""
        return 401 if self.outcome.startswith("signature_") else _STATUS.get(self.outcome, 200)


def receiving_acknowledgements(
    settings: Settings, secret: bytes, host: str = "127.0.0.1", port: int = 0,
    told: Callable[[Heard], None] = lambda _: None,
) -> AbstractContextManager[str]:  # fmt: skip
    """Takes acknowledgements while it runs; gives the address that they are sent to. `told` of each."""
    return hearing(partial(_heard, settings, secret), told, ledger.ACKNOWLEDGEMENT_BYTES_MAX, host, port)


def _heard(settings: Settings, secret: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> Heard:
    broken = unheard(headers, body, secret, ledger.ACKNOWLEDGEMENT_BYTES_MAX, now)
    if broken is not None:
        return Heard(broken[0], reason=broken[1])
    try:
        acknowledged = ledger.read_acknowledgement(body)
    except ledger.NotAnAcknowledgement as odd:
        return Heard("not_an_acknowledgement", reason=str(odd))
    if acknowledged.said is None:
        said = "it says that a voucher was taken, or is unknown; a call-back says accepted or refused"
        return Heard("not_an_acknowledgement", str(acknowledged.voucher_id), reason=said)
    with connect(settings) as connection:
        taken = ledger.say_of_voucher(connection, settings.tenant, acknowledged.said, now)
    state = None if taken.voucher is None else taken.voucher.state.value
    return Heard(taken.came.value, str(acknowledged.voucher_id), state, taken.message or None)
