"""The SQL of seals. Callers own the transaction."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.flow.ledger.contract import Seal

ID_BYTES, LEAF_BYTES = 16, 32

#: What of a transfer is sealed, as text, in this order.
_SEALED = (
    "tenant",
    "model",
    "posting_no::text",
    "transfer_id::text",
    "kind",
    "coalesce(settles::text, '')",
    "booked_on::text",
    "debit_account",
    "credit_account",
    "amount_minor::text",
    "currency",
    "cause",
    "coalesce(batch_no::text, '')",
    "(extract(epoch FROM recorded_at) * 1000000)::bigint::text",
)
_TEXT = " || ".join(f"octet_length({text}) || ':' || {text} || ','" for text in _SEALED)
_LEAF = rf"sha256('\x00'::bytea || convert_to({_TEXT}, 'UTF8'))"

_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_LAST_DRAWN = "SELECT pg_sequence_last_value(pg_get_serial_sequence('ledger.transfer', 'posting_no')::regclass)"
#: Who posts holds this lock before it draws a number, and keeps it until what it posted is there for all to see.
_POSTING = """
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND relation = 'ledger.transfer'::regclass AND mode = 'RowExclusiveLock' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pid IS DISTINCT FROM pg_backend_pid()
"""
_PARTS = f"""
    SELECT max(posting_no), string_agg(uuid_send(transfer_id) || {_LEAF}, ''::bytea ORDER BY posting_no, transfer_id)
    FROM (
        SELECT *, (row_number() OVER (ORDER BY posting_no, transfer_id) - 1) / %s AS part
        FROM ledger.transfer
        WHERE tenant = %s AND model = %s AND posting_no > %s AND posting_no <= %s
    ) AS coming
    GROUP BY part
    ORDER BY part
"""
_NAMED = "seal_no, after_no, through_no, transfers, root, previous, chained"
_KEEP = f"INSERT INTO ledger.seal (tenant, model, {_NAMED}, leaves) VALUES ({', '.join(['%s'] * 10)})"
_LAST = f"SELECT {_NAMED} FROM ledger.seal WHERE tenant = %s AND model = %s ORDER BY seal_no DESC LIMIT 1"
_FROM = f"SELECT {_NAMED} FROM ledger.seal WHERE tenant = %s AND model = %s AND through_no >= %s ORDER BY seal_no"
_LEAVES = "SELECT leaves FROM ledger.seal WHERE tenant = %s AND model = %s AND seal_no = %s"
_ONE = f"SELECT posting_no, {_TEXT} FROM ledger.transfer WHERE tenant = %s AND model = %s AND transfer_id = %s"


@dataclass(frozen=True)
class Part:
    """Postings that make one seal, up to a number; `listed`: id and leaf hash of each, by their numbers."""

    through_no: int
    listed: bytes

    @property
    def leaves(self) -> list[bytes]:
        """The leaf hashes."""
        return [leaf for _, leaf in entries(self.listed)]


def entries(listed: bytes) -> list[tuple[bytes, bytes]]:
    """Id and leaf hash of each transfer that a seal lists."""
    size = ID_BYTES + LEAF_BYTES
    assert len(listed) % size == 0, f"{len(listed)} bytes are no list of {size} each"
    return [(listed[at : at + ID_BYTES], listed[at + ID_BYTES : at + size]) for at in range(0, len(listed), size)]


def begin(connection: Connection, tenant: str, model: str) -> Seal | None:
    """The last seal; nobody else seals these books until the transaction ends."""
    connection.execute(_ALONE, (f"ledger seal\x1f{tenant}\x1f{model}",))
    row = connection.execute(_LAST, (tenant, model), binary=True).fetchone()
    return None if row is None else Seal(*row)


def last_drawn(connection: Connection) -> int:
    """The highest posting number that anybody drew, whether or not its transfer is there to see; 0 where none did."""
    row = connection.execute(_LAST_DRAWN).fetchone()
    assert row is not None, "a function gives a row"
    return int(row[0] or 0)


def posting_now(connection: Connection) -> set[str]:
    """The transactions of others that are posting."""
    return {str(name) for (name,) in connection.execute(_POSTING)}


def parts(connection: Connection, tenant: str, model: str, after_no: int, through_no: int, most: int) -> Iterator[Part]:
    """The postings above a number, up to another, cut into what makes a seal each. The last one reaches to the end."""
    with connection.cursor("sealing", binary=True) as cursor:
        cursor.itersize = 1
        cursor.execute(_PARTS, (most, tenant, model, after_no, through_no))
        last: Part | None = None
        for highest, listed in cursor:
            if last is not None:
                yield last
            last = Part(highest, listed)
        if last is not None:
            yield Part(through_no, last.listed)


def keep(connection: Connection, tenant: str, model: str, seal: Seal, listed: bytes) -> None:
    """Keeps a seal, with the list of what it is of."""
    said = (seal.seal_no, seal.after_no, seal.through_no, seal.transfers, seal.root, seal.previous, seal.chained)
    connection.execute(_KEEP, (tenant, model, *said, listed))


def posting_of(connection: Connection, tenant: str, model: str, transfer_id: UUID) -> tuple[int, str] | None:
    """A transfer's posting number and its canonical text."""
    row = connection.execute(_ONE, (tenant, model, transfer_id)).fetchone()
    return None if row is None else (int(row[0]), str(row[1]))


def seals_from(connection: Connection, tenant: str, model: str, posting_no: int) -> list[Seal]:
    """The seal that is of this posting number, and all after it."""
    return [Seal(*row) for row in connection.execute(_FROM, (tenant, model, posting_no), binary=True)]


def listed_in(connection: Connection, tenant: str, model: str, seal_no: int) -> bytes:
    """What a seal lists."""
    row = connection.execute(_LEAVES, (tenant, model, seal_no), binary=True).fetchone()
    assert row is not None, "the seal is there"
    return bytes(row[0])
