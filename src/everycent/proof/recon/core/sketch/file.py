"""A sketch as a file: kilobytes that another company takes this side's rows from, without seeing them."""

import hashlib
import json
import zlib
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from everycent.proof.recon.core.sketch.cells import THIRDS, WIDTH
from everycent.proof.recon.core.sketch.sketch import Sketch

_MAGIC: Final = b"everycent sketch 1\n"
_DIGEST_BYTES: Final = 32

#: The largest table that is read from a file.
_BYTES_MOST: Final = 1 << 28


class BadSketch(Exception):
    """A file that is no sketch, or two sketches that do not fit. The message says what would be right."""


@dataclass(frozen=True)
class Agreement:
    """What both sides must have in common. `secret_check`: what a shared secret gives, which tells nothing of it.
    `key_columns`: how many; `kinds`: of the compared columns in their order, number, time or text."""

    secret_check: str
    key_columns: int
    kinds: tuple[str, ...]


def sketch_bytes(sketch: Sketch, agreement: Agreement) -> bytes:
    """The file: a line of JSON, the cells (little-endian, compressed), and a digest of all that."""
    head = {"cells": len(sketch.cells), "seed": sketch.seed, "rows": sketch.rows, **asdict(agreement)}
    body = zlib.compress(sketch.cells.astype("<u8").tobytes(), 6)
    content = _MAGIC + json.dumps(head, sort_keys=True).encode() + b"\n" + body
    return content + hashlib.sha256(content).digest()


def read_sketch(content: bytes, name: str) -> tuple[Sketch, Agreement]:
    """What `sketch_bytes` gave. Raises BadSketch where it is not that, whole and unaltered."""
    whole, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if not content.startswith(_MAGIC):
        raise BadSketch(f"{name} is no sketch; make one with `everycent recon sketch`")
    if hashlib.sha256(whole).digest() != digest:
        raise BadSketch(f"{name} is cut off or altered; have it sent again")
    line, _, body = whole[len(_MAGIC) :].partition(b"\n")
    head = json.loads(line)
    count = int(head["cells"])
    if not 0 < count * WIDTH * 8 <= _BYTES_MOST or count % THIRDS:
        raise BadSketch(f"{name} has {count} cells, which no sketch has")
    unpacked = zlib.decompressobj().decompress(body, count * WIDTH * 8 + 1)
    if len(unpacked) != count * WIDTH * 8:
        raise BadSketch(f"{name} holds other cells than it says; have it made again")
    cells = np.frombuffer(unpacked, dtype="<u8").astype(np.uint64).reshape(count, WIDTH)
    agreement = Agreement(str(head["secret_check"]), int(head["key_columns"]), tuple(head["kinds"]))
    return Sketch(cells, int(head["seed"]), int(head["rows"])), agreement


def refuse_unlike(one: tuple[Sketch, Agreement], other: tuple[Sketch, Agreement]) -> None:
    """Raises BadSketch where two sketches cannot be taken from each other."""
    (left, agreed), (right, also) = one, other
    if agreed.secret_check != also.secret_check:
        raise BadSketch("the two sketches were made with different secrets; both sides need the same one")
    if (agreed.key_columns, agreed.kinds) != (also.key_columns, also.kinds):
        raise BadSketch(
            f"the two sketches compare other columns: {_said(agreed)}, and {_said(also)}; name the same columns in the "
            f"same order on both sides, with their kinds, for example --compare amount:number,status:text"
        )
    if len(left.cells) != len(right.cells) or left.seed != right.seed:
        raise BadSketch("the two sketches are of different sizes; give both the same --differences")


def refuse_other_words(made: Agreement, told: Agreement, secret: str) -> None:
    """Raises BadSketch where a side is told otherwise than the sketches were made. `secret`: how its file is called."""
    if made.secret_check != told.secret_check:
        raise BadSketch(f"{secret} holds another secret than the sketches were made with; give that one")
    if (made.key_columns, made.kinds) != (told.key_columns, told.kinds):
        raise BadSketch(
            f"the sketches were made with {_said(made)}, and --find is told {_said(told)}; give --key and --compare as "
            f"they were then"
        )


def _said(agreement: Agreement) -> str:
    return f"{agreement.key_columns} of the key, then {', '.join(agreement.kinds) or 'none'}"
