"""A contract-approved message: what it says, or why it says nothing that can be used."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from everycent.base.engine.declaration import Duration
from everycent.base.money.amount import NotAnAmount, parse_minor
from everycent.base.money.currency import UnknownCurrency, currency
from everycent.base.money.cycle import Cycle, NotACycle
from everycent.flow.parties.contract import MerchantType

_CHARACTERS_MAX = 200
#: Words that contracts did not have at first: where they are absent, a message has the digest that it had then.
_CAME_LATER = ("silent_after", "negative", "invoice", "charge_groups")


class Refused(StrEnum):
    """The rule that a message broke."""

    NOT_JSON = "not_json"
    NOT_A_CONTRACT = "not_a_contract"
    CONTENT_CONFLICT = "content_conflict"
    UNKNOWN_SYSTEM = "unknown_system"
    UNKNOWN_TENANT = "unknown_tenant"
    NO_ROLE = "no_role"
    KEY_MISSING = "key_missing"
    UNKNOWN_CHARGE = "unknown_charge"
    UNKNOWN_LEGAL_ENTITY = "unknown_legal_entity"
    UNKNOWN_CURRENCY = "unknown_currency"
    UNKNOWN_EVENT = "unknown_event"
    UNKNOWN_CALENDAR = "unknown_calendar"
    CONTRACT_OF_ANOTHER_PARTY = "contract_of_another_party"
    RELATION_OF_ANOTHER_PARTY = "relation_of_another_party"
    EMPTY_PERIOD = "empty_period"
    CONTRACT_PERIODS_OVERLAP = "contract_periods_overlap"


@dataclass(frozen=True)
class Refusal:
    """Why a message was not taken, and what would be right."""

    name: Refused
    message: str


#: Control characters, and those that turn the direction of a line, by which one name passes for another.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def _text(value: Any) -> Any:
    """Numbers of tenants and merchants often come as JSON numbers."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise ValueError("this is a text")
    if not 0 < len(text.strip()) <= _CHARACTERS_MAX or re.search(_UNPRINTABLE, text):
        raise ValueError(f"this is a text of 1 to {_CHARACTERS_MAX} printable characters")
    return text.strip()


def _absent(value: Any) -> Any:
    return None if value is None or value == "" else _text(value)


def _day(value: Any) -> Any:
    if not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\d", value) is None:
        raise ValueError("this is a date, such as 2026-03-01")
    return value


def _cycle(value: Any) -> Any:
    try:
        Cycle.parse(str(value))
    except NotACycle as error:
        raise ValueError(str(error)) from None
    return value


def _ratio(value: Any) -> Any:
    text = str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value
    if not isinstance(text, str) or re.fullmatch(r"0(\.\d{1,8})?|1(\.0{1,8})?", text) is None:
        raise ValueError("this is a ratio from 0 to 1 with up to 8 decimals, such as 0.05")
    return Decimal(text).normalize()


def _group(value: Any) -> Any:
    if not isinstance(value, str) or re.fullmatch(r"[a-z][a-z0-9_]*", value) is None:
        raise ValueError("this is a name: a small letter, then small letters, digits and _, such as freight")
    return value


Text = Annotated[str, BeforeValidator(_text)]
OptionalText = Annotated[str | None, BeforeValidator(_absent)]
Day = Annotated[date, BeforeValidator(_day)]
GroupName = Annotated[str, BeforeValidator(_group)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reserve(_Part):
    """What is held back of each statement, and for how long."""

    ratio: Annotated[Decimal, BeforeValidator(_ratio)]
    release_after: Duration = timedelta(0)


class ContractMessage(_Part):
    """A contract that was approved, or a change of it. `revision` 1 is the contract; it holds from `valid_from`, the
    first day, to `valid_to`, the first day it no longer does (None: it has no end). Of its statements it says what the
    model's `statements` says of the role's; what it does not say, the model does."""

    contract: Text
    revision: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
    system: Text
    tenant: Text
    company: Text
    merchant: Text
    merchant_type: MerchantType
    store: OptionalText = None
    sales_associate: OptionalText = None
    valid_from: Day
    valid_to: Day | None = None
    cycle: Annotated[str, BeforeValidator(_cycle)]
    mode: Literal["net", "gross"] = "net"
    charges: tuple[Text, ...] = ()
    legal_entity: OptionalText = None
    reserve: Reserve | None = None
    minimum_payout: dict[str, str] = Field(default_factory=dict)
    silent_after: Duration | None = None
    negative: Literal["collect", "carry"] | None = None
    invoice: Literal["before_payment", "none"] | None = None
    charge_groups: dict[GroupName, tuple[Text, ...]] | None = None
    approved_at: datetime | None = None

    @property
    def contract_key(self) -> tuple[str, str, str]:
        """What names the contract: whose number it is, and the number."""
        return (self.system, self.tenant, self.contract)

    @property
    def relation(self) -> tuple[str, ...]:
        """The relation group, in the order of RELATION_FIELDS; an absent one is empty."""
        return (
            self.system,
            self.tenant,
            self.company,
            self.merchant,
            self.merchant_type,
            self.store or "",
            self.sales_associate or "",
        )

    @property
    def minimum_minor(self) -> dict[str, int]:
        """The minimum payout in minor units, by the code of its currency."""
        return {code: parse_minor(text, currency(code)) for code, text in sorted(self.minimum_payout.items())}

    @property
    def group_of_charge(self) -> dict[str, str] | None:
        """By charge, the group of charges whose statement it stands on; None: as the model says."""
        if self.charge_groups is None:
            return None
        return {charge: group for group, charges in self.charge_groups.items() for charge in charges}

    @property
    def digest(self) -> str:
        """SHA-256 in hex of what it says: blanks, the order of words and absent ones do not show."""
        words = self.model_dump(mode="json")
        words = {name: value for name, value in words.items() if value is not None or name not in _CAME_LATER}
        said = json.dumps(words, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(said.encode()).hexdigest()


def read_message(content: bytes) -> ContractMessage | Refusal:
    """The message that the bytes hold, JSON in UTF-8; NOT_JSON or NOT_A_CONTRACT says what is wrong with it."""
    try:
        said = json.loads(content.decode("utf-8"), parse_float=Decimal, object_pairs_hook=_once_each)
        if b"\\u" in content:  # JSON may write half a character so, which nothing can store
            json.dumps(said, ensure_ascii=False, default=str).encode()
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        return Refusal(Refused.NOT_JSON, f"this is not JSON in UTF-8: {error}; send it again as one JSON object")
    if not isinstance(said, dict):
        return Refusal(Refused.NOT_A_CONTRACT, "a contract is one JSON object, with 'contract', 'revision', 'system' …")
    try:
        message = ContractMessage.model_validate(said)
        refused = next(chain(_wrong_amounts(message), _in_two_groups(message)), None)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        refused = f"'{where}': {_said(first)}"
    return message if refused is None else Refusal(Refused.NOT_A_CONTRACT, refused)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a word is there twice")
    return found


def _wrong_amounts(message: ContractMessage) -> Iterator[str]:
    for code, text in message.minimum_payout.items():
        try:
            if parse_minor(text, currency(code)) < 0:
                yield f"'minimum_payout.{code}': it is {text}; write 0 or more"
        except (NotAnAmount, UnknownCurrency) as error:
            yield f"'minimum_payout.{code}': {error}"


def _in_two_groups(message: ContractMessage) -> Iterator[str]:
    found: dict[str, str] = {}
    for group, charges in (message.charge_groups or {}).items():
        for charge in charges:
            if found.setdefault(charge, group) != group:
                yield f"'charge_groups': {charge} is in {found[charge]} and in {group}; leave it in one"


def _said(error: Any) -> str:
    match error["type"]:
        case "missing":
            return "it is missing"
        case "extra_forbidden":
            return f"a contract has no such word; it has {', '.join(ContractMessage.model_fields)}"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return str(error["msg"])
