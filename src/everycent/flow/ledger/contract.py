"""What the ledger gives to the rest of the house: transfers between accounts, their outcomes, and names of accounts."""

import uuid
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

import pyarrow as pa

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
#: it owes the state of taxes that were added to its charges.
PARTY_ACCOUNT = "party/"
OPERATOR_ACCOUNT = "operator/"
CHANNEL_ACCOUNT = "channel/"
BANK_ACCOUNT = "bank/"
RESERVE_ACCOUNT = "reserve/"
ON_ACCOUNT = "on_account/"
TAX_ACCOUNT = "tax/"

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
