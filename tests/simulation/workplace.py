"""A marketplace's files, and places where the real command takes them in: one process each, killed or left alone."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from everycent.base.engine.local import LocalEngine
from everycent.base.platform import postgres
from everycent.base.platform.database import connect
from everycent.base.platform.details import Details
from everycent.base.platform.dump import dump
from everycent.base.platform.server_process import cluster_processes
from everycent.base.platform.settings import Settings
from everycent.proof.verify.service import verify
from everycent.serve.demo.marketplace import DemoFiles
from everycent.serve.wiring import DETAIL_TABLES

PATIENCE_S = 240.0
DRIVER = Path(__file__).with_name("kill_driver.py")
#: Half-written things that a kill may leave behind, and the next run must not.
LEFTOVERS = ("lake/**/.partial-*", "tmp/*", "postgres/data.new-*", "*.new", "../out/.*.part")


@dataclass(frozen=True)
class Done:
    """A command that came to its end."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> bool:
        """What a person can act on: some line of our own, and no trace."""
        return "everycent: " in self.err and "Traceback" not in self.err + self.out


@dataclass(frozen=True)
class Found:
    """What a place holds once the dust has settled."""

    dump_hash: str
    lines: tuple[bytes, ...]  # of the canonical dump
    orphans: tuple[str, ...]  # lake files that no batch lists
    missing: tuple[str, ...]  # files listed that are not there
    verified: bool


@dataclass
class Place:
    """A data directory and an output folder of their own; `settings` are EVERYCENT_… variables of its commands."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)  # root's server runs as another user, who must pass through

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def cluster(self) -> Path:
        """The database's own folder."""
        return self.data_dir / "postgres" / "data"

    @property
    def env(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("EVERYCENT_") and name != "PYTHONDONTWRITEBYTECODE"  # many processes start here
        }
        return {**kept, "EVERYCENT_DATA_DIR": str(self.data_dir), **self.settings}

    def start(self, arguments: Sequence[str], driver: Sequence[str] = (), **more: str) -> "subprocess.Popen[str]":
        """Starts a command as the leader of a process group of its own; `driver` sets what kill_driver.py does."""
        program = [str(DRIVER), *driver, "--"] if driver else ["-m", "everycent.serve.cli"]
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            env={**self.env, **more},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, arguments: Sequence[str], driver: Sequence[str] = (), **more: str) -> Done:
        """Runs a command to its end."""
        return finish(self.start(arguments, driver, **more))

    def examine(self, *, verified: bool = False) -> Found:
        """Looks at everything that is stored; what was `verified` just now is not verified again."""
        settings = Settings.load({**self.env, "EVERYCENT_THREADS": "1"})
        with (
            postgres.serving(settings) as running,
            connect(running) as connection,
            LocalEngine(1, 512, self.folder / "spill") as engine,
        ):
            details = Details(connection, running.lake_dir, running.tenant)
            taken = _Taken()
            dump(connection, details, engine, DETAIL_TABLES, taken)
            ok = verified or verify(connection, details, engine, running.tenant).ok
            rows = connection.execute("SELECT DISTINCT path FROM platform.batch_part WHERE path IS NOT NULL").fetchall()
        listed = {str(path) for (path,) in rows}
        stored = {str(file.relative_to(settings.lake_dir)) for file in settings.lake_dir.rglob("*.parquet")}
        text = b"".join(taken.chunks)
        return Found(
            hashlib.sha256(text).hexdigest(),
            tuple(text.splitlines()),
            tuple(sorted(stored - listed)),
            tuple(sorted(listed - stored)),
            ok,
        )

    def leftovers(self) -> list[str]:
        """Files and processes that should not be there when no command runs."""
        files = [str(found) for pattern in LEFTOVERS for found in self.data_dir.glob(pattern)]
        return files + [f"process {pid}" for pid in cluster_processes(self.cluster)]

    def clear(self) -> None:
        """Ends what may still run here, and removes the folder."""
        if self.data_dir.exists():
            postgres.stop(Settings.load(self.env))
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Watched(Done):
    """A command of `Commands`: of each work that was watched, the statements that it made inside, and whether it ended
    there."""

    statements: Sequence[int]
    inside: Sequence[bool]


class Commands:
    """Runs commands as children of one process that has everything loaded: see zygote.py."""

    def __init__(self) -> None:
        self._zygote = subprocess.Popen(
            [sys.executable, str(DRIVER.with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            start_new_session=True,
        )

    def run(
        self,
        place: Place,
        arguments: Sequence[str],
        works: Sequence[str] = (),
        death: Mapping[str, object] | None = None,
    ) -> Watched:
        """Runs a command in the place to its end, or to the moment of its death in one of the works."""
        assert self._zygote.stdin is not None and self._zygote.stdout is not None
        settings = {name: value for name, value in place.env.items() if name.startswith("EVERYCENT_")}
        asked = {"arguments": list(arguments), "environment": settings, "folder": str(place.folder)}
        asked |= {"works": list(works), "death": death}
        self._zygote.stdin.write(json.dumps(asked) + "\n")
        self._zygote.stdin.flush()
        return Watched(**json.loads(self._zygote.stdout.readline()))

    def close(self) -> None:
        """Ends the process."""
        self._zygote.communicate(timeout=PATIENCE_S)


class _Taken:
    """Takes a dump."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        self.chunks.append(chunk)


def run_arguments(files: DemoFiles, *more: str) -> list[str]:
    """`everycent run` over all of a marketplace, on its day."""
    return [
        *("run", str(files.model), "--records", str(files.folder / "data"), "--bill", str(files.bills[0])),
        *("--as-of", files.as_of.isoformat(), "--out", "out", *more),
    ]


def finish(command: "subprocess.Popen[str]") -> Done:
    """Waits for a command's end; one that hangs is killed and fails the test."""
    try:
        out, err = command.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(command.pid, signal.SIGKILL)
        command.communicate()
        raise
    return Done(command.returncode, out, err)
