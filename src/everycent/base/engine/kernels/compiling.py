"""How kernels are compiled: once per machine, kept on disk, so that the next process starts at once."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from threading import RLock
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

Taken = ParamSpec("Taken")
Given = TypeVar("Given")

#: What stands for each kernel until it is called, and what Numba made of it.
_kernels: dict[Callable[..., Any], Callable[..., Any]] = {}
_compiled: dict[Callable[..., Any], Any] = {}

#: Those whose arrays are not reference-counted.
_uncounted: set[Callable[..., Any]] = set()

_one_at_a_time = RLock()

#: How folders of machine code are called; behind it stands what they were compiled from.
_FOLDER = "kernels-"


def kernel(function: Callable[Taken, Given]) -> Callable[Taken, Given]:
    """`function` compiled by Numba at its first call; until then Numba, which takes a second to load, is not imported.

    The machine code is kept beside the source, or in the user's cache directory where the install is read-only; where
    neither can be written, it is compiled anew in each process. A kernel may call kernels of its own folder, and take
    types from it, no others: what is kept goes by the sources of that folder, so that none of it outlives a change.
    """
    compiled: Any = None

    @wraps(function)
    def at_first_call(*args: Taken.args, **kwargs: Taken.kwargs) -> Given:
        nonlocal compiled
        if compiled is None:
            with _one_at_a_time:
                _make_callable(function.__globals__, set())
                compiled = _compile(function)
        given: Given = compiled(*args, **kwargs)
        return given

    _kernels[at_first_call] = function
    return at_first_call


def uncounted(function: Callable[Taken, Given]) -> Callable[Taken, Given]:
    """A `kernel` that creates no array and hands none back, whose arrays are therefore not reference-counted.

    Counting each array that a small kernel is handed costs more than its work. The caller holds all of them; a kernel
    that did create one would not compile. (Numba has no public word for this: with `forceinline`, which it has, sharing
    from room to room takes twice the time.)
    """
    _uncounted.add(function)
    return kernel(function)


def interpreted(function: Callable[Taken, Given]) -> Callable[Taken, Given]:
    """A kernel as plain Python, with the kernels of its file that it calls: for input so small that loading Numba,
    which takes a second, would be most of the work. One that was called before is compiled already, and stays so."""
    if function not in _kernels:
        return function
    made = _kernels[function]
    plain: Callable[Taken, Given] = _interpreted(made.__code__.co_filename)[made.__name__]
    return plain


@cache
def _interpreted(file: str) -> dict[str, Any]:
    """The names of a file, its kernels being plain functions that know these names."""
    functions = [made for made in _kernels.values() if made.__code__.co_filename == file]
    names = dict(functions[0].__globals__)
    names |= {made.__name__: FunctionType(made.__code__, names, made.__name__) for made in functions}
    return names


def _make_callable(names: dict[str, Any], seen: set[int]) -> None:
    """Puts the compilable form of the kernels that a file has or imports under their names, so that they can call each
    other."""
    seen.add(id(names))
    for name, value in list(names.items()):
        function = _kernels.get(value) if callable(value) and hasattr(value, "__wrapped__") else None
        if function is None:
            continue
        names[name] = _compile(function)
        if id(function.__globals__) not in seen:
            _make_callable(function.__globals__, seen)


def _compile(function: Callable[..., Any]) -> Any:
    if function not in _compiled:
        _compiled[function] = _dispatcher(function)
    return _compiled[function]


def _dispatcher(function: Callable[..., Any]) -> Any:
    import numba

    counting: dict[str, Any] = {"_nrt": False} if function in _uncounted else {}
    source = Path(function.__code__.co_filename)
    folder = _kept_in(source.parent) if source.is_file() else None
    if folder is None:
        return numba.njit(nogil=True, **counting)(function)
    with _numba_keeps_in(folder):
        return numba.njit(cache=True, nogil=True, **counting)(function)


@cache
def _kept_in(sources: Path) -> Path | None:
    """Where the machine code of a folder's kernels is kept, None where nothing can be written."""
    name = _FOLDER + _digest(sources)
    beside, chosen = sources / "__pycache__", os.environ.get("NUMBA_CACHE_DIR")
    user = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "everycent"
    for root in [Path(chosen)] if chosen else [beside, user]:
        try:
            (root / name).mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=root / name).close()
        except OSError:
            continue
        if root == beside:
            for old in root.glob(f"{_FOLDER}*"):
                if old.name != name:
                    shutil.rmtree(old, ignore_errors=True)
        return root / name
    return None


def _digest(sources: Path) -> str:
    """What stands for the content of all of a folder's sources. (Numba itself looks at the kernel's own file alone, and
    fails where what it kept names a type that is gone.)"""
    digest = hashlib.sha256()
    for file in sorted(sources.glob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


@contextmanager
def _numba_keeps_in(folder: Path) -> Iterator[None]:
    """Numba looks once, when a function is handed to it, where its machine code is to be kept."""
    import numba

    settings: Any = numba.config
    before, settings.CACHE_DIR = settings.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        settings.CACHE_DIR = before
