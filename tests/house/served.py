"""What the services of the tests share: HTTP as the services have it that are made up, and signed call-backs."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from everycent.base.platform.signatures import signed
from everycent.serve.demo.loopback import Answering, served

__all__ = ["Answering", "call_back", "served"]


def call_back(address: str, said: object, secret: bytes) -> tuple[int, dict[str, Any]]:
    """Sends a signed call-back; its status and what came back."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    heard = httpx.post(address, content=body, headers=signed(uuid4(), body, secret, datetime.now(UTC)))
    return heard.status_code, heard.json()
