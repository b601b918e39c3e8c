"""Text files of any encoding as blocks of UTF-8 bytes. What cannot be decoded is refused with its place."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from everycent.flow.intake.contract import SourceError

BLOCK_BYTES = 4 << 20
_BOM = "\ufeff".encode()
_LIKELY = ("utf-8", "gb18030", "utf-16", "big5", "shift_jis")


def utf8_blocks(path: Path, encoding: str) -> Iterator[bytes]:
    """The file's text as UTF-8, in blocks that may end anywhere in a line but never inside a character.

    A byte order mark at the start is left out. Raises SourceError.
    """
    decoder = _decoder(path, encoding)
    is_utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    kept = b""  # the undecoded end of the previous block, where the file is UTF-8 already
    bytes_before, lines_before, at_start = 0, 0, True
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK_BYTES)
            at_end = not block
            try:
                if is_utf8:
                    joined = kept + block
                    _, used = codecs.utf_8_decode(joined, "strict", at_end)
                    done, kept = joined[:used], joined[used:]
                else:
                    done = decoder.decode(block, final=at_end).encode("utf-8")
            except UnicodeError as error:
                raise _undecodable(path, encoding, error, bytes_before + len(block), lines_before) from None
            bytes_before += len(block)
            lines_before += done.count(b"\n")
            if at_start and done:
                done, at_start = done.removeprefix(_BOM), False
            if done:
                yield done
            if at_end:
                return


def blanked(blocks: Iterator[bytes], lines: int) -> Iterator[bytes]:
    """The text with its first lines made blank, so that those behind keep their numbers."""
    for block in blocks:
        at = 0
        while lines and (end := block.find(b"\n", at)) >= 0:
            yield b"\n"
            at, lines = end + 1, lines - 1
        if not lines:
            yield block[at:]
            break
    yield from blocks


def _decoder(path: Path, encoding: str) -> codecs.IncrementalDecoder:
    try:
        return codecs.getincrementaldecoder(encoding)()
    except LookupError:
        raise SourceError(
            f"{path}: '{encoding}' is not an encoding; write for example encoding: utf-8, gbk or utf-16"
        ) from None


def _undecodable(path: Path, encoding: str, error: UnicodeError, bytes_read: int, lines_before: int) -> SourceError:
    """`bytes_read` counts up to the end of the block that failed."""
    if not isinstance(error, UnicodeDecodeError):  # a UTF-16 file without its byte order mark
        return SourceError(f"{path} is not {encoding}: {error}; {_advice(path, encoding)}")
    offset = bytes_read - len(error.object) + error.start
    line = lines_before + error.object[: error.start].count(b"\n") + 1
    wrong = error.object[error.start : error.start + 1].hex().upper()
    return SourceError(
        f"{path} is not {encoding}: byte 0x{wrong} at offset {offset}, line {line}, is no character of it "
        f"({error.reason}); {_advice(path, encoding)}"
    )


def _advice(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        sample = file.read(1 << 16)
    same = codecs.lookup(encoding).name
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "it looks like utf-16: write encoding: utf-16 in the model"
    for candidate in _LIKELY:
        if codecs.lookup(candidate).name == same or candidate == "utf-16":
            continue
        try:
            codecs.getincrementaldecoder(candidate)().decode(sample)
        except UnicodeError:
            continue
        return f"it could be {candidate}: write encoding: {candidate} in the model"
    return "write the file's encoding in the model, for example encoding: gbk"
