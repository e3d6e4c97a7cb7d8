"""What the runtime uses of intq.kernels: one place, so that a missing compiled extension is handled once."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import UnsupportedError
from .kernels import ref
from .kernels.table import Row, closure, ffi, isas, lib, pick, table

__all__ = ["NO_NATIVE", "Row", "closure", "ffi", "function", "have_native", "have_numba", "isas", "lib", "pick", "table"]

KERNELS = Path(ref.__file__).parent
NO_NATIVE = "the compiled kernels are missing: there was no C compiler when intq was installed; install one (gcc or clang) and then intq again"


def have_native() -> bool:
    return lib is not None


def have_numba() -> bool:
    return importlib.util.find_spec("numba") is not None


@functools.cache
def references() -> dict[str, Callable[..., Any]]:
    """Reference functions by op: ref.py and every ref_*.py beside it."""
    found: dict[str, Callable[..., Any]] = {}
    for path in sorted(KERNELS.glob("ref*.py")):
        module = importlib.import_module(f"{ref.__package__}.{path.stem}")
        found.update({name: f for name, f in vars(module).items() if callable(f) and not name.startswith("_")})
    return found


@functools.cache
def numba_function(place: str) -> Callable[..., Any]:
    """The function of a NUMBA row `folder/file.py:name`."""
    file, name = place.split(":")
    module = importlib.import_module(f"{ref.__package__}.{re.sub(r'[.]py$', '', file).replace('/', '.')}")
    function: Callable[..., Any] = getattr(module, name)
    return function


@functools.cache
def function(op: str, backend: str) -> Callable[..., Any]:
    """The Python function that runs an op: its Numba row if asked for and there is one, else the reference."""
    if backend == "numba":
        for row in table():
            if row.isa == "numba" and row.op == op:
                return numba_function(row.name)
    try:
        return references()[op]
    except KeyError:
        raise UnsupportedError(f"op {op!r} has no reference function") from None
