"""What there is too little of: memory, and room on the disk. The work goes through, or says so and goes on later."""

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_folders import server_folder
from workplace import Place, run_arguments

from everycent.serve.demo.marketplace import DemoFiles, generate

LIMIT_BYTES = 1 << 30
_MB = 1 << 20


#: Every batch's tables of items go into the lake, those of refunds into PostgreSQL.
SETTINGS = {"EVERYCENT_BATCH_ROWS": "1700", "EVERYCENT_LAKE_FROM_ROWS": "1400"}


@pytest.fixture
def folder() -> Iterator[Path]:
    made = server_folder("everycent-places-")
    yield made
    for place in made.iterdir():
        if place.is_dir():
            Place(place).clear()
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def free() -> Iterator[tuple[DemoFiles, str]]:
    """A marketplace, and the hash of what a run leaves that has all it needs."""
    made = server_folder("everycent-places-")
    market, place = generate(made / "market", 2_000, seed=6), Place(made / "free", SETTINGS)
    assert place.run(run_arguments(market)).code == 0
    yield market, place.examine().dump_hash
    place.clear()
    shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """Processes that start inside, and theirs, have 1 GB of address space each, as after `ulimit -v 1048576`."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def run_in_little_memory(place: Place, market: DemoFiles, patience_s: float | None = None) -> None:
    with little_memory():
        command = place.start(run_arguments(market))
    out, err = command.communicate(timeout=patience_s)
    assert command.returncode == 0, err
    assert "verified: every cent accounted for" in out


def test_the_whole_path_in_one_gigabyte(folder: Path, free: tuple[DemoFiles, str]):
    market, expected = free
    place = Place(folder / "limited", SETTINGS)
    run_in_little_memory(place, market, patience_s=280)
    assert place.examine().dump_hash == expected


@pytest.mark.soak
def test_an_input_larger_than_its_memory_goes_through(folder: Path):
    market = generate(folder / "market", 3_200_000, seed=4, file_format="csv")
    read = sum(file.stat().st_size for file in (*market.records, *market.bills))
    assert read > LIMIT_BYTES
    run_in_little_memory(Place(folder / "limited"), market)


@pytest.mark.soak
def test_verification_goes_through_with_the_least_memory_of_the_engine(folder: Path):
    """What is looked at together fits: slices of rows, and few threads."""
    market = generate(folder / "market", 300_000, seed=4)
    place = Place(folder / "limited")
    taken_in = place.start(run_arguments(market)).communicate()
    assert "verified: every cent accounted for" in taken_in[0], taken_in[1]
    verifying = place.start(["verify"], EVERYCENT_MEMORY_MB="64")
    out, err = verifying.communicate()
    assert verifying.returncode == 0, err
    assert "verified: every cent accounted for" in out


@contextlib.contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """A file system of its own; only root can make one."""
    disk = folder / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=711", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"no small disk to fill: mounting one needs root ({made.stderr.strip()})")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


# After its migrations a new database has a second segment of 16 MB for its log, so the run fits into 15 MB.
@pytest.mark.parametrize("room_mb", [8, *(pytest.param(room_mb, marks=pytest.mark.soak) for room_mb in (1, 4))])
def test_a_full_disk_is_named_and_nothing_is_half_done(folder: Path, free: tuple[DemoFiles, str], room_mb: int):
    """The disk has so much room left, once an empty database is there; then somebody removes what filled it."""
    market, expected = free
    with small_disk(folder, size_mb=400) as disk:
        place = Place(disk / "place", SETTINGS)
        assert place.run(["db", "upgrade"]).code == 0
        ballast = disk / "ballast"
        fill(ballast, shutil.disk_usage(disk).free - room_mb * _MB)
        done = place.run(run_arguments(market))
        assert done.code == 75, done.err or done.out
        assert done.told, done.err
        assert "full" in done.err and "room" in done.err, done.err
        ballast.unlink()
        again = place.run(run_arguments(market))
        assert again.code == 0, again.err
        found = place.examine()
        assert found.dump_hash == expected
        assert (found.orphans, found.missing, found.verified) == ((), (), True)
        assert place.leftovers() == []
        place.clear()


def fill(ballast: Path, size_bytes: int) -> None:
    """Takes so much room, or all there is."""
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, size_bytes)
