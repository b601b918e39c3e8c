"""Shares of customers' payments as the house in memory keeps them: asked, heard of and booked, by the real core."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from everycent.flow.payments.core.share_entries import KeptPart, ShareEntry, entries
from everycent.flow.payments.core.sharing import Asked, Does, Refused


@dataclass
class MemoryShares:
    """`post`: debits an account, credits another."""

    post: Callable[[str, str, int], None]
    asked: dict[UUID, Asked] = field(default_factory=dict)
    said: dict[UUID, list[str]] = field(default_factory=dict)
    entries: dict[str, ShareEntry] = field(default_factory=dict)

    def unended(self) -> Sequence[tuple[str, str, Asked | Refused]]:
        """As a keeper."""
        open_ones = [one for key, one in self.asked.items() if self.said[key][-1] in ("asked", "accepted")]
        return [(one.payment, one.request, one) for one in sorted(open_ones, key=lambda one: one.payment)]

    def ask(self, asked: Asked) -> Refused | None:
        """As a keeper."""
        if asked.does is Does.RETURN:
            whose = {name: party for one in self.asked.values() for name, party in one.parties}
            asked = replace(asked, parties=tuple((name, whose[name]) for name, _ in asked.shares if name in whose))
        self.asked.setdefault(asked.key, asked)
        self.said.setdefault(asked.key, ["asked"])
        return None

    def heard(self, asked: Asked, state: str) -> None:
        """As a keeper."""
        said, kept = self.said[asked.key], self.asked[asked.key]
        if said[-1] == state:
            return
        said.append(state)
        of_it = [one for one in self.entries.values() if one.share_id == asked.key]
        parts = [
            KeptPart(
                name, amount, dict(kept.parties).get(name), sum(e.amount_minor for e in of_it if e.receiver == name)
            )
            for name, amount in kept.shares
        ]
        for one in entries(asked.key, len(said), kept.does, state, parts, "shanghai"):
            self.entries[str(one.entry_id)] = one
            theirs = "shared/shanghai" if one.party_id is None else f"party/{one.party_id}"
            self.post("bank/shanghai", theirs, one.amount_minor)
