"""The SQL of shares of customers' payments: what is asked, what the wallet says, what is booked of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from everycent.base.platform.batches import seal_sql
from everycent.base.platform.database import Connection
from everycent.flow.payments.core.share_entries import KeptPart, ShareEntry
from everycent.flow.payments.core.sharing import Asked, Does
from everycent.flow.payments.core.wallets import WALLET_CURRENCY


@dataclass(frozen=True)
class KeptShare:
    """A request as it is kept, where it stands, and the number of its last move."""

    asked: Asked
    channel: str
    legal_entity: str
    state: str
    moves: int
    parts: tuple[KeptPart, ...]


def _insert(table: str, columns: Sequence[tuple[str, str]]) -> str:
    names = ", ".join(name for name, _ in columns)
    given = ", ".join(f"%({name})s::{kind} AS {name}" for name, kind in columns)
    return f"""INSERT INTO payments.{table} ({names}, seal)
        SELECT t.*, {seal_sql("t")} FROM (SELECT {given}) AS t"""


_OF = (("tenant", "text"), ("model", "text"), ("share_id", "uuid"))
_SHARE = _insert("share", (
    *_OF, ("channel", "text"), ("payment", "text"), ("request", "text"), ("does", "text"),
    ("paid_minor", "numeric(38, 0)"), ("paid_on", "date"), ("legal_entity", "text"), ("who", "text"),
    ("recorded_at", "timestamptz"),
))  # fmt: skip
_PART = _insert("share_part", (
    *_OF, ("receiver", "text"), ("amount_minor", "numeric(38, 0)"), ("party_id", "text"),
))  # fmt: skip
_MOVE = _insert("share_move", (
    *_OF, ("move_no", "bigint"), ("state", "text"), ("who", "text"), ("as_of", "date"),
    ("recorded_at", "timestamptz"),
))  # fmt: skip
_ENTRY = _insert("share_entry", (
    ("tenant", "text"), ("model", "text"), ("entry_id", "uuid"), ("share_id", "uuid"), ("receiver", "text"),
    ("party_id", "text"), ("legal_entity", "text"), ("currency", "text"), ("amount_minor", "numeric(38, 0)"),
    ("as_of", "date"), ("recorded_at", "timestamptz"),
))  # fmt: skip


@dataclass(frozen=True)
class At:
    """Where shares are kept, who asks, when, and on which day that is booked."""

    connection: Connection
    tenant: str
    model: str
    who: str
    now: datetime
    as_of: date

    def values(self, share_id: UUID) -> dict[str, object]:
        """As parameters of an insert."""
        return {
            "tenant": self.tenant, "model": self.model, "share_id": share_id, "who": self.who, "as_of": self.as_of,
            "recorded_at": self.now,
        }  # fmt: skip


def kept(at: At, share_id: UUID) -> KeptShare | None:
    """A request; nobody else changes it until the transaction ends."""
    row = at.connection.execute(
        """SELECT payment, request, does, paid_minor, paid_on, channel, legal_entity FROM payments.share
        WHERE tenant = %s AND model = %s AND share_id = %s FOR UPDATE""",
        (at.tenant, at.model, share_id),
    ).fetchone()
    if row is None:
        return None
    payment, request, does, paid_minor, paid_on, channel, legal_entity = row
    parts = [
        KeptPart(receiver, int(amount), party, int(booked))
        for receiver, amount, party, booked in at.connection.execute(
            """SELECT receiver, amount_minor, party_id, coalesce((SELECT sum(e.amount_minor)
                FROM payments.share_entry AS e WHERE e.tenant = p.tenant AND e.model = p.model
                    AND e.share_id = p.share_id AND e.receiver = p.receiver), 0)
            FROM payments.share_part AS p WHERE tenant = %s AND model = %s AND share_id = %s
            ORDER BY receiver COLLATE "C" """,
            (at.tenant, at.model, share_id),
        )
    ]
    last = at.connection.execute(
        """SELECT state, move_no FROM payments.share_move WHERE tenant = %s AND model = %s AND share_id = %s
        ORDER BY move_no DESC LIMIT 1""",
        (at.tenant, at.model, share_id),
    ).fetchone()
    assert last is not None, "a request is asked before anything else"
    asked = Asked(
        payment, request, int(paid_minor), paid_on, Does(does),
        tuple((part.receiver, part.amount_minor) for part in parts),
        tuple((part.receiver, part.party_id) for part in parts if part.party_id is not None),
    )  # fmt: skip
    return KeptShare(asked, channel, legal_entity, str(last[0]), int(last[1]), tuple(parts))


def unended(at: At, channel: str) -> list[Asked]:
    """The requests of a channel of which the wallet has not said the end, by payment and name; and those of before
    others than parties were booked, of which they are not."""
    rows = at.connection.execute(
        """SELECT share_id FROM payments.share AS s, LATERAL (
            SELECT m.state FROM payments.share_move AS m WHERE m.tenant = s.tenant AND m.model = s.model
                AND m.share_id = s.share_id ORDER BY move_no DESC LIMIT 1) AS said
        WHERE tenant = %s AND model = %s AND channel = %s AND (state IN ('asked', 'accepted')
            OR state = 'paid' AND EXISTS (
                SELECT FROM payments.share_part AS p WHERE p.tenant = s.tenant AND p.model = s.model
                    AND p.share_id = s.share_id AND p.party_id IS NULL AND NOT EXISTS (
                    SELECT FROM payments.share_entry AS e WHERE e.tenant = p.tenant AND e.model = p.model
                        AND e.share_id = p.share_id AND e.receiver = p.receiver)))
        ORDER BY payment COLLATE "C", recorded_at, request COLLATE "C" """,
        (at.tenant, at.model, channel),
    ).fetchall()
    found = [kept(at, key) for (key,) in rows]
    return [one.asked for one in found if one is not None]


def keep(at: At, asked: Asked, channel: str, legal_entity: str) -> None:
    """Keeps a request, before it is sent."""
    values = at.values(asked.key)
    given = {name: value for name, value in vars(asked).items() if name not in ("shares", "parties", "charge")}
    at.connection.execute(_SHARE, {**values, **given, "channel": channel, "legal_entity": legal_entity})
    parties = dict(asked.parties)
    for receiver, amount in asked.shares:
        part = {"receiver": receiver, "amount_minor": amount, "party_id": parties.get(receiver)}
        at.connection.execute(_PART, {**values, **part})
    move(at, asked.key, 1, "asked")


def move(at: At, share_id: UUID, move_no: int, state: str) -> None:
    """Keeps what the wallet says of a request now."""
    at.connection.execute(_MOVE, {**at.values(share_id), "move_no": move_no, "state": state})


def book(at: At, made: Sequence[ShareEntry]) -> None:
    """Keeps what is booked."""
    for one in made:
        at.connection.execute(_ENTRY, {**at.values(one.share_id), **vars(one), "currency": WALLET_CURRENCY})


def entity_of(at: At, payment: str) -> str | None:
    """The company whose payment it is; None where nothing was asked of it."""
    row = at.connection.execute(
        """SELECT legal_entity FROM payments.share WHERE tenant = %s AND model = %s AND payment = %s
        ORDER BY recorded_at LIMIT 1""",
        (at.tenant, at.model, payment),
    ).fetchone()
    return None if row is None else str(row[0])


def parties_of(at: At, payment: str) -> dict[str, str | None]:
    """The receivers that got shares of a payment, and the party that each is."""
    rows = at.connection.execute(
        """SELECT part.receiver, part.party_id FROM payments.share AS s
            JOIN payments.share_part AS part USING (tenant, model, share_id)
        WHERE tenant = %s AND model = %s AND payment = %s AND does <> 'return'
        ORDER BY s.recorded_at""",
        (at.tenant, at.model, payment),
    )
    return dict(rows.fetchall())
