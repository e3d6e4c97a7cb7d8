"""Aligned memory for weights and activations, on large pages where Linux gives them.

A network reads all its weights at every run; on pages of 4 kB the address translation costs ResNet-50 seven per cent of its time.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
SLACK = 128  # readable bytes behind whatever a kernel reads: INTQ_SLACK of kernels/decl.h
HUGE = 2 << 20
WORTH = 1 << 20  # smaller requests stay on ordinary pages


def aligned(nbytes: int, to: int = 64) -> Array:
    """Zeroed bytes at an aligned address."""
    if nbytes >= WORTH and hasattr(mmap, "MADV_HUGEPAGE"):
        return _large(nbytes)[:nbytes]
    raw = np.zeros(nbytes + to, np.uint8)
    start = -raw.ctypes.data % to
    return raw[start : start + nbytes]


def _large(nbytes: int) -> Array:
    """At least nbytes zeroed bytes, whole large pages; private, so a forked child gets its own copy."""
    size = -(-nbytes // HUGE) * HUGE
    try:
        raw = mmap.mmap(-1, size + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"{nbytes:,} bytes in one piece ({error.strerror})") from None
    raw.madvise(mmap.MADV_HUGEPAGE)
    view = np.frombuffer(raw, np.uint8)
    start = -view.ctypes.data % HUGE
    return view[start : start + size]


class Pool:
    """Hands out pieces of shared blocks: many small weights side by side. A block lives as long as any piece of it."""

    def __init__(self) -> None:
        self.rest: Array = np.zeros(0, np.uint8)

    def take(self, nbytes: int) -> Array:
        """Zeroed bytes at a multiple of 64."""
        size = -(-nbytes // 64) * 64
        if size >= WORTH:
            return aligned(size)[:nbytes]
        if size > len(self.rest):
            self.rest = aligned(WORTH * 2)
        piece, self.rest = self.rest[:nbytes], self.rest[size:]
        return piece
