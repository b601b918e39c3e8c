"""The story from the contract to the bank: its folder's files, and its page as scenes that can be played.

contract_to_bank/ beside this file is the only copy. Its README.md is what people read, type along and see played: what
it says is what happens.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_PAGE = "README.md"
_FENCE = "```"
#: Where a line ends: not behind a backslash.
_LINE_ENDS = re.compile(r"(?<!\\)\n")
#: Said in a line's comment: the command does its work and says no, as it should.
_SAYS_NO = "ends with 1"


@dataclass(frozen=True)
class Line:
    """A line to type. `words` follow `everycent`; `keeps`: the variable that takes what the command prints."""

    text: str
    words: tuple[str, ...]
    keeps: str | None
    says_no: bool


@dataclass(frozen=True)
class Scene:
    """A heading of the page, and under it in turn what is told and what is typed."""

    title: str
    parts: tuple[str | tuple[Line, ...], ...]


def write_story(folder: Path) -> None:
    """Writes the story's files into a folder, the page among them."""
    _copy(files("everycent.serve.demo") / "contract_to_bank", folder)


def _copy(source: Traversable, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for one in source.iterdir():
        if one.is_dir():
            _copy(one, folder / one.name)
        else:
            (folder / one.name).write_bytes(one.read_bytes())


def scenes(folder: Path) -> tuple[Scene, ...]:
    """The page's scenes, those before the first heading of second rank left out."""
    _, *chapters = f"\n{(folder / _PAGE).read_text(encoding='utf-8')}".split("\n## ")
    return tuple(_scene(*chapter.partition("\n")[::2]) for chapter in chapters)


def _scene(title: str, body: str) -> Scene:
    return Scene(title, tuple(_parts(body)))


def _parts(body: str) -> Iterator[str | tuple[Line, ...]]:
    """Told and typed take turns: every second piece stands between two fences."""
    for at, piece in enumerate(body.split(_FENCE)):
        if at % 2:
            yield tuple(_line(text) for text in _LINE_ENDS.split(piece.strip()))
        elif piece.strip():
            yield piece.strip()


def _line(text: str) -> Line:
    command, _, comment = text.replace("\\\n", " ").partition("  #")
    keeps = None
    if command.startswith("export "):
        keeps, _, rest = command.removeprefix("export ").partition("=$(")
        command = rest.rstrip().removesuffix(")")
    first, *words = shlex.split(command)
    assert first == "everycent", f"the story plays everycent alone: {text}"
    return Line(text, tuple(words), keeps, _SAYS_NO in comment)


def spread(words: tuple[str, ...]) -> list[str]:
    """The words as a shell gives them: a pattern as the files that fit it, by name, or as itself where none does."""
    fit = {word: sorted(str(path) for path in Path().glob(word)) for word in words if "*" in word}
    return [found for word in words for found in fit.get(word) or [word]]
