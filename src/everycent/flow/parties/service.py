"""Parties' commands: contract messages become parties, relations and contracts."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from everycent.base.platform.database import Connection
from everycent.flow.parties import contract_store
from everycent.flow.parties.account_keys import AccountKeys, NumberAltered, new_key
from everycent.flow.parties.account_store import accounts, refused_answers
from everycent.flow.parties.account_store import moves as account_moves
from everycent.flow.parties.accounts import (
    AccountPolicy,
    Done,
    Given,
    account_numbers,
    ask_all,
    found,
    keyed_accounts,
    rekey,
    still_verified,
    usable_accounts,
)
from everycent.flow.parties.accounts import give as give_account
from everycent.flow.parties.accounts import move as move_account
from everycent.flow.parties.contract_store import Kept, contracts, events, parties, refusals, related
from everycent.flow.parties.core.account_moves import ENDED_STATES, AccountMove, AccountState, NotMoved
from everycent.flow.parties.core.account_number import Method
from everycent.flow.parties.core.contract_message import ContractMessage, Refusal, Refused, read_message
from everycent.flow.parties.core.judging import Judged, Outcome, Party, judge, party_of
from everycent.flow.parties.core.onboarding import OnboardingPlan, OnboardingRefused, plan_onboarding
from everycent.flow.parties.mandates import (
    MandateDone,
    Signed,
    mandate_ids,
    standing_mandates,
)
from everycent.flow.parties.mandates import revoke as revoke_mandate
from everycent.flow.parties.mandates import sign as sign_mandate
from everycent.flow.parties.verification import (
    ANSWER_BYTES_MAX,
    AnswerTaken,
    Asked,
    VerificationService,
    take_answer,
    verify_accounts,
)

__all__ = [
    "ANSWER_BYTES_MAX",
    "ENDED_STATES",
    "AccountKeys",
    "AccountMove",
    "AccountPolicy",
    "AccountState",
    "AnswerTaken",
    "Asked",
    "ContractTaken",
    "Done",
    "Given",
    "MandateDone",
    "Method",
    "NotMoved",
    "NumberAltered",
    "OnboardingPlan",
    "OnboardingRefused",
    "Outcome",
    "Refused",
    "Signed",
    "VerificationService",
    "account_moves",
    "account_numbers",
    "accounts",
    "ask_all",
    "contracts",
    "events",
    "found",
    "give_account",
    "keyed_accounts",
    "mandate_ids",
    "move_account",
    "new_key",
    "parties",
    "plan_onboarding",
    "refusals",
    "refused_answers",
    "rekey",
    "related",
    "retry_contracts",
    "revoke_mandate",
    "sign_mandate",
    "standing_mandates",
    "still_verified",
    "take_answer",
    "take_contracts",
    "usable_accounts",
    "verify_accounts",
]

#: What a new party is told, by whoever mails or shows it.
ACCOUNT_WANTED = "payout_account_wanted"


@dataclass(frozen=True)
class ContractTaken:
    """What became of one message. `line`: its place among those given, from 1. `new_party`: it made its party."""

    line: int
    outcome: Outcome
    contract_no: str | None
    revision: int | None
    party_id: str | None
    new_party: bool
    refusal: Refusal | None


def take_contracts(
    connection: Connection,
    tenant: str,
    model: str,
    plan: OnboardingPlan,
    contents: Iterable[bytes],
    now: datetime,
    *,
    dry_run: bool = False,
) -> tuple[ContractTaken, ...]:
    """Takes contract messages, each a JSON object, in one transaction and in their order.

    What is not taken is kept with its reason. A party that is new is to be told to give a payout account. The same
    messages again change nothing. A dry run is the same path, rolled back.
    """
    with connection.transaction() as transaction:
        contract_store.lock_contracts(connection, tenant, model)
        judged = _judge_all(connection, tenant, model, plan, list(contents))
        contract_store.keep(connection, tenant, model, [each for each in judged if _is_kept(each)], now)
        met = {each.judged.party for each in judged if each.judged.party is not None}
        added = contract_store.add_parties(connection, tenant, model, met)
        for party_id in added:
            contract_store.tell(connection, tenant, model, ACCOUNT_WANTED, party_id, {}, now)
        if dry_run:
            raise psycopg.Rollback(transaction)
    return _told(judged, set(added))


def retry_contracts(
    connection: Connection, tenant: str, model: str, plan: OnboardingPlan, now: datetime, *, dry_run: bool = False
) -> tuple[ContractTaken, ...]:
    """Takes the messages again that were refused, the first that came first."""
    contents = contract_store.refused_messages(connection, tenant, model)
    return take_contracts(connection, tenant, model, plan, contents, now, dry_run=dry_run)


def _judge_all(
    connection: Connection, tenant: str, model: str, plan: OnboardingPlan, contents: Sequence[bytes]
) -> list[Kept]:
    read = [(content, read_message(content)) for content in contents]
    messages = [said for _, said in read if isinstance(said, ContractMessage)]
    named = (party_of(plan, message) for message in messages)
    party_ids = {party.party_id for party in named if isinstance(party, Party)}
    standing = contract_store.standing(connection, tenant, model, messages, party_ids)
    judged = []
    for content, said in read:
        if isinstance(said, Refusal):
            digest = hashlib.sha256(content).hexdigest()
            judged.append(Kept(content, digest, None, Judged(Outcome.REFUSED, None, said)))
        else:
            judged.append(Kept(content, said.digest, said, judge(plan, said, standing)))
    return judged


def _is_kept(each: Kept) -> bool:
    return each.judged.outcome is not Outcome.DUPLICATE


def _told(judged: Sequence[Kept], added: set[str]) -> tuple[ContractTaken, ...]:
    told = []
    for line, each in enumerate(judged, 1):
        party_id = None if each.judged.party is None else each.judged.party.party_id
        new = party_id in added
        added.discard(party_id or "")
        told.append(
            ContractTaken(
                line,
                each.judged.outcome,
                None if each.said is None else each.said.contract,
                None if each.said is None else each.said.revision,
                party_id,
                new,
                each.judged.refusal,
            )
        )
    return tuple(told)
