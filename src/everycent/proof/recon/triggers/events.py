"""Triggers on business events: the orders, stock items or coupons that something happened to are looked at."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from everycent.base.engine.declaration import Declaration, Words
from everycent.proof.recon.chain import Firing, LinkFailed, Occasion, Surroundings


class EventWords(Declaration):
    """Which events, and where they name what they are about."""

    id: str | None = Field(
        default=None, description="the column with the business id; order_id, sku or coupon_id otherwise"
    )
    kind: str = Field(default="kind", description="the column with the event's kind")
    kinds: Words = Field(
        default=(), description="the kinds that count; all if not given", examples=[["paid", "closed"]]
    )
    most: int = Field(default=10_000, ge=1, description="so many ids at most in one run")


@dataclass(frozen=True)
class EventTrigger:
    """A trigger for one sort of business object."""

    name: str
    id_column: str
    words: type[EventWords] = EventWords

    def due(self, words: EventWords, around: Surroundings, occasion: Occasion) -> Sequence[Firing]:
        """Runs of so many ids at most, each id once, in their order. Raises LinkFailed where events have no id."""
        events = occasion.events
        if events is None or not events.num_rows:
            return []
        column = words.id or self.id_column
        for needed in (column, *((words.kind,) if words.kinds else ())):
            if needed not in events.column_names:
                there = ", ".join(events.column_names)
                raise LinkFailed(f"trigger '{self.name}': the events have no column '{needed}'; they have {there}")
        kinds = events[words.kind].to_pylist() if words.kinds else [None] * events.num_rows
        ids = sorted(
            {
                str(each)
                for each, kind in zip(events[column].to_pylist(), kinds, strict=True)
                if each is not None and (not words.kinds or str(kind) in words.kinds)
            }
        )
        parts = [tuple(ids[start : start + words.most]) for start in range(0, len(ids), words.most)]
        return [Firing(_mark(self.name, around, part, occasion), keys=part) for part in parts]


def _mark(name: str, around: Surroundings, ids: tuple[str, ...], occasion: Occasion) -> str:
    """The same ids may be due again later: what happened to them then is another event."""
    text = "\x1f".join((name, around.as_of.isoformat(), occasion.now.isoformat(), *ids))
    return f"{name}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


ORDER = EventTrigger("order", "order_id")
STOCK = EventTrigger("stock", "sku")
COUPON = EventTrigger("coupon", "coupon_id")
