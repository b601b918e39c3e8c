"""What is said of instructions is taken in: by channels, by banks, by persons, by the house itself."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from uuid import UUID

import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.flow.ledger.contract import TRANSFER
from everycent.flow.payments import incoming_store, pay_back_store, release_store
from everycent.flow.payments import life_store as store
from everycent.flow.payments.contract import InstructionState, Move, Said, Taken
from everycent.flow.payments.core.ends import events, side_ends
from everycent.flow.payments.core.following import Followed, Known, first_paid, follow, transfers, turned_back
from everycent.flow.payments.core.paying_back import kept_again
from everycent.flow.payments.core.receipts import use_transfer
from everycent.flow.payments.others import Others


def take_in(
    connection: Connection, others: Others, tenant: str, said: Sequence[Said], now: datetime, as_of: date
) -> list[Taken]:
    """Takes in what channels, persons and the house say of instructions, in order, in one transaction; what came of
    each, in the same order.

    Results are booked on `as_of`; statements are told, source systems by events. What an instruction did not pay is
    opened, and instructed anew at the next closing; what it was to pay back is on account again. Said again, nothing
    changes. Raises InstructionAltered.
    """
    with connection.transaction():
        known = store.known(connection, tenant, [one.key for one in said])
        followed = follow(known, said, as_of)
        store.keep(connection, tenant, followed, now)
        store.keep_booked(connection, tenant, followed.booked, known, now)
        _ask_no_longer(connection, others, tenant, followed, known, now)
        back, after_all = turned_back(followed, known)
        store.reopen(connection, tenant, back, as_of)
        store.cover(connection, tenant, after_all, as_of)
        covered = store.covered(connection, tenant, list(followed.now))
        for model, ends in side_ends(followed, known, covered).items():
            others.settle(connection, tenant, model, ends, as_of, now)
        rows = [(row.key, row.cells) for row in transfers(followed, known, as_of)]
        rows += _used(connection, tenant, first_paid(followed, known), known, as_of)
        undone = pay_back_store.undo(connection, tenant, back, as_of, now)
        rows += [(key, kept_again(one, as_of)) for key, one in undone]
        for model in sorted({known[key].model for key in followed.now}):
            of_model = [cells for key, cells in rows if known[key].model == model]
            posted = pa.Table.from_pylist(of_model, schema=TRANSFER.columns)
            others.post(connection, tenant, model, None, posted)
        store.tell(connection, tenant, events(followed, known, covered, as_of), now)
    return list(followed.taken)


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
    days: Mapping[str, date] = MappingProxyType({}),
) -> list[Taken]:
    """What a person says of instructions, in one transaction; what came of each. Days are as `take_in_each` has them.
    Raises InstructionAltered."""
    assert move not in (Move.RELEASE, Move.DECLINE), "approvals decide that"
    said = [Said(key, move, f"by hand: {move} by {who}", who, why) for key in ids]
    return take_in_each(connection, others, tenant, said, now, as_of, days)


def take_in_each(
    connection: Connection,
    others: Others,
    tenant: str,
    said: Sequence[Said],
    now: datetime,
    as_of: date,
    days: Mapping[str, date],
) -> list[Taken]:
    """As `take_in`, of instructions of any models: each booked on its own model's day in `days`, else on `as_of`."""
    if set(days.values()) <= {as_of}:
        return take_in(connection, others, tenant, said, now, as_of)
    taken: dict[int, Taken] = {}
    with connection.transaction():
        known = store.known(connection, tenant, [one.key for one in said])  # locks all of them, in order
        on = [days.get(known[one.key].model, as_of) if one.key in known else as_of for one in said]
        for day in sorted(set(on)):
            places = [at for at, booked_on in enumerate(on) if booked_on == day]
            came = take_in(connection, others, tenant, [said[at] for at in places], now, day)
            taken.update(zip(places, came, strict=True))
    return [taken[at] for at in range(len(said))]


def _used(
    connection: Connection, tenant: str, paid: Sequence[UUID], known: Mapping[UUID, Known], as_of: date
) -> list[tuple[UUID, Mapping[str, object]]]:
    """What was kept on account for instructions that are paid now leaves it: cells of TRANSFER rows, by instruction."""
    uses = incoming_store.set_aside_for(connection, tenant, paid) if paid else []
    return [(use.instruction_id, use_transfer(use, _whose(known[use.instruction_id]), as_of)) for use in uses]


def _whose(one: Known) -> tuple[str, str, str]:
    return one.party_id, one.legal_entity, one.currency


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
