"""A folder to work in is there while it is used, and never longer than until the next one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from everycent.base.platform.work_folder import work_folder

_DIES = """
import os, signal, sys
from pathlib import Path
from everycent.base.platform.work_folder import work_folder
with work_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_is_gone_afterwards_also_where_the_work_fails(tmp_path: Path) -> None:
    parent = tmp_path / "not" / "there yet"
    with pytest.raises(ZeroDivisionError), work_folder(parent) as folder:
        (folder / "inside").mkdir()
        raise ZeroDivisionError
    assert list(parent.iterdir()) == []


def test_each_has_one_of_its_own(tmp_path: Path) -> None:
    with work_folder(tmp_path) as one, work_folder(tmp_path) as other:
        assert one != other and one.is_dir() and other.is_dir()


def test_what_a_kill_leaves_goes_with_the_next_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "another's").mkdir()
    with work_folder(tmp_path) as held:
        ended = subprocess.run([sys.executable, "-c", _DIES, str(tmp_path)], check=False)
        assert ended.returncode == -signal.SIGKILL
        assert len(list(tmp_path.glob("*/half"))) == 1
        with work_folder(tmp_path):
            assert list(tmp_path.glob("*/half")) == []
        assert held.is_dir()
    assert [left.name for left in tmp_path.iterdir()] == ["another's"]
