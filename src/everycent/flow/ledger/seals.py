"""Sealing what was posted, and proving that a transfer is among what was sealed."""

import time
from hashlib import sha256
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.flow.ledger import seal_store
from everycent.flow.ledger.contract import (
    AlteredSinceSealed,
    Inclusion,
    NoSuchTransfer,
    NotSealedYet,
    Seal,
    Sealed,
)
from everycent.flow.ledger.core.sealing import LEAF, path_of, seal_of

#: So long a sealing pass waits for transactions that were posting when it began.
PATIENCE_S = 5.0
_LOOK_S = 0.01
#: So many transfers a seal has at most: what proves one of them is read in one piece.
TRANSFERS_MOST = 65_536


def seal(
    connection: Connection,
    tenant: str,
    model: str,
    *,
    patience_s: float = PATIENCE_S,
    transfers_most: int = TRANSFERS_MOST,
) -> Sealed:
    """Seals what was posted since the last seal, in one transaction; nobody who posts waits for it.

    Postings are numbered when they are made and seen when they are committed, in another order. So the pass takes the
    highest number drawn, and waits until all who were posting then have ended: what is not there to see then, up to
    that number, never will be. Where that takes longer than `patience_s`, nothing is sealed, and the next pass does it.
    """
    with connection.transaction():
        last = seal_store.begin(connection, tenant, model)
        after_no = 0 if last is None else last.through_no
        through_no = seal_store.last_drawn(connection)
        if through_no <= after_no:
            return Sealed(())
        if not _ended(connection, seal_store.posting_now(connection), patience_s):
            return Sealed((), under_way=True)
        made: list[Seal] = []
        for part in seal_store.parts(connection, tenant, model, after_no, through_no, transfers_most):
            last = seal_of(tenant, model, last, part.through_no, part.leaves)
            seal_store.keep(connection, tenant, model, last, part.listed)
            made.append(last)
        return Sealed(tuple(made))


def _ended(connection: Connection, posting: set[str], patience_s: float) -> bool:
    """Whether all these transactions end within the time."""
    until = time.monotonic() + patience_s
    while posting:
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_S)
        posting &= seal_store.posting_now(connection)
    return True


def prove(connection: Connection, tenant: str, model: str, transfer_id: UUID) -> Inclusion:
    """What shows anybody who keeps a chained root that this transfer, as it stands, is among what was sealed.

    Raises NoSuchTransfer, NotSealedYet, AlteredSinceSealed.
    """
    found = seal_store.posting_of(connection, tenant, model, transfer_id)
    if found is None:
        raise NoSuchTransfer(f"the books of {model} hold no transfer {transfer_id}")
    posting_no, text = found
    seals = seal_store.seals_from(connection, tenant, model, posting_no)
    if not seals:
        raise NotSealedYet(f"transfer {transfer_id} was posted after the last seal; `everycent ledger seal` seals it")
    listed = seal_store.entries(seal_store.listed_in(connection, tenant, model, seals[0].seal_no))
    place = next((at for at, (ident, _) in enumerate(listed) if ident == transfer_id.bytes), None)
    leaves = [leaf for _, leaf in listed]
    if place is None or leaves[place] != sha256(LEAF + text.encode()).digest():
        said = "was not there when it was made" if place is None else "has another content there"
        raise AlteredSinceSealed(
            f"seal {seals[0].seal_no} is of its posting number, {posting_no}, but transfer {transfer_id} {said}; "
            "`everycent verify` names all that was altered"
        )
    return Inclusion(transfer_id, text, tuple(path_of(leaves, place)), tuple(seals))
