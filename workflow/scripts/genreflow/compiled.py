"""Functions that are compiled once, for this machine, and not once a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a function at its first call, and keep the code for every later process.

    The code is kept beside the function's file or, where that folder can't be written to, in the
    user's cache; if neither can be, every process compiles anew.  Arithmetic is that of IEEE 754,
    in the order that is written.
    """
    try:
        return cast(Function, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:
        return cast(Function, numba.njit(nogil=True)(function))
