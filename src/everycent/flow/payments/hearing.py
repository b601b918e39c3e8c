"""What is said of instructions is taken in: by channels, by banks' files, by persons, by the house itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.flow.ledger.contract import TRANSFER
from everycent.flow.payments import incoming_store, release_store
from everycent.flow.payments import life_store as store
from everycent.flow.payments.contract import InstructionState, Move, Said, Taken
from everycent.flow.payments.core.bank_answers import BankLine, keys_of, resolve
from everycent.flow.payments.core.ends import events, side_ends
from everycent.flow.payments.core.following import Followed, Known, follow, transfers, turned_back
from everycent.flow.payments.core.incoming import Listed, Matched, cause_of, match
from everycent.flow.payments.others import Others


def take_in(
    connection: Connection, others: Others, tenant: str, said: Sequence[Said], now: datetime, as_of: date
) -> list[Taken]:
    """Takes in what channels, persons and the house say of instructions, in order, in one transaction; what came of
    each, in the same order.

    Results are booked on `as_of`; statements are told, source systems by events. What an instruction did not pay is
    opened, and instructed anew at the next closing. Said again, nothing changes. Raises InstructionAltered.
    """
    with connection.transaction():
        known = store.known(connection, tenant, [one.key for one in said])
        followed = follow(known, said, as_of)
        store.keep(connection, tenant, followed, now)
        _ask_no_longer(connection, others, tenant, followed, known, now)
        back, after_all = turned_back(followed, known)
        store.reopen(connection, tenant, back, as_of)
        store.cover(connection, tenant, after_all, as_of)
        covered = store.covered(connection, tenant, list(followed.now))
        for model, ends in side_ends(followed, known, covered).items():
            others.settle(connection, tenant, model, ends, as_of, now)
        rows = transfers(followed, known, as_of)
        for model in sorted({known[key].model for key in followed.now}):
            of_model = [row for row in rows if known[row.key].model == model]
            posted = pa.Table.from_pylist([row.cells for row in of_model], schema=TRANSFER.columns)
            others.post(connection, tenant, model, None, posted)
        store.tell(connection, tenant, events(followed, known, covered, as_of), now)
    return list(followed.taken)


@dataclass(frozen=True)
class Read:
    """What came of a bank's file. `not_ours`: lines of no payment of ours; `refused`: lines that cannot be right;
    `incoming`: money that came in and may be ours, for a person to look at."""

    taken: tuple[Taken, ...]
    not_ours: int
    refused: tuple[str, ...]
    incoming: tuple[Listed, ...] = ()


def read_lines(
    connection: Connection,
    others: Others,
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
        came = _matched(connection, tenant, resolved.not_ours, who)
        taken = take_in(connection, others, tenant, [*resolved.said, *came.said], now, as_of)
    return Read(tuple(taken), came.others, resolved.refused, came.listed)


def _matched(connection: Connection, tenant: str, lines: Sequence[BankLine], who: str) -> Matched:
    """Money that came in against what is owed."""
    coming = [line for line in lines if line.came_in]
    if not coming:
        return Matched((), (), len(lines))
    codes = sorted({line.code for line in coming if line.code is not None})
    owed = incoming_store.owed(connection, tenant, codes)
    heard = incoming_store.heard(connection, tenant, [cause_of(line) for line in coming])
    return match(lines, owed, heard, who)


def by_hand(
    connection: Connection,
    others: Others,
    tenant: str,
    ids: Sequence[UUID],
    move: Move,
    who: str,
    why: str | None,
    now: datetime,
    as_of: date,
) -> list[Taken]:
    """What a person says of instructions, in one transaction; what came of each. Raises InstructionAltered."""
    assert move not in (Move.RELEASE, Move.DECLINE), "approvals decide that"
    said = [Said(key, move, f"by hand: {move} by {who}", who, why) for key in ids]
    return take_in(connection, others, tenant, said, now, as_of)


def _ask_no_longer(
    connection: Connection, others: Others, tenant: str, followed: Followed, known: Mapping[UUID, Known], now: datetime
) -> None:
    """Whoever has to release what is cancelled is asked no longer."""
    gone = [
        key for key, one in followed.now.items()
        if one.standing.state is InstructionState.FAILED and known[key].standing.state is InstructionState.CREATED
    ]  # fmt: skip
    for model, requests in release_store.requests_of(connection, tenant, gone).items() if gone else ():
        others.approvals.drop(connection, tenant, model, requests, now)
