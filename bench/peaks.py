"""What this machine can do, measured on the spot: integer peaks per instruction set and memory bandwidth per cache level.

Every row `peak` of the kernel table is one figure; per cent of peak in the other benchmarks refers to the same rows. The best of
several short runs counts: a limit is what the machine reaches undisturbed.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..kernels.table import Row, ffi, isas, table

READ_BYTES = 16384  # of one unit of a read: PEAK_READ_BYTES of kernels/peak/peak.h
FALLBACK_CACHES = {"L2": 1 << 20, "L3": 32 << 20}  # where the system does not tell

# The limit of int8 products by GEMM row: what a kernel of that instruction set is measured against.
LIMITS = {"amx": "amx_amx", "avx512bitalg": "vnni_avx512vnni", "avx512vnni": "vnni_avx512vnni", "avxvnni": "vnni_avxvnni", "avx2": "signs_avx2"}


@dataclass(frozen=True)
class Peak:
    """One limit. `rate` is in 1e9 operations per second, or 1e9 bytes per second for reads."""

    name: str
    isa: str
    rate: float
    unit: str  # "GOPS", "binary GOPS" or "GB/s"
    bytes: int = 0  # size of the buffer read

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "isa": self.isa, "rate": round(self.rate, 2), "unit": self.unit, "bytes": self.bytes}


def cache_sizes() -> dict[str, int]:
    """Bytes of the level 2 and 3 caches as Linux reports them for the first CPU; a usual size elsewhere."""
    found = dict(FALLBACK_CACHES)
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, size = (index / "level").read_text().strip(), (index / "size").read_text().strip()
        except OSError:
            continue
        if level in ("2", "3"):
            found[f"L{level}"] = int(size.rstrip("KMG")) << {"K": 10, "M": 20, "G": 30}.get(size[-1], 0)
    return found


def levels(limit: int = 1 << 30) -> dict[str, int]:
    """Buffer sizes that lie in L2, in L3 and in memory; the last at least 64 MB and, up to `limit`, twice L3."""
    caches = cache_sizes()
    l2, l3 = caches["L2"], caches["L3"]
    return {"L2": l2 // 2, "L3": min(4 * l2, max(l3 // 2, 2 * l2)), "DRAM": min(max(64 << 20, 2 * l3), limit)}


def best_rate(row: Row, seconds: float, buffer: Any = None, units: int = 0) -> float:
    """Operations per second of a row: the best of runs that last `seconds` together. Without `units`, runs of about a millisecond."""
    fn = ffi.cast("intq_kernel_fn *", row.c.fn)
    scratch = ffi.new("uint8_t[256]")
    io = ffi.new("void *[8]")
    if buffer is not None:
        io[0] = ffi.cast("void *", buffer.ctypes.data)
    count = units or 1
    best, stop, first = 0.0, time.perf_counter() + seconds, True
    while first or time.perf_counter() < stop:
        start = time.perf_counter()
        fn(ffi.NULL, io, 0, count, scratch)
        taken = time.perf_counter() - start
        if units == 0 and taken < 5e-4:
            count *= 2
            continue
        if not first or units == 0:  # the first pass over a buffer brings it into its cache
            best = max(best, int(ffi.cast("int64_t *", scratch)[0]) / taken)
        if first and units and taken >= seconds:
            stop = time.perf_counter() + taken / 2  # a long pass still gets its second one
        first = False
    return best


def page_aligned(size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A buffer of `size` bytes, every page written, in huge pages where the system grants them."""
    block = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        block.madvise(mmap.MADV_HUGEPAGE)
    array = np.frombuffer(block, np.uint8)
    array[:] = 1
    return array


def usable_peaks() -> list[Row]:
    """The rows of op `peak` that this CPU can run, best ISA first. Empty where the extension was not compiled."""
    return [row for row in table() if row.op == "peak" and row.c is not None and isas()[row.isa][0]]


def measure(seconds: float = 0.1, memory: dict[str, int] | None = None, tick: Callable[[], None] = lambda: None) -> list[Peak]:
    """Every integer peak, then the read bandwidth of each level of `memory` (default `levels()`) by the widest reader."""
    rows, found = usable_peaks(), []
    for row in rows:
        if row.variant != "read":
            unit = "binary GOPS" if row.variant == "popcount" else "GOPS"
            found.append(Peak(row.variant, row.isa, best_rate(row, seconds) / 1e9, unit))
            tick()
    reader = next((row for row in rows if row.variant == "read"), None)
    for level, size in (memory or levels()).items() if reader else ():
        units = max(1, size // READ_BYTES)
        buffer = page_aligned(units * READ_BYTES)
        assert reader is not None
        found.append(Peak(f"read {level}", reader.isa, best_rate(reader, seconds, buffer, units) / 1e9, "GB/s", buffer.nbytes))
        tick()
    return found


def limit_now(isa: str, seconds: float = 0.02) -> float:
    """GOPS that int8 products of `isa` are measured against, measured now; 0 where the table or this CPU has no such limit.

    Clocks follow the load of the machine and the mix of instructions, so a product's limit is taken right beside the product."""
    row = next((r for r in usable_peaks() if f"{r.variant}_{r.isa}" == LIMITS.get(isa)), None)
    return best_rate(row, seconds) / 1e9 if row else 0.0


def bandwidth_of(size: int, peaks: list[Peak]) -> float:
    """GB/s of the level that a working set of `size` bytes lies in, 0 where none was measured."""
    reads = [p for p in peaks if p.unit == "GB/s"]
    caches = [*cache_sizes().values()]
    fits = sum(size > cache for cache in caches)
    return reads[min(fits, len(reads) - 1)].rate if reads else 0.0


def count() -> int:
    """How many figures `measure` makes, for a progress bar."""
    rows = usable_peaks()
    return sum(r.variant != "read" for r in rows) + (len(levels()) if any(r.variant == "read" for r in rows) else 0)


def cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
