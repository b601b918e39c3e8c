"""What the ledger gives to the rest of the house: transfers between accounts, their outcomes, and names of accounts."""

import uuid
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal, NamedTuple

import pyarrow as pa
from pydantic import Field, field_validator

from everycent.base.engine.declaration import Declaration, Name, ScalarText
from everycent.base.engine.tables import UUID, TableSchema

#: Sums of minor units: 128 bits wide, so that no number of rows overflows them.
TOTAL_MINOR = pa.decimal128(38, 0)

#: A transfer moves a positive amount from the account it debits to the account it credits.
TRANSFER = TableSchema(
    name="ledger.transfer",
    columns=pa.schema(
        [
            pa.field("transfer_id", UUID, nullable=False),  # from (what caused it, booked_on, accounts, currency)
            pa.field("booked_on", pa.date32(), nullable=False),
            pa.field("debit_account", pa.string(), nullable=False),
            pa.field("credit_account", pa.string(), nullable=False),
            pa.field("amount_minor", TOTAL_MINOR, nullable=False),  # > 0
            pa.field("currency", pa.string(), nullable=False),
            pa.field("cause", pa.string(), nullable=False),  # OBLIGATIONS_CAUSE of its batch, or `instruction <id>`
        ]
    ),
    key=("transfer_id",),
)

#: Account names begin with one of these: `party/<party_id>`, `operator/<legal_entity>/<charge>`, `channel/<name>`,
#: `bank/<legal_entity>`, which is the legal entity's own money at its bank, `reserve/<party_id>`, which is the party's
#: and held back, `on_account/<party_id>`, what came in from the party before it pays a debt, `tax/<legal_entity>`, what
#: it owes the state of taxes that were added to its charges, `balance/<legal_entity>/<party_id>`, what the
#: party has there to pay with, `shared/<legal_entity>`, what its customers' payments gave to receivers who are no
#: parties.
PARTY_ACCOUNT = "party/"
OPERATOR_ACCOUNT = "operator/"
CHANNEL_ACCOUNT = "channel/"
BANK_ACCOUNT = "bank/"
RESERVE_ACCOUNT = "reserve/"
ON_ACCOUNT = "on_account/"
TAX_ACCOUNT = "tax/"
BALANCE_ACCOUNT = "balance/"
SHARED_ACCOUNT = "shared/"

#: The cause of a batch's transfers: its obligations of one day between two accounts, added up.
OBLIGATIONS_CAUSE = "obligations"


class TransferKind(StrEnum):
    """What a transfer does. A pending one reserves its amount on both accounts until another posts or voids it."""

    POSTED = "posted"
    PENDING = "pending"
    POST_PENDING = "post_pending"
    VOID_PENDING = "void_pending"


@dataclass(frozen=True)
class Transfer:
    """A transfer that is asked for: moves `amount_minor` (above 0) from the account it debits to the one it credits.

    `settles`: the pending transfer that a POST_PENDING or VOID_PENDING one ends; it has the same accounts and
    currency, and posts at most its amount: what it does not post is free again. A void has its whole amount.
    `linked`: together with the next one, all or none.
    """

    transfer_id: uuid.UUID
    booked_on: date
    debit_account: str
    credit_account: str
    amount_minor: int
    currency: str
    cause: str
    kind: TransferKind = TransferKind.POSTED
    settles: uuid.UUID | None = None
    linked: bool = False


class Outcome(StrEnum):
    """What became of a transfer that was asked for."""

    POSTED = "posted"
    ALREADY_POSTED = "already_posted"
    REFUSED = "refused"


class Refusal(StrEnum):
    """Why a transfer was refused."""

    NOT_POSITIVE = "not_positive"
    TOO_LARGE = "too_large"
    SAME_ACCOUNT = "same_account"
    UNNAMED = "unnamed"
    UNSTORABLE = "unstorable"
    SETTLES_NOTHING = "settles_nothing"
    OTHER_CONTENT = "other_content"
    NO_SUCH_PENDING = "no_such_pending"
    UNLIKE_PENDING = "unlike_pending"
    MORE_THAN_PENDING = "more_than_pending"
    SETTLED_BEFORE = "settled_before"
    BELOW_LEAST = "below_least"
    ABOVE_MOST = "above_most"
    LINKED_REFUSED = "linked_refused"


@dataclass(frozen=True)
class Answer:
    """What became of a transfer; of a refused one why (`refusal`), and in words what would be right."""

    transfer_id: uuid.UUID
    outcome: Outcome
    refusal: Refusal | None = None
    message: str = ""


@dataclass(frozen=True)
class Limit:
    """Bounds of an account's balance (credits less debits), in minor units; None for no bound.

    Pending amounts count as if they were posted where that is worse: debits against `least_minor`, credits against
    `most_minor`. An account that must not be overdrawn has the least 0.
    """

    account: str
    currency: str
    least_minor: int | None = None
    most_minor: int | None = None


class Standing(NamedTuple):
    """An account's totals, in minor units."""

    debits_minor: int = 0
    credits_minor: int = 0
    debits_pending_minor: int = 0
    credits_pending_minor: int = 0

    @property
    def balance_minor(self) -> int:
        """Credits less debits: what the house owes the account's owner."""
        return self.credits_minor - self.debits_minor


#: An amount is int64, as everywhere; totals are wider.
AMOUNT_MAX_MINOR = 2**63 - 1


@dataclass(frozen=True)
class Seal:
    """A batch of postings that is sealed: those with numbers above `after_no`, up to `through_no`.

    `root`: of the Merkle tree (RFC 6962, SHA-256) over them in the order of their numbers. `chained`: the root with the
    chained root before it (`previous`), whose seal it is and of what; who keeps it elsewhere holds all before it.
    """

    seal_no: int
    after_no: int
    through_no: int
    transfers: int
    root: bytes
    previous: bytes
    chained: bytes


@dataclass(frozen=True)
class Sealed:
    """What a sealing pass made. `under_way`: it made nothing, for somebody has been posting longer than it waits."""

    seals: tuple[Seal, ...]
    under_way: bool = False


@dataclass(frozen=True)
class Inclusion:
    """The proof that a seal holds a transfer.

    `leaf`: the transfer's canonical text; SHA-256 of a zero byte and this text is its leaf hash. `path`: what leads
    from there up to the seal's root, hashes to be put `left` or `right` of one's own behind a byte 1. `seals`: that one
    and all after it, each chained to the one before.
    """

    transfer_id: uuid.UUID
    leaf: str
    path: tuple[tuple[str, bytes], ...]
    seals: tuple[Seal, ...]


class NoSuchTransfer(LookupError):
    """The ledger has no such transfer; the message says where it was looked for."""


class NotSealedYet(Exception):
    """The transfer was posted after the last seal."""


class AlteredSinceSealed(Exception):
    """The transfer, or its seal, is not as it was sealed; the message says what differs."""


class AccountingSpec(Declaration):
    """How the books of one model are handed to an accounting system, as vouchers."""

    model: Name = Field(description="whose books", examples=["harbour-market"])
    entries: Literal["summed", "each"] = Field(
        default="summed",
        description="summed: one entry for all transfers between two accounts for one purpose; each: one for each",
    )
    legal_entity: str | None = Field(
        default=None,
        description="in whose vouchers goes what neither its accounts nor its cause are of a company: between two "
        "parties; without it, such a transfer is refused",
        examples=["market-shanghai"],
    )
    codes: dict[str, ScalarText] = Field(
        description="the ledger's accounts, each with its code there; `*` stands for anything, and of several names "
        "that fit, the one with the most letters holds",
        examples=[{"party/merchant:*": "2202", "operator/*/commission": "6051"}],
    )

    @field_validator("codes")
    @classmethod
    def _some(cls, codes: dict[str, str]) -> dict[str, str]:
        blank = [account for account, code in codes.items() if not code.strip()]
        if not codes or blank:
            of = f"'{blank[0]}' has none" if blank else "there are none"
            raise ValueError(f"each account has a code, and {of}; write for example party/*: 2202")
        return codes


class VoucherState(StrEnum):
    """Where a voucher stands."""

    MADE = "made"  # it has its number and its content, and nobody has it yet
    SENT = "sent"  # it was handed over, or its sender died on the way: it is asked about before it goes again
    ACCEPTED = "accepted"  # the accounting system has it, under a number of its own
    REFUSED = "refused"  # it has not, and said why
    DISPUTED = "disputed"  # it said one thing, then another: a person finds out
    REPLACED = "replaced"  # it was refused, and its next revision stands for it


class VoucherMove(StrEnum):
    """What may happen to a voucher."""

    HAND_OVER = "hand_over"
    ACCEPT = "accept"
    REFUSE = "refuse"
    CORRECT = "correct"
    JUDGE_ACCEPTED = "judge_accepted"  # a person found out, or a system without answers was asked by one
    JUDGE_REFUSED = "judge_refused"


class VoucherCame(StrEnum):
    """What came of a move that was asked for, or of what was said."""

    MOVED = "moved"
    REPEATED = "repeated"  # it was said before
    NOTED = "noted"  # kept for the person who has to decide
    CONTRADICTED = "contradicted"  # the opposite was said before: disputed now
    NOT_ALLOWED = "not_allowed"
    UNKNOWN = "unknown_voucher"


@dataclass(frozen=True)
class Said:
    """What is said of a voucher, by its accounting system or a person. `number`: its number there, of one that is
    accepted; `reason`: why it is not."""

    voucher_id: uuid.UUID
    move: VoucherMove
    who: str
    number: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Voucher:
    """A voucher of a legal entity's one day in one commodity.

    `supplement`: 0 for the day's first ones, n for those of what was posted after the n-th time. `content`: the text
    that is handed over; its SHA-256 in hex is `digest`, whose beginning is the id. `number`, `reason`: what was said.
    """

    model: str
    legal_entity: str
    voucher_no: int
    revision: int
    voucher_id: uuid.UUID
    booked_on: date
    supplement: int
    currency: str
    total_minor: int
    entries: int
    content: str
    digest: str
    state: VoucherState
    number: str | None = None
    reason: str | None = None


class VoucherRefusal(StrEnum):
    """Why no vouchers were made, named after the rule that they would break."""

    NO_CODE = "no_code"
    NO_ENTITY = "no_entity"
    POSTING_UNDER_WAY = "posting_under_way"
    NOT_REFUSED = "not_refused"


class VouchersRefused(Exception):
    """No voucher was made; the message says why, and what would be right."""

    def __init__(self, refusal: VoucherRefusal, message: str) -> None:
        super().__init__(f"{message} ({refusal})")
        self.refusal = refusal


class NoSuchVoucher(LookupError):
    """There is no such voucher; the message says what was looked for."""


class SendersBusy(Exception):
    """Another sender of the same books' vouchers is at work; try again when it has ended."""
