"""Shares of a customer's payment explained: what was asked, what the wallet says, and what of it is booked to whom."""

from collections.abc import Collection, Iterator
from datetime import date
from uuid import UUID

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.proof.explain.contract import Event, Explanation
from everycent.proof.explain.store import Finder, Row

#: Wallets share CNY alone.
_FEN = currency("CNY")


#: What receivers had by shares of payments, or gave back, with what settles it.
_TAKEN_OFF = """
    SELECT e.entry_id, e.receiver, e.party_id, e.amount_minor, e.as_of, e.recorded_at, s.payment, s.request
    FROM payments.share_entry e JOIN payments.share s USING (tenant, model, share_id)
        JOIN {sides} side ON side.tenant = e.tenant AND side.model = e.model AND side.statement_id = e.entry_id::text
    WHERE e.{tenant} AND e.model = %(model)s AND (side.instruction_id = ANY(%(ids)s::uuid[])
        OR side.outcome = 'zero' AND (e.party_id, side.as_of) IN (
            SELECT * FROM unnest(%(parties)s::text[], %(days)s::date[])))
    ORDER BY e.recorded_at, e.entry_id
"""


def shares_of(finder: Finder, payment: str) -> list[Row]:
    """The requests of a payment, by the wallet's number of it."""
    return finder.query(
        "SELECT * FROM payments.share WHERE {tenant} AND payment = %(payment)s ORDER BY recorded_at, request",
        payment=payment,
    )


def shares_explained(finder: Finder, payment: str, requests: list[Row]) -> Explanation:
    """A payment, and each part of it that was asked for."""
    first = requests[0]
    facts = (
        ("paid", f"{format_minor(int(first['paid_minor']), _FEN)} CNY on {first['paid_on']} by {first['channel']}"),
        ("of", first["legal_entity"]),
    )
    parts = [part for row in requests for part in _parts(finder, row)]
    said = f"{payment}: {len(requests)} requests to share it"
    return Explanation("share", payment, said, facts, tuple(parts))


def _parts(finder: Finder, row: Row) -> list[Explanation]:
    said = finder.query(
        """SELECT state, as_of FROM payments.share_move
        WHERE {tenant} AND model = %(model)s AND share_id = %(id)s ORDER BY move_no""",
        model=row["model"],
        id=row["share_id"],
    )
    life = ", ".join(f"{each['state']} on {each['as_of']}" for each in said)
    parts = finder.query(
        """SELECT p.receiver, p.party_id, p.amount_minor,
            (SELECT coalesce(sum(e.amount_minor), 0) FROM payments.share_entry e WHERE e.tenant = p.tenant
                AND e.model = p.model AND e.share_id = p.share_id AND e.receiver = p.receiver) AS booked_minor,
            (SELECT string_agg(DISTINCT coalesce(s.instruction_id::text, s.outcome), ', ')
                FROM payments.share_entry e JOIN {sides} s ON s.tenant = e.tenant AND s.model = e.model
                    AND s.statement_id = e.entry_id::text
                WHERE e.tenant = p.tenant AND e.model = p.model AND e.share_id = p.share_id
                    AND e.receiver = p.receiver) AS settled_by
        FROM payments.share_part p WHERE p.{tenant} AND p.model = %(model)s AND p.share_id = %(id)s
        ORDER BY p.receiver""",
        model=row["model"],
        id=row["share_id"],
    )
    told = []
    for part in parts:
        amount = format_minor(int(part["amount_minor"]), _FEN)
        way = "from" if row["does"] == "return" else "to"
        who = part["receiver"] if part["party_id"] is None else f"{part['receiver']} ({part['party_id']})"
        account = f"shared/{row['legal_entity']}" if part["party_id"] is None else f"party/{part['party_id']}"
        booked = f"{format_minor(int(part['booked_minor']), _FEN)} on {account}" if part["booked_minor"] else "nothing"
        facts = [("life", life), ("booked", booked), ("asked", f"by {row['who']}, as {row['request']}")]
        if part["settled_by"]:
            facts.append(("taken off by", part["settled_by"]))
        said_of = f"{row['request']}: {row['does']} {amount} CNY {way} {who}"
        told.append(Explanation("share", str(row["share_id"]), said_of, tuple(facts)))
    if not parts:
        told.append(Explanation("share", str(row["share_id"]), f"{row['request']}: {row['does']}", (("life", life),)))
    return told


def shares_taken_off(finder: Finder, row: Row) -> Iterator[Explanation]:
    """What an instruction pays less, since its party had it by shares, or more, since it gave that back."""
    for entry in _taken_off(finder, row["model"], [row["instruction_id"]], ()):
        facts = (("party", entry["party_id"]), ("booked on", str(entry["as_of"])), ("request", entry["request"]))
        yield Explanation("share", str(entry["entry_id"]), _said(entry), facts)


def share_events(
    finder: Finder, model: str, instruction_ids: Collection[UUID], unpaid: Collection[tuple[str, date]]
) -> Iterator[Event]:
    """What was taken off payments, or added, each when it was booked. `unpaid`: the party and the day of what was
    settled without a payment."""
    for entry in _taken_off(finder, model, instruction_ids, unpaid):
        yield Event(entry["recorded_at"], "share", entry["payment"], _said(entry), model)


def _taken_off(
    finder: Finder, model: str, instruction_ids: Collection[UUID], unpaid: Collection[tuple[str, date]]
) -> list[Row]:
    of = {"ids": list(instruction_ids), "parties": [one for one, _ in unpaid], "days": [day for _, day in unpaid]}
    return finder.query(_TAKEN_OFF, model=model, **of)


def _said(entry: Row) -> str:
    amount = f"{format_minor(abs(int(entry['amount_minor'])), _FEN)} CNY of payment {entry['payment']}"
    if entry["amount_minor"] > 0:
        return f"{entry['receiver']} gave back {amount}: it is owed again"
    return f"{entry['receiver']} had {amount} at its wallet: it is taken off"
