"""Seeded kills of the whole path, from initdb to the bank file: running again gives what one undisturbed run gives.

The command's process group, the postmaster, initdb or all of them get SIGKILL, at random moments and exactly where it
would hurt most. Then the same command runs again, and the canonical dump must have the hash of the undisturbed run's.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from server_folders import server_folder
from workplace import Done, Found, Place, finish, run_arguments

from everycent.base.platform.server_process import cluster_processes, postmaster_pid
from everycent.serve.demo.marketplace import DemoFiles, generate

ORDERS = 150
#: Small shards, so that there are many commits; a part of the cases writes every batch into the lake.
TIERS = {
    "hot": {"EVERYCENT_BATCH_ROWS": "60"},
    "lake": {"EVERYCENT_BATCH_ROWS": "60", "EVERYCENT_LAKE_FROM_ROWS": "5"},
}
MISSES_MAX = 5


@dataclass
class World:
    """One worker's marketplace, what an undisturbed run makes of it, and a data directory with an empty database."""

    folder: Path
    files: DemoFiles
    run_s: float = 0.0
    references: dict[str, tuple[Found, dict[str, bytes]]] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        return run_arguments(self.files)

    def reference(self, tier: str) -> tuple[Found, dict[str, bytes]]:
        """What one undisturbed run leaves in the database and for the bank."""
        if tier not in self.references:
            place = self.place(f"undisturbed-{tier}", tier, fresh=False)
            began = time.monotonic()
            self.heal(place)
            self.run_s = time.monotonic() - began
            found = place.examine(verified=True)
            assert place.run(["db", "dump", "--hash"]).out.strip() == found.dump_hash
            self.references[tier] = found, bank_files(place)
        return self.references[tier]

    def place(self, name: str, tier: str, *, fresh: bool) -> Place:
        """A new place: with nothing at all, or with a database that was made and stopped."""
        place = Place(self.folder / name, TIERS[tier])
        if not fresh:
            made = Place(self.folder / "empty")
            if not made.data_dir.exists():
                assert made.run(["db", "upgrade"]).code == 0
            subprocess.run(["cp", "-a", str(made.data_dir), str(place.data_dir)], check=True)
        return place

    def heal(self, place: Place) -> Done:
        """Runs undisturbed, and verifies what is stored then."""
        done = place.run(self.arguments)
        assert done.code == 0, done.err
        assert "verified: every cent accounted for" in done.out
        return done


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    folder = server_folder("everycent-places-")
    yield World(folder, generate(folder / "market", ORDERS, seed=5))
    for place in folder.iterdir():
        Place(place).clear()
    shutil.rmtree(folder, ignore_errors=True)


def bank_files(place: Place) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in place.out.iterdir() if file.suffix in (".xml", ".csv")}


#: Does its worst to a run in a place; says whether it hit, for a run may end before.
Kill = Callable[[World, Place, random.Random], bool]


def at_spot(function: str, when: str, among: int = 1, victim: str = "self") -> Kill:
    """A kill just before or after one of the first `among` calls of a function."""

    def kill(world: World, place: Place, chance: random.Random) -> bool:
        driver = [f"everycent.{function}", when, str(chance.randint(1, among)), victim]
        done = place.run(world.arguments, driver)
        if victim == "self":
            assert done.code in (0, -signal.SIGKILL), done.err
            return done.code != 0
        return ended_well_without_a_server(done)

    return kill


def ended_well_without_a_server(done: Done) -> bool:
    """True where the dead server was missed: then the command says so, in a line that helps."""
    assert done.code in (0, 75), done.err
    assert done.code == 0 or done.told, done.err
    return done.code != 0


def command_at_random(world: World, place: Place, chance: random.Random, within: float = 1.0) -> bool:
    """A kill `within` a part of the time that a whole run takes."""
    command = place.start(world.arguments)
    time.sleep(chance.uniform(0.0, world.run_s * within))
    return killed(command)


def killed(command: "subprocess.Popen[str]") -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(command.pid, signal.SIGKILL)
    done = finish(command)
    assert done.code in (0, -signal.SIGKILL), done.err
    return done.code != 0


def postmaster_at_random(world: World, place: Place, chance: random.Random) -> bool:
    command = place.start(world.arguments)
    pid = wait_for(command, lambda: postmaster_pid(place.cluster))
    time.sleep(chance.uniform(0.0, world.run_s * 0.7))
    with contextlib.suppress(ProcessLookupError):
        if pid is not None and pid == postmaster_pid(place.cluster):  # 0 would be our own group
            os.kill(pid, signal.SIGKILL)
    return ended_well_without_a_server(finish(command))


def everything_at_random(world: World, place: Place, chance: random.Random) -> bool:
    """As when the power goes."""
    command = place.start(world.arguments)
    time.sleep(chance.uniform(0.0, world.run_s))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(command.pid, signal.SIGSTOP)
    for pid in cluster_processes(place.cluster):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return killed(command)


def command_in_initdb(world: World, place: Place, chance: random.Random) -> bool:
    """initdb lives on without its command, for a while."""
    command = place.start(world.arguments)
    wait_for(command, lambda: initdb_of(command))
    time.sleep(chance.uniform(0.0, 1.5))
    return killed(command)


def initdb_itself(world: World, place: Place, chance: random.Random) -> bool:
    command = place.start(world.arguments)
    pid = wait_for(command, lambda: initdb_of(command))
    time.sleep(chance.uniform(0.0, 0.3))
    with contextlib.suppress(ProcessLookupError):
        if pid is not None and pid == initdb_of(command):
            os.kill(pid, signal.SIGKILL)
    return ended_well_without_a_server(finish(command))


def wait_for(command: "subprocess.Popen[str]", seen: Callable[[], int | None]) -> int | None:
    """The process that is waited for; None where the command ended before it was seen."""
    while command.poll() is None:
        if (pid := seen()) is not None:
            return pid
        time.sleep(0.002)
    return None


def initdb_of(command: "subprocess.Popen[str]") -> int | None:
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "initdb":
                return int(child)
    return None


FIRST_START: tuple[Kill, ...] = (command_in_initdb, initdb_itself)
KILLS: tuple[Kill, ...] = (
    *FIRST_START,
    at_spot("base.platform.batches:OpenBatch.commit", "before", 6),
    command_at_random,
    at_spot("base.platform.tasks:mark_done", "after", 6),
    postmaster_at_random,
    at_spot("base.platform.batches:OpenBatch.commit", "after", 6),
    at_spot("flow.settlement.store:close", "after"),
    everything_at_random,
    at_spot("base.platform.batches:OpenBatch.commit", "before", 6, victim="postmaster"),
    at_spot("flow.payments.store:write", "after"),
    at_spot("flow.pipeline.export:write_table", "before", 3),
)
MORE_SPOTS: tuple[Kill, ...] = (
    at_spot("base.platform.postgres:_make_cluster", "after"),
    at_spot("base.platform.postgres:_launch", "after"),
    at_spot("base.platform.migrate:_refuse_newer", "after"),
    at_spot("base.platform.migrate:_refuse_newer", "after", victim="postmaster"),
    at_spot("base.platform.lake:_write", "after", 8),
    at_spot("base.platform.lake:_sync_folders", "before", 8),
    at_spot("base.platform.batches:OpenBatch._insert_batch", "after", 6),
    at_spot("base.platform.batches:copy_in", "after", 6, victim="postmaster"),
    at_spot("flow.settlement.store:write", "after", 6),
    at_spot("flow.ledger.store:write", "after", 6),
    at_spot("flow.pipeline.taking:FileTask.merge", "before", 3),
    at_spot("flow.pipeline.taking:FileTask.merge", "after", 3, victim="postmaster"),
    at_spot("flow.settlement.store:move_book_date", "after"),
    at_spot("flow.settlement.service:close_due", "after"),
    at_spot("flow.payments.service:instruct", "after", victim="postmaster"),
    at_spot("proof.recon.service:insert_run", "after", 3),
    at_spot("flow.payments.store:set_files", "after"),
    at_spot("flow.payments.core.bank_file:validate_pain001", "after"),
    at_spot("flow.pipeline.export:write_table", "after", 3, victim="postmaster"),
)


def disturb_and_heal(world: World, name: str, tier: str, kills: list[Kill], chance: random.Random) -> None:
    """Several kills in a row in one place, each of which hits; then one run to the end, and all is as it should be."""
    expected, bank = world.reference(tier)
    place = world.place(name, tier, fresh=kills[0] in FIRST_START)
    for kill in kills:
        hit = kill(world, place, chance)
        for misses in range(MISSES_MAX):
            hit = hit or command_at_random(world, place, chance, within=0.5**misses)
        assert hit, "no run was slow enough to be killed"
    world.heal(place)
    found = place.examine(verified=True)
    missing = sorted(set(expected.lines) - set(found.lines))[:3], sorted(set(found.lines) - set(expected.lines))[:3]
    assert found.dump_hash == expected.dump_hash, f"lacking and in excess: {missing}"
    assert (found.orphans, found.missing) == ((), ())
    assert place.leftovers() == []
    assert bank_files(place) == bank, "the bank gets the same bytes"
    place.clear()


def test_a_kill_of_each_process_heals(world: World):
    """The command while initdb runs, the command at a commit, the server."""
    kills = [command_in_initdb, at_spot("base.platform.batches:OpenBatch.commit", "before", 6), postmaster_at_random]
    disturb_and_heal(world, "few", "lake", kills, random.Random(0))


@pytest.mark.soak
@pytest.mark.parametrize(("number", "tier"), [(0, "hot"), (1, "lake"), (2, "lake"), (3, "hot")])
def test_twelve_kills_heal(world: World, number: int, tier: str):
    """Three kinds of kill each, all kinds among them."""
    disturb_and_heal(world, f"twelve-{number}", tier, list(KILLS[3 * number : 3 * number + 3]), random.Random(number))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100))
def test_two_hundred_kills_heal(world: World, seed: int):
    """One to three kills of random kinds each."""
    chance = random.Random(seed)
    kills = chance.choices((*KILLS, *MORE_SPOTS), k=(1, 2, 3, 2)[seed % 4])
    kills.sort(key=lambda kill: kill not in FIRST_START)  # there is one first start
    disturb_and_heal(world, f"many-{seed}", chance.choice(list(TIERS)), kills, chance)
