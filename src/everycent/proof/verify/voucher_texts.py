"""What the texts of vouchers say, as tables that rules can read: a few texts at a time, for each may be long."""

from everycent.base.engine.local import LocalEngine
from everycent.proof.verify.core.vouchers import heads, lines

#: A text of 1,000 entries is half a megabyte, and reading it as JSON takes a good many times that.
_TEXTS_AT_ONCE = 32


def read_vouchers(engine: LocalEngine) -> None:
    """Makes `ledger.voucher_line` and `ledger.voucher_said` of `ledger.voucher`, within stored_tables.

    The one has a row for each line of each voucher, with voucher_id and amounts in minor units (NULL where one cannot
    be read); the other a row for each voucher_id, with what its head says, and the digest of its text as it is.
    """
    duck = engine.connection
    ((texts,),) = duck.execute("SELECT count(*) FROM ledger.voucher").fetchall()
    for name, read in (("ledger.voucher_line", lines), ("ledger.voucher_said", heads)):
        duck.execute(f"CREATE TABLE {name} AS {read('ledger.voucher')} LIMIT 0")
        for at in range(0, texts, _TEXTS_AT_ONCE):
            some = f"(FROM ledger.voucher WHERE rowid >= {at} AND rowid < {at + _TEXTS_AT_ONCE})"
            duck.execute(f"INSERT INTO {name} {read(some)}")
