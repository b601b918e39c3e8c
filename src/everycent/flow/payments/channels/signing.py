"""Signatures of requests and call-backs: HMAC-SHA256 over the time, the method, the path and the body.

    X-Everycent-Time: seconds since 1970, UTC
    X-Everycent-Signature: hex of HMAC-SHA256(secret, time LF method LF path LF body)

A signature that is too old or from the future is refused, so that a call-back which somebody recorded is not played
back later; one that is played back at once says what was said before, and changes nothing.
"""

import hashlib
import hmac
from collections.abc import Mapping

from everycent.flow.payments.contract import ComeBackRefused

TIME, SIGNATURE = "X-Everycent-Time", "X-Everycent-Signature"
SKEW_S = 300


def signed(secret: str, at_s: int, method: str, path: str, body: bytes) -> dict[str, str]:
    """The headers of a request."""
    return {TIME: str(at_s), SIGNATURE: _signature(secret, str(at_s), method, path, body)}


def refuse_unsigned(secret: str, now_s: int, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Raises ComeBackRefused, by the rule's name, where the signature is not right."""
    given = {name.lower(): value for name, value in headers.items()}
    at, signature = given.get(TIME.lower(), ""), given.get(SIGNATURE.lower(), "")
    if not at or not signature:
        raise ComeBackRefused(f"not_signed: the headers {TIME} and {SIGNATURE} are needed")
    if not hmac.compare_digest(signature.encode(), _signature(secret, at, method, path, body).encode()):
        raise ComeBackRefused("wrong_signature: it is not that of this secret, time, method, path and body")
    if not at.isascii() or not at.isdigit() or abs(now_s - int(at)) > SKEW_S:
        raise ComeBackRefused(f"too_old: signed at {at}, now it is {now_s}; at most {SKEW_S} s may lie between")


def _signature(secret: str, at: str, method: str, path: str, body: bytes) -> str:
    head = f"{at}\n{method}\n{path}\n".encode()
    return hmac.new(secret.encode(), head + body, hashlib.sha256).hexdigest()
