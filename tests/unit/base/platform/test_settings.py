"""Settings come from the environment; wrong ones are named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from everycent.base.platform.settings import BATCH_ROWS_MAX, Settings, SettingsError


def test_defaults(tmp_path: Path):
    settings = Settings.load({}, tmp_path)
    assert settings.data_dir == tmp_path / ".everycent"
    assert (settings.tenant, settings.database_url, settings.lake_from_rows) == ("default", None, 50_000)
    assert settings.threads >= 1 and settings.memory_mb >= 64 and 20_000 <= settings.batch_rows <= BATCH_ROWS_MAX


def test_the_nearest_data_directory_upward_is_taken(tmp_path: Path):
    (tmp_path / ".everycent").mkdir()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert Settings.load({}, inner).data_dir == tmp_path / ".everycent"
    assert Settings.load({"EVERYCENT_DATA_DIR": "here"}, inner).data_dir == inner / "here"


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("EVERYCENT_TENANT", "a/b", "a name of letters"),
        ("EVERYCENT_TENANT", "", "a name of letters"),
        ("EVERYCENT_MEMORY_MB", "1GB", "a whole number of at least 64"),
        ("EVERYCENT_MEMORY_MB", "5", "a whole number of at least 64"),
        ("EVERYCENT_THREADS", "0", "a whole number of at least 1"),
        ("EVERYCENT_THREADS", "²", "a whole number of at least 1"),
        ("EVERYCENT_BATCH_ROWS", "-3", "a whole number of at least 1"),
        ("EVERYCENT_LAKE_FROM_ROWS", "many", "a whole number of at least 1"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, name: str, value: str, right: str):
    with pytest.raises(SettingsError, match=f"{name} is '{value}'; right would be: {right}"):
        Settings.load({name: value}, tmp_path)


def test_the_shards_of_a_large_file_go_to_the_lake(tmp_path: Path):
    for batch_rows, lake_from_rows in (("500000", 50_000), ("20000", 20_000), ("60", 10_000)):
        assert Settings.load({"EVERYCENT_BATCH_ROWS": batch_rows}, tmp_path).lake_from_rows == lake_from_rows


def test_little_memory_is_for_few_threads(tmp_path: Path):
    for memory_mb, threads_max in (("64", 1), ("255", 1), ("256", 2), ("100000", len(os.sched_getaffinity(0)))):
        assert 1 <= Settings.load({"EVERYCENT_MEMORY_MB": memory_mb}, tmp_path).threads <= threads_max
    assert Settings.load({"EVERYCENT_MEMORY_MB": "64", "EVERYCENT_THREADS": "3"}, tmp_path).threads == 3


def test_a_wrong_address_does_not_show_its_password(tmp_path: Path):
    with pytest.raises(SettingsError, match="EVERYCENT_DATABASE_URL is 'mysql:…'") as caught:
        Settings.load({"EVERYCENT_DATABASE_URL": "mysql://me:secret@host/db"}, tmp_path)
    assert "secret" not in str(caught.value)


def test_a_file_is_no_data_directory(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match=r"EVERYCENT_DATA_DIR is .* this is a file"):
        Settings.load({"EVERYCENT_DATA_DIR": str(tmp_path / "file")}, tmp_path)


@pytest.mark.parametrize(("limit_kb", "frugal"), [(1024 * 1024, True), (8 * 1024 * 1024, False)])
def test_a_small_address_space_makes_the_engine_small(limit_kb: int, frugal: bool):
    program = (
        "from everycent.base.platform.settings import Settings, frugal_environment as f; s = Settings.load();"
        "print(s.memory_mb <= 192 and s.threads == 1 and s.batch_rows <= 20_000, f().get('MALLOC_ARENA_MAX'))"
    )
    command = f"ulimit -v {limit_kb}; exec {sys.executable} -c '{program.replace(chr(39), chr(34))}'"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, env={"PATH": "/bin"})
    assert ended.stdout.split() == (["True", "1"] if frugal else ["False", "None"])
