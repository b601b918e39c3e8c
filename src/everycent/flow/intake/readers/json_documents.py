"""A JSON document of many objects, taken apart one by one: an array of them, or objects one after another.

Only the object at hand is in memory. Numbers stay as they were written.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from everycent.flow.intake.contract import SourceError
from everycent.flow.intake.readers.json_lines import JsonLinesSource
from everycent.flow.intake.readers.text import utf8_blocks

OBJECT_CHARACTERS_MAX: Final = 64 << 20
_NOT_BLANK: Final = re.compile(r"[^ \t\r\n]")
_decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


class _Text:
    """A file's text from a place on; more of it is read as it is asked for."""

    def __init__(self, path: Path, encoding: str) -> None:
        self.path = path
        self._blocks = utf8_blocks(path, encoding)
        self._text, self._at, self._passed = "", 0, 0

    def take(self) -> str:
        """The next character; nothing at the end."""
        self._at += 1
        return self._text[self._at - 1 : self._at]

    def next_mark(self) -> str:
        """The next character that is not blank, which is left; nothing at the end."""
        while True:
            found = _NOT_BLANK.search(self._text, self._at)
            if found is not None:
                self._at = found.start()
                return found[0]
            self._at = len(self._text)
            if not self._more():
                return ""

    def value(self) -> str:
        """The JSON value that begins here, as it is written. Raises SourceError."""
        while True:
            try:
                _, end = _decoder.raw_decode(self._text, self._at)
                if end < len(self._text) or not self._more():  # a number may go on
                    begin, self._at = self._at, end
                    return self._text[begin:end]
            except (json.JSONDecodeError, RecursionError) as error:
                if len(self._text) - self._at > OBJECT_CHARACTERS_MAX or not self._more():
                    said = getattr(error, "msg", "it is nested too deeply")
                    raise self._broken(f"{said}: character {self._passed + getattr(error, 'pos', 0) + 1}") from None

    def unexpected(self, wanted: str) -> SourceError:
        """The next character is not what stands there in JSON."""
        found = self._text[self._at : self._at + 1]
        there = f"'{found}'" if found else "the end of the file"
        return self._broken(f"{wanted} is expected at character {self._passed + self._at + 1}, there is {there}")

    def _more(self) -> bool:
        """Reads as much as there is already, and a block at least; False at the file's end."""
        self._text, self._passed, self._at = self._text[self._at :], self._passed + self._at, 0
        wanted, parts = max(1, len(self._text)), [self._text]
        while wanted > 0 and (block := next(self._blocks, b"")):
            parts.append(block.decode("utf-8"))
            wanted -= len(parts[-1])
        self._text = "".join(parts)
        return len(parts) > 1

    def _broken(self, said: str) -> SourceError:
        return SourceError(f"{self.path} is not JSON to its end: {said}; a file that was cut off is to be sent again")


def json_objects(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """The values of the file's one array, or the values that stand in it one after another, as they are written.

    Raises SourceError where the file is not JSON to its end.
    """
    text = _Text(path, encoding)
    if text.next_mark() != "[":
        while text.next_mark():
            yield text.value()
        return
    text.take()
    if text.next_mark() != "]":
        yield text.value()
        while text.next_mark() == ",":
            text.take()
            text.next_mark()
            yield text.value()
    if text.next_mark() != "]":
        raise text.unexpected("',' or ']'")
    text.take()
    if text.next_mark():
        raise text.unexpected("nothing more")


def is_array(path: Path, encoding: str) -> bool:
    """Whether the file's first character that is not blank begins an array."""
    return _Text(path, encoding).next_mark() == "["


class JsonArraySource(JsonLinesSource):
    """A file with one JSON array: each of its objects is a row, numbered by its place in it."""

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        for number, text in enumerate(json_objects(self.path, self._encoding), 1):
            yield number, text.encode("utf-8")
