"""Room on a disk: what to say where there is too little of it."""

import shutil
from pathlib import Path

#: PostgreSQL needs room for a segment of its log (16 MB) to go on; below this a disk counts as full.
_ROOM_BYTES_MIN = 20 * 1024 * 1024


def lack_of_room(folder: Path) -> str:
    """A clause that says so where the folder's disk is as good as full; else nothing."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free >= _ROOM_BYTES_MIN:
        return ""
    return f"; the disk of {folder} is full, {free / 1024**2:.0f} MB are left: make room"
