"""The lines of a bank's text file, one at a time, in whatever encoding the bank writes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from everycent.flow.intake.contract import SourceError

#: No format of ours has longer lines; reading on would fill the memory.
LINE_CHARACTERS_MAX: Final = 1 << 20
_BLOCK_BYTES: Final = 1 << 20


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The 1-based number and the text of each line, without its end: LF, CRLF or CR. Raises SourceError."""
    with path.open(encoding=encoding(path), errors="replace") as file:
        number = 0
        while line := file.readline(LINE_CHARACTERS_MAX):
            number += 1
            if len(line) == LINE_CHARACTERS_MAX and not line.endswith("\n"):
                raise SourceError(
                    f"{path}: line {number} has more than {LINE_CHARACTERS_MAX:,} characters; is this a bank's file?"
                )
            yield number, line.rstrip("\n")


def encoding(path: Path) -> str:
    """UTF-8 where all of the file is; otherwise Windows-1252, which banks outside of it mostly mean."""
    left = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            try:
                (left + block).decode("utf-8")
                left = b""
            except UnicodeDecodeError as error:
                if len(left) + len(block) - error.start > 3 or error.reason != "unexpected end of data":
                    return "cp1252"
                left = (left + block)[error.start :]
    return "cp1252" if left else "utf-8-sig"
