"""The verification service: asked over HTTP about each account, answers later by a signed call-back."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from everycent.base.platform.database import Connection
from everycent.base.platform.signatures import bad_signature
from everycent.base.platform.signed_service import NotReached, SignedService, said_in
from everycent.flow.parties import account_store as store
from everycent.flow.parties.account_keys import AccountKeys
from everycent.flow.parties.account_store import Account, Answer
from everycent.flow.parties.accounts import AccountPolicy, Done, answered, ask_all
from everycent.flow.parties.core.account_moves import AccountRefused, NotMoved

#: No answer is longer.
ANSWER_BYTES_MAX = 16_384


class VerificationService(SignedService):
    """Whoever knows whose accounts are."""

    called = "verification service"
    url_setting = "EVERYCENT_VERIFICATION_URL"
    secret_setting = "EVERYCENT_VERIFICATION_SECRET"

    def ask(self, account: Account, number: str, now: datetime) -> None:
        """Asks whether the holder has this account. Raises NotReached."""
        said = {
            "reference": str(account.account_id),
            "method": account.method.value,
            "number": number,
            "holder": account.holder,
        }
        self.tell(account.account_id, said, now)


@dataclass(frozen=True)
class Asked:
    """An account that the service was asked about; `not_reached`: why it did not hear it."""

    account: Account
    not_reached: str | None


def verify_accounts(
    connection: Connection, tenant: str, model: str, keys: AccountKeys, service: VerificationService, now: datetime
) -> list[Asked]:
    """Asks about each account that is confirmed or has no answer yet. Raises NumberAltered, SettingsError."""
    failures: dict[uuid.UUID, str] = {}

    def ask(account: Account) -> None:
        try:
            service.ask(account, keys.open(account.key_id, account.sealed, account.place), now)
        except NotReached as error:
            failures[account.account_id] = str(error)

    asked = ask_all(connection, tenant, model, ask, now)
    return [Asked(account, failures.get(account.account_id)) for account in asked]


class AnswerRefused(StrEnum):
    """Why a call-back was not taken; a BadSignature's name is the other possibility."""

    TOO_LONG = "too_long"
    NOT_AN_ANSWER = "not_an_answer"
    UNKNOWN_ACCOUNT = AccountRefused.UNKNOWN_ACCOUNT.value
    CONTRADICTS = "contradicts"


@dataclass(frozen=True)
class AnswerTaken:
    """What became of a call-back. `outcome`: taken, duplicate or refused, then with the refusal's name and why."""

    outcome: str
    account: Account | None = None
    refusal: str | None = None
    reason: str | None = None


def take_answer(
    connection: Connection, tenant: str, model: str, policy: AccountPolicy, secret: bytes,
    headers: Mapping[str, str], body: bytes, now: datetime,
) -> AnswerTaken:  # fmt: skip
    """Takes a call-back: `{"reference": <account id>, "outcome": "verified" | "refused", "reason": ...}`, signed.

    Each is kept as it came, the refused ones too, one that is too long as far as it is read. The same again is a
    duplicate.
    """
    bad = bad_signature(headers, body, secret, now)
    with connection.transaction():
        if len(body) > ANSWER_BYTES_MAX:
            said = f"it is longer than {ANSWER_BYTES_MAX} bytes; an answer has reference, outcome and reason"
            return _refused(connection, tenant, body[:ANSWER_BYTES_MAX], AnswerRefused.TOO_LONG, said, now)
        if bad is not None:
            said = "it is not signed by the shared secret, now; see webhook-id, webhook-timestamp, webhook-signature"
            return _refused(connection, tenant, body, bad.value, said, now)
        read = _read(body)
        if isinstance(read, str):
            return _refused(connection, tenant, body, AnswerRefused.NOT_AN_ANSWER, read, now)
        account_id, accepted, reason = read
        done = answered(connection, tenant, model, account_id, accepted=accepted, reason=reason, policy=policy, now=now)
        if isinstance(done, NotMoved):
            known = done.name is not AccountRefused.UNKNOWN_ACCOUNT
            name = AnswerRefused.CONTRADICTS if known else AnswerRefused.UNKNOWN_ACCOUNT
            return _refused(connection, tenant, body, name, done.message, now, account_id if known else None)
        return _taken(connection, tenant, body, done, now)


def _taken(connection: Connection, tenant: str, body: bytes, done: Done, now: datetime) -> AnswerTaken:
    if not done.changed:
        return AnswerTaken("duplicate", done.account)
    store.keep_answer(connection, tenant, Answer(_digest(body), body, done.account.account_id, None, None), now)
    return AnswerTaken("taken", done.account)


def _refused(
    connection: Connection, tenant: str, body: bytes, name: str, why: str, now: datetime,
    account_id: uuid.UUID | None = None,
) -> AnswerTaken:  # fmt: skip
    store.keep_answer(connection, tenant, Answer(_digest(body), body, account_id, str(name), why), now)
    return AnswerTaken("refused", None, str(name), why)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _read(body: bytes) -> tuple[uuid.UUID, bool, str | None] | str:
    """Account, whether it is accepted, and the reason; or what is wrong."""
    right = 'write {"reference": <the one asked with>, "outcome": "verified" or "refused", "reason": <text>}'
    try:
        said = said_in(body)
        account_id = uuid.UUID(said["reference"])
        outcome, reason = said["outcome"], said.get("reason")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"it is no answer; {right}"
    if outcome not in ("verified", "refused") or not (reason is None or isinstance(reason, str)):
        return f"its outcome or reason is none; {right}"
    return account_id, outcome == "verified", None if reason is None else reason[:500]
