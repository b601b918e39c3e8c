"""Folders for tests that start a database: root's server runs as another user, who must be able to get there."""

import tempfile
from pathlib import Path

from everycent.base.platform.server_home import Account, _reachable, server_account


def server_folder(prefix: str) -> Path:
    """A new folder that the server's user can reach, in the usual place for temporary files where that can be."""
    account = server_account()
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_reachable_place(account)))
    folder.chmod(0o711)
    return folder


def _reachable_place(account: Account) -> Path:
    usual = Path(tempfile.gettempdir())
    if not account.switch:
        return usual
    return next((place for place in (usual, Path("/tmp"), Path("/var/tmp")) if _reachable(place, account)), usual)
