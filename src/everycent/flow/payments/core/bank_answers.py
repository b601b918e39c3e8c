"""What a bank says of payments, made into what is said of our instructions.

A line names a payment by the id that its file gave it (EndToEndId, our instruction's id), or a whole message or block
of one file (MsgId, PmtInfId). A status report says a move; a statement says money that went out or came in: by the
instruction's direction the payment itself or its return.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from everycent.base.money.amount import NotAnAmount, grouped_minor, parse_minor
from everycent.base.money.currency import UnknownCurrency, currency
from everycent.flow.payments.contract import BankBooking, Move, Said

#: ISO 20022, external codes of a payment's status -> what it means here. Others say nothing about it yet.
STATUSES = {
    **dict.fromkeys(("RCVD", "PDNG", "ACTC", "ACCP", "ACSP", "ACWC", "ACFC", "ACWP", "ACPD"), Move.ACCEPT),
    **dict.fromkeys(("ACSC", "ACCC"), Move.PAY),
    **dict.fromkeys(("RJCT", "CANC", "BLCK"), Move.REFUSE),
}


@dataclass(frozen=True)
class BankLine:
    """One thing that a bank's file says. `move`: of a status report; `came_in`: of a statement, money in or out.

    `group`: a MsgId or PmtInfId, where it speaks of all of it. `text`: all that a statement says of what it is for.
    `bank_reference`: the bank's own for it, the same in each of its files. `booking`: the same, among messages of its
    kind alone.
    """

    cause: str
    key: str | None
    group: str | None = None
    move: Move | None = None
    came_in: bool | None = None
    amount: str | None = None
    code: str | None = None
    why: str | None = None
    text: str = ""
    bank_reference: str | None = None
    booking: BankBooking | None = None


@dataclass(frozen=True)
class Member:
    """An instruction of a file. `is_open`: nobody has said of it that it failed or came back."""

    key: UUID
    direction: str
    amount_minor: int
    currency: str
    is_open: bool


@dataclass(frozen=True)
class Resolved:
    """`said`, in the file's order; `not_ours`: the lines that name no payment of ours; `refused`: lines that cannot be
    right, in words."""

    said: tuple[Said, ...]
    not_ours: tuple[BankLine, ...]
    refused: tuple[str, ...]


@dataclass
class _Resolving:
    who: str
    said: list[Said] = field(default_factory=list)
    not_ours: list[BankLine] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


#: Where a statement says what money is for.
_WHAT_FOR = ("remittance", "creditor_reference", "document_number", "end_to_end_id", "information")


def statement_lines(rows: Iterable[Mapping[str, str | None]], kind: str) -> list[BankLine]:
    """Rows of a camt message (as intake's bill format `camt` gives them) that are booked, as lines. `kind`: of message.

    An entry without details names its block of payments.
    """
    lines = []
    for row in rows:
        if row["status"] not in (None, "BOOK"):
            continue
        place = f"{row['entry']}.{row['detail'] or 1}"
        key = row["end_to_end_id"]
        ours = as_key(key) is not None
        group = None if ours else row["batch_reference"] or row["payment_id"] or row["batch_message"]
        came_in = not (row["amount"] or "").startswith("-")
        why = row["return_reason"] or row["information"]
        cause = f"camt {row['account'] or ''} {row['statement'] or ''} {place}"
        text = " ".join(said for name in _WHAT_FOR if (said := row[name]))
        own = row["servicer_reference"] or row["payment_reference"]
        reference = None if own is None else f"bank {row['account'] or ''} {own}"
        booking = None if own is None else BankBooking(f"{kind} {row['account'] or ''}", own)
        told = (came_in, row["amount"], row["currency"], why, text, reference, booking)
        lines.append(BankLine(cause, key, group, None, *told))
    return lines


#: What an MT940 has where there is no reference.
_NO_REFERENCE = "NONREF"


def mt940_lines(rows: Iterable[Mapping[str, str | None]]) -> list[BankLine]:
    """Rows of an MT940 (as intake's bill format `mt940` gives them) as lines."""
    lines = []
    for place, row in enumerate(rows, 1):
        said = (row["purpose"] or row["details"], row["customer_reference"], row["end_to_end_id"])
        text = " ".join(each for each in said if each and each != _NO_REFERENCE)
        own = row["bank_reference"]
        own = None if own == _NO_REFERENCE else own
        reference = None if own is None else f"bank {row['account'] or ''} {own}"
        booking = None if own is None else BankBooking(f"mt940 {row['account'] or ''}", own)
        cause = f"mt940 {row['account'] or ''} {row['statement'] or ''} {place}"
        came_in = not (row["amount"] or "").startswith("-")
        key, why = row["end_to_end_id"], row["return_code"]
        told = (came_in, row["amount"], row["currency"], why, text, reference, booking)
        lines.append(BankLine(cause, key, None, None, *told))
    return lines


def keys_of(lines: Sequence[BankLine]) -> tuple[list[UUID], list[str]]:
    """The ids of instructions, and those of messages and blocks, that lines name; each once, in order."""
    keys = {key: None for line in lines if (key := as_key(line.key)) is not None}
    groups = {line.group: None for line in lines if line.group is not None}
    return list(keys), list(groups)


def as_key(text: str | None) -> UUID | None:
    """An EndToEndId as the id of an instruction; None where it is none of ours."""
    if text is None or len(text) != 32 or text != text.lower():
        return None
    try:
        return UUID(hex=text)
    except ValueError:
        return None


def resolve(
    lines: Sequence[BankLine], directions: Mapping[UUID, str], groups: Mapping[str, Sequence[Member]], who: str
) -> Resolved:
    """`directions`: of the instructions that lines name and that are there. `groups`: members of messages and blocks.

    A line about a whole message holds for those of its payments that no line of the file names by itself.
    """
    by = _Resolving(who)
    named = {key for line in lines if (key := as_key(line.key)) is not None}
    for line in lines:
        key = as_key(line.key)
        if key is not None:
            _resolve_one(by, line, key, directions.get(key, "pay"))
        elif line.group is not None and groups.get(line.group):
            _resolve_group(by, line, [one for one in groups[line.group] if one.key not in named])
        else:
            by.not_ours.append(line)
    assert all(one.move in STATUSES.values() or one.move is Move.RETURN for one in by.said)
    return Resolved(tuple(by.said), tuple(by.not_ours), tuple(by.refused))


def _resolve_one(by: _Resolving, line: BankLine, key: UUID, direction: str) -> None:
    amount = None
    try:
        if line.amount is not None and line.code is not None:
            amount = abs(parse_minor(line.amount, currency(line.code)))
    except (NotAnAmount, UnknownCurrency) as error:
        by.refused.append(f"{line.cause}: {error}")
        return
    by.said.append(Said(key, _move(line, direction), line.cause, by.who, line.why, amount, line.code, line.booking))


def _added_up(members: Sequence[Member]) -> str:
    """What they come to in each currency, in words."""
    minor: Counter[str] = Counter()
    for one in members:
        minor[one.currency] += one.amount_minor
    return ", ".join(f"{grouped_minor(minor[code], currency(code))} {code}" for code in sorted(minor)) or "nothing"


def _resolve_group(by: _Resolving, line: BankLine, members: Sequence[Member]) -> None:
    if line.came_in is not None:
        members = [one for one in members if one.is_open]
        total = sum(one.amount_minor for one in members)
        stated = None if line.amount is None else abs(parse_minor(line.amount, currency(str(line.code))))
        if stated != total or any(one.currency != line.code for one in members):
            by.refused.append(
                f"{line.cause}: batch_total_differs: the entry is of {line.amount} {line.code}, the payments of "
                f"{line.group} that are open add up to {_added_up(members)}; ask the bank for the entry's details"
            )
            return
    for one in members:
        told = (line.cause, by.who, line.why, one.amount_minor, one.currency, line.booking)
        by.said.append(Said(one.key, _move(line, one.direction), *told))


def _move(line: BankLine, direction: str) -> Move:
    if line.move is not None:
        return line.move
    assert line.came_in is not None, "a line is of a status report or of a statement"
    return Move.RETURN if line.came_in == (direction == "pay") else Move.PAY
