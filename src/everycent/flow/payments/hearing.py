"""What is said of instructions is taken in: by channels, by banks' files, by persons, by the house itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.flow.ledger.contract import TRANSFER
from everycent.flow.payments import store
from everycent.flow.payments.contract import Move, Said, Taken
from everycent.flow.payments.core.bank_answers import BankLine, keys_of, resolve
from everycent.flow.payments.core.following import follow, transfers, turned_back


class PostTransfers(Protocol):
    """Posts TRANSFER rows inside the caller's transaction: the ledger's `store.write`, wired by the pipeline."""

    def __call__(
        self, connection: Connection, tenant: str, model: str, batch_no: int | None, transfers: pa.Table
    ) -> None: ...


def take_in(
    connection: Connection, post: PostTransfers, tenant: str, said: Sequence[Said], now: datetime, as_of: date
) -> list[Taken]:
    """Takes in what channels, persons and the house say of instructions, in order, in one transaction; what came of
    each, in the same order.

    Results are booked on `as_of`; what an instruction did not pay is opened, and instructed anew at the next closing.
    Said again, nothing changes. Raises InstructionAltered.
    """
    with connection.transaction():
        known = store.known(connection, tenant, [one.key for one in said])
        followed = follow(known, said, as_of)
        store.keep(connection, tenant, followed, now)
        back, after_all = turned_back(followed, known)
        store.reopen(connection, tenant, back, as_of)
        store.cover(connection, tenant, after_all, as_of)
        rows = transfers(followed, known, as_of)
        for model in sorted({known[key].model for key in followed.now}):
            of_model = [row for row in rows if known[row.key].model == model]
            posted = pa.Table.from_pylist([row.cells for row in of_model], schema=TRANSFER.columns)
            post(connection, tenant, model, None, posted)
    return list(followed.taken)


@dataclass(frozen=True)
class Read:
    """What came of a bank's file. `not_ours`: lines of no payment of ours; `refused`: lines that cannot be right."""

    taken: tuple[Taken, ...]
    not_ours: int
    refused: tuple[str, ...]


def read_lines(
    connection: Connection,
    post: PostTransfers,
    tenant: str,
    lines: Sequence[BankLine],
    who: str,
    now: datetime,
    as_of: date,
) -> Read:
    """Takes in what a bank's file says, all of it or nothing. Again, it changes nothing. Raises InstructionAltered."""
    with connection.transaction():
        keys, groups = keys_of(lines)
        named = store.directions(connection, tenant, keys)
        resolved = resolve(lines, named, store.members(connection, tenant, groups), who)
        taken = take_in(connection, post, tenant, resolved.said, now, as_of)
    return Read(tuple(taken), resolved.not_ours, resolved.refused)


def by_hand(
    connection: Connection,
    post: PostTransfers,
    tenant: str,
    ids: Sequence[UUID],
    move: Move,
    who: str,
    why: str | None,
    now: datetime,
    as_of: date,
) -> list[Taken]:
    """What a person says of instructions, in one transaction; what came of each.

    The first person who would RELEASE one asks for it, the second does. Raises InstructionAltered.
    """
    with connection.transaction():
        said = [Said(key, move, f"by hand: {move} by {who}", who, why) for key in ids]
        if move is Move.RELEASE:
            known = store.known(connection, tenant, ids)
            first = {key for key, one in known.items() if one.proposed_by is None}
            asked = [Said(one.key, Move.PROPOSE, one.cause, who, why) if one.key in first else one for one in said]
            return take_in(connection, post, tenant, asked, now, as_of)
        return take_in(connection, post, tenant, said, now, as_of)
