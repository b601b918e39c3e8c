"""Finds links among the installed packages, checks their words, and has them work without harm to the job.

A link of this package works in a thread. One of another package works in a process of its own, with limited memory: if
it throws, hangs or eats memory, that process is ended and the job goes on. Loading its module, to check a scenario's
words, happens in the job's own process.
"""

import multiprocessing
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import EntryPoint, entry_points
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import Empty, Full, Queue
from threading import Event, Thread
from time import monotonic
from typing import Any

from everycent.base.engine.declaration import Declaration
from everycent.flow.intake.contract import SourceError
from everycent.proof.recon.chain import Link, LinkFailed
from everycent.proof.recon.loading import LimitsSpec
from everycent.proof.recon.printed import Printed

_OWN = "everycent."
#: Parts that wait to be taken, of one link.
_WAITING = 4
_MB = 1 << 20
_LOOKS_S = 0.2
#: A process of its own has begun by then; on a busy machine that may take long, and is no silence of the link.
_STARTS = timedelta(minutes=2)


class UnknownLink(Exception):
    """No installed package offers the link; the message lists those that are there."""


@dataclass(frozen=True)
class Chosen:
    """A link as a scenario names it, with its words, checked."""

    link: Link
    name: str
    words: Declaration
    own: bool  # of this package

    def __str__(self) -> str:
        return f"{self.link.name.lower()} '{self.name}'"

    @property
    def offered(self) -> Any:
        """The link itself."""
        return _load(self.link, self.name)


def choose(link: Link, word: Mapping[str, Any]) -> Chosen:
    """The link that `word` ({name: words}) names. Raises UnknownLink, LinkFailed where its package does not load, or
    pydantic.ValidationError for its words."""
    (name, words) = next(iter(word.items()))
    found = _load(link, name)
    try:
        declared: type[Declaration] = found.words
        drivable = link != Link.LOADER or isinstance(found.drivable, bool)
    except Exception as error:  # a plug-in may throw anything
        raise LinkFailed(f"{link.name.lower()} '{name}' is none: {error!r}; mend {_point(link, name).value}") from None
    assert drivable, "a loader says whether it can be driven"
    return Chosen(link, name, declared.model_validate(words), _point(link, name).value.startswith(_OWN))


def _point(link: Link, name: str) -> EntryPoint:
    offered = {point.name: point for point in sorted(entry_points(group=link.group), key=lambda point: point.name)}
    if name not in offered:
        there = ", ".join(offered) or "none"
        raise UnknownLink(
            f"there is no {link.name.lower()} '{name}'; installed are: {there}. Install the package that has it as an "
            f"entry point of group {link.group}"
        )
    return offered[name]


def _load(link: Link, name: str) -> Any:
    point = _point(link, name)
    try:
        with redirect_stdout(sys.stderr):  # what a module prints is no part of what the command prints
            return point.load()
    except Exception as error:  # a plug-in may throw anything
        raise LinkFailed(f"{link.name.lower()} '{name}' does not load: {error!r}; mend {point.value}") from error


class Work:
    """A link at work: what it gives, one by one, as it comes. Raises LinkFailed or SourceError."""

    def __init__(self, chosen: Chosen, method: str, arguments: tuple[Any, ...], limits: LimitsSpec) -> None:
        """Begins at once. method: of the link; one that gives no iterator gives its one value."""
        self._chosen, self._limits = chosen, limits
        self._came: Queue[tuple[str, Any]] = Queue(_WAITING)
        self._given_up = Event()
        work = _in_thread if chosen.own else _in_process
        self._thread = Thread(
            target=work, args=(chosen, method, arguments, limits, self._put, self._given_up), daemon=True
        )
        self._thread.start()
        self._came_at = monotonic()
        self._patience = limits.silent + (timedelta(0) if chosen.own else _STARTS)

    def __iter__(self) -> Iterator[Any]:
        try:
            while (found := self.take(_LOOKS_S)) is None or found[0]:
                if found is not None:
                    yield found[1]
        finally:
            self.give_up()

    def take(self, wait_s: float) -> tuple[bool, Any] | None:
        """(True, an item), or (False, None) at the end; None where nothing came within the time.

        Raises what the link raised, and LinkFailed where nothing came for too long since the last time.
        """
        try:
            what, value = self._came.get(timeout=wait_s)
        except Empty:
            if monotonic() - self._came_at > self._patience.total_seconds():
                self.give_up()
                raise LinkFailed(f"{self._chosen} gave nothing for {self._patience}; it was given up") from None
            return None
        self._came_at, self._patience = monotonic(), self._limits.silent
        if what == "begun":
            return None
        if what == "failed":
            raise value
        return what == "item", value

    def give_up(self) -> None:
        """Nobody takes any more: a process is ended; a thread ends with its next item."""
        self._given_up.set()

    def _put(self, what: str, value: Any) -> None:
        while not self._given_up.is_set():
            try:
                self._came.put((what, value), timeout=_LOOKS_S)
                return
            except Full:
                continue


def asked(chosen: Chosen, method: str, arguments: tuple[Any, ...], limits: LimitsSpec) -> Any:
    """The one value of a link's method. Raises LinkFailed, SourceError."""
    (value,) = Work(chosen, method, arguments, limits)
    return value


_Put = Callable[[str, Any], None]


def _in_thread(
    chosen: Chosen, method: str, arguments: tuple[Any, ...], limits: LimitsSpec, put: _Put, given_up: Event
) -> None:
    del limits  # the one who waits holds the time
    try:
        for item in _items(chosen, method, arguments):
            put("item", item)
            if given_up.is_set():
                return
        put("done", None)
    except Exception as error:
        put("failed", _told(chosen, error))


def _items(chosen: Chosen, method: str, arguments: tuple[Any, ...]) -> Iterator[Any]:
    given = getattr(chosen.offered, method)(chosen.words, *arguments)
    if isinstance(given, Iterator):
        yield from given
    else:
        yield given


def _told(chosen: Chosen | str, error: Exception) -> Exception:
    """A link may throw anything; what it says on purpose stays as it is."""
    if isinstance(error, LinkFailed | SourceError):
        return error
    if isinstance(error, MemoryError):
        return LinkFailed(f"{chosen} used up its memory; raise limits.memory_mb, or have it give smaller parts")
    return LinkFailed(f"{chosen} failed: {type(error).__name__}: {error}")


def _in_process(
    chosen: Chosen, method: str, arguments: tuple[Any, ...], limits: LimitsSpec, put: _Put, given_up: Event
) -> None:
    """Passes on what the process gives; ends it, and all that it began, when it is done, given up or silent for too
    long."""
    spawning = multiprocessing.get_context("spawn")
    try:
        (mine, its), (reading, printing) = spawning.Pipe(duplex=False), spawning.Pipe(duplex=False)
        work = pickle.dumps((chosen, method, arguments))  # taken out in the other process, once it is bound
        process = spawning.Process(target=_process, args=(its, printing, work, limits.memory_mb), daemon=True)
        process.start()
    except Exception as error:  # no more processes or files, or what cannot be handed over
        put("failed", LinkFailed(f"{chosen} cannot be started: {type(error).__name__}: {error}"))
        return
    its.close()
    printing.close()
    printed = Printed(reading)
    ended = False
    try:
        last = _passed_on(mine, process, chosen, put, given_up)
    except (EOFError, ConnectionError):
        ended = True
    finally:
        _end(process)
        mine.close()
        printed.tell(str(chosen))
    if ended:
        said = f"{chosen} ended by itself (exit code {process.exitcode}); memory may have run out"
        last = "failed", LinkFailed(said)
    if last is not None:
        put(*last)


def _passed_on(
    mine: Connection, process: BaseProcess, chosen: Chosen, put: _Put, given_up: Event
) -> tuple[str, Any] | None:
    """Passes items on; what came last, or None where it was given up. Raises EOFError, ConnectionError where the
    process ended by itself."""
    while not given_up.is_set():
        if not mine.poll(_LOOKS_S):
            if _has_ended(process) and not mine.poll():
                raise EOFError  # what it began may still hold the other end
            continue
        what, value = _received(mine, chosen)
        if what not in ("begun", "item"):
            return what, value
        put(what, value)
    return None


def _received(mine: Connection, chosen: Chosen) -> tuple[str, Any]:
    """What came; a thing that cannot be made again here counts as a failure."""
    try:
        what, value = mine.recv()
    except (EOFError, ConnectionError):
        raise
    except Exception as error:  # a plug-in may give anything
        return "failed", LinkFailed(f"{chosen} gave what cannot be taken: {type(error).__name__}: {error}")
    return what, value


def _has_ended(process: BaseProcess) -> bool:
    """Whether it ended by itself; it is left to be waited for, so that its number stays its own."""
    assert process.pid is not None, "it was started"
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: BaseProcess) -> None:
    """Ends the process and all of its group. It is not waited for before, so its number is no other's yet."""
    assert process.pid is not None, "it was started"
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _process(its: Connection, printing: Connection, work: bytes, memory_mb: int) -> None:
    """The other process, the first of a group of its own: data that it takes beyond the limit is a MemoryError there,
    and what it prints is no part of what the command prints."""
    told = "a link"
    try:
        os.setsid()
        for descriptor in (1, 2):
            os.dup2(printing.fileno(), descriptor)
        printing.close()
        its.send(("begun", None))
        begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        most = begun + memory_mb * _MB
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        chosen, method, arguments = pickle.loads(work)
        told = str(chosen)
        for item in _items(chosen, method, arguments):
            its.send(("item", item))
        last: tuple[str, Any] = ("done", None)
    except BaseException as error:
        failed = _told(told, error) if isinstance(error, Exception) else LinkFailed(f"{told} ended: {error!r}")
        last = ("failed", failed)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a plug-in may have closed it
            stream.flush()  # once the last word is there, the process is ended
    its.send(last)
