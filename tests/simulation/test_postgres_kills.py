"""Seeded kills of the embedded PostgreSQL and of the commands that use it: the next command heals everything.

What must hold after each kill: the next command gets a server; every batch that a command reported as committed is
there, whole; no batch is there in part.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_folders import server_folder

from everycent.base.platform import postgres
from everycent.base.platform.database import connect
from everycent.base.platform.server_home import server_home
from everycent.base.platform.server_process import cluster_processes
from everycent.base.platform.settings import Settings

ROWS = 3000
KILLS_PER_SEED = 5
_PATIENCE_S = 60.0

TABLE = "create schema if not exists work; create table if not exists work.rows (batch int, n int)"
#: A command that commits batch after batch, telling each, until it is killed.
COMMAND = f"""
import sys
from pathlib import Path
from everycent.base.platform.database import connect
from everycent.base.platform.postgres import serving
from everycent.base.platform.settings import Settings
with serving(Settings(data_dir=Path(sys.argv[1]))) as running, connect(running) as connection:
    connection.execute("{TABLE}")
    last = connection.execute("select coalesce(max(batch), 0) from work.rows").fetchone()[0]
    print("up", flush=True)
    for batch in range(last + 1, last + 100_000):
        with connection.transaction():
            with connection.cursor().copy("copy work.rows from stdin") as copy:
                for n in range({ROWS}):
                    copy.write_row((batch, n))
        print(batch, flush=True)
"""


class Place:
    """A data directory, and what its commands reported."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o711)
        self.settings = Settings(data_dir=folder / "data")
        self.reported = folder / "reported"
        self.reported.touch()

    def command(self) -> "subprocess.Popen[bytes]":
        with self.reported.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-c", COMMAND, str(self.settings.data_dir)], stdout=out, stderr=subprocess.DEVNULL
            )

    def committed(self) -> set[int]:
        lines = self.reported.read_text().splitlines()
        return {int(line) for line in lines if line.isdigit()}

    def check(self) -> None:
        """The next command: it gets a server, and finds whole batches only."""
        with postgres.serving(self.settings) as running, connect(running) as connection:
            connection.execute(
                "create schema if not exists work; create table if not exists work.rows (batch int, n int)"
            )
            found = connection.execute("select batch, count(*), count(distinct n) from work.rows group by 1").fetchall()
            assert {batch for batch, _, _ in found} >= self.committed(), "a reported batch is lost"
            assert {(rows, distinct) for _, rows, distinct in found} <= {(ROWS, ROWS)}, "a batch is there in part"
        home = server_home(self.settings.data_dir)
        assert list(home.folder.glob("data.new*")) == []
        assert cluster_processes(home.data) == []


@pytest.fixture
def folder() -> Iterator[Path]:
    made = server_folder("everycent-kills-")
    yield made
    for data_dir in made.glob("*/data"):
        postgres.stop(Settings(data_dir=data_dir))
    shutil.rmtree(made, ignore_errors=True)


def wait_for(what: str, seen, command: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not seen():
        assert command.poll() is None, f"the command ended before {what}"
        assert time.monotonic() < deadline, f"no {what} in {_PATIENCE_S:.0f} s"
        time.sleep(0.002)


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def initdb_of(command: "subprocess.Popen[bytes]") -> int | None:
    for child in children(command.pid):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{child}/comm").read_text().strip() == "initdb":
                return child
    return None


def kill_during_first_start(place: Place, chance: random.Random) -> None:
    """The command dies while initdb or the server starts; both may live on without it."""
    command = place.command()
    wait_for("initdb", lambda: initdb_of(command), command)
    time.sleep(chance.uniform(0.0, 1.5))
    command.kill()
    command.wait()


def kill_initdb(place: Place, chance: random.Random) -> None:
    command = place.command()
    wait_for("initdb", lambda: initdb_of(command), command)
    time.sleep(chance.uniform(0.0, 0.3))
    if (initdb := initdb_of(command)) is not None:
        os.kill(initdb, signal.SIGKILL)
    time.sleep(chance.uniform(0.0, 0.1))
    command.kill()
    command.wait()


def kill_during_run(place: Place, chance: random.Random) -> None:
    command = started(place)
    time.sleep(chance.uniform(0.0, 0.3))
    command.kill()
    command.wait()


def kill_postmaster(place: Place, chance: random.Random) -> None:
    """The server dies in the middle of a COPY; its backends are orphans for a while."""
    command = started(place)
    time.sleep(chance.uniform(0.0, 0.3))
    pid = postgres.status(place.settings).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    if chance.random() < 0.5:
        command.kill()  # at once, so that the next command meets the orphans
    assert command.wait(_PATIENCE_S) != 0


def kill_everything(place: Place, chance: random.Random) -> None:
    """As when the power goes: the command, the postmaster and all backends."""
    command = started(place)
    time.sleep(chance.uniform(0.0, 0.3))
    command.kill()
    for pid in cluster_processes(server_home(place.settings.data_dir).data):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    command.wait()


def started(place: Place) -> "subprocess.Popen[bytes]":
    before = place.reported.read_text().count("up")
    command = place.command()
    wait_for("server", lambda: place.reported.read_text().count("up") > before, command)
    return command


FRESH = (kill_during_first_start, kill_initdb)
RUNNING = (kill_during_run, kill_postmaster, kill_everything)


def run_seed(folder: Path, seed: int) -> None:
    """Two kills of a first start, in places of their own, then three of a running server in one place."""
    chance = random.Random(seed)
    for number, kill in enumerate(FRESH):
        fresh = folder / f"fresh-{number}"
        fresh.mkdir()
        place = Place(fresh)
        kill(place, chance)
        place.check()
    (folder / "used").mkdir()
    place = Place(folder / "used")
    for kill in chance.sample(RUNNING, k=KILLS_PER_SEED - len(FRESH)):
        kill(place, chance)
        place.check()


def test_each_kind_of_kill_heals(folder: Path):
    run_seed(folder, 0)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
def test_two_hundred_kills_heal(folder: Path, seed: int):
    run_seed(folder, seed)


def test_two_commands_killed_while_they_share_a_server(folder: Path):
    (folder / "shared").mkdir()
    place = Place(folder / "shared")
    first = started(place)
    program = COMMAND.replace("work", "other")
    second = subprocess.Popen([sys.executable, "-c", program, place.settings.data_dir], stdout=subprocess.DEVNULL)
    time.sleep(1.0)
    first.kill()
    first.wait()
    assert second.poll() is None, "the other command goes on"
    second.kill()
    second.wait()
    place.check()
