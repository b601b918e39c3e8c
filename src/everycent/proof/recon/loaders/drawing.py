"""Several sources drawn from at once, each by a thread of its own, and given one after the other."""

from collections.abc import Iterator, Sequence
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

Given = TypeVar("Given")

#: What a source may have given before its turn comes.
_WAITING = 4
_LOOKS_S = 0.2


def drawn_in_order(sources: Sequence[Iterator[Given]]) -> Iterator[Given]:
    """All of the first source, then all of the next. Raises what a source raises, in its turn.

    Whoever stops taking ends the threads with their next item.
    """
    given_up = Event()
    queues: list[Queue[tuple[str, Any]]] = [Queue(_WAITING) for _ in sources]
    for source, queue in zip(sources, queues, strict=True):
        Thread(target=_draw, args=(source, queue, given_up), daemon=True).start()
    try:
        for queue in queues:
            while (found := _taken(queue)) and found[0] == "item":
                yield found[1]
            if found[0] == "failed":
                raise found[1]
    finally:
        given_up.set()


def _taken(queue: Queue[tuple[str, Any]]) -> tuple[str, Any]:
    while True:
        try:
            return queue.get(timeout=_LOOKS_S)
        except Empty:
            continue


def _draw(source: Iterator[Any], queue: Queue[tuple[str, Any]], given_up: Event) -> None:
    try:
        for item in source:
            if not _put(queue, ("item", item), given_up):
                return
        _put(queue, ("done", None), given_up)
    except Exception as error:
        _put(queue, ("failed", error), given_up)


def _put(queue: Queue[tuple[str, Any]], found: tuple[str, Any], given_up: Event) -> bool:
    while not given_up.is_set():
        try:
            queue.put(found, timeout=_LOOKS_S)
            return True
        except Full:
            continue
    return False
