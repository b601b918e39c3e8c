"""The tags of an OFX file one by one, as SGML without closing tags of values or as XML."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from everycent.flow.intake.bills.bank_text import encoding
from everycent.flow.intake.contract import SourceError

_TAG: Final = re.compile(r"<!--.*?-->|<!\[CDATA\[(.*?)\]\]>|<([/?!]?)([A-Za-z][A-Za-z0-9._]*)[^<>]*>", re.DOTALL)
_UNENDED: Final = (("<!--", "-->"), ("<![CDATA[", "]]>"))
_BLOCK_CHARACTERS: Final = 1 << 18
#: The longest text between two tags, or comment: OFX has nothing near it.
_TEXT_CHARACTERS_MAX: Final = 1 << 20


class Tag(NamedTuple):
    """An aggregate's begin or end."""

    name: str
    opens: bool


class Leaf(NamedTuple):
    """A value, as it is written."""

    name: str
    text: str


def tags(path: Path) -> Iterator[Tag | Leaf]:
    """The values and the tags around them, in order. Raises SourceError."""
    opened, before = "", []
    for text, data, mark, name in _pieces(path):
        before.append(text)
        if data is not None:  # what stands in a CDATA section is text, whatever it holds
            before.append(data.replace("&", "&amp;"))
            continue
        if not name:
            continue
        value = "".join(before).strip()
        if opened and value:
            yield Leaf(opened, value)
        elif opened:
            yield Tag(opened, opens=True)
        opened, before = "", []
        if mark == "!":
            raise SourceError(f"{path} has a document type declaration (<!{name}>); no bank's OFX file has one")
        if mark == "/":
            yield Tag(name, opens=False)
        elif not mark:
            opened = name


def _pieces(path: Path) -> Iterator[tuple[str, str | None, str, str]]:
    """What stands before a tag; a CDATA section's text; the tag's mark (/, ?, ! or none) and its name in capitals."""
    left = ""
    with path.open(encoding=encoding(path), errors="replace") as file:
        while block := file.read(_BLOCK_CHARACTERS):
            left += block
            end, at = _safe_end(left), 0
            for match in _TAG.finditer(left, 0, end):
                yield left[at : match.start()], match[1], match[2] or "", (match[3] or "").upper()
                at = match.end()
            left = left[at:]
            if len(left) > _TEXT_CHARACTERS_MAX:
                said = f"{_TEXT_CHARACTERS_MAX:,} characters without a tag"
                raise SourceError(f"{path} has {said}; is this an OFX file?")


def _safe_end(text: str) -> int:
    """Up to where a comment or CDATA section that has not ended yet begins; the whole text where there is none."""
    ends = [
        begin
        for opening, closing in _UNENDED
        if text.find(closing, begin := max(text.rfind(opening), 0)) < 0 and text.startswith(opening, begin)
    ]
    return min(ends, default=len(text))
