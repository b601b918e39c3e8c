"""The ledger's seals, worked out anew: each transfer against what its seal lists, each root, and the chain of them.

The hashes are restated here. A leaf is SHA-256 of a byte 0 and a transfer's texts, a node of a byte 1 and two hashes, a
link of a byte 2, the link before it, the root and the seal's texts; each text as its length in bytes, `:`, itself, `,`.
A seal lists 48 bytes for each of its transfers, by their numbers: the id and the leaf.
"""

import hashlib
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.proof.verify.contract import Check

_ID, _ENTRY = 16, 48
_AT_ONCE = 10_000

_SEALS = """
    SELECT seal_no, after_no, through_no, transfers, root, previous, chained, leaves
    FROM ledger.seal WHERE tenant = %s AND model = %s ORDER BY seal_no
"""
_TRANSFERS = """
    SELECT posting_no, transfer_id, kind, settles, booked_on::text, debit_account, credit_account, amount_minor,
        currency, cause, batch_no, trunc(extract(epoch FROM recorded_at) * 1000000)::text
    FROM ledger.transfer
    WHERE tenant = %(tenant)s AND model = %(model)s
        AND posting_no <= (SELECT max(through_no) FROM ledger.seal WHERE tenant = %(tenant)s AND model = %(model)s)
    ORDER BY posting_no, transfer_id
"""
_CHAINED = "SELECT encode(chained, 'hex') FROM ledger.seal WHERE tenant = %s AND model = ANY(%s)"


@dataclass(frozen=True)
class _Seal:
    """A row of ledger.seal."""

    seal_no: int
    after_no: int
    through_no: int
    transfers: int
    root: bytes
    previous: bytes
    chained: bytes
    listed: bytes

    @property
    def entries(self) -> list[bytes]:
        """What it lists; a part of an entry at the end is none."""
        return [self.listed[at : at + _ENTRY] for at in range(0, len(self.listed) - _ENTRY + 1, _ENTRY)]


def check_sealed(connection: Connection, tenant: str, model: str) -> tuple[Check, Check]:
    """Each transfer up to the last seal is as it was sealed, none more, none less; and the seals are a chain."""
    rows, seals = 0, 0
    broken: list[str] = []
    altered: list[str] = []
    last: _Seal | None = None
    there = _entries(connection, tenant, model)
    coming = next(there, None)
    with connection.cursor("verified_seals", binary=True) as cursor:
        cursor.itersize = 1
        for row in cursor.execute(_SEALS, (tenant, model)):
            seal, mine = _Seal(*row), []
            while coming is not None and coming[0] <= seal.through_no:
                mine.append(coming)
                coming = next(there, None)
            seals, rows = seals + 1, rows + max(len(mine), len(seal.entries))
            broken += _link_faults(tenant, model, last, seal)
            if b"".join(entry for _, entry in mine) != seal.listed:
                altered += _faults(seal, mine)
            last = seal
    there.close()
    return (
        _check(model, "each sealed transfer is as it was sealed", rows, altered),
        _check(
            model, "each seal of the ledger has the root of its transfers, chained to the one before", seals, broken
        ),
    )


def check_kept(connection: Connection, tenant: str, models: Sequence[str], kept: Sequence[str]) -> Check:
    """Each chained root that was kept elsewhere (hex) is still a seal's."""
    held = {str(chained) for (chained,) in connection.execute(_CHAINED, (tenant, list(models)))}
    found = [f"no seal has the chained root {root} any more" for root in kept if root.lower() not in held]
    return _check(", ".join(models), "each chained root that was kept elsewhere is a seal's", len(kept), found)


def _check(model: str, name: str, rows: int, found: list[str]) -> Check:
    return Check(model, name, rows, len(found), found[0] if found else None)


def _entries(connection: Connection, tenant: str, model: str) -> Generator[tuple[int, bytes], None, None]:
    """What a seal lists of each transfer that is there, with its number, up to the last seal's."""
    with connection.cursor("verified_transfers") as cursor:
        cursor.itersize = _AT_ONCE
        for number, ident, *others in cursor.execute(_TRANSFERS, {"tenant": tenant, "model": model}):
            yield number, ident.bytes + _leaf((tenant, model, number, ident, *others))


def _leaf(fields: Iterable[Any]) -> bytes:
    return hashlib.sha256(b"\x00" + _texts(fields)).digest()


def _texts(fields: Iterable[Any]) -> bytes:
    encoded = [b"" if field is None else str(field).encode() for field in fields]
    return b"".join(b"%d:%s," % (len(text), text) for text in encoded)


def _link_faults(tenant: str, model: str, last: _Seal | None, seal: _Seal) -> list[str]:
    """What is wrong with a seal's numbers, its root, and its link."""
    seal_no, after_no, previous = (
        (1, 0, bytes(32)) if last is None else (last.seal_no + 1, last.through_no, last.chained)
    )
    count, rest = divmod(len(seal.listed), _ENTRY)
    texts = _texts((tenant, model, seal.seal_no, seal.after_no, seal.through_no, seal.transfers))
    root = _root([entry[_ID:] for entry in seal.entries])
    compared = (
        ("its number", seal.seal_no, seal_no),
        ("the number it begins after", seal.after_no, after_no),
        ("its transfers", seal.transfers, count if rest == 0 else f"{count} and a part of one"),
        ("its root", seal.root.hex(), root.hex()),
        ("the chained root before it", seal.previous.hex(), previous.hex()),
        (
            "its chained root",
            seal.chained.hex(),
            hashlib.sha256(b"\x02" + seal.previous + seal.root + texts).hexdigest(),
        ),
    )
    return [
        f"seal {seal.seal_no}: {what}: it says {said}, right is {right}"
        for what, said, right in compared
        if said != right
    ]


def _root(leaves: list[bytes]) -> bytes:
    """A tree's root: the hash of those of its two parts, of which the left is the largest power of two below all."""
    if len(leaves) < 2:
        return b"".join(leaves)
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _root(leaves[:left]) + _root(leaves[left:])).digest()


def _faults(seal: _Seal, there: Sequence[tuple[int, bytes]]) -> list[str]:
    """The transfers that are not as the seal lists them, by name."""
    leaves = {entry[:_ID]: entry[_ID:] for entry in seal.entries}
    numbers = {entry[:_ID]: number for number, entry in there}
    found = [
        f"transfer {UUID(bytes=ident)} of seal {seal.seal_no} is not there, or has another number"
        for ident in leaves
        if ident not in numbers
    ]
    for number, entry in there:
        named = f"transfer {UUID(bytes=entry[:_ID])}, posting {number},"
        if entry[:_ID] not in leaves:
            found.append(f"{named} is there, and was not when seal {seal.seal_no} was made of that number")
        elif leaves[entry[:_ID]] != entry[_ID:]:
            said, right = entry[_ID:].hex(), leaves[entry[:_ID]].hex()
            found.append(f"{named} was altered: its content gives {said}, seal {seal.seal_no} lists {right}")
    return found or [f"seal {seal.seal_no} lists its transfers in another order, or one twice"]
