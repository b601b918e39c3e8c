"""A folder to work in, gone afterwards; what a kill leaves behind goes with the next one."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

_PREFIX = "work-"


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """A new folder below `parent`, which is made where it is not there.

    Whoever works in one holds a lock on it, which vanishes with its process: folders that nobody holds are removed.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with _locked(parent):  # nobody takes a folder for left behind between its making and its lock
        for left in sorted(parent.glob(f"{_PREFIX}*")):
            _remove_abandoned(left)
        folder = Path(mkdtemp(prefix=_PREFIX, dir=parent))
        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _remove_abandoned(folder: Path) -> None:
    try:
        held = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:  # its own command has removed it
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)
