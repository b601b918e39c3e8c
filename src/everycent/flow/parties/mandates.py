"""Commands about mandates: what a party signed so that what it owes is taken from its account, and takes back.

A mandate is found by its account and the day on which it was signed; its id is stored sealed and shown masked, as the
account's number is.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from everycent.base.platform.database import Connection
from everycent.flow.parties import account_store, mandate_store
from everycent.flow.parties.account_keys import AccountKeys
from everycent.flow.parties.account_store import Account
from everycent.flow.parties.contract_store import tell
from everycent.flow.parties.core.account_moves import ENDED_STATES, AccountRefused, NotMoved
from everycent.flow.parties.core.account_number import Method, masked
from everycent.flow.parties.mandate_store import Mandate

#: As a bank's file takes it (pain.008, Max35Text).
_CHARACTERS_MAX = 35


@dataclass(frozen=True, repr=False)
class Signed:
    """A mandate as somebody gives it. It has no repr, so that no log shows its id."""

    account_id: uuid.UUID
    mandate: str
    signed_on: date
    by: str


@dataclass(frozen=True)
class MandateDone:
    """The mandate as it stands; `changed` is False where that was done before."""

    mandate: Mandate
    changed: bool


def sign(
    connection: Connection, tenant: str, keys: AccountKeys, given: Signed, today: date, now: datetime
) -> MandateDone | NotMoved:
    """Keeps that an account's party signed a mandate. The same again finds it. One that follows another is signed once
    that one is revoked: a debit has one mandate."""
    text = given.mandate.strip()
    if not 1 <= len(text) <= _CHARACTERS_MAX or not text.isprintable():
        said = f"a mandate's id has 1 to {_CHARACTERS_MAX} characters that can be printed"
        return NotMoved(AccountRefused.MANDATE_MALFORMED, said)
    if given.signed_on > today:
        return NotMoved(AccountRefused.MANDATE_TO_COME, f"{given.signed_on} is to come; write the day of the signature")
    with connection.transaction():
        account = account_store.locked(connection, tenant, None, given.account_id)
        if account is None:
            return _unknown(given.account_id)
        refusal = _refusal(account)
        if refusal is not None:
            return refusal
        known = mandate_store.of_account(connection, tenant, account)
        for one in known:
            same_day = one.signed_on == given.signed_on
            if same_day and one.revoked_on is None and keys.open(one.key_id, one.sealed, one.place) == text:
                return MandateDone(one, changed=False)
            if one.revoked_on is None:
                said = f"its mandate {one.masked} of {one.signed_on} stands; revoke it first"
                return NotMoved(AccountRefused.MANDATE_STANDS, said)
            if same_day or given.signed_on < one.revoked_on:
                said = f"its mandate {one.masked} of {one.signed_on} stood until it was revoked on {one.revoked_on}"
                right = "another one is signed on that day or later, and not on the day of one before"
                return NotMoved(AccountRefused.MANDATE_STANDS, f"{said}; {right}")
        mandate = Mandate(account.model, account.account_id, given.signed_on, masked(text), "", b"", given.by)
        sealed = keys.seal(text, mandate.place)
        mandate = replace(mandate, key_id=sealed.key_id, sealed=sealed.content)
        mandate_store.insert(connection, tenant, mandate, now)
        _tell(connection, tenant, account, mandate, "mandate_signed", now)
    return MandateDone(mandate, changed=True)


def revoke(
    connection: Connection, tenant: str, account_id: uuid.UUID, on: date, by: str, why: str, now: datetime
) -> MandateDone | NotMoved:
    """Keeps that the account is debited no longer from a day on. Revoked before that, it changes nothing."""
    with connection.transaction():
        account = account_store.locked(connection, tenant, None, account_id)
        if account is None:
            return _unknown(account_id)
        known = mandate_store.of_account(connection, tenant, account)
        if not known:
            said = f"account {account_id} has no mandate; `everycent party account mandate` gives it one"
            return NotMoved(AccountRefused.NO_MANDATE, said)
        last = known[-1]
        if last.revoked_on is not None and last.revoked_on <= on:
            return MandateDone(last, changed=False)
        if on < last.signed_on:
            said = f"it was signed on {last.signed_on}; it is revoked on that day or later"
            return NotMoved(AccountRefused.NOT_ALLOWED, said)
        revoked = replace(last, revoked_on=on, revoked_by=by, revoked_why=why)
        mandate_store.revoke(connection, tenant, revoked)
        _tell(connection, tenant, account, revoked, "mandate_revoked", now)
    return MandateDone(revoked, changed=True)


def _refusal(account: Account) -> NotMoved | None:
    if account.method is not Method.BANK_CARD:
        said = f"account {account.account_id} is a {account.method}; direct debits are of bank cards"
        return NotMoved(AccountRefused.NOT_DEBITED, said)
    if account.state in ENDED_STATES:
        said = f"account {account.account_id} is {account.state}; give the mandate to the account in use"
        return NotMoved(AccountRefused.NOT_ALLOWED, said)
    return None


def _unknown(account_id: uuid.UUID) -> NotMoved:
    said = f"there is no account {account_id}; `everycent party account list` names them"
    return NotMoved(AccountRefused.UNKNOWN_ACCOUNT, said)


def _tell(connection: Connection, tenant: str, account: Account, one: Mandate, what: str, now: datetime) -> None:
    content = {"account_id": str(account.account_id), "mandate": one.masked, "signed_on": one.signed_on.isoformat()}
    if one.revoked_on is not None:
        content["revoked_on"] = one.revoked_on.isoformat()
    tell(connection, tenant, account.model, f"payout_account_{what}", account.party_id, content, now)


def standing_mandates(
    connection: Connection, tenant: str, ids: Collection[uuid.UUID], as_of: date
) -> set[tuple[uuid.UUID, date]]:
    """Of these accounts the mandates, by account and day of signature, that are not revoked on a day."""
    known = mandate_store.of_accounts(connection, tenant, ids)
    return {(one.account_id, one.signed_on) for one in known if one.revoked_on is None or one.revoked_on > as_of}


def mandate_ids(
    connection: Connection, tenant: str, keys: AccountKeys, ids: Collection[uuid.UUID]
) -> Mapping[tuple[uuid.UUID, date], str]:
    """The ids of these accounts' mandates in the clear, by account and day of signature: for the bank's file, and
    nobody else. Raises NumberAltered, SettingsError."""
    known = mandate_store.of_accounts(connection, tenant, ids)
    return {(one.account_id, one.signed_on): keys.open(one.key_id, one.sealed, one.place) for one in known}


def reseal_mandates(connection: Connection, tenant: str, keys: AccountKeys) -> int:
    """Seals each mandate anew that is sealed under another key than the first; gives how many."""
    others = mandate_store.sealed_otherwise(connection, tenant, keys.sealing)
    for one in others:
        sealed = keys.seal(keys.open(one.key_id, one.sealed, one.place), one.place)
        mandate_store.reseal(connection, tenant, replace(one, key_id=sealed.key_id, sealed=sealed.content))
    return len(others)
