"""Merkle trees over postings, as RFC 6962 builds them, and the chain of their roots."""

from collections.abc import Sequence
from hashlib import sha256

from everycent.flow.ledger.contract import Seal

#: What a hash is of: a leaf, two nodes, or a seal with the one before it. None can pass for another.
LEAF, NODE, SEAL = b"\x00", b"\x01", b"\x02"

#: What the first seal has in the place of the chained root before it.
NO_SEAL = bytes(32)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree over leaf hashes, of which there is one at least."""
    assert leaves, "a seal is of something"
    level = list(leaves)
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


def path_of(leaves: Sequence[bytes], place: int) -> list[tuple[str, bytes]]:
    """What leads from the leaf at a place up to the root: hashes to be put `left` or `right` of one's own."""
    assert 0 <= place < len(leaves), f"place {place} of {len(leaves)}"
    level, path = list(leaves), []
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):
            path.append(("left" if beside < place else "right", level[beside]))
        level, place = _level_above(level), place // 2
    return path


def _level_above(level: Sequence[bytes]) -> list[bytes]:
    """Pairs hashed; one that is left over goes up as it is."""
    above = [sha256(NODE + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
    return above if len(level) % 2 == 0 else [*above, level[-1]]


def seal_of(tenant: str, model: str, last: Seal | None, through_no: int, leaves: Sequence[bytes]) -> Seal:
    """The next seal: of the postings after the last one's, up to a number, with these leaf hashes in their order."""
    seal_no, after_no, previous = (1, 0, NO_SEAL) if last is None else (last.seal_no + 1, last.through_no, last.chained)
    assert through_no > after_no, f"seal {seal_no} is of postings after {after_no}, up to {through_no}"
    root = root_of(leaves)
    said = netstrings(tenant, model, str(seal_no), str(after_no), str(through_no), str(len(leaves)))
    chained = sha256(SEAL + previous + root + said.encode()).digest()
    return Seal(seal_no, after_no, through_no, len(leaves), root, previous, chained)


def netstrings(*texts: str) -> str:
    """Texts one after another, each as its length in bytes, `:`, itself, `,`: no two lists give the same."""
    return "".join(f"{len(text.encode())}:{text}," for text in texts)
