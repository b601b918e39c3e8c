"""Shares of customers' payments are kept in the database, and what receivers get by them is booked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from everycent.flow.ledger.contract import TRANSFER
from everycent.flow.parties.asked import known_parties
from everycent.flow.payments import share_store as store
from everycent.flow.payments.core.share_entries import entries, share_transfer
from everycent.flow.payments.core.sharing import Asked, Does, Refused, ShareRefusal
from everycent.flow.payments.core.sharing_entity import Settled, paid_to
from everycent.flow.payments.others import Others


@dataclass(frozen=True)
class StoredShares:
    """The requests of a model at a wallet. `settled`: who settles each charge, from when on."""

    at: store.At
    others: Others
    channel: str
    settled: Mapping[str, Settled]

    def unended(self) -> Sequence[tuple[str, str, Asked | Refused]]:
        """The requests of which the wallet has not said the end, or of which something is not booked."""
        return [(asked.payment, asked.request, asked) for asked in store.unended(self.at, self.channel)]

    def ask(self, asked: Asked) -> Refused | None:
        """Keeps a request, or says why it may not be; again, it changes nothing. Who gives back is who got."""
        with self.at.connection.transaction():
            got = store.parties_of(self.at, asked.payment)
            if asked.does is Does.RETURN:
                whose = [(name, got.get(name)) for name, _ in asked.shares]
                asked = replace(asked, parties=tuple((name, party) for name, party in whose if party is not None))
            legal_entity = self._paid_to(asked)
            if isinstance(legal_entity, Refused):
                return legal_entity
            known = store.kept(self.at, asked.key)
            if known is not None:
                return None if _same(known.asked, asked) and known.channel == self.channel else _OTHER_CONTENT
            given = dict(asked.parties)
            for name, _ in asked.shares:
                if name in got and got[name] != given.get(name):
                    said = f"{name} was {got[name] or 'no party'} in another share of this payment"
                    return Refused(ShareRefusal.OTHER_PARTY, f"{said}, and is {given.get(name) or 'none'} here")
            parties = [party for _, party in asked.parties]
            there = known_parties(self.at.connection, self.at.tenant, self.at.model, parties)
            unknown = sorted({*parties} - there)
            if unknown:
                return Refused(ShareRefusal.UNKNOWN_PARTY, f"the house settles with no {unknown[0]}; see `party list`")
            store.keep(self.at, asked, self.channel, legal_entity)
            return None

    def _paid_to(self, asked: Asked) -> str | Refused:
        """Whose the payment is: one company's, whatever is asked of it and whenever."""
        kept = store.entity_of(self.at, asked.payment)
        if kept is not None and not asked.charge:
            return kept
        said = paid_to(self.settled, asked.charge, asked.paid_on)
        if isinstance(said, Refused) or kept in (None, said):
            return said
        message = f"{asked.payment} was paid to {kept} as another request says, and {said} settles '{asked.charge}'"
        return Refused(ShareRefusal.OTHER_ENTITY, message)

    def heard(self, asked: Asked, state: str) -> None:
        """Keeps and books what the wallet says of a request that is kept; again, it changes nothing."""
        at = self.at
        with at.connection.transaction():
            known = store.kept(at, asked.key)
            assert known is not None, "it was kept before it was sent"
            move_no = known.moves
            if known.state != state:
                move_no += 1
                store.move(at, asked.key, move_no, state)
            made = entries(asked.key, move_no, asked.does, state, known.parts, known.legal_entity)
            store.book(at, made)
            cells = [dict(share_transfer(one, at.as_of)) for one in made]
            posted = pa.Table.from_pylist(cells, schema=TRANSFER.columns)
            self.others.post(at.connection, at.tenant, at.model, None, posted)


_OTHER_CONTENT = Refused(
    ShareRefusal.OTHER_CONTENT, "a request of this name is kept with other content; give a new one another name"
)


def _same(one: Asked, other: Asked) -> bool:
    """In whatever order the receivers are told."""
    heads = [(each.payment, each.request, each.paid_minor, each.paid_on, each.does) for each in (one, other)]
    of_parties = one.does is Does.RETURN or sorted(one.parties) == sorted(other.parties)  # who gives back is looked up
    return heads[0] == heads[1] and sorted(one.shares) == sorted(other.shares) and of_parties
