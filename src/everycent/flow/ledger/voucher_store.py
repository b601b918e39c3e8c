"""The SQL of vouchers. Callers own the transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from everycent.base.platform.database import Connection
from everycent.flow.ledger.contract import Said, Voucher, VoucherCame, VoucherState
from everycent.flow.ledger.core.vouchers.codes import INTERCOMPANY, legal_entity_sql
from everycent.flow.ledger.core.vouchers.content import Entry

_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_SEALED_THROUGH = "SELECT coalesce(max(through_no), 0) FROM ledger.seal WHERE tenant = %s AND model = %s"

#: What is pending, or was taken back, moved nothing.
_COMING = f"""
    CREATE TEMPORARY TABLE coming_entry ON COMMIT DROP AS
    SELECT transfer_id, booked_on, debit_account, credit_account, amount_minor, currency, cause,
        {legal_entity_sql("debit_account")} AS debit_entity, {legal_entity_sql("credit_account")} AS credit_entity,
        NULL::text AS caused_entity
    FROM ledger.transfer LEFT JOIN (
        SELECT booked_on, max(through_no) AS done_no FROM ledger.voucher_pass
        WHERE tenant = %(tenant)s AND model = %(model)s GROUP BY booked_on
    ) AS done USING (booked_on)
    WHERE tenant = %(tenant)s AND model = %(model)s AND kind IN ('posted', 'post_pending')
        AND booked_on <= %(day)s AND posting_no <= %(through_no)s AND posting_no > coalesce(done_no, 0)
"""
#: The debited company's side stays in its row, the credited one's is another row.
_PART = f"""
    WITH credited AS (
        INSERT INTO coming_entry
        SELECT transfer_id, booked_on, '{INTERCOMPANY}' || credit_entity || '/' || debit_entity, credit_account,
            amount_minor, currency, cause, credit_entity, credit_entity
        FROM coming_entry WHERE debit_entity <> credit_entity
    )
    UPDATE coming_entry SET credit_account = '{INTERCOMPANY}' || debit_entity || '/' || credit_entity,
        credit_entity = debit_entity
    WHERE debit_entity <> credit_entity
"""
_UNNAMED = "SELECT transfer_id, cause FROM coming_entry WHERE coalesce(debit_entity, credit_entity) IS NULL"
_NAME = """
    UPDATE coming_entry SET caused_entity = named.legal_entity
    FROM unnest(%s::uuid[], %s::text[]) AS named (transfer_id, legal_entity)
    WHERE coming_entry.transfer_id = named.transfer_id
"""
_ENTITY = "coalesce(debit_entity, credit_entity, caused_entity, %(otherwise)s::text)"
_NAMELESS = f"""
    SELECT transfer_id, debit_account, credit_account FROM coming_entry WHERE {_ENTITY} IS NULL
    ORDER BY transfer_id LIMIT 1
"""
_PASS = """
    INSERT INTO ledger.voucher_pass (tenant, model, booked_on, supplement, after_no, through_no, entries, made_by,
        made_at)
    SELECT %(tenant)s, %(model)s, booked_on, coalesce(last.supplement + 1, 0), coalesce(last.through_no, 0),
        %(through_no)s, %(entries)s, %(by)s, %(now)s
    FROM (SELECT DISTINCT booked_on FROM coming_entry) AS coming LEFT JOIN LATERAL (
        SELECT supplement, through_no FROM ledger.voucher_pass AS before
        WHERE tenant = %(tenant)s AND model = %(model)s AND before.booked_on = coming.booked_on
        ORDER BY supplement DESC LIMIT 1
    ) AS last ON true
    RETURNING booked_on, supplement, after_no
"""
_ENTRIES = f"""
    SELECT * FROM (
        SELECT {_ENTITY} AS legal_entity, booked_on, currency, debit_account, credit_account,
            split_part(cause, ' ', 1) AS purpose, sum(amount_minor), count(*), {{transfer}} AS transfer_id
        FROM coming_entry
        GROUP BY 1, 2, 3, 4, 5, 6, 9
    ) AS entry
    ORDER BY legal_entity COLLATE "C", booked_on, currency COLLATE "C", debit_account COLLATE "C",
        credit_account COLLATE "C", purpose COLLATE "C", transfer_id
"""
_LAST = """
    SELECT coalesce(max(voucher_no), 0), coalesce(max(chain_no), 0),
        (array_agg(chained ORDER BY chain_no DESC))[1]
    FROM ledger.voucher WHERE tenant = %s AND model = %s AND legal_entity = %s
"""
_KEEP = """
    INSERT INTO ledger.voucher (tenant, model, legal_entity, voucher_no, revision, voucher_id, chain_no, booked_on,
        supplement, currency, total_minor, entries, content, digest, previous, chained, state)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'made')
"""
_FIELDS = tuple(field.name for field in fields(Voucher))
_VOUCHER = ", ".join(_FIELDS)
_HOLD = f"SELECT {_VOUCHER} FROM ledger.voucher WHERE tenant = %s AND voucher_id = %s FOR UPDATE"
_ORDER = 'ORDER BY model COLLATE "C", legal_entity COLLATE "C", voucher_no, revision'
_SENT = f"""
    SELECT {_VOUCHER} FROM ledger.voucher WHERE tenant = %s AND model = %s AND state = 'sent' AND way = 'rest' {_ORDER}
"""
#: Another revision that may be booked there, or is, keeps a voucher here.
_IN_DOUBT = """EXISTS (
    SELECT FROM ledger.voucher AS other
    WHERE (other.tenant, other.model, other.legal_entity, other.voucher_no)
            = (one.tenant, one.model, one.legal_entity, one.voucher_no)
        AND other.revision <> one.revision AND other.state IN ('sent', 'accepted', 'disputed'))"""
_READY = f"""
    SELECT {_VOUCHER} FROM ledger.voucher AS one
    WHERE tenant = %s AND model = %s AND state = 'made' AND NOT {_IN_DOUBT} {_ORDER}
"""
_FREE = f"SELECT NOT {_IN_DOUBT} FROM ledger.voucher AS one WHERE tenant = %s AND voucher_id = %s"
_MOVE = """
    UPDATE ledger.voucher SET state = %(to)s, way = coalesce(%(way)s, way), moves = moves + 1,
        number = CASE WHEN %(came)s = 'noted' THEN number ELSE coalesce(%(number)s, number) END,
        reason = CASE WHEN %(came)s = 'noted' THEN reason ELSE coalesce(%(reason)s, reason) END
    WHERE tenant = %(tenant)s AND voucher_id = %(id)s
"""
#: By the same, in the same words, of the same dispute.
_NOTED = """
    SELECT EXISTS (
        SELECT FROM (
            SELECT *, max(move_no) FILTER (WHERE came <> 'noted') OVER () AS disputed_no
            FROM ledger.voucher_move WHERE tenant = %(tenant)s AND voucher_id = %(id)s
        ) AS since
        WHERE move_no > disputed_no AND move = %(move)s AND who = %(who)s
            AND (number, reason) IS NOT DISTINCT FROM (%(number)s::text, %(reason)s::text))
"""
_OTHER_REVISIONS = """
    SELECT max(revision) FILTER (WHERE state = 'accepted' AND revision <> %(revision)s), max(revision)
    FROM ledger.voucher WHERE tenant = %(tenant)s AND model = %(model)s AND legal_entity = %(legal_entity)s
        AND voucher_no = %(voucher_no)s
"""
_LOG = """
    INSERT INTO ledger.voucher_move (tenant, model, voucher_id, move_no, move, came, from_state, to_state, number,
        reason, who, moved_at)
    SELECT tenant, model, voucher_id, moves, %(move)s, %(came)s, %(from)s, %(to)s, %(number)s, %(reason)s, %(who)s,
        %(now)s
    FROM ledger.voucher WHERE tenant = %(tenant)s AND voucher_id = %(id)s
"""
_SHOWN = f"""
    SELECT {_VOUCHER} FROM ledger.voucher
    WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s)
        AND (%(state)s::text IS NULL OR state = %(state)s) AND (%(day)s::date IS NULL OR booked_on = %(day)s)
        AND (%(legal_entity)s::text IS NULL OR legal_entity = %(legal_entity)s)
        AND (%(ids)s::uuid[] IS NULL OR voucher_id = ANY(%(ids)s))
    {_ORDER} LIMIT %(most)s
"""
_NAMED = f"""
    SELECT {_VOUCHER} FROM ledger.voucher WHERE tenant = %s AND starts_with(voucher_id::text, %s) {_ORDER} LIMIT 3
"""
_AS_FILES = "SELECT voucher_id FROM ledger.voucher WHERE tenant = %s AND voucher_id = ANY(%s) AND way = 'files'"
_MOVES = """
    SELECT move_no, move, came, from_state, to_state, number, reason, who, moved_at FROM ledger.voucher_move
    WHERE tenant = %s AND voucher_id = %s ORDER BY move_no
"""


@dataclass(frozen=True)
class Kept:
    """A voucher to keep, with its place in the chain of its legal entity."""

    voucher: Voucher
    chain_no: int
    previous: str
    chained: str


@dataclass(frozen=True)
class Last:
    """The last number, and the end of the chain, of a legal entity; `chained` is None where it has no voucher."""

    voucher_no: int
    chain_no: int
    chained: str | None


def begin(connection: Connection, tenant: str, model: str) -> None:
    """Nobody else makes or moves vouchers of these books until the transaction ends."""
    connection.execute(_ALONE, (f"ledger vouchers\x1f{tenant}\x1f{model}",))


def sealed_through(connection: Connection, tenant: str, model: str) -> int:
    """The posting number up to which nothing is added any more; 0 where nothing is sealed."""
    row = connection.execute(_SEALED_THROUGH, (tenant, model)).fetchone()
    assert row is not None, "an aggregate gives a row"
    return int(row[0])


def gather(connection: Connection, tenant: str, model: str, day: date, through_no: int) -> int:
    """Gathers what was booked up to a day, and posted up to a number, and is in no voucher; how many transfers."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.coming_entry")
    where = {"tenant": tenant, "model": model, "day": day, "through_no": through_no}
    return connection.execute(_COMING, where).rowcount


def part_between_companies(connection: Connection) -> None:
    """Makes of each gathered transfer between two companies one of each, against what it has with the other."""
    connection.execute(_PART)


def unnamed(connection: Connection) -> list[tuple[UUID, str]]:
    """The gathered transfers whose accounts are of no company, each with its cause."""
    return connection.execute(_UNNAMED).fetchall()


def name(connection: Connection, entities: Mapping[UUID, str]) -> None:
    """Says whose transfers are."""
    connection.execute(_NAME, (list(entities), list(entities.values())))


def nameless(connection: Connection, otherwise: str | None) -> tuple[UUID, str, str] | None:
    """A gathered transfer that is of no company, with its accounts."""
    return connection.execute(_NAMELESS, {"otherwise": otherwise}).fetchone()


def keep_passes(
    connection: Connection, tenant: str, model: str, through_no: int, entries: str, by: str, now: datetime
) -> dict[date, tuple[int, int]]:
    """Writes down which postings of each day are in vouchers now: by day its supplement, and after which number."""
    said = {"tenant": tenant, "model": model, "through_no": through_no, "entries": entries, "by": by, "now": now}
    return {day: (supplement, after) for day, supplement, after in connection.execute(_PASS, said)}


def entries(
    connection: Connection, otherwise: str | None, *, each: bool
) -> Iterator[tuple[tuple[str, date, str], Entry]]:
    """The gathered transfers as entries, each with its legal entity, day and currency, in that order."""
    query = _ENTRIES.format(transfer="transfer_id" if each else "NULL::uuid")
    for row in connection.execute(query, {"otherwise": otherwise}):
        yield (row[0], row[1], row[2]), Entry(row[3], row[4], row[5], int(row[6]), row[7], row[8])


def last_of(connection: Connection, tenant: str, model: str, legal_entity: str) -> Last:
    """Where a legal entity's numbers and chain end."""
    row = connection.execute(_LAST, (tenant, model, legal_entity)).fetchone()
    assert row is not None, "an aggregate gives a row"
    return Last(*row)


def keep(connection: Connection, tenant: str, kept: Sequence[Kept]) -> None:
    """Keeps vouchers that are made."""
    rows = [
        (tenant, one.model, one.legal_entity, one.voucher_no, one.revision, one.voucher_id, each.chain_no,
         one.booked_on, one.supplement, one.currency, one.total_minor, one.entries, one.content, one.digest,
         each.previous, each.chained) for each in kept for one in (each.voucher,)
    ]  # fmt: skip
    connection.cursor().executemany(_KEEP, rows)


def hold(connection: Connection, tenant: str, voucher_id: UUID) -> Voucher | None:
    """A voucher, which nobody else moves until the transaction ends."""
    row = connection.execute(_HOLD, (tenant, voucher_id)).fetchone()
    return None if row is None else _voucher(row)


def sent(connection: Connection, tenant: str, model: str) -> list[Voucher]:
    """Those of which nobody knows yet what became, that went to a system which can be asked."""
    return [_voucher(row) for row in connection.execute(_SENT, (tenant, model))]


def ready(connection: Connection, tenant: str, model: str) -> list[Voucher]:
    """Those that may be handed over."""
    return [_voucher(row) for row in connection.execute(_READY, (tenant, model))]


def is_free(connection: Connection, tenant: str, voucher_id: UUID) -> bool:
    """Whether no other revision of a voucher may be booked there."""
    return connection.execute(_FREE, (tenant, voucher_id)).fetchone() == (True,)


def other_revisions(connection: Connection, tenant: str, voucher: Voucher) -> tuple[int | None, int]:
    """The other revision of a voucher that is accepted, None for none; and its number's last revision."""
    of_it = {name: getattr(voucher, name) for name in ("model", "legal_entity", "voucher_no", "revision")}
    row = connection.execute(_OTHER_REVISIONS, of_it | {"tenant": tenant}).fetchone()
    assert row is not None, "an aggregate gives a row"
    return row


def is_noted(connection: Connection, tenant: str, said: Said) -> bool:
    """Whether the same was noted of a voucher since it is disputed."""
    about = {"tenant": tenant, "id": said.voucher_id, "move": said.move, "who": said.who}
    return connection.execute(_NOTED, about | {"number": said.number, "reason": said.reason}).fetchone() == (True,)


def move(
    connection: Connection,
    tenant: str,
    said: Said,
    came: VoucherCame,
    states: tuple[VoucherState, VoucherState],
    now: datetime,
    way: str | None = None,
) -> None:
    """Moves a voucher from one state to another, and writes down why. What is only noted stands in its log alone."""
    about = {"tenant": tenant, "id": said.voucher_id, "number": said.number, "reason": said.reason, "now": now}
    about |= {"move": said.move, "came": came, "from": states[0], "to": states[1], "who": said.who, "way": way}
    connection.execute(_MOVE, about)
    connection.execute(_LOG, about)


def shown(
    connection: Connection,
    tenant: str,
    model: str | None,
    *,
    state: str | None = None,
    day: date | None = None,
    legal_entity: str | None = None,
    ids: Sequence[UUID] | None = None,
    most: int | None = None,
) -> list[Voucher]:
    """Vouchers by model, legal entity and number; None for all."""
    where = {"tenant": tenant, "model": model, "state": state, "day": day, "legal_entity": legal_entity}
    found = connection.execute(_SHOWN, where | {"ids": None if ids is None else list(ids), "most": most})
    return [_voucher(row) for row in found]


def named(connection: Connection, tenant: str, beginning: str) -> list[Voucher]:
    """The vouchers whose ids begin so; three at most."""
    return [_voucher(row) for row in connection.execute(_NAMED, (tenant, beginning.lower()))]


def went_as_files(connection: Connection, tenant: str, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these that were handed over as files."""
    return {voucher_id for (voucher_id,) in connection.execute(_AS_FILES, (tenant, list(ids)))}


def moves(connection: Connection, tenant: str, voucher_id: UUID) -> list[dict[str, Any]]:
    """What became of a voucher, in order."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_MOVES, (tenant, voucher_id)).fetchall()


def _voucher(row: Sequence[Any]) -> Voucher:
    values = dict(zip(_FIELDS, row, strict=True))
    return Voucher(**values | {"total_minor": int(values["total_minor"]), "state": VoucherState(values["state"])})
