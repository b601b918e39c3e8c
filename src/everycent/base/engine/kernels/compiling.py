"""How kernels are compiled: once per machine, kept on disk, so that the next process starts at once."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

Taken = ParamSpec("Taken")
Given = TypeVar("Given")


def kernel(function: Callable[Taken, Given]) -> Callable[Taken, Given]:
    """`function` compiled by Numba at its first call.

    The machine code is kept beside the source, or in the user's cache directory where the install is read-only; where
    neither can be written, it is compiled anew in each process. A kernel may only call kernels of its own file: Numba
    looks at that file alone to see whether what it kept is still true.
    """
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # Numba found no directory that it can write to
        compiled = numba.njit(nogil=True)(function)
    return cast(Callable[Taken, Given], compiled)
