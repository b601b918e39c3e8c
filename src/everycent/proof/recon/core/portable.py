"""Hashes that are the same on any machine and in any version: what two companies compare instead of their rows.

A row's text is each cell's length and content, in their order, a number with nine decimals, a time with microseconds;
its hash are the first 48 bits of SHA-256 of the secret and that text. Never to be changed: sketches lie in files.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from everycent.base.engine.arrays import fixed
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.proof.recon.core.sketch.cells import HASH_BITS, Hashes

_HEX_DIGITS = HASH_BITS // 4
_ROWS_PER_READ = 200_000


def secret_check(secret: bytes) -> str:
    """What tells two secrets apart without telling them."""
    return hashlib.sha256(b"everycent sketch check" + _long(secret)).hexdigest()[:16]


def seed_of(secret: bytes) -> int:
    """Where rows go in a sketch made with this secret."""
    return int.from_bytes(hashlib.sha256(b"everycent sketch seed" + _long(secret)).digest()[:8], "big")


def hashes(
    relation: str, key: Sequence[str], compared: Sequence[tuple[str, str]], secret: bytes, engine: LocalEngine
) -> Iterator[tuple[Hashes, Hashes]]:
    """Of each row of the relation the hash of its key and its own. key: SQL texts; compared: SQL values with kinds."""
    keys, rows = hash_sql(key, compared, secret)
    reader = engine.reader(f"SELECT {keys} AS k, {rows} AS r FROM {identifier(relation)}", rows_per_read=_ROWS_PER_READ)
    for batch in reader:
        yield fixed(batch.column("k"), np.uint64), fixed(batch.column("r"), np.uint64)


def hash_sql(key: Sequence[str], compared: Sequence[tuple[str, str]], secret: bytes) -> tuple[str, str]:
    """SQL for the two hashes, UBIGINT."""
    of_key = " || ".join(_cell(text) for text in key)
    of_row = " || ".join([of_key, *(_cell(_plain(value, kind)) for value, kind in compared)])
    return _hash(of_key, b"k" + _long(secret)), _hash(of_row, b"r" + _long(secret))


def _hash(text: str, secret: bytes) -> str:
    return f"('0x' || substr(sha256({literal(secret.hex())} || {text}), 1, {_HEX_DIGITS}))::UBIGINT"


def _cell(text: str) -> str:
    """A cell that no other cells imitate; one without a value is none of them."""
    return f"coalesce(length({text}) || ':' || {text}, '~')"


def _plain(value: str, kind: str) -> str:
    match kind:
        case "number":
            return f"({value})::DECIMAL(38, 9)::VARCHAR"
        case "time":
            return f"strftime({value}, '%Y-%m-%dT%H:%M:%S.%f')"
    return value


def _long(secret: bytes) -> bytes:
    """A secret of any length as 32 bytes."""
    return hashlib.sha256(secret).digest()
