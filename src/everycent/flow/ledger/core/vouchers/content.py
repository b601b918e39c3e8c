"""What a voucher says: a text that is handed over as it is, and read again from it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import Currency
from everycent.flow.ledger.core.vouchers.codes import Codes

#: A voucher has so many entries at most; the rest is another one. Each entry is two lines.
ENTRIES_MOST = 1000
#: What the first voucher of a legal entity has in the place of the chained digest before it.
NO_VOUCHER = "0" * 64


class Entry(NamedTuple):
    """Transfers from one account to another for one purpose, added up; `transfer`: of a single one its id."""

    debit_account: str
    credit_account: str
    purpose: str
    amount_minor: int
    transfers: int
    transfer: UUID | None = None


@dataclass(frozen=True)
class Head:
    """Whose voucher, of what. `after_no`, `through_no`: it is of postings above the one number, up to the other."""

    tenant: str
    model: str
    legal_entity: str
    number: int
    revision: int
    booked_on: date
    supplement: int
    after_no: int
    through_no: int
    currency: str


def content(head: Head, entries: Sequence[Entry], codes: Codes, of: Currency) -> str:
    """The voucher's text: one JSON object, whose bytes are always the same. Each entry debits what it credits."""
    assert entries, "a voucher is of something"
    lines: list[dict[str, Any]] = []
    for number, entry in enumerate(entries, 1):
        assert entry.amount_minor > 0, f"entry {number} moves {entry.amount_minor}"
        amount, nothing = format_minor(entry.amount_minor, of), format_minor(0, of)
        for account, debit, credit in (
            (entry.debit_account, amount, nothing),
            (entry.credit_account, nothing, amount),
        ):
            lines.append(
                {
                    "line": len(lines) + 1,
                    "entry": number,
                    "code": codes.code(account),
                    "account": account,
                    "purpose": entry.purpose,
                    "transfers": entry.transfers,
                    "transfer": None if entry.transfer is None else str(entry.transfer),
                    "debit": debit,
                    "credit": credit,
                }
            )
    total = format_minor(sum(entry.amount_minor for entry in entries), of)
    said = {
        "tenant": head.tenant,
        "model": head.model,
        "legal_entity": head.legal_entity,
        "number": head.number,
        "revision": head.revision,
        "booked_on": head.booked_on.isoformat(),
        "supplement": head.supplement,
        "postings_after": head.after_no,
        "postings_through": head.through_no,
        "currency": head.currency,
        "debit": total,
        "credit": total,
        "lines": lines,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def digest_of(text: str) -> str:
    """A content's SHA-256, in hex."""
    return sha256(text.encode()).hexdigest()


def id_of(digest: str) -> UUID:
    """A voucher's id, which is the beginning of its content's digest."""
    return UUID(hex=digest[:32])


def chained(previous: str, digest: str) -> str:
    """A voucher's digest, chained to that of the one which its legal entity made before: SHA-256 of both in hex."""
    return sha256(f"voucher {previous} {digest}".encode()).hexdigest()


def revised(text: str, codes: Codes) -> tuple[str, list[Entry]]:
    """The content of the next revision: of the same transfers, with the codes of now, and its amounts with the
    decimals that they were written with. Its entries, too."""
    said = json.loads(text)
    head = Head(
        said["tenant"], said["model"], said["legal_entity"], said["number"], said["revision"] + 1,
        date.fromisoformat(said["booked_on"]), said["supplement"], said["postings_after"], said["postings_through"],
        said["currency"],
    )  # fmt: skip
    pairs = zip(said["lines"][::2], said["lines"][1::2], strict=True)
    entries = [
        Entry(debit["account"], credit["account"], debit["purpose"], int(debit["debit"].replace(".", "")),
              debit["transfers"], None if debit["transfer"] is None else UUID(debit["transfer"]))
        for debit, credit in pairs
    ]  # fmt: skip
    decimals = len(said["debit"].partition(".")[2])
    return content(head, entries, codes, Currency(said["currency"], decimals)), entries


def without_code(accounts: Iterable[str], codes: Codes) -> list[str]:
    """The accounts that have none, by name."""
    return sorted({account for account in accounts if codes.code(account) is None})


#: The columns of a voucher's file as CSV: what is said of it, then of each line.
_OF_VOUCHER = ("tenant", "model", "legal_entity", "number", "revision", "booked_on", "supplement", "currency")
_OF_LINE = ("line", "entry", "code", "account", "purpose", "transfers", "transfer", "debit", "credit")
CSV_COLUMNS = (*_OF_VOUCHER, *_OF_LINE)


def csv_rows(text: str) -> list[list[str]]:
    """A content as rows of CSV_COLUMNS."""
    said = json.loads(text)
    head = [str(said[name]) for name in _OF_VOUCHER]
    return [[*head, *("" if line[name] is None else str(line[name]) for name in _OF_LINE)] for line in said["lines"]]
