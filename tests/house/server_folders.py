"""Folders for tests that start a database: root's server runs as another user, who must be able to get there."""

import os
import shutil
import tempfile
from pathlib import Path

from everycent.base.platform.server_home import Account, _reachable, server_account

#: A file system in memory: a database of hundreds of files is copied and dropped there in a fifth of the time.
_MEMORY, _ROOM_BYTES = Path("/dev/shm"), 4 << 30


def server_folder(prefix: str) -> Path:
    """A new folder that the server's user can reach: where TMPDIR says, else in memory, else where temporary files
    usually are."""
    account = server_account()
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_reachable_place(account)))
    folder.chmod(0o711)
    return folder


def _reachable_place(account: Account) -> Path:
    usual = Path(tempfile.gettempdir())
    if "TMPDIR" not in os.environ and _has_room(_MEMORY):
        usual = _MEMORY
    if not account.switch:
        return usual
    return next((place for place in (usual, Path("/tmp"), Path("/var/tmp")) if _reachable(place, account)), usual)


def _has_room(place: Path) -> bool:
    return os.access(place, os.W_OK | os.X_OK) and shutil.disk_usage(place).free > _ROOM_BYTES
