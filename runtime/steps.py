"""A step of a native plan: one call of a kernel, and how a list of them becomes the array that intq_run walks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .kernel_api import ffi


class Step(msgspec.Struct):
    """One C step before addresses are known: tensor names stand for pointers."""

    node: str
    row: Any
    params: Any
    reads: list[str]
    writes: list[str]
    units: int
    min_units: int
    offset: int = 0  # bytes from the beginning of what it writes


def bind(steps: list[Step], pointer: Callable[[str], Any]) -> Any:
    """intq_step[] with the pointer (`char *`) of every tensor; it keeps neither the parameters nor the tensors alive."""
    bound = ffi.new("intq_step[]", max(len(steps), 1))
    for c, step in zip(bound, steps, strict=False):
        c.fn = ffi.cast("intq_kernel_fn *", step.row.c.fn)
        c.params, c.units, c.min_units = step.params, step.units, step.min_units
        for i, name in enumerate(step.reads):
            c.io[i] = pointer(name)
        for i, name in enumerate(step.writes, len(step.reads)):
            c.io[i] = pointer(name) + step.offset
    return bound
