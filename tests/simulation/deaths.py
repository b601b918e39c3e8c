"""kill -9 of a command that works, wherever it is once it has done some, and its successor that ends the work."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from workplace import Done, Place, finish

from everycent.serve.cli import exits


def killed_at_work(command: "subprocess.Popen[str]", chance: random.Random, enough: Callable[[], bool]) -> bool:
    """It dies while it works: at a moment after it has done enough; whether it was alive until then."""
    while not enough() and command.poll() is None:
        time.sleep(0.001)
    time.sleep(chance.random() / 50)
    alive = command.poll() is None
    command.send_signal(signal.SIGKILL)
    command.communicate()
    return alive


def successor(place: Place, arguments: Sequence[str]) -> Done:
    """Runs a command once the database has seen that the one before it is gone."""
    told = finish(place.start(arguments))
    while told.code == exits.UNAVAILABLE:
        told = finish(place.start(arguments))
    return told
