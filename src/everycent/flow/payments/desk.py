"""Where instructions of one channel stand, in the database: what a sender works at, and the stop button."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection
from everycent.flow.payments import desk_store, store
from everycent.flow.payments.channels.rest import RestChannel
from everycent.flow.payments.channels.sharing import SharingChannel
from everycent.flow.payments.channels.status_report import is_status_report, read_status_report
from everycent.flow.payments.contract import Capabilities, InstructionState, Order, Said, Taken, WalletSpec
from everycent.flow.payments.core.bank_answers import BankLine
from everycent.flow.payments.core.limits import beyond_limits
from everycent.flow.payments.core.numbers import NOT_VERIFIED, REVOKED, account_ids, debited_accounts, without_mandate
from everycent.flow.payments.core.plan import PaymentPlan
from everycent.flow.payments.core.sharing import SharingLimits, limits_of_sharing
from everycent.flow.payments.hearing import take_in
from everycent.flow.payments.others import Others


class ChannelBusy(Exception):
    """Another sender is at work on this channel; try again when it has ended."""


class ChannelNotSet(Exception):
    """The model's channel cannot be opened; the message says what is missing."""


def ready_now(
    connection: Connection,
    engine: LocalEngine,
    plan: PaymentPlan,
    others: Others,
    tenant: str,
    model: str,
    channel: str,
    as_of: date,
) -> tuple[pa.Table, dict[object, str]]:
    """The INSTRUCTION rows that may go to a channel on this day, by id; and of those that only a limit keeps, or an
    account that is verified, or a mandate that holds, no longer, why.

    Raises InstructionAltered.
    """
    ready = store.ready(connection, tenant, model, channel, tuple(plan.release))
    verified = others.accounts.verified(connection, tenant, account_ids(ready))
    beyond: dict[object, str] = {
        row["instruction_id"]: NOT_VERIFIED
        for row in ready.select(["instruction_id", "account_id"]).to_pylist()
        if row["account_id"] is not None and row["account_id"] not in verified
    }
    mandated = others.accounts.mandated(connection, tenant, debited_accounts(ready), as_of)
    beyond |= dict.fromkeys(without_mandate(ready, mandated), REVOKED)
    beyond |= beyond_limits(ready, desk_store.sent_on(connection, tenant, model, as_of), plan, engine)
    if beyond:
        ready = ready.filter(pa.array([key not in beyond for key in ready["instruction_id"].to_pylist()]))
    return ready, beyond


@dataclass
class StoredDesk:
    """The instructions of a model and a channel. Each thing that is said is committed by itself."""

    connection: Connection
    engine: LocalEngine
    plan: PaymentPlan
    tenant: str
    model: str
    channel: str
    as_of: date
    others: Others
    now: datetime
    _beyond: dict[object, str] = field(default_factory=dict)

    def ready(self) -> Sequence[Order]:
        """Those that may be sent now, and those that only a limit or their account keeps."""
        where = (self.connection, self.engine, self.plan, self.others, self.tenant, self.model)
        rows, beyond = ready_now(*where, self.channel, self.as_of)
        may = {*rows["instruction_id"].to_pylist(), *beyond}
        self._beyond = beyond
        states = (InstructionState.CREATED, InstructionState.APPROVED)
        return [order for state in states for order in self.at(state) if order.key in may]

    def at(self, state: InstructionState) -> Sequence[Order]:
        """Those that stand there, the oldest first. Raises InstructionAltered."""
        where = (self.connection, self.tenant, self.model, self.channel)
        found = desk_store.standing_at(*where, [state.value])
        numbers = self.others.accounts.numbers(
            self.connection, self.tenant, {key for _, key in found if key is not None}
        )
        return [order if key is None else replace(order, account=numbers[key]) for order, key in found]

    def say(self, said: Said) -> Taken:
        """Takes it in and commits it."""
        (taken,) = take_in(self.connection, self.others, self.tenant, [said], self.now, self.as_of)
        return taken

    def refusal(self, order: Order) -> str | None:
        """Why it may not be sent now."""
        stopped = desk_store.stopped(self.connection, self.tenant, self.channel)
        if stopped is not None:
            return f"stopped: by {stopped[0]}, {stopped[1]}"
        return self._beyond.get(order.key)


@contextmanager
def sending(connection: Connection, tenant: str, model: str, channel: str) -> Iterator[None]:
    """One sender at a time. Raises ChannelBusy.

    The lock goes with its session, so whoever has it knows that the one before is gone.
    """
    key = f"everycent payments {tenant}/{model}/{channel}"
    free = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (key,)).fetchone()
    if free != (True,):
        raise ChannelBusy(f"another sender of {model} is at work on {channel}; try again when it has ended")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (key,))


def service_channel(
    plan: PaymentPlan, name: str | None, environment: Mapping[str, str], clock_s: Callable[[], int]
) -> RestChannel:
    """The service of a channel; without a name, of the only one that the model has. Raises ChannelNotSet."""
    names = [name] if name is not None else list(plan.services)
    if len(names) > 1:
        raise ChannelNotSet(f"the model has several services; say with --channel which: {', '.join(names)}")
    spec = plan.services.get(names[0]) if names else None
    if spec is None and plan.services:
        raise ChannelNotSet(f"the model pays nothing by {names[0]}; its services are of {', '.join(plan.services)}")
    if spec is None:
        raise ChannelNotSet("the model pays by bank file: `run --out` writes it, `payments read` reads answers")
    missing = [name for name in (spec.url, spec.secret) if not environment.get(name)]
    if missing:
        raise ChannelNotSet(
            f"the environment variable {missing[0]} is not set; the model's channel {names[0]} needs it"
        )
    can = Capabilities(idempotent=spec.idempotent, queryable=spec.queryable, tells_returns=spec.tells_returns)
    remark = spec.remark if isinstance(spec, WalletSpec) else None
    timeout_s = int(spec.timeout.total_seconds())
    return RestChannel(environment[spec.url], environment[spec.secret], can, timeout_s, clock_s, names[0], remark)


def sharing_wallet(
    plan: PaymentPlan, name: str | None, environment: Mapping[str, str], clock_s: Callable[[], int]
) -> tuple[SharingChannel, SharingLimits]:
    """Where customers' payments are shared, and what may be shared there. Raises ChannelNotSet."""
    service = service_channel(plan, name, environment, clock_s)
    spec = plan.services[service.name]
    if not isinstance(spec, WalletSpec):
        raise ChannelNotSet(f"{service.name} is no wallet, and shares no payments; declare wallets: wechat or alipay")
    channel = SharingChannel(service.url, service.secret, service.timeout_s, clock_s)
    return channel, limits_of_sharing(service.name, spec.sharing)


def status_lines(path: Path) -> list[BankLine] | None:
    """What a pain.002 says; None where the file is none. Raises ComeBackRefused, OSError."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    return read_status_report(path) if is_status_report(head) else None


def stop(connection: Connection, tenant: str, channel: str | None, who: str, why: str, now: datetime) -> bool:
    """Stops a channel, or all: nothing more is sent or filed. Whether it was not stopped so before."""
    with connection.transaction():
        return desk_store.stop(connection, tenant, channel, who, why, now)


def start(connection: Connection, tenant: str, channel: str | None, who: str, now: datetime) -> bool:
    """Lets payments go on; whether they were stopped."""
    with connection.transaction():
        return desk_store.lift(connection, tenant, channel, who, now)
