"""Objects of a store (s3://, gs://, file://), fetched part by part into the run's own folder."""

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs
from pydantic import Field

from everycent.base.engine.declaration import Declaration, Variable
from everycent.flow.intake.contract import SourceError
from everycent.proof.recon.chain import Keys, LinkFailed, LoadedFile, Surroundings

_BLOCK_BYTES = 8 << 20


class ObjectStoreWords(Declaration):
    """Where the objects are. A key and its secret come from the environment, as the store's own tools take them."""

    at: str = Field(
        description="address of an object or a pattern; {as_of} is the day", examples=["s3://bills/{as_of}/*.csv"]
    )
    endpoint: Variable | None = Field(
        default=None, description="the environment variable with the address of a store that is not Amazon's"
    )
    region: str | None = Field(default=None, description="the store's region", examples=["eu-central-1"])
    object_mb: int = Field(default=20_000, ge=1, description="an object that is larger is refused")


class ObjectStore:
    """The loader `object_store`."""

    name = "object_store"
    words = ObjectStoreWords
    drivable = False

    def load(self, words: ObjectStoreWords, around: Surroundings, keys: Keys | None) -> Iterator[LoadedFile]:
        """Objects in the order of their names. Raises LinkFailed, SourceError."""
        assert keys is None, "objects are not looked up by key"
        address = around.filled(words.at)
        try:
            store, pattern = _store(address, words, around)
            folder = pattern.partition("*")[0].rpartition("/")[0]
            listed = store.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
            found = sorted(
                (each for each in listed if each.type == fs.FileType.File and fnmatch(each.path, pattern)),
                key=lambda each: str(each.path),
            )
            if not found:
                raise SourceError(f"the store has no object like {address}")
            for at, each in enumerate(found):
                yield self._fetched(store, each, words.object_mb, around, at)
        except (OSError, pa.ArrowException) as error:
            raise LinkFailed(f"loader 'object_store': {address}: {' '.join(str(error).split())}") from None

    @staticmethod
    def _fetched(store: Any, each: Any, most_mb: int, around: Surroundings, at: int) -> LoadedFile:
        if each.size > most_mb << 20:
            raise SourceError(f"{each.path} has {each.size >> 20} MB; raise object_mb if that is right")
        path = around.temp_dir / f"fetched-{at}" / each.base_name
        path.parent.mkdir(parents=True, exist_ok=True)
        with store.open_input_stream(each.path) as source, path.open("wb") as out:
            while block := source.read(_BLOCK_BYTES):
                out.write(block)
        return LoadedFile(path, each.path)


def _store(address: str, words: ObjectStoreWords, around: Surroundings) -> tuple[Any, str]:
    """The store, and the pattern within it."""
    parts = urlsplit(address)
    if parts.scheme != "s3":
        store, _ = fs.FileSystem.from_uri(f"{parts.scheme}://{parts.netloc}/")
        return store, parts.path
    options: dict[str, Any] = {"region": words.region} if words.region else {}
    for option, variable in (
        ("access_key", "AWS_ACCESS_KEY_ID"),
        ("secret_key", "AWS_SECRET_ACCESS_KEY"),
        ("session_token", "AWS_SESSION_TOKEN"),
    ):
        if around.environ.get(variable):
            options[option] = around.environ[variable]
    if words.endpoint is not None:
        end = urlsplit(around.variable(words.endpoint))
        options |= {"endpoint_override": end.netloc or end.path, "scheme": end.scheme or "https"}
    return fs.S3FileSystem(connect_timeout=10, request_timeout=60, **options), parts.netloc + parts.path


LOADER = ObjectStore()
