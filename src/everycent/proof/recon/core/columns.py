"""Which columns of two files belong together: what was said, and what their names say."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from everycent.proof.recon.core.cells import Kind

#: Names that say that a column tells rows apart.
KEY_NAME = re.compile(r"(?i:(^|[_ ])(id|no|nr|number|ref|reference|key|code|uuid)$)|号|编号|[a-z](Id|ID|No)$")
#: Names that say that a column holds what is to be compared in money, the most telling first.
AMOUNT_NAMES = ("amount_minor", "amount", "total", "金额", "gross", "net", "paid", "value", "price")
#: Names that say in which currency a row's amount is.
CURRENCY_NAME = re.compile(r"(^|[_ ])(currency|ccy|curr)([_ ]code)?$|币种|货币", re.IGNORECASE)

#: What a column may be said to be compared as.
_SAID: tuple[Kind, ...] = ("number", "time", "text")


class NothingToCompare(Exception):
    """The columns named do not fit the files. The message says which, and what there is."""


@dataclass(frozen=True)
class Pair:
    """A column of the left side and the column of the right side that says the same; `name` is what people read."""

    left: str
    right: str

    @property
    def name(self) -> str:
        return self.left if self.left == self.right else f"{self.left}={self.right}"

    def of(self, side: int) -> str:
        """The column's name on a side: 0 left, 1 right."""
        return self.right if side else self.left


def pairs_of(words: Sequence[str], left: Sequence[str], right: Sequence[str]) -> tuple[Pair, ...]:
    """`a`, `a,b` and `ours=theirs` as pairs of columns. Raises NothingToCompare for a column that is not there."""
    return tuple(pair for pair, _ in compared_pairs(words, left, right, kinds=False))


def compared_pairs(
    words: Sequence[str], left: Sequence[str], right: Sequence[str], *, kinds: bool = True
) -> tuple[tuple[Pair, Kind | None], ...]:
    """As pairs_of, each perhaps with what it is compared as: `a:number`, `ours=theirs:time`."""
    pairs: list[tuple[Pair, Kind | None]] = []
    for word in (part.strip() for text in words for part in _apart(text, (*left, *right))):
        named, kind = _kind_said(word, (*left, *right)) if kinds else (word, None)
        ours, equals, theirs = (named, "", "") if named in left and named in right else named.partition("=")
        pair = Pair(ours.strip(), theirs.strip() if equals else ours.strip())
        for side, name, there in (("left", pair.left, left), ("right", pair.right, right)):
            if name not in there:
                column, _, said = name.rpartition(":")
                if kinds and column in there:
                    raise NothingToCompare(f"'{name}': a column is compared as number, time or text, not as {said}")
                raise NothingToCompare(
                    f"the {side} side has no column '{name}'; it has: {', '.join(there)}. Where the two sides name it "
                    f"differently, write LEFT=RIGHT"
                )
        pairs.append((pair, kind))
    return tuple(pairs)


def currency_pair(left: Sequence[str], right: Sequence[str]) -> Pair | None:
    """The column that both sides have in which a row names its currency."""
    return next((pair for pair in alike(left, right) if CURRENCY_NAME.search(pair.left)), None)


def _apart(text: str, names: Sequence[str]) -> list[str]:
    """The parts between commas; a column's own comma does not part its name."""
    return [text] if text in names else text.split(",")


def _kind_said(word: str, names: Sequence[str]) -> tuple[str, Kind | None]:
    named, colon, kind = word.rpartition(":")
    if not colon or word in names or kind not in _SAID:
        return word, None
    return named, kind


def alike(left: Sequence[str], right: Sequence[str]) -> tuple[Pair, ...]:
    """The columns that have the same name but for case, spaces and signs, in the left side's order."""
    plain: dict[str, list[str]] = {}
    for name in right:
        plain.setdefault(_plain(name), []).append(name)
    ours = [_plain(name) for name in left]
    pairs = []
    for name, word in zip(left, ours, strict=True):
        if name in right:
            pairs.append(Pair(name, name))
        elif word and ours.count(word) == 1 and len(plain.get(word, ())) == 1 and plain[word][0] not in left:
            pairs.append(Pair(name, plain[word][0]))
    return tuple(pairs)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
