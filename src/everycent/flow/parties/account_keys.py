"""Keys of payout accounts: numbers are stored sealed (AES-256-GCM), found by a keyed hash, shown masked.

The first key named seals; the others only open, so that a new key can be put first and `rekey` takes the rest along.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from everycent.base.platform.settings import SettingsError

VARIABLE = "EVERYCENT_ACCOUNT_KEYS"
_KEY_BYTES, _NONCE_BYTES = 32, 12


class NumberAltered(Exception):
    """A sealed number is not as it was written, or was moved to another account; it is not used."""


@dataclass(frozen=True)
class Sealed:
    """A number as it is stored. `digest` is equal for equal numbers under one key."""

    key_id: str
    content: bytes
    digest: bytes


@dataclass(frozen=True, repr=False)
class AccountKeys:
    """The keys by their ids, the one that seals first. They have no repr, so that no log shows one."""

    by_id: Mapping[str, bytes]

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> "AccountKeys":
        """The keys of EVERYCENT_ACCOUNT_KEYS, `<id>:<32 bytes in base64>` with commas between. Raises SettingsError."""
        text = (os.environ if environ is None else environ).get(VARIABLE, "")
        if not text.strip():
            raise SettingsError(
                f"{VARIABLE} is not set, and payout accounts are stored sealed; make a key with"
                " `everycent party account new-key`, keep it safe, and set the variable"
            )
        found: dict[str, bytes] = {}
        for part in text.split(","):
            key_id, _, coded = part.strip().partition(":")
            try:
                key = base64.b64decode(coded, validate=True)
            except binascii.Error:
                key = b""
            if re.fullmatch(r"[\w-]{1,32}", key_id) is None or len(key) != _KEY_BYTES or key_id in found:
                raise SettingsError(
                    f"{VARIABLE}: key '{key_id[:32]}' is not as `everycent party account new-key` prints one:"
                    " <id>:<32 bytes in base64>, each id once, with commas between keys"
                )
            found[key_id] = key
        return cls(found)

    @property
    def sealing(self) -> str:
        """The id of the key that seals."""
        return next(iter(self.by_id))

    def seal(self, number: str, place: str) -> Sealed:
        """Seals the number for one `place`: nobody can use it at another."""
        nonce = os.urandom(_NONCE_BYTES)
        content = nonce + AESGCM(self._derived(self.sealing, "seal")).encrypt(nonce, number.encode(), place.encode())
        return Sealed(self.sealing, content, self.digest(number, self.sealing))

    def open(self, key_id: str, content: bytes, place: str) -> str:
        """The number. Raises NumberAltered; SettingsError where its key is not among those that are set."""
        if key_id not in self.by_id:
            known = ", ".join(self.by_id)
            raise SettingsError(f"{VARIABLE} has no key '{key_id}', under which {place} is sealed; it has {known}")
        try:
            cipher = AESGCM(self._derived(key_id, "seal"))
            return cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, ValueError):
            raise NumberAltered(
                f"the number of {place} was altered after it was sealed, or sealed under another key '{key_id}';"
                " it is not used: withdraw the account and have it given again"
            ) from None

    def digest(self, number: str, key_id: str) -> bytes:
        """What the number is found by."""
        return hmac.new(self._derived(key_id, "find"), number.encode(), hashlib.sha256).digest()

    def _derived(self, key_id: str, purpose: str) -> bytes:
        """A key of its own for each purpose. (HMAC as a key derivation, as in HKDF's expand step.)"""
        return hmac.new(self.by_id[key_id], f"everycent account {purpose}".encode(), hashlib.sha256).digest()


def new_key(key_id: str) -> str:
    """A new key, as EVERYCENT_ACCOUNT_KEYS takes it."""
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"
