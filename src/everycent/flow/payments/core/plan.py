"""How each party role of a model is paid, checked once before any statement is read."""

from collections.abc import Mapping
from dataclasses import dataclass

from everycent.base.money.amount import NotAnAmount, parse_minor
from everycent.base.money.currency import Currency
from everycent.flow.intake.contract import TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.payments.contract import PayoutAccountSpec, PayoutSpec

CHANNELS = ("bank_file",)


class PayoutRefused(ValueError):
    """A payout cannot work as it is declared: the message says why, and what would be right; `path` leads to it."""

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


@dataclass(frozen=True)
class AccountSource:
    """The attached table that holds a role's accounts; `key` are its columns in the order of the party's key."""

    table: str
    key: tuple[str, ...]
    number: str
    name: str | None
    valid: tuple[str, str] | None


@dataclass(frozen=True)
class PayoutRole:
    """One role's payouts: amounts below `minimum_minor` wait; without `accounts` the party's key is its account."""

    role: str
    channel: str
    minimum_minor: int
    accounts: AccountSource | None


@dataclass(frozen=True)
class PaymentPlan:
    """All roles that are paid, and the accounts that legal entities pay from."""

    currency: Currency
    roles: tuple[PayoutRole, ...]
    payer_accounts: Mapping[str, str]


def plan_payments(
    payouts: Mapping[str, PayoutSpec],
    party_roles: Mapping[str, PartySpec],
    tables: Mapping[str, TableSpec],
    currency: Currency,
) -> PaymentPlan:
    """Every role but the operator is paid, as declared or by default. Raises PayoutRefused."""
    for role in payouts:
        if role not in party_roles or party_roles[role].operator is not None:
            raise PayoutRefused(("payouts", role), f"'{role}' is not a party role that is paid; remove it")
    roles = tuple(
        _role(role, payouts.get(role, PayoutSpec()), party, tables, currency)
        for role, party in party_roles.items()
        if party.operator is None
    )
    return PaymentPlan(currency, roles, _payer_accounts(payouts))


def _role(
    role: str, spec: PayoutSpec, party: PartySpec, tables: Mapping[str, TableSpec], currency: Currency
) -> PayoutRole:
    path = ("payouts", role)
    if not spec.channels or spec.channels[0] not in CHANNELS:
        raise PayoutRefused((*path, "channels"), f"channels has to begin with one of: {', '.join(CHANNELS)}")
    try:
        minimum_minor = parse_minor(spec.minimum, currency)
    except NotAnAmount as error:
        raise PayoutRefused((*path, "minimum"), str(error)) from error
    if minimum_minor < 0:
        raise PayoutRefused((*path, "minimum"), f"the minimum is {spec.minimum}; write 0 or more")
    accounts = None if spec.account is None else _accounts(role, spec.account, party, tables)
    return PayoutRole(role, spec.channels[0], minimum_minor, accounts)


def _accounts(
    role: str, spec: PayoutAccountSpec, party: PartySpec, tables: Mapping[str, TableSpec]
) -> AccountSource | None:
    if spec.table is None:
        return None
    path = ("payouts", role, "account")
    table = tables.get(spec.table)
    if table is None:
        known = ", ".join(tables) or "none"
        raise PayoutRefused((*path, "table"), f"there is no table '{spec.table}'; declared under 'tables' are: {known}")
    if table.dated is not None:
        message = f"table '{spec.table}' has a row for each date ('dated'); say with 'valid' when an account holds"
        raise PayoutRefused((*path, "table"), message)
    if len(table.key) != len(party.key):
        columns = ", ".join(party.key)
        message = f"the table's key has to give the columns for {role}'s key: {columns}"
        raise PayoutRefused(("tables", spec.table, "key"), message)
    missing = [column for column in (spec.number, *table.key) if column not in table.columns]
    if missing:
        there = ", ".join(table.columns)
        message = f"table '{spec.table}' has no column '{missing[0]}', which payouts of {role} need; it has: {there}"
        raise PayoutRefused((*path, "number"), message)
    name = spec.name if spec.name in table.columns else None
    return AccountSource(spec.table, table.key, spec.number, name, table.valid)


def _payer_accounts(payouts: Mapping[str, PayoutSpec]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for role, spec in payouts.items():
        path = ("payouts", role, "payer_accounts")
        for legal_entity, account in spec.payer_accounts.items():
            if found.setdefault(legal_entity, account) != account:
                raise PayoutRefused(path, f"'{legal_entity}' pays from two accounts; give it one")
            if not 1 <= len(account.strip()) <= 34:
                raise PayoutRefused(path, f"the account of '{legal_entity}' needs 1 to 34 characters")
    return found
