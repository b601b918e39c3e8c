"""What payments gives to the rest of the house: payment instructions, and its part of the model's language."""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Protocol, Self

import pyarrow as pa
from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from everycent.base.engine.declaration import (
    Declaration,
    Duration,
    Name,
    NumberText,
    OrOne,
    Variable,
    Words,
    Written,
    as_list,
    or_alone,
)
from everycent.base.engine.tables import UUID, TableSchema
from everycent.flow.approvals.contract import Levels

#: The channels: files for the bank, a payment service, the party's prepaid balance with the legal entity, wallets.
BANK_FILE, REST, BALANCE, WECHAT, ALIPAY = "bank_file", "rest", "balance", "wechat", "alipay"

#: Wallets take transfers one by one, each below the limits that they publish (core/wallets.py).
WALLETS = (WECHAT, ALIPAY)

#: Sums of minor units: 128 bits wide, so that no number of rows overflows them.
TOTAL_MINOR = pa.decimal128(38, 0)


class InstructionState(StrEnum):
    """Where an instruction stands; core/moves.py says how it gets from one to another."""

    WAITING = "waiting"  # it cannot go to a channel; its reason says why
    CREATED = "created"  # ready for its channel, where nobody has to release it
    APPROVED = "approved"  # whoever has to released it
    FILED = "filed"  # it stands in a bank file
    SUBMITTED = "submitted"  # its key is written down, and it may be on its way
    PROCESSING = "processing"  # the channel has it
    UNKNOWN = "unknown"  # nobody can tell whether the channel has it
    PARKED = "parked"  # a person has to say what became of it; its finding says why
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the channel refused it, or it was cancelled: no money moved
    RETURNED = "returned"  # it was paid, and the money came back


#: Where an instruction's life ends, unless something contradicts it later.
ENDS = (InstructionState.SUCCEEDED, InstructionState.FAILED, InstructionState.RETURNED)


class Booking(StrEnum):
    """Where an instruction's money is in the ledger."""

    IN_FLIGHT = "in_flight"  # with the channel: so it is booked on instructing
    PAID = "paid"  # it has left the legal entity's bank account (collected: it has arrived there)
    BACK = "back"  # on the party's account again, to be instructed anew


class Move(StrEnum):
    """What may happen to an instruction."""

    FIND_ACCOUNT = "find_account"
    RELEASE = "release"  # all who have to said yes
    DECLINE = "decline"  # one of them said no, or nobody decided in time, or the request was taken back
    FILE = "file"
    BEGIN = "begin"  # written down before anything is sent
    SEND_AGAIN = "send_again"  # under the same key, to a channel that takes a key once
    UNSEND = "unsend"  # the channel could not be reached: nothing was sent
    LOSE = "lose"  # no answer
    ACCEPT = "accept"
    PAY = "pay"
    REFUSE = "refuse"
    RETURN = "return"
    DENY = "deny"  # the channel, asked, does not know it
    PARK = "park"
    CANCEL = "cancel"  # before it is sent
    JUDGE_PAID = "judge_paid"
    JUDGE_FAILED = "judge_failed"
    JUDGE_RETURNED = "judge_returned"


#: What a channel says of an order.
ANSWERS = (Move.ACCEPT, Move.PAY, Move.REFUSE, Move.RETURN, Move.DENY)

#: The finding of an instruction of which nobody can tell what became of it; a late answer still decides it. All other
#: findings are contradictions, named `<move>_after_<state>`, or OTHER_AMOUNT: those only a person decides.
UNRESOLVED = "unresolved"
OTHER_AMOUNT = "other_amount"


@dataclass(frozen=True)
class Capabilities:
    """What a channel can do.

    `idempotent`: an order sent again under its key is not done again. `queryable`: it can be asked about an order.
    `batch`: it takes files. `tells_returns`: it says when money came back.
    """

    idempotent: bool = False
    queryable: bool = False
    batch: bool = False
    tells_returns: bool = False


@dataclass(frozen=True)
class Order:
    """What a channel is asked to do, once, under its key. `direction`: pay | collect; the amount is above 0."""

    key: uuid.UUID
    direction: str
    amount_minor: int
    currency: str
    account: str
    account_name: str
    legal_entity: str


class BankBooking(NamedTuple):
    """What a bank calls a thing that it booked. `source`: the kind of its messages and the account, for one kind may
    call it otherwise than another."""

    source: str
    reference: str


@dataclass(frozen=True)
class Said:
    """What is said of an instruction: by its channel, by a person, by the house itself.

    `cause`: where it is said (an entry of a file, a call-back, an attempt), the same each time that it is said again.
    An amount that is given is compared. `why`: in words. `booking`: what the bank calls it; where it says the same
    under another reference, it was booked once more.
    """

    key: uuid.UUID
    move: Move
    cause: str
    who: str
    why: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    booking: BankBooking | None = None


class ComeBackRefused(Exception):
    """A bank's file or a call-back that is not taken in, nothing of it; the message says why."""


class NoAnswer(Exception):
    """Nobody can tell whether the channel took the order."""


class NotSent(Exception):
    """The channel could not be reached, and nothing of the order was sent."""


class Channel(Protocol):
    """A way to pay. It answers in time, or raises; it never changes what it was given."""

    name: str
    capabilities: Capabilities

    def submit(self, order: Order) -> Said:
        """Sends an order; what the channel says at once. Raises NoAnswer, NotSent."""

    def ask(self, order: Order) -> Said:
        """What became of an order: of ANSWERS. Raises NoAnswer, NotSent."""


class Came(StrEnum):
    """What came of what was said."""

    MOVED = "moved"
    REPEATED = "repeated"  # it was so already: nothing changed
    OVERTAKEN = "overtaken"  # it came late; what is known goes further: nothing changed
    NOTED = "noted"  # kept for the person who has to decide
    CONTRADICTED = "contradicted"  # it cannot be beside what was said before: parked
    NOT_ALLOWED = "not_allowed"
    OWN_REQUEST = "own_request"  # who asked for it does not release it
    UNKNOWN_ORDER = "unknown_order"  # there is no such instruction


@dataclass(frozen=True)
class Taken:
    """What came of one thing that was said; where the instruction stands now, and its finding."""

    said: Said
    came: Came
    state: InstructionState | None = None
    finding: str | None = None


class Outcome(StrEnum):
    """What became of one side of a closed statement."""

    INSTRUCTED = "instructed"  # an instruction pays or collects it
    ZERO = "zero"  # settled without payment: with the others of its group it adds up to nothing
    CARRIED = "carried"  # below the minimum: it waits for the next closing


class InstructionAltered(Exception):
    """A stored instruction is not as it was written; it is neither filed nor changed."""

    def __init__(self, instruction_id: object, party_id: str) -> None:
        super().__init__(
            f"instruction {instruction_id} to {party_id} was altered in the database after it was written, and no bank "
            "file is made of it; see what `everycent verify` finds, and restore the database from a copy"
        )


#: Instructions are decided rows: always in PostgreSQL (payments.instruction).
INSTRUCTION = TableSchema(
    name="payments.instruction",
    columns=pa.schema(
        [
            pa.field("instruction_id", UUID, nullable=False),  # from what it pays: party, day, direction, statements
            pa.field("party_id", pa.string(), nullable=False),
            pa.field("role", pa.string(), nullable=False),
            pa.field("legal_entity", pa.string(), nullable=False),
            pa.field("currency", pa.string(), nullable=False),
            pa.field("direction", pa.string(), nullable=False),  # pay (to the party) | collect (from the party)
            pa.field("amount_minor", TOTAL_MINOR, nullable=False),  # > 0
            pa.field("channel", pa.string(), nullable=False),
            pa.field("as_of", pa.date32(), nullable=False),  # the day cut that caused it; its ledger date
            pa.field("account", pa.string()),  # its number; masked where account_id leads to it
            pa.field("account_id", UUID),  # the party's verified account
            pa.field("account_name", pa.string()),
            pa.field("mandate", pa.string()),  # of a direct debit: the id of what its party signed
            pa.field("mandate_signed_on", pa.date32()),
            pa.field("state", pa.string(), nullable=False),  # an InstructionState
            pa.field("reason", pa.string()),  # why it waits, failed, came back or is parked
            pa.field("file", pa.string()),  # the bank file's name, without its ending
            pa.field("filed_as_of", pa.date32()),
            pa.field("booking", pa.string(), nullable=False),  # a Booking: where its money is in the ledger
            pa.field("finding", pa.string()),  # of a parked one: what a person has to decide
        ]
    ),
    key=("instruction_id",),
)

#: What became of each side of each closed statement (payments.instruction_statement).
INSTRUCTED_STATEMENT = TableSchema(
    name="payments.instruction_statement",
    columns=pa.schema(
        [
            pa.field("statement_id", pa.string(), nullable=False),
            pa.field("side", pa.string(), nullable=False),  # net; in gross mode payable and receivable apart
            pa.field("amount_minor", TOTAL_MINOR, nullable=False),  # signed: above 0 is owed to the party
            pa.field("outcome", pa.string(), nullable=False),  # an Outcome
            pa.field("instruction_id", UUID),
            pa.field("as_of", pa.date32(), nullable=False),  # of the outcome; of a carried one, since when
        ]
    ),
    key=("statement_id", "side"),
)


class PayoutAccountSpec(Declaration):
    """Where a party's account number is found: an attached table by party key, or the party's own verified account; its
    key otherwise."""

    table: str | None = Field(
        default=None, description="an attached table keyed by the party's key columns", examples=["bank_accounts"]
    )
    verified: bool = Field(
        default=False, description="instead: the party's own verified account, as `everycent party account` keeps it"
    )
    number: Name = Field(default="account", description="its column with the account's number", examples=["iban"])
    name: Name = Field(default="account_name", description="its column with the holder's name", examples=["holder"])
    currency: Name | None = Field(
        default=None,
        description="its key column with the currency that an account takes, by ISO 4217 code; all otherwise",
        examples=["currency"],
    )

    method: Name | None = Field(
        default=None,
        description="its column with how the account is paid: bank_card, alipay or wechat; a verified account knows",
        examples=["pays_by"],
    )

    @model_validator(mode="after")
    def _table_or_verified(self) -> Self:
        if self.verified and self.table is not None:
            raise ValueError("accounts have one source: write either 'table' or 'verified: yes'")
        return self


class DirectDebitSpec(Declaration):
    """That what a party owes is taken from its account, where it signed a mandate for that."""

    creditor_ids: dict[str, str] = Field(
        description="legal entity -> its identification as a creditor, which its bank gave it",
        examples=[{"market-shanghai": "DE98ZZZ09999999999"}],
    )
    scheme: Literal["core", "b2b"] = Field(
        default="core", description="of debits in EUR; core: of all accounts; b2b: of companies alone, for good"
    )
    lead: Duration = Field(
        default=timedelta(days=1),
        description="how long after its file is made a debit is due, in whole days rounded up",
        examples=["2 days"],
    )
    mandate: Name = Field(
        default="mandate",
        description="the accounts table's column with the mandate's id; who has none is not debited",
        examples=["mandate_id"],
    )
    signed_on: Name = Field(
        default="mandate_signed_on",
        description="its column with the day on which the mandate was signed",
        examples=["signed"],
    )


#: An amount in major units; with several currencies, by code.
Limit = NumberText | dict[str, NumberText] | None


class LimitsSpec(Declaration):
    """How much may go to channels on a day; what is above waits for the next."""

    day: Limit = Field(default=None, description="of all that the role is paid", examples=["1000000.00"])
    entity_day: Limit = Field(default=None, description="of what one legal entity pays", examples=["500000.00"])
    party_day: Limit = Field(default=None, description="of what one party is paid", examples=["50000.00"])


class RestChannelSpec(Declaration):
    """A payment service that takes orders one by one, by signed requests, and answers by signed call-backs."""

    url: Variable = Field(description="the environment variable with its address", examples=["PAYMENTS_URL"])
    secret: Variable = Field(
        description="the environment variable with the secret that signs requests and call-backs",
        examples=["PAYMENTS_SECRET"],
    )
    idempotent: bool = Field(
        default=False,
        description="yes: an order that comes again under its key is not done again; only then is one sent again",
    )
    queryable: bool = Field(default=False, description="yes: it can be asked what became of an order")
    tells_returns: bool = Field(default=False, description="yes: it says when money came back")
    timeout: Duration = Field(
        default=timedelta(minutes=1), description="how long an answer is waited for", examples=["1 minute"]
    )


class WalletLimitsSpec(Declaration):
    """How much a wallet transfers, in major units of CNY. What is not given is as the wallet publishes it."""

    least: NumberText | None = Field(default=None, description="the smallest transfer", examples=["0.10"])
    most: NumberText | None = Field(default=None, description="the largest transfer", examples=["50000.00"])
    day: NumberText | None = Field(
        default=None, description="what one legal entity transfers on a day", examples=["1000000.00"]
    )
    receiver_day: NumberText | None = Field(
        default=None, description="what one party gets from it on a day", examples=["20000.00"]
    )
    remark_characters: int | None = Field(default=None, ge=1, description="the longest remark", examples=["32"])


class SharingSpec(Declaration):
    """How a wallet shares customers' payments. What is not given is as the wallet publishes it."""

    receivers: int | None = Field(default=None, ge=1, description="receivers of one request, at most", examples=["50"])
    requests: int | None = Field(default=None, ge=1, description="requests of one payment, at most", examples=["50"])
    ratio: Annotated[str, Written(r"^(0\.[0-9]+|1(\.0+)?)$", "a ratio from 0 to 1, such as 0.30")] | None = Field(
        default=None, description="how much of a payment is shared, at most", examples=["0.30"]
    )
    freeze: Duration | None = Field(
        default=None, description="how long a payment is frozen and can be shared", examples=["30 days"]
    )


class WalletSpec(RestChannelSpec):
    """Transfers to wallets of one kind, by way of a service that takes signed requests, and answers by signed
    call-backs."""

    idempotent: bool = Field(
        default=True,
        description="yes: an order that comes again under its key is not done again; only then is one sent again",
    )
    queryable: bool = Field(default=True, description="yes: it can be asked what became of an order")
    remark: str = Field(default="settlement", description="what receivers read beside it", examples=["货款"])
    limits: WalletLimitsSpec = Field(
        default=WalletLimitsSpec(),
        description="how much it transfers, where that is other than it publishes",
        examples=[{"most": "50000.00"}],
    )
    sharing: SharingSpec = Field(
        default=SharingSpec(),
        description="how it shares customers' payments, where that is other than it publishes",
        examples=[{"ratio": "0.20"}],
    )


#: How accounts are paid, as parties give them.
METHODS = ("bank_card", "alipay", "wechat")

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: A span of a day: `08:00-17:30`; where it begins later than it ends, it goes on after midnight.
_HOURS = r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"


class RouteSpec(Declaration):
    """A channel, which may stand alone, and which payments it takes: all that fit each of its words."""

    model_config = ConfigDict(json_schema_extra=or_alone("channel"))

    channel: str = Field(description="bank_file, rest, balance, wechat or alipay", examples=["bank_file"])
    direction: Literal["pay", "collect"] | None = Field(
        default=None, description="pay: what parties are paid alone; collect: what they owe alone", examples=["pay"]
    )
    methods: Words = Field(default=(), description="to accounts that are paid so", examples=[["alipay", "wechat"]])
    legal_entities: Words = Field(default=(), description="of these legal entities", examples=["market-shanghai"])
    currencies: Words = Field(default=(), description="in these, by ISO 4217 code", examples=[["CNY", "HKD"]])
    least: Limit = Field(
        default=None,
        description="of this amount and more, in major units; with several currencies, by code",
        examples=["0.10"],
    )
    most: Limit = Field(default=None, description="of this amount and less", examples=["50000.00"])
    days: Words = Field(
        default=(),
        description="on these days of the week, by the model's time zone: mon, tue, wed, thu, fri, sat, sun",
        examples=[["mon", "tue", "wed", "thu", "fri"]],
    )
    hours: Annotated[str, Written(_HOURS, "from when to when, as 08:00-17:30")] | None = Field(
        default=None,
        description="in these hours, by the model's time zone; the last minute is no part of them",
        examples=["08:00-17:30"],
    )

    @model_validator(mode="before")
    @classmethod
    def _from_channel_alone(cls, value: object) -> object:
        return {"channel": value} if isinstance(value, str) else value


class PayoutSpec(Declaration):
    """How a party role is paid and charged."""

    channels: Annotated[tuple[RouteSpec, ...], BeforeValidator(as_list), OrOne()] = Field(
        default=("bank_file",),
        validate_default=True,
        description="how it is paid: bank_file; rest, wechat or alipay, which are declared beside it; balance, which "
        "puts what it is paid on its prepaid balance and takes what it owes from there; of several, a payment takes "
        "the first that fits, and waits where none does",
        examples=["bank_file", ["balance", {"channel": "rest", "most": "50000.00"}, "bank_file"]],
    )
    rest: RestChannelSpec | None = Field(
        default=None,
        description="the payment service of the channel rest",
        examples=[{"url": "PAYMENTS_URL", "secret": "PAYMENTS_SECRET", "queryable": "yes"}],
    )
    wallets: dict[Literal["wechat", "alipay"], WalletSpec] = Field(
        default_factory=dict,
        description="the services of the channels wechat and alipay",
        examples=[{"wechat": {"url": "WECHAT_URL", "secret": "WECHAT_SECRET"}}],
    )
    release: Levels | None = Field(
        default=None,
        description="who has to say yes before its payments go to their channel, one group after another, none of them "
        "who instructed them; without it, nobody",
        examples=[["treasury", {"by": "finance", "above": "100000"}]],
    )
    limits: LimitsSpec = Field(
        default=LimitsSpec(), description="how much may go out on a day", examples=[{"day": "1000000.00"}]
    )
    minimum: NumberText | dict[str, NumberText] = Field(
        default="0",
        description="smaller amounts, in major units, wait for the next statement; with several currencies, by code",
        examples=["1.00", {"CNY": "1.00", "JPY": "100"}],
    )
    account: PayoutAccountSpec | None = Field(
        default=None,
        description="where the party's account is found; without it the party's key is the account where no role has "
        "a table of accounts, and its payments wait where one has",
    )
    direct_debit: DirectDebitSpec | None = Field(
        default=None,
        description="that what it owes is collected by direct debit, in bank files; without it, people collect it",
        examples=[{"creditor_ids": {"market-shanghai": "DE98ZZZ09999999999"}}],
    )
    payer_accounts: dict[str, str] = Field(
        default_factory=dict,
        description="legal entity -> its own account that pays; its name stands in otherwise",
        examples=[{"market-shanghai": "DE89370400440532013000"}],
    )
