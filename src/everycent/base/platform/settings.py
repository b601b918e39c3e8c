"""Settings: everything that an environment may say about how the house runs, read once, frozen."""

import os
import re
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_MB = 1024 * 1024
#: Address space that is left to the interpreter and its libraries (they take 620 MB at first, 715 to 765 after some
#: hundred batches). Of a limit of 1 GB the engine gets 160 MB: with 192 a day cut after hundreds of batches ran out of
#: memory, with 128 the verification of 9 million obligations.
_PROGRAM_MB = 704
#: Below this much address space the process needs a frugal environment.
_FRUGAL_BELOW_MB = 3 * 1024
_ENGINE_MB_MIN = 128
#: Threads get stacks of so much address space, unless asked otherwise; 8 MB each are too much for twenty of them.
FRUGAL_STACK_BYTES = 2 * _MB
BATCH_ROWS_MAX = 500_000
#: Each thread of the engine keeps buffers of its own; with less than this for each, they leave no room for the rows.
_MB_PER_THREAD = 128
_BATCH_ROWS_FRUGAL = 20_000
LAKE_FROM_ROWS = 50_000


class SettingsError(Exception):
    """A setting is wrong; the message names the variable, its value and what would be right."""


@dataclass(frozen=True)
class Settings:
    """How this process runs. `memory_mb` is what the engine may use; the program itself is not counted in it."""

    data_dir: Path
    database_url: str | None = None  # None: the embedded PostgreSQL in data_dir
    tenant: str = "default"
    memory_mb: int = 1024
    threads: int = 2
    batch_rows: int = BATCH_ROWS_MAX  # rows of one shard of a large file
    lake_from_rows: int = LAKE_FROM_ROWS  # tables of at least this many rows go to the lake

    @property
    def lake_dir(self) -> Path:
        """The folder of the lake's Parquet files."""
        return self.data_dir / "lake"

    @property
    def temp_dir(self) -> Path:
        """The folder where the engine may spill."""
        return self.data_dir / "tmp"

    @property
    def log_file(self) -> Path:
        """The structured log, JSON lines."""
        return self.data_dir / "logs" / "everycent.jsonl"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> "Settings":
        """The settings of this process. Raises SettingsError."""
        env = os.environ if environ is None else environ
        tenant = env.get("EVERYCENT_TENANT", "default")
        if re.fullmatch(r"\w[\w-]{0,62}", tenant) is None:
            raise _wrong("EVERYCENT_TENANT", tenant, "a name of letters, digits, '_' and '-', at most 63 of them")
        memory_mb = _whole(env, "EVERYCENT_MEMORY_MB", engine_memory_mb(), at_least=64)
        batch_rows_default = _BATCH_ROWS_FRUGAL if is_frugal() else min(BATCH_ROWS_MAX, max(20_000, memory_mb * 500))
        batch_rows = _whole(env, "EVERYCENT_BATCH_ROWS", batch_rows_default, at_least=1)
        lake_from_default = min(LAKE_FROM_ROWS, max(batch_rows, LAKE_FROM_ROWS // 5))  # shards of large files go there
        threads_max = max(1, memory_mb // _MB_PER_THREAD)
        threads_default = 1 if is_frugal() else min(threads_max, len(os.sched_getaffinity(0)))
        return cls(
            data_dir=_data_dir(env, Path.cwd() if cwd is None else cwd),
            database_url=_database_url(env),
            tenant=tenant,
            memory_mb=memory_mb,
            threads=_whole(env, "EVERYCENT_THREADS", threads_default, at_least=1),
            batch_rows=batch_rows,
            lake_from_rows=_whole(env, "EVERYCENT_LAKE_FROM_ROWS", lake_from_default, at_least=1),
        )


def address_space_mb() -> int | None:
    """The limit on this process's address space (ulimit -v) in MB; None without one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft // _MB


def is_frugal() -> bool:
    """True where memory or address space is so small that allocators, thread pools and batches must be kept small."""
    return min(address_space_mb() or _FRUGAL_BELOW_MB, physical_memory_mb()) < _FRUGAL_BELOW_MB


def frugal_environment() -> dict[str, str]:
    """The environment that the command must re-exec itself with under a small address space; empty when it has it.

    Allocators reserve address space per thread and keep what is freed, unless told otherwise; the libraries read these
    variables once, when they load.
    """
    if not is_frugal():
        return {}
    wanted = {
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": "131072",  # bytes; named, it does not grow: what is larger goes back
        "MALLOC_TRIM_THRESHOLD_": "131072",
        "DUCKDB_JE_MALLOC_CONF": "retain:false",  # DuckDB's own allocator
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "ARROW_IO_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    }
    return {name: value for name, value in wanted.items() if os.environ.get(name) != value}


def physical_memory_mb() -> int:
    """Memory that this process may really use: the machine's, or its control group's where that is smaller."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MB
    return min([machine, *_control_group_limits_mb()])


def engine_memory_mb() -> int:
    """A safe part for the engine: half of the memory, and half of what the program leaves of little memory."""
    memory = physical_memory_mb()
    shares = [memory // 2 if memory >= _FRUGAL_BELOW_MB else (memory - _PROGRAM_MB) // 2]
    address_space = address_space_mb()
    if address_space is not None:
        shares.append((address_space - _PROGRAM_MB) // 2)
    return max(_ENGINE_MB_MIN, min(shares))


def _control_group_limits_mb() -> list[int]:
    """The limits of our control group and of those above it, version 2 and version 1."""
    limits: list[int] = []
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return limits
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, name = Path("/sys/fs/cgroup"), "memory.max"
        elif "memory" in controllers.split(","):
            root, name = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
        else:
            continue
        inner = root / path.lstrip("/")
        for folder in [inner, *inner.parents]:
            if folder.is_relative_to(root):
                limits += _limit_mb(folder / name)
    return limits


def _limit_mb(file: Path) -> list[int]:
    try:
        text = file.read_text().strip()
    except OSError:
        return []
    return [int(text) // _MB] if text.isdigit() and int(text) > 0 else []


def _data_dir(env: Mapping[str, str], cwd: Path) -> Path:
    """EVERYCENT_DATA_DIR, or the nearest .everycent upward, or ./.everycent."""
    if named := env.get("EVERYCENT_DATA_DIR"):
        chosen = Path(named).expanduser()
        if chosen.exists() and not chosen.is_dir():
            raise _wrong("EVERYCENT_DATA_DIR", named, "a folder; this is a file")
        return (cwd / chosen).resolve()
    for folder in [cwd, *cwd.parents]:
        if (folder / ".everycent").is_dir():
            return (folder / ".everycent").resolve()
    return (cwd / ".everycent").resolve()


def _database_url(env: Mapping[str, str]) -> str | None:
    url = env.get("EVERYCENT_DATABASE_URL") or None
    if url is not None and not url.startswith(("postgresql://", "postgres://")):
        scheme = url.split(":", 1)[0]  # the rest may hold a password
        raise _wrong("EVERYCENT_DATABASE_URL", f"{scheme}:…", "postgresql://user@host:port/name")
    return url


def _whole(env: Mapping[str, str], name: str, default: int, at_least: int) -> int:
    text = env.get(name, "")
    if text == "":
        return default
    if not (text.isascii() and text.isdigit()) or int(text) < at_least:
        raise _wrong(name, text, f"a whole number of at least {at_least}")
    return int(text)


def _wrong(name: str, value: str, right: str) -> SettingsError:
    return SettingsError(f"{name} is '{value}'; right would be: {right}")
