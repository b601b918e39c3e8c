"""What the ledger moves when an instruction's money turns out to be elsewhere.

Instructing moves the amount from the party to the channel: it is in flight. A result moves it on: to the legal entity's
bank account where it was paid, or the party's prepaid balance with it; back to the party where it was not, or came
back. A collection goes the other way round.
"""

import hashlib
from uuid import UUID

from everycent.flow.ledger.contract import BALANCE_ACCOUNT, BANK_ACCOUNT, CHANNEL_ACCOUNT, PARTY_ACCOUNT
from everycent.flow.payments.contract import BALANCE, Booking


def place_of(booking: Booking, party_id: str, channel: str, legal_entity: str) -> str:
    """The account that has the amount of a payment to its credit."""
    match booking:
        case Booking.IN_FLIGHT:
            return f"{CHANNEL_ACCOUNT}{channel}"
        case Booking.PAID if channel == BALANCE:
            return f"{BALANCE_ACCOUNT}{legal_entity}/{party_id}"
        case Booking.PAID:
            return f"{BANK_ACCOUNT}{legal_entity}"
        case Booking.BACK:
            return f"{PARTY_ACCOUNT}{party_id}"


def result_id(instruction_id: UUID, move_no: int) -> UUID:
    """The transfer's id: of the instruction and its so manieth move."""
    return UUID(hashlib.sha256(f"{instruction_id}\x1f{move_no}".encode()).hexdigest()[:32])


def result_cause(instruction_id: UUID, booking: Booking) -> str:
    """Names the instruction, for people and for the verifier."""
    return f"payment {instruction_id} {booking}"
