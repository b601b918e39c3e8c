"""What a link's process prints: taken as it comes, so that it never waits; the beginning is passed on to standard error
once the process has ended, and what goes beyond is counted and left out."""

import os
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from threading import Event, Thread

#: So much of what one process prints is passed on.
PRINTED_BYTES_MAX = 64 << 10
_READ_BYTES = 64 << 10
_LOOKS_S = 0.2
#: Between two readings of what is left out, so that a flood takes no processor from others: some 60 MB/s at most.
_RESTS_S = 0.001
#: Readings once the process has ended: as much as a pipe holds, and no more where another one goes on writing.
_LAST_READINGS = 16


class Printed:
    """What one process prints into a pipe whose reading end this is."""

    def __init__(self, reading: Connection) -> None:
        self._reading = reading
        self._kept = bytearray()
        self._bytes = 0
        self._ended = Event()
        self._thread = Thread(target=self._take, daemon=True)
        self._thread.start()

    def tell(self, who: str, write: Callable[[str], object] | None = None) -> None:
        """Passes on what was kept, and says how much was not. The process has ended; `write`: instead of to standard
        error."""
        self._ended.set()
        self._thread.join()
        self._reading.close()
        text = self._kept.decode("utf-8", "replace")
        if self._bytes > len(self._kept):
            text += (
                f"\neverycent: {who} printed {self._bytes:,} bytes; these are the first {len(self._kept):,}, "
                "the others are left out\n"
            )
        if text:
            (write or sys.stderr.write)(text)

    def _take(self) -> None:
        readings = _LAST_READINGS
        while readings:
            if self._ended.is_set():
                readings -= 1
            if not self._reading.poll(0 if self._ended.is_set() else _LOOKS_S):
                if self._ended.is_set():
                    return
                continue
            came = os.read(self._reading.fileno(), _READ_BYTES)
            if not came:
                return
            self._bytes += len(came)
            self._kept += came[: PRINTED_BYTES_MAX - len(self._kept)]
            if len(self._kept) == PRINTED_BYTES_MAX:
                time.sleep(_RESTS_S)
