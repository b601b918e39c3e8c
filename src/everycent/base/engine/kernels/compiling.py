"""How kernels are compiled: once per machine, kept on disk, so that the next process starts at once."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

Taken = ParamSpec("Taken")
Given = TypeVar("Given")

#: The kernels of each file (by the identity of its globals) that no call has needed yet, in the order they stand there.
_waiting: dict[int, list[Callable[..., Any]]] = {}

#: Those whose arrays are not reference-counted.
_uncounted: set[Callable[..., Any]] = set()


def kernel(function: Callable[Taken, Given]) -> Callable[Taken, Given]:
    """`function` compiled by Numba at its first call; until then Numba, which takes a second to load, is not imported.

    The machine code is kept beside the source, or in the user's cache directory where the install is read-only; where
    neither can be written, it is compiled anew in each process. A kernel may only call kernels of its own file: Numba
    looks at that file alone to see whether what it kept is still true.
    """
    compiled: Any = None

    @wraps(function)
    def at_first_call(*args: Taken.args, **kwargs: Taken.kwargs) -> Given:
        nonlocal compiled
        if compiled is None:
            _compile_file(function.__globals__)
            known = function.__globals__.get(function.__name__)
            compiled = known if getattr(known, "py_func", None) is function else _compiled(function)
        given: Given = compiled(*args, **kwargs)
        return given

    _waiting.setdefault(id(function.__globals__), []).append(function)
    return at_first_call


def uncounted(function: Callable[Taken, Given]) -> Callable[Taken, Given]:
    """A `kernel` that creates no array and hands none back, whose arrays are therefore not reference-counted.

    Counting each array that a small kernel is handed costs more than its work. The caller holds all of them; a kernel
    that did create one would not compile.
    """
    _uncounted.add(function)
    return kernel(function)


def _compile_file(names: dict[str, Any]) -> None:
    """Puts the compilable form of all of a file's kernels under their names, so that they can call each other."""
    for function in _waiting.pop(id(names), []):
        if getattr(names.get(function.__name__), "__wrapped__", None) is function:
            names[function.__name__] = _compiled(function)


def _compiled(function: Callable[..., Any]) -> Any:
    import numba

    counting: dict[str, Any] = {"_nrt": False} if function in _uncounted else {}
    try:
        return numba.njit(cache=True, nogil=True, **counting)(function)
    except RuntimeError:  # Numba found no directory that it can write to
        return numba.njit(nogil=True, **counting)(function)
