"""Commands about payout accounts: given, confirmed by a second person, verified by a service, used."""

import hashlib
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import pyarrow as pa

from everycent.base.money.calendar import BusinessCalendar
from everycent.base.platform.database import Connection
from everycent.flow.approvals.contract import person
from everycent.flow.parties import account_store as store
from everycent.flow.parties.account_keys import AccountKeys, NumberAltered
from everycent.flow.parties.account_store import Account
from everycent.flow.parties.contract import ACCOUNT_COLUMNS, USABLE_ACCOUNT, key_values
from everycent.flow.parties.contract_store import tell
from everycent.flow.parties.core.account_moves import AccountMove, AccountRefused, AccountState, NotMoved, moved
from everycent.flow.parties.core.account_number import Method, masked, plain_number, usable_on
from everycent.flow.parties.mandate_store import Mandate, of_accounts
from everycent.flow.parties.mandates import reseal_mandates

#: What ISO 20022 has room for in a name.
_HOLDER_CHARACTERS_MAX = 140
_UNDER_WAY = (AccountState.GIVEN, AccountState.CONFIRMED, AccountState.VERIFYING)
#: Moves that need a person who did not give the account.
_SECOND = (AccountMove.CONFIRM, AccountMove.DECLINE)
#: No party was ever given so many.
_ACCOUNTS_MAX = 10_000


@dataclass(frozen=True)
class AccountPolicy:
    """The model's: whose midnight ends a day, and how long a change waits after the second person's yes."""

    calendar: BusinessCalendar
    cooling: timedelta


@dataclass(frozen=True, repr=False)
class Given:
    """An account as somebody gives it. It has no repr, so that no log shows the number."""

    party_id: str
    method: Method
    number: str
    holder: str
    by: str


@dataclass(frozen=True)
class Done:
    """The account as it stands; `changed` is False where that was done before."""

    account: Account
    changed: bool


def give(
    connection: Connection, tenant: str, model: str, keys: AccountKeys, given: Given, now: datetime
) -> Done | NotMoved:
    """Gives a party an account. Its first one is confirmed by itself; a change waits for a second person.

    The same again finds what was given. The merchant is told of it by an event.
    """
    number = plain_number(given.method, given.number)
    if isinstance(number, NotMoved):
        return number
    holder = " ".join(given.holder.split())
    if not holder or not holder.isprintable():
        return NotMoved(AccountRefused.NAME_MISSING, "who holds the account is missing; write the name it is under")
    if len(holder) > _HOLDER_CHARACTERS_MAX:
        said = f"the holder's name has {len(holder):,} characters, a bank takes {_HOLDER_CHARACTERS_MAX}; shorten it"
        return NotMoved(AccountRefused.NAME_TOO_LONG, said)
    with connection.transaction():
        if not store.lock_party(connection, tenant, model, given.party_id):
            said = f"the model '{model}' has no party '{given.party_id}'; `everycent party list` names them"
            return NotMoved(AccountRefused.UNKNOWN_PARTY, said)
        known = store.of_party(connection, tenant, model, given.party_id)
        face = (given.method, holder, number)
        same = next((each for each in known if _is_open(each) and _face(each, keys) == face), None)
        if same is not None:
            return Done(same, changed=False)
        under_way = next((each for each in known if each.state in _UNDER_WAY), None)
        if under_way is not None:
            said = f"{given.party_id} was given account {under_way.account_id} ({under_way.masked}), {under_way.state}"
            return NotMoved(AccountRefused.CHANGE_UNDER_WAY, f"{said}; withdraw it first, or wait until it is verified")
        account = _sealed(connection, tenant, model, keys, given, (number, holder), len(known))
        store.insert(connection, tenant, account, now)
        _tell(connection, tenant, account, "given", now)
    return Done(account, changed=True)


def _id_of(tenant: str, model: str, party_id: str, number: int) -> uuid.UUID:
    """The id of the account that is the party's `number`-th, from 1."""
    name = "\x1f".join(("payout account", tenant, model, party_id, str(number)))
    return uuid.UUID(bytes=hashlib.sha256(name.encode()).digest()[:16])


def _refuse_moved(tenant: str, account: Account) -> None:
    """An account's id is made of its party; nobody is paid to an account that was moved to another. Raises
    NumberAltered."""
    made = (_id_of(tenant, account.model, account.party_id, number) for number in range(1, _ACCOUNTS_MAX + 1))
    if account.account_id not in made:
        raise NumberAltered(
            f"account {account.account_id} was not given to {account.party_id}: its row was altered in the database; it"
            " is not used: find out who did it, withdraw the account and have it given again"
        )


def _is_open(account: Account) -> bool:
    return account.state in (*_UNDER_WAY, AccountState.VERIFIED)


def _face(account: Account, keys: AccountKeys) -> tuple[Method, str, str]:
    number = keys.open(account.key_id, account.sealed, account.place)
    return (account.method, account.holder, number)


def _sealed(
    connection: Connection,
    tenant: str,
    model: str,
    keys: AccountKeys,
    given: Given,
    said: tuple[str, str],
    known: int,
) -> Account:
    """The account as it is stored. `said`: number and holder. `known`: how many its party was given before."""
    number, holder = said
    account_id = _id_of(tenant, model, given.party_id, known + 1)
    is_change = store.was_verified(connection, tenant, model, given.party_id)
    state = AccountState.GIVEN if is_change else AccountState.CONFIRMED
    sealed = keys.seal(number, f"account {account_id}")
    stored = (sealed.key_id, sealed.content, sealed.digest)
    return Account(
        model, account_id, given.party_id, given.method, holder, masked(number), *stored, state, is_change, given.by
    )


def move(
    connection: Connection,
    tenant: str,
    account_id: uuid.UUID,
    wanted: AccountMove,
    by: str,
    reason: str | None,
    now: datetime,
) -> Done | NotMoved:
    """Confirms, declines or withdraws an account. Done before, it changes nothing."""
    assert wanted in (*_SECOND, AccountMove.WITHDRAW), "the others are the verification service's"
    with connection.transaction():
        account = store.locked(connection, tenant, None, account_id)
        if account is None:
            return _unknown(account_id)
        if wanted in _SECOND and person(by) in (None, person(account.given_by)):
            said = f"account {account_id} was given by {by}, so somebody else has to {wanted} it"
            return NotMoved(AccountRefused.OWN_CHANGE, said)
        return _moved(connection, tenant, account, wanted, by, reason, now, None)


def _unknown(account_id: uuid.UUID | str) -> NotMoved:
    said = f"there is no account {account_id}; `everycent party account list` names them"
    return NotMoved(AccountRefused.UNKNOWN_ACCOUNT, said)


def _moved(
    connection: Connection, tenant: str, account: Account, wanted: AccountMove, by: str, reason: str | None,
    now: datetime, policy: AccountPolicy | None,
) -> Done | NotMoved:  # fmt: skip
    """Moves an account that the caller has locked. `policy`: where it is accepted, from when on it is used."""
    reached = moved(account.state, wanted)
    if isinstance(reached, NotMoved):
        return NotMoved(reached.name, f"{account.account_id}: {reached.message}")
    if reached is account.state and wanted is not AccountMove.ASK:
        return Done(account, changed=False)
    after = replace(account, state=reached)
    if wanted is AccountMove.CONFIRM:
        after = replace(after, confirmed_by=by, confirmed_at=now)
    if wanted is AccountMove.ACCEPT:
        assert policy is not None, "an accepted account is used from some day on"
        after = replace(after, usable_on=usable_on(now, account.confirmed_at, policy.cooling, policy.calendar))
    store.move(connection, tenant, account, after, wanted, by, reason, now)
    if wanted is not AccountMove.ASK:
        _tell(connection, tenant, after, reached.value, now)
    return Done(after, changed=True)


def ask_all(
    connection: Connection, tenant: str, model: str, ask: Callable[[Account], None], now: datetime
) -> list[Account]:
    """Asks the service about each account that is confirmed, and again about each that it has not answered; gives them
    as they stand.

    `ask` sends. That an account is being verified is stored first, so that no answer can be there before it; asking
    again is by the same reference, which the service knows.
    """
    asked = []
    for account in store.in_states(connection, tenant, model, (AccountState.CONFIRMED, AccountState.VERIFYING)):
        with connection.transaction():
            held = store.locked(connection, tenant, model, account.account_id)
            if held is None or held.state not in (AccountState.CONFIRMED, AccountState.VERIFYING):
                continue  # it was withdrawn, or answered, since
            done = _moved(connection, tenant, held, AccountMove.ASK, "everycent", None, now, None)
            assert isinstance(done, Done), "it may be asked about"
        ask(done.account)
        asked.append(done.account)
    return asked


def answered(
    connection: Connection, tenant: str, model: str, account_id: uuid.UUID, *, accepted: bool, reason: str | None,
    policy: AccountPolicy, now: datetime,
) -> Done | NotMoved:  # fmt: skip
    """What the service says of an account. An answer that contradicts an earlier one is NOT_ALLOWED and changes
    nothing but that an event tells of it. The caller owns the transaction."""
    account = store.locked(connection, tenant, model, account_id)
    if account is None:
        return _unknown(account_id)
    wanted = AccountMove.ACCEPT if accepted else AccountMove.REFUSE
    done = _moved(connection, tenant, account, wanted, "verification service", reason, now, policy)
    if isinstance(done, NotMoved):
        _tell(connection, tenant, account, f"contradicted_by_{wanted}", now)
    return done


def _tell(connection: Connection, tenant: str, account: Account, what: str, now: datetime) -> None:
    content = {"account_id": str(account.account_id), "method": account.method.value, "masked": account.masked}
    tell(connection, tenant, account.model, f"payout_account_{what}", account.party_id, content, now)


def usable_accounts(connection: Connection, tenant: str, model: str, as_of: date, keys: AccountKeys) -> pa.Table:
    """Of each party the verified account that it is paid to on a day: USABLE_ACCOUNT rows ordered by party_id.

    Raises NumberAltered; SettingsError where a key is not set.
    """
    usable = store.usable(connection, tenant, model, as_of)
    mandates = {one.account_id: one for one in of_accounts(connection, tenant, [each.account_id for each in usable])}
    rows = [
        {
            "party_id": each.party_id,
            "account_id": each.account_id.bytes,
            "method": each.method.value,
            "number": keys.open(each.key_id, each.sealed, each.place),
            "holder": each.holder,
            "masked": each.masked,
            **_mandate(mandates.get(each.account_id)),
        }
        for each in usable
    ]
    return USABLE_ACCOUNT.check(pa.Table.from_pylist(rows, schema=USABLE_ACCOUNT.columns))


def _mandate(one: Mandate | None) -> dict[str, object]:
    if one is None:
        return {}
    return {"mandate": one.masked, "mandate_signed_on": one.signed_on, "mandate_revoked_on": one.revoked_on}


def still_verified(connection: Connection, tenant: str, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of these accounts that are verified now."""
    return {each.account_id for each in store.by_ids(connection, tenant, ids) if each.state is AccountState.VERIFIED}


def account_numbers(
    connection: Connection, tenant: str, keys: AccountKeys, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, str]:
    """The numbers of accounts in the clear: for their channel, and nobody else. Raises NumberAltered, SettingsError."""
    known = store.by_ids(connection, tenant, ids)
    for each in known:
        _refuse_moved(tenant, each)
    return {each.account_id: keys.open(each.key_id, each.sealed, each.place) for each in known}


def keyed_accounts(usable: pa.Table, role: str, columns: Sequence[str], methods: Collection[Method]) -> pa.Table:
    """Those of USABLE_ACCOUNT rows that are of a role and of these methods: its key `columns`, ACCOUNT_COLUMNS."""
    begins = f"{role}:"
    rows: list[list[str | None]] = [
        [
            *key_values(row["party_id"].removeprefix(begins)),
            *(None if row[name] is None else str(row[name]) for name in ACCOUNT_COLUMNS),
        ]
        for row in usable.to_pylist()
        if row["party_id"].startswith(begins) and row["method"] in methods
    ]
    names = (*columns, *ACCOUNT_COLUMNS)
    assert all(len(row) == len(names) for row in rows), f"a key of {role} has {len(columns)} values"
    return pa.table({name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(names)})


def found(connection: Connection, tenant: str, keys: AccountKeys, number: str) -> list[Account]:
    """The accounts that have this number, whatever their party and model."""
    plain = {text for method in Method if isinstance(text := plain_number(method, number), str)}
    digests = [keys.digest(text, key_id) for text in sorted(plain) for key_id in keys.by_id]
    return store.with_digests(connection, tenant, digests)


def rekey(connection: Connection, tenant: str, keys: AccountKeys) -> int:
    """Seals each number and mandate anew that is sealed under another key than the first; gives how many."""
    with connection.transaction():
        others: Sequence[Account] = store.sealed_otherwise(connection, tenant, keys.sealing)
        for account in others:
            sealed = keys.seal(keys.open(account.key_id, account.sealed, account.place), account.place)
            renewed = replace(account, key_id=sealed.key_id, sealed=sealed.content, number_digest=sealed.digest)
            store.reseal(connection, tenant, renewed)
        return len(others) + reseal_mandates(connection, tenant, keys)
