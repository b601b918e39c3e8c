"""A folder of files in Hive's way: dt=2026-03-01/region=east/part-0.parquet; what is not wanted is not opened."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from pydantic import Field

from everycent.base.engine.declaration import Declaration, Words
from everycent.flow.intake.contract import SourceError
from everycent.proof.recon.chain import Keys, LoadedFile, Surroundings

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class HiveWords(Declaration):
    """A root folder, and which of its partitions."""

    folder: str = Field(description="the root, from the scenario's folder on", examples=["warehouse/payments"])
    where: dict[str, Words] = Field(
        default_factory=dict,
        description="partition column -> the values that are taken; {as_of} is the day",
        examples=[{"dt": "{as_of}"}],
    )


class Hive:
    """The loader `hive`. The partitions' columns are columns of every row."""

    name = "hive"
    words = HiveWords
    drivable = False

    def load(self, words: HiveWords, around: Surroundings, keys: Keys | None) -> Iterator[LoadedFile]:
        """Files in the order of their paths. Raises SourceError."""
        assert keys is None, "files are not looked up by key"
        root = around.folder / around.filled(words.folder)
        if not root.is_dir():
            raise SourceError(f"there is no folder {root}")
        where = {column: tuple(map(around.filled, values)) for column, values in words.where.items()}
        met: set[str] = set()
        found = list(_files(root, {}, where, met))
        for column in where:
            if column not in met:
                raise SourceError(f"{root} is not parted by '{column}'; its folders are {', '.join(_names(root))}")
        if not found:
            asked = ", ".join(f"{column}={' or '.join(values)}" for column, values in where.items())
            raise SourceError(f"{root} has no file for {asked or 'any partition'}; there are {', '.join(_names(root))}")
        for path, constants in found:
            yield LoadedFile(path, path.relative_to(root).as_posix(), constants)


def _files(
    folder: Path, constants: dict[str, str], where: dict[str, tuple[str, ...]], met: set[str]
) -> Iterator[tuple[Path, dict[str, str]]]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue  # what the writers keep for themselves
        column, parted, value = path.name.partition("=")
        if not path.is_dir():
            yield path, constants
        elif parted:
            met.add(column)
            value = unquote(value)
            if value in where.get(column, (value,)):
                yield from _files(path, {**constants, column: "" if value == _NO_VALUE else value}, where, met)


def _names(root: Path) -> list[str]:
    names = sorted(path.name for path in root.iterdir() if path.is_dir())
    return [*names[:5], *(["..."] if len(names) > 5 else [])] or ["none"]


LOADER = Hive()
