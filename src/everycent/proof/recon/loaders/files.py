"""Files beside the scenario: by name or pattern, alone or in archives (zip, tar, tar.gz, gz)."""

import gzip
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pydantic import Field

from everycent.base.engine.declaration import Declaration, Words
from everycent.flow.intake.contract import SourceError
from everycent.proof.recon.chain import Keys, LoadedFile, Surroundings

_ZIP, _TAR = (".zip",), (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_PATTERN = "*?["


class FilesWords(Declaration):
    """Which files, and which of those that are in archives."""

    paths: Words = Field(description="names or patterns, from the scenario's folder on; {as_of} is the day")
    inside: Words = Field(default=("*",), description="of an archive, the members that are taken")
    unpacked_mb: int = Field(default=20_000, ge=1, description="an archive that unpacks to more is refused")


class Files:
    """The loader `files`."""

    name = "files"
    words = FilesWords
    drivable = False

    def load(self, words: FilesWords, around: Surroundings, keys: Keys | None) -> Iterator[LoadedFile]:
        """Each file once, in the order of the words and then of names. Raises SourceError."""
        assert keys is None, "files are not looked up by key"
        found = dict.fromkeys(path for text in words.paths for path in _found(around.folder, around.filled(text)))
        for at, path in enumerate(found):
            within = path.is_relative_to(around.folder)
            name = path.relative_to(around.folder).as_posix() if within else path.name
            yield from _opened(path, name, words, around.temp_dir / f"unpacked-{at}")


def _found(folder: Path, text: str) -> list[Path]:
    """Raises SourceError where there is none."""
    if not any(mark in text for mark in _PATTERN):
        path = folder / text
        if not path.is_file():
            raise SourceError(f"there is no file {path}")
        return [path]
    start = Path(text).anchor
    found = sorted(Path(start or folder).glob(text.removeprefix(start)))
    if not found:
        raise SourceError(f"no file is like {text} in {start or folder}")
    return [path for path in found if path.is_file()]


def _opened(path: Path, called: str, words: FilesWords, folder: Path) -> Iterator[LoadedFile]:
    name = path.name.lower()
    room = _Room(path, words.unpacked_mb)
    try:
        if name.endswith(_ZIP):
            with zipfile.ZipFile(path) as packed:
                members = {each.filename: each for each in packed.infolist() if not each.is_dir()}
                yield from _taken(path, called, words, folder, list(members), packed.open, room)
        elif name.endswith(_TAR):
            with tarfile.open(path) as tar:
                files = {each.name: each for each in tar.getmembers() if each.isfile()}
                yield from _taken(
                    path, called, words, folder, list(files), lambda name: _in_tar(tar, files[name]), room
                )
        elif name.endswith(".gz"):
            with gzip.open(path) as packed_one:
                inner = path.name[: -len(".gz")]
                yield LoadedFile(room.unpack(packed_one, folder, inner), called)
        else:
            yield LoadedFile(path, called)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, gzip.BadGzipFile, NotImplementedError, RuntimeError) as bad:
        raise SourceError(f"{path} cannot be unpacked: {bad}; have it sent again") from None


def _in_tar(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    assert file is not None, "a member that is a file can be read"
    return file


def _taken(
    path: Path,
    called: str,
    words: FilesWords,
    folder: Path,
    names: list[str],
    opened: Callable[[str], Any],
    room: "_Room",
) -> Iterator[LoadedFile]:
    wanted = sorted(name for name in names if any(_is_like(name, pattern) for pattern in words.inside))
    if not wanted:
        there = ", ".join(sorted(names)[:10]) or "nothing"
        raise SourceError(f"{path} holds nothing like {' or '.join(words.inside)}; it holds: {there}")
    for at, name in enumerate(wanted):
        with opened(name) as file:
            unpacked = room.unpack(file, folder / str(at), PurePosixPath(name).name)
        yield LoadedFile(unpacked, f"{called}/{name}")


def _is_like(name: str, pattern: str) -> bool:
    return fnmatch(name, pattern) or fnmatch(PurePosixPath(name).name, pattern)


class _Room:
    """What an archive may still unpack: a small one can hold terabytes of zeros."""

    def __init__(self, path: Path, most_mb: int) -> None:
        self._path, self._most_mb, self._left = path, most_mb, most_mb << 20

    def unpack(self, file: IO[bytes] | gzip.GzipFile, folder: Path, name: str) -> Path:
        """The member as a file of its own, whatever path its name says. Raises SourceError."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as out:
            while block := file.read(1 << 20):
                self._left -= len(block)
                if self._left < 0:
                    shutil.rmtree(folder)
                    raise SourceError(
                        f"{self._path} unpacks to more than {self._most_mb} MB; raise unpacked_mb if that is right"
                    )
                out.write(block)
        return folder / name


LOADER = Files()
