"""What bank files of ISO 20022 have in common: heads, accounts, exact sums, and their schemas.

Accounts are IBANs where they are valid ones, other identifications otherwise. The schemas are those that sepaxml ships.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, BinaryIO

import pyarrow as pa
from lxml import etree

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.flow.payments.core.iban import as_iban
from everycent.flow.payments.core.text import printable

NAME_CHARACTERS_MAX = 140
_ACCOUNT_CHARACTERS_MAX = 34
_SUM_DIGITS_MAX = 18


class InvalidBankFile(AssertionError):
    """A bug: a bank file that its schema refuses; the message holds the schema's first complaint."""


@dataclass(frozen=True)
class FileHead:
    """What a bank file says once: its name, whose money it is about, from or to which account, on which day."""

    file: str
    legal_entity: str
    own_account: str | None
    as_of: date

    @property
    def message_id(self) -> str:
        """28 characters from the file's name; with "-" and a currency behind it stays within 35."""
        return hashlib.sha256(self.file.encode()).hexdigest()[:28]


def validate(file: BinaryIO, message: str, each: str) -> None:
    """Checks a file against the schema of `message` as a stream, an element `each` at a time. Raises
    InvalidBankFile."""
    tag = f"{{{namespace(message)}}}{each}"
    try:
        for _, element in etree.iterparse(file, events=("end",), tag=tag, schema=_schema(message)):
            element.clear(keep_tail=False)
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise InvalidBankFile(f"the bank file breaks its schema: {error.msg}") from error


def namespace(message: str) -> str:
    """The namespace of a message such as pain.001.001.09."""
    return f"urn:iso:std:iso:20022:tech:xsd:{message}"


@cache
def _schema(message: str) -> Any:
    return etree.XMLSchema(etree.parse(str(files("sepaxml") / "schemas" / f"{message}.xsd")))


def group_header(head: FileHead, instructions: pa.Table) -> Any:
    """What a message says of all that is in it."""
    header = etree.Element("GrpHdr")
    add(header, "MsgId", head.message_id)
    add(header, "CreDtTm", f"{head.as_of.isoformat()}T00:00:00")
    add(header, "NbOfTxs", str(instructions.num_rows))
    add_control_sum(header, instructions)
    add(header, "InitgPty/Nm", printable(head.legal_entity, NAME_CHARACTERS_MAX))
    return header


def own_account(head: FileHead) -> str:
    """The legal entity's account, in whose place its name may stand."""
    return head.own_account or printable(head.legal_entity, _ACCOUNT_CHARACTERS_MAX)


def add(parent: Any, path: str, text: str) -> Any:
    """Appends the elements of `path` below `parent`, sharing the first where it is the last one there."""
    for tag in path.split("/"):
        shared = len(parent) > 0 and parent[-1].tag == tag and tag != path
        parent = parent[-1] if shared else etree.SubElement(parent, tag)
    parent.text = text
    return parent


def add_account(parent: Any, tag: str, account: str) -> None:
    """An account by its IBAN, or by what else it is called."""
    iban = as_iban(account)
    add(parent, f"{tag}/Id/IBAN" if iban else f"{tag}/Id/Othr/Id", iban or account)


def add_control_sum(parent: Any, instructions: pa.Table) -> None:
    """The exact sum of the amounts as written, whatever their currencies: ISO 20022 defines CtrlSum so, "irrespective
    of currencies", of the message and of each block. A block is of one currency and one account, so there it is money.
    Left out where the schema cannot hold it.
    """
    totals = instructions.group_by("currency").aggregate([("amount_minor", "sum")])
    written = [
        Decimal(format_minor(int(total), currency(code)))
        for code, total in zip(totals["currency"].to_pylist(), totals["amount_minor_sum"].to_pylist(), strict=True)
    ]
    control = sum(written, Decimal(0))
    if len(control.as_tuple().digits) <= _SUM_DIGITS_MAX:
        add(parent, "CtrlSum", f"{control:f}")


def rows_of(table: pa.Table) -> Iterator[Mapping[str, Any]]:
    """The rows of a table, some at a time."""
    for batch in table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()
