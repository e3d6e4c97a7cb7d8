"""The kernel table as Python sees it: which rows exist, which this CPU can run, which a cap leaves."""

from __future__ import annotations

import functools
import os
from typing import Any

import msgspec

from ..errors import InputError
from . import defs

try:
    from . import _native  # type: ignore[attr-defined,unused-ignore]
except ImportError:  # no compiled extension: Numba or NumPy run everything
    _native = None

ffi: Any = _native.ffi if _native else None
lib: Any = _native.lib if _native else None


class Row(msgspec.Struct, frozen=True):
    """One kernel. `c` is the intq_row of decl.h, or None for a Numba row, whose `name` then is file:function."""

    op: str
    variant: str
    isa: str
    name: str
    mr: int = 0
    nr: int = 0
    kr: int = 0
    ku: int = 0
    flags: int = 0
    c: Any = None


@functools.cache
def isas() -> dict[str, tuple[bool, str]]:
    """Compiled instruction sets, best first: name -> (usable on this CPU, next weaker set)."""
    if lib is None:
        return {}
    out = ffi.new("const intq_isa **")
    count = lib.intq_isas(out)
    text = lambda p: ffi.string(p).decode()  # noqa: E731
    return {text(out[0][i].name): (bool(out[0][i].available), text(out[0][i].implies)) for i in range(count)}


@functools.cache
def table() -> tuple[Row, ...]:
    """Every compiled row, whether or not this CPU can run it, best first within an op; Numba rows last."""
    found = []
    if lib is not None:
        out = ffi.new("const intq_row **")
        text = lambda p: ffi.string(p).decode()  # noqa: E731
        for i in range(lib.intq_rows(out)):
            r = out[0][i]
            found.append(
                Row(text(r.op), text(r.variant), text(r.isa), text(r.name), r.mr, r.nr, r.kr, r.ku, r.flags, ffi.addressof(out[0], i))
            )
    found += [Row(op, "any", "numba", place) for op, place in defs.rows("kernels.def", "NUMBA")]
    return tuple(found)


def closure(isa: str = "auto") -> tuple[str, ...]:
    """The usable instruction sets at or below `isa`, best first. "auto" takes INTQ_ISA or the best that the machine has.

    Raises InputError where the name is unknown, not compiled, or not usable here.
    """
    known, place = isas(), "isa "
    if isa == "auto":
        isa = os.environ.get("INTQ_ISA") or "auto"
        place = "INTQ_ISA="
    if isa == "auto":
        isa = next((name for name, (usable, _) in known.items() if usable), "")
    elif isa not in known:
        names = ", ".join(name for name, *_ in defs.isas())
        raise InputError(f"{place}{isa!r} is not compiled into this build; known names: {names}; compiled: {', '.join(known) or 'none'}")
    elif not known[isa][0]:
        usable = ", ".join(name for name, (ok, _) in known.items() if ok)
        raise InputError(f"{place}{isa!r} is not usable on this CPU; usable: {usable}")
    chain: list[str] = []
    while isa:
        usable_here, weaker = known[isa] if isa in known else (False, next(w for n, _, _, w in defs.isas() if n == isa))
        if usable_here:
            chain.append(isa)
        isa = weaker
    return tuple(chain)


def pick(op: str, variant: str, chain: tuple[str, ...], without_flags: int = 0) -> list[Row]:
    """Usable rows of an op and variant ("" for every variant), best ISA first; rows with any of `without_flags` are left out."""
    return [
        row
        for isa in chain
        for row in table()
        if row.c is not None and row.op == op and variant in ("", row.variant) and row.isa == isa and not row.flags & without_flags
    ]
