"""Judges a charge as it is given: what it is in the house's own terms, or which rule it would break."""

import hashlib
import uuid
from collections.abc import Collection
from datetime import date
from difflib import get_close_matches

from everycent.base.money.amount import NotAnAmount, TooManyDecimals, parse_minor
from everycent.flow.approvals.contract import person
from everycent.flow.non_order.contract import Deposit, Given, NonOrderCharge, Refusal, Refused
from everycent.flow.non_order.core.plan import NonOrderPlan


def judge(
    plan: NonOrderPlan, given: Given, known_parties: Collection[str], tenant: str, model: str, by: str
) -> NonOrderCharge | Refused:
    """`known_parties`: those of the parties named that there are. What a deposit has left is judged apart, by
    `left_enough`, where nobody else can take it meanwhile."""
    who = person(by)
    if who is None:
        return Refused(Refusal.UNNAMED, f"'{by}' is not a person's name; say who gives it")
    if not given.reference.strip() or not given.source.strip():
        return Refused(
            Refusal.REFERENCE_MISSING, "a charge needs its giver's own reference, by which it is known again"
        )
    kind = plan.kinds.get(given.kind)
    if kind is None:
        return Refused(Refusal.UNKNOWN_KIND, f"there is no kind '{given.kind}'; {_nearest(given.kind, plan)}")
    role, colon, _ = given.party_id.partition(":")
    if not colon or given.party_id not in known_parties:
        message = f"there is no party '{given.party_id}'; write its id as statements have it, for example seller:s-1"
        return Refused(Refusal.UNKNOWN_PARTY, message)
    if role not in kind.roles:
        return Refused(Refusal.WRONG_ROLE, f"'{kind.name}' is of {', '.join(kind.roles)}, not of {role}")
    amount = _amount(plan, given)
    if isinstance(amount, Refused):
        return amount
    try:
        day = date.fromisoformat(given.occurred_on.strip())
    except ValueError:
        said = f"'{given.occurred_on}' is not a business day; write for example 2026-03-01"
        return Refused(Refusal.NOT_A_DATE, said)
    return NonOrderCharge(
        charge_id(tenant, model, given.source, given.reference), given.source.strip(), given.reference.strip(),
        kind.name, kind.account, given.party_id, role, kind.legal_entity(day), kind.direction, kind.settled_by, amount,
        given.currency, day, given.reason.strip(), who,
    )  # fmt: skip


def charge_id(tenant: str, model: str, source: str, reference: str) -> uuid.UUID:
    """The id of the charge that a giver calls so: the same whenever it is given again."""
    named = "\x1f".join((tenant, model, "non-order charge", source.strip(), reference.strip()))
    return uuid.UUID(bytes=hashlib.sha256(named.encode()).digest()[:16])


def left_enough(charge: NonOrderCharge, deposit: Deposit, amount: str) -> Refused | None:
    """None where the deposit has as much left as the charge gives back. `amount`: what is left, in major units."""
    assert charge.gives_back and charge.account == deposit.kind, "it is compared with its own deposit"
    if charge.amount_minor <= deposit.left_minor:
        return None
    said = f"{charge.party_id} has {amount} {charge.currency} left of '{deposit.kind}' with {deposit.legal_entity}"
    return Refused(Refusal.ABOVE_PAID_IN, f"{said}: collected or kept back, less what was given back or is asked for")


def _amount(plan: NonOrderPlan, given: Given) -> int | Refused:
    money = next((known for known in plan.currencies if known.code == given.currency), None)
    if money is None:
        codes = ", ".join(known.code for known in plan.currencies)
        return Refused(Refusal.UNKNOWN_CURRENCY, f"nothing is paid in '{given.currency}'; the model pays in {codes}")
    try:
        minor = parse_minor(given.amount, money)
    except TooManyDecimals as error:
        return Refused(Refusal.TOO_MANY_DECIMALS, str(error))
    except NotAnAmount as error:
        return Refused(Refusal.NOT_AN_AMOUNT, str(error))
    if minor <= 0:
        return Refused(Refusal.NOT_POSITIVE, f"'{given.amount}' is not above 0; the kind says which way it goes")
    return minor


def _nearest(name: str, plan: NonOrderPlan) -> str:
    near = get_close_matches(name, list(plan.kinds), n=1)
    return f"did you mean '{near[0]}'?" if near else f"the model has: {', '.join(plan.kinds) or 'none'}"
