"""The verified accounts that a model's parties are paid to, as payments look accounts up."""

from collections.abc import Collection, Mapping
from datetime import date
from uuid import UUID

import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.flow.parties.contract import verified_table
from everycent.flow.parties.service import (
    AccountKeys,
    Method,
    account_numbers,
    keyed_accounts,
    mandate_ids,
    standing_mandates,
    still_verified,
    usable_accounts,
)
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session

#: Channels that pay other accounts than bank cards.
_BESIDE_BANKS = ("rest", "wechat", "alipay")


class VerifiedAccounts:
    """Payout accounts as payments are sent to them. The keys are needed only where there are any."""

    def verified(self, connection: Connection, tenant: str, ids: Collection[UUID]) -> set[UUID]:
        """Those of these that are verified still."""
        return still_verified(connection, tenant, ids) if ids else set()

    def numbers(self, connection: Connection, tenant: str, ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Their numbers in the clear. Raises NumberAltered, SettingsError."""
        return account_numbers(connection, tenant, AccountKeys.load(), ids) if ids else {}

    def mandated(
        self, connection: Connection, tenant: str, ids: Collection[UUID], as_of: date
    ) -> set[tuple[UUID, date]]:
        """Of these accounts the mandates that hold on a day."""
        return standing_mandates(connection, tenant, ids, as_of) if ids else set()

    def mandates(self, connection: Connection, tenant: str, ids: Collection[UUID]) -> Mapping[tuple[UUID, date], str]:
        """The mandates of these accounts in the clear. Raises NumberAltered, SettingsError."""
        return mandate_ids(connection, tenant, AccountKeys.load(), ids) if ids else {}


def account_keys(plan: ModelPlan) -> AccountKeys | None:
    """The keys that open the accounts' numbers; None where no role is paid to them. Raises SettingsError."""
    return AccountKeys.load() if _roles(plan) else None


def verified_accounts(session: Session, plan: ModelPlan, as_of: date, keys: AccountKeys | None) -> dict[str, pa.Table]:
    """By the name of its table each role's accounts on the day. A bank's file takes no other than bank cards.

    Raises NumberAltered, SettingsError.
    """
    if keys is None:
        return {}
    usable = usable_accounts(session.connection, session.tenant, plan.model.name, as_of, keys)
    return {
        verified_table(role): keyed_accounts(usable, role, plan.model.spec.parties[role].key, methods)
        for role, methods in _roles(plan).items()
    }


def _roles(plan: ModelPlan) -> dict[str, tuple[Method, ...]]:
    """The roles that are paid to verified accounts, with the methods that their channel pays by."""
    by_bank = (Method.BANK_CARD,)
    return {
        role: tuple(Method) if any(route.channel in _BESIDE_BANKS for route in payout.channels) else by_bank
        for role, payout in plan.model.spec.payouts.items()
        if payout.account is not None and payout.account.verified
    }
