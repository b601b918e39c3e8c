"""Signed messages between services: the headers of the Standard Webhooks convention, made and checked."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

#: How far the clocks of two services may be apart, and how long a message may be under way.
CLOCKS_APART = timedelta(minutes=5)


class BadSignature(StrEnum):
    """Why a message is not believed."""

    MISSING = "signature_missing"
    WRONG = "signature_wrong"
    STALE = "signature_stale"


def signed(message_id: UUID, content: bytes, key: bytes, now: datetime) -> dict[str, str]:
    """The headers by which a receiver knows who sent these bytes, and when: HMAC-SHA256 over `id.seconds.content`."""
    seconds = str(int(now.timestamp()))
    return {
        "webhook-id": str(message_id),
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(_mac(str(message_id), seconds, content, key)).decode()}",
    }


def bad_signature(headers: Mapping[str, str], content: bytes, key: bytes, now: datetime) -> BadSignature | None:
    """Why the bytes are not believed to come, now, from who has the key; None where they are. Header names in any case.

    A signature header may hold several, with blanks between (while a key is changed): one that is right is enough.
    """
    said = {name.lower(): value for name, value in headers.items()}
    message_id, seconds = said.get("webhook-id", ""), said.get("webhook-timestamp", "")
    signatures = said.get("webhook-signature", "").split()
    if not message_id or not signatures or not (seconds.isascii() and seconds.isdigit() and len(seconds) < 12):
        return BadSignature.MISSING
    right = _mac(message_id, seconds, content, key)
    if not any(hmac.compare_digest(right, _decoded(signature)) for signature in signatures):
        return BadSignature.WRONG
    apart = abs(now.timestamp() - int(seconds))
    return BadSignature.STALE if apart > CLOCKS_APART.total_seconds() else None


def _mac(message_id: str, seconds: str, content: bytes, key: bytes) -> bytes:
    return hmac.new(key, f"{message_id}.{seconds}.".encode() + content, hashlib.sha256).digest()


def _decoded(signature: str) -> bytes:
    version, _, coded = signature.partition(",")
    try:
        return base64.b64decode(coded, validate=True) if version == "v1" else b""
    except binascii.Error:
        return b""
