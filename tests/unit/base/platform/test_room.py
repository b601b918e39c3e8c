from pathlib import Path

import pytest

from everycent.base.platform import room
from everycent.base.platform.room import lack_of_room


def test_a_disk_without_room_for_the_database_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert lack_of_room(tmp_path / "not" / "yet") == ""
    monkeypatch.setattr(room, "_ROOM_BYTES_MIN", 1 << 62)
    assert lack_of_room(tmp_path / "not" / "yet").startswith(f"; the disk of {tmp_path} is full, ")
