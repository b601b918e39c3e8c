"""How each party role of a model is paid, checked once before any statement is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from everycent.base.money.amount import NotAnAmount, parse_minor
from everycent.base.money.currency import Currency, all_currencies
from everycent.flow.approvals.contract import LevelSpec
from everycent.flow.intake.contract import TableSpec
from everycent.flow.parties.contract import PartySpec, verified_table
from everycent.flow.payments.contract import (
    BALANCE,
    BANK_FILE,
    DAYS,
    METHODS,
    REST,
    WALLETS,
    DirectDebitSpec,
    PayoutAccountSpec,
    PayoutSpec,
    RestChannelSpec,
    RouteSpec,
    WalletSpec,
)
from everycent.flow.payments.core.sharing import unfit
from everycent.flow.payments.core.wallets import WALLET_CURRENCY, WalletLimits, limits_of

CHANNELS = (BANK_FILE, REST, BALANCE, *WALLETS)
#: What limits are on: a day's payments to the role, by a legal entity, to a party.
LIMITS = ("day", "entity_day", "party_day")
_CREDITOR_ID_CHARACTERS_MAX = 35


class PayoutRefused(ValueError):
    """A payout cannot work as it is declared: the message says why, and what would be right; `path` leads to it."""

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


@dataclass(frozen=True)
class AccountSource:
    """The attached table that holds a role's accounts; `key` are its columns in the order of the party's key.

    `currency` is its column with the code of what an account takes; without one, it takes every currency. `verified`:
    it is the table of the parties' own verified accounts, of which an instruction keeps the id and no number.
    `method`: its column with how the account is paid. `mandate`: its columns with mandates for direct debits, and with
    the days on which they were signed; `revoked`: with the days on which they were taken back.
    """

    table: str
    key: tuple[str, ...]
    number: str
    name: str | None
    valid: tuple[str, str] | None
    currency: str | None = None
    verified: bool = False
    mandate: tuple[str, str] | None = None
    revoked: str | None = None
    method: str | None = None


@dataclass(frozen=True)
class Route:
    """A channel, and which payments it takes: what is empty or None asks for nothing.

    `least_minor` and `most_minor`: by currency; of one that is not named, any amount. `hours`: from and to, in minutes
    after midnight.
    """

    channel: str
    direction: str | None = None
    methods: tuple[str, ...] = ()
    legal_entities: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    least_minor: Mapping[str, int] = field(default_factory=dict)
    most_minor: Mapping[str, int] = field(default_factory=dict)
    days: tuple[str, ...] = ()
    hours: tuple[int, int] | None = None

    @property
    def takes_all(self) -> bool:
        """Whether nothing goes on to the next one."""
        return self.channel != BALANCE and self == Route(self.channel)


@dataclass(frozen=True)
class PayoutRole:
    """One role's payouts: each takes the first of `routes` that fits; amounts below the `minimum_minor` of their
    currency's code wait; without `accounts` the party's key is its account, unless `waits`: then other roles have
    accounts declared, and it has none. `release`: who has to say yes to its payments. `limits_minor`: of LIMITS, by
    currency, where there are any."""

    role: str
    routes: tuple[Route, ...]
    minimum_minor: Mapping[str, int]
    accounts: AccountSource | None
    waits: bool = False
    release: tuple[LevelSpec, ...] = ()
    limits_minor: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels of its routes, each once."""
        return tuple(dict.fromkeys(route.channel for route in self.routes))


@dataclass(frozen=True)
class PaymentPlan:
    """All roles that are paid, and the accounts that legal entities pay from. `services`: of the channels that take
    orders one by one. `wallets`: the limits of those that are wallets. `time_zone`: of routes' days and hours."""

    currencies: tuple[Currency, ...]
    roles: tuple[PayoutRole, ...]
    payer_accounts: Mapping[str, str]
    services: Mapping[str, RestChannelSpec] = field(default_factory=dict)
    direct_debit: DirectDebitSpec | None = None
    time_zone: str = "UTC"
    wallets: Mapping[str, WalletLimits] = field(default_factory=dict)

    @property
    def with_balance(self) -> bool:
        """Whether a role has prepaid balances."""
        return any(BALANCE in role.channels for role in self.roles)

    @property
    def release(self) -> Mapping[str, tuple[LevelSpec, ...]]:
        """Who has to say yes to payments, by the roles of which somebody has to."""
        return {role.role: role.release for role in self.roles if role.release}


def plan_payments(
    payouts: Mapping[str, PayoutSpec],
    party_roles: Mapping[str, PartySpec],
    tables: Mapping[str, TableSpec],
    codes: Sequence[str],
    time_zone: str = "UTC",
) -> PaymentPlan:
    """`codes`: the currencies that are paid in. `time_zone`: an IANA name. Every role but the operator is paid, as
    declared or by default.

    Raises PayoutRefused.
    """
    for role in payouts:
        if role not in party_roles or party_roles[role].operator is not None:
            raise PayoutRefused(("payouts", role), f"'{role}' is not a party role that is paid; remove it")
    currencies = tuple(known for code in codes for known in all_currencies() if known.code == code)
    some_accounts = any(
        spec.account is not None and (spec.account.verified or spec.account.table is not None)
        for spec in payouts.values()
    )
    roles = tuple(
        _role(role, payouts.get(role, PayoutSpec()), party, tables, currencies, some_accounts)
        for role, party in party_roles.items()
        if party.operator is None
    )
    services = _services(payouts)
    wallets = {name: limits_of(name, spec.limits) for name, spec in services.items() if isinstance(spec, WalletSpec)}
    return PaymentPlan(
        currencies, roles, _payer_accounts(payouts), services, _direct_debit(payouts), time_zone, wallets
    )


def _role(
    role: str,
    spec: PayoutSpec,
    party: PartySpec,
    tables: Mapping[str, TableSpec],
    currencies: tuple[Currency, ...],
    some_accounts: bool,
) -> PayoutRole:
    path = ("payouts", role)
    routes = _routes(path, spec, currencies)
    accounts = None if spec.account is None else _accounts(role, spec.account, party, tables)
    if spec.direct_debit is not None:
        accounts = _with_mandates(role, spec, spec.direct_debit, accounts, tables)
    if any(route.methods for route in routes) and not (accounts and (accounts.verified or accounts.method)):
        message = "nothing tells how accounts are paid: name the column with it, account: {method: ...}"
        raise PayoutRefused((*path, "channels"), message)
    waits = some_accounts and spec.account is None
    limits = {
        name: _by_currency((*path, "limits", name), given, currencies)
        for name in LIMITS
        if (given := getattr(spec.limits, name)) is not None
    }
    minima = _by_currency((*path, "minimum"), spec.minimum, currencies)
    minima = {**dict.fromkeys((known.code for known in currencies), 0), **minima}
    return PayoutRole(role, routes, minima, accounts, waits, spec.release or (), limits)


def _routes(path: tuple[str, ...], spec: PayoutSpec, currencies: tuple[Currency, ...]) -> tuple[Route, ...]:
    path = (*path, "channels")
    if not spec.channels:
        raise PayoutRefused(path, f"no channel is named; there are: {', '.join(CHANNELS)}")
    routes = tuple(_wallet_route(path, _route(path, given, currencies), spec) for given in spec.channels)
    for at, route in enumerate(routes):
        if route in routes[:at] or any(before.takes_all for before in routes[:at]):
            raise PayoutRefused(path, f"nothing reaches {route.channel}: a channel before it takes all; remove it")
    return routes


def _route(path: tuple[str, ...], given: RouteSpec, currencies: tuple[Currency, ...]) -> Route:
    codes = tuple(known.code for known in currencies)
    for words, known, what in (
        ((given.channel,), CHANNELS, "channel"),
        (given.methods, METHODS, "way to pay an account"),
        (given.currencies, codes, "currency of the model"),
        (given.days, DAYS, "day"),
    ):
        unknown = [word for word in words if word not in known]
        if unknown:
            raise PayoutRefused(path, f"'{unknown[0]}' is no {what}; there are: {', '.join(known)}")
    least, most = (
        {} if amount is None else _by_currency((*path, name), amount, currencies)
        for name, amount in (("least", given.least), ("most", given.most))
    )
    return Route(
        given.channel, given.direction, given.methods, given.legal_entities, given.currencies, least, most, given.days,
        None if given.hours is None else _minutes(path, given.hours),
    )  # fmt: skip


def _wallet_route(path: tuple[str, ...], route: Route, spec: PayoutSpec) -> Route:
    """A wallet pays alone, in its own currency and within its limits; accounts of its own where that is told."""
    declared = spec.wallets.get(route.channel)  # type: ignore[call-overload]
    if route.channel not in WALLETS or declared is None:
        return route
    try:
        limits = limits_of(route.channel, declared.limits)
    except NotAnAmount as error:
        raise PayoutRefused((*path[:-1], "wallets"), str(error)) from error
    if len(declared.remark) > limits.remark_characters_max:
        message = f"the remark '{declared.remark}' has {len(declared.remark)} characters; {route.channel} takes"
        raise PayoutRefused((*path[:-1], "wallets"), f"{message} {limits.remark_characters_max}")
    least = max(limits.least_minor, route.least_minor.get(WALLET_CURRENCY, 0))
    most = min(limits.most_minor, route.most_minor.get(WALLET_CURRENCY, limits.most_minor))
    told = spec.account is not None and (spec.account.verified or spec.account.method is not None)
    return replace(
        route,
        direction="pay",
        methods=(route.channel,) if told else (),
        currencies=(WALLET_CURRENCY,),
        least_minor={WALLET_CURRENCY: least},
        most_minor={WALLET_CURRENCY: most},
    )


def _minutes(path: tuple[str, ...], hours: str) -> tuple[int, int]:
    first, last = (int(clock[:2]) * 60 + int(clock[3:]) for clock in hours.split("-"))
    if first == last:
        raise PayoutRefused(path, f"{hours} is no time at all; write from when to when, as 08:00-17:30")
    return first, last


def _services(payouts: Mapping[str, PayoutSpec]) -> Mapping[str, RestChannelSpec]:
    """The model's services, by the channels that they are of, each declared alike wherever it is."""
    found: dict[str, RestChannelSpec] = {}
    for role, spec in payouts.items():
        used = {route.channel for route in spec.channels} & {REST, *WALLETS}
        declared: dict[str, RestChannelSpec] = {str(name): service for name, service in spec.wallets.items()}
        if spec.rest is not None:
            declared[REST] = spec.rest
        for name in sorted(used ^ declared.keys()):
            path = ("payouts", role, REST if name == REST else "wallets")
            raise PayoutRefused(path, f"the channel {name} and its service are declared together, or neither is")
        for name, service in declared.items():
            broken = unfit(name, service.sharing) if isinstance(service, WalletSpec) else None
            if broken is not None:
                raise PayoutRefused(("payouts", role, "wallets", name, "sharing"), broken)
            if found.setdefault(name, service) != service:
                path = ("payouts", role, REST if name == REST else "wallets")
                raise PayoutRefused(path, "two roles declare different services; a model has one, write it alike")
    return dict(sorted(found.items()))


def _by_currency(
    path: tuple[str, ...], given: str | Mapping[str, str], currencies: tuple[Currency, ...]
) -> dict[str, int]:
    """An amount's minor units in each currency that it names."""
    codes = [known.code for known in currencies]
    if isinstance(given, str):
        if len(codes) > 1 and given.strip("0.") != "":
            written = ", ".join(f"{code}: ..." for code in codes)
            message = f"the model pays in {len(codes)} currencies, so a {path[-1]} names its own"
            raise PayoutRefused(path, f"{message}; write {path[-1]}: {{{written}}}")
        texts = dict.fromkeys(codes, given)
    else:
        texts = dict(given)
    unknown = [code for code in texts if code not in codes]
    if unknown:
        raise PayoutRefused(path, f"nothing is paid in '{unknown[0]}'; the model's currencies are {', '.join(codes)}")
    minor = {}
    for known in currencies:
        if known.code not in texts:
            continue
        try:
            minor[known.code] = parse_minor(texts[known.code], known)
        except NotAnAmount as error:
            raise PayoutRefused(path, str(error)) from error
        if minor[known.code] < 0:
            raise PayoutRefused(path, f"the {path[-1]} is {texts[known.code]}; write 0 or more")
    return minor


def _accounts(
    role: str, spec: PayoutAccountSpec, party: PartySpec, tables: Mapping[str, TableSpec]
) -> AccountSource | None:
    if spec.verified:
        return AccountSource(verified_table(role), party.key, "number", "holder", None, verified=True, method="method")
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
    key = tuple(column for column in table.key if column != spec.currency)
    if len(key) != len(party.key) or (spec.currency is not None and spec.currency not in table.key):
        columns = ", ".join([*party.key, *([] if spec.currency is None else [spec.currency])])
        message = f"the table's key has to give the columns for {role}'s key: {columns}"
        raise PayoutRefused(("tables", spec.table, "key"), message)
    wanted = (spec.number, *table.key, *(() if spec.method is None else (spec.method,)))
    missing = [column for column in wanted if column not in table.columns]
    if missing:
        there = ", ".join(table.columns)
        message = f"table '{spec.table}' has no column '{missing[0]}', which payouts of {role} need; it has: {there}"
        raise PayoutRefused((*path, "number"), message)
    name = spec.name if spec.name in table.columns else None
    return AccountSource(spec.table, key, spec.number, name, table.valid, spec.currency, method=spec.method)


def _with_mandates(
    role: str, spec: PayoutSpec, debit: DirectDebitSpec, accounts: AccountSource | None, tables: Mapping[str, TableSpec]
) -> AccountSource:
    path = ("payouts", role, "direct_debit")
    named = [route.channel for route in spec.channels]
    if BANK_FILE not in named:
        message = f"direct debits go into bank files, and its channel is {named[0]}; remove one"
        raise PayoutRefused(path, message)
    _refuse_creditors(path, debit)
    if accounts is None:
        said = "mandates stand with accounts; name them: account: {table: ...}, or account: {verified: yes}"
        raise PayoutRefused(path, said)
    if accounts.verified:
        return replace(accounts, mandate=("mandate", "mandate_signed_on"), revoked="mandate_revoked_on")
    there = tables[accounts.table].columns
    missing = [column for column in (debit.mandate, debit.signed_on) if column not in there]
    if missing:
        message = f"table '{accounts.table}' has no column '{missing[0]}', where mandates stand; it has"
        raise PayoutRefused(path, f"{message}: {', '.join(there)}")
    return replace(accounts, mandate=(debit.mandate, debit.signed_on))


def _refuse_creditors(path: tuple[str, ...], debit: DirectDebitSpec) -> None:
    for legal_entity, creditor_id in debit.creditor_ids.items():
        if not 1 <= len(creditor_id.strip()) <= _CREDITOR_ID_CHARACTERS_MAX:
            raise PayoutRefused(
                (*path, "creditor_ids"), f"the identification of '{legal_entity}' has 1 to 35 characters"
            )


def _direct_debit(payouts: Mapping[str, PayoutSpec]) -> DirectDebitSpec | None:
    """How the model's direct debits are made: all in one way but for the names of columns."""
    found: DirectDebitSpec | None = None
    for role, spec in payouts.items():
        said = spec.direct_debit
        if said is None:
            continue
        if found is not None and (said.creditor_ids, said.scheme, said.lead) != (
            found.creditor_ids, found.scheme, found.lead,
        ):  # fmt: skip
            message = "two roles are debited in two ways; a model has one, write creditor_ids, scheme and lead alike"
            raise PayoutRefused(("payouts", role, "direct_debit"), message)
        found = found or said
    return found


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
