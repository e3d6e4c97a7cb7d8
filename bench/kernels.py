"""`intq bench kernels`: every kernel row on the shapes of `shapes.csv`, after checking that it equals ref.py there.

A case becomes a graph of one node, and a plan in which the row under test is forced; so a new row needs nothing here. Times are
those of the C steps alone, from the clock in the run loop: the median, and the best, which is what rates and per cents are taken
from, because peaks are best times too. The peak of a product is measured anew right after it. GOPS count a multiply and an add as
two; bytes are inputs, weights and outputs, each once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..build import Builder
from ..engine import NativeEngine, kernel_name
from ..errors import Error, InputError
from ..graph import Array, Graph
from ..kernel_api import Row, closure, ffi, function, isas, numba_function, table
from ..kernels import ref
from ..ops import Op, View
from . import environment, peaks, shapes

Tick = Callable[[str], None]
# Rows that a node of an op may run besides those of its own name.
RELATED = {
    "conv2d": ("gemm", "conv2d"), "dense": ("gemm", "conv2d"), "concat": ("copy",), "transpose": ("copy",), "slice": ("copy",),
    "pad": ("copy", "fill"), "resize_nearest": ("gather",),
}  # fmt: skip
Times = tuple[float, float]  # median and best, in nanoseconds
TILE = (32, 64)  # rows and channels of the tile that finish rows are timed on


class Forced(Builder):
    """A builder that takes one given row wherever its op and variant are asked for."""

    def __init__(self, graph: Graph, row: Row) -> None:
        super().__init__(graph, closure(row.isa), 1)
        self.forced = row

    def row(self, op: str, variant: str, without_flags: int = 0) -> Row:
        if op == self.forced.op and variant in ("", self.forced.variant) and not self.forced.flags & without_flags:
            return self.forced
        return super().row(op, variant, without_flags)


class Unequal(Error):
    """A kernel differs from ref.py."""


def rows_for(op: str, chain: tuple[str, ...], all_isas: bool) -> list[Row]:
    """C rows that could run a node of `op`: all of the chain, or of each op and variant those of its best instruction set only."""
    found: list[Row] = []
    for name in RELATED.get(op, (op,)):
        rows = [r for isa in chain for r in table() if r.c is not None and r.op == name and r.isa == isa]
        best: dict[str, str] = {}
        for r in rows:
            best.setdefault(r.variant if name != "gemm" else "", r.isa)
        found += [r for r in rows if all_isas or best[r.variant if name != "gemm" else ""] == r.isa]
    return found


def expected(graph: Graph, arrays: list[Array]) -> Array:
    """The output that ref.py defines."""
    node = graph.nodes[0]
    assert isinstance(node.attrs, Op)
    given = iter(arrays)
    inputs = [graph.constants[n] if n in graph.constants else next(given) for n in node.inputs]
    result: Array = function(node.op, "reference")(*inputs, **node.attrs.kwargs(View(graph, node)))
    return result


def check(what: str, got: Array, want: Array) -> None:
    if not np.array_equal(got.reshape(want.shape), want):
        raise Unequal(f"{what} differs from ref.py in {int((got.reshape(want.shape) != want).sum())} of {want.size} values; nothing was timed")


def sample(once: Callable[[], float], seconds: float) -> Times:
    """Median and best of `once`, which returns nanoseconds, over about `seconds` and at least three calls, after one to warm up."""
    once()
    times: list[float] = []
    stop = time.perf_counter() + seconds
    while len(times) < 3 or (time.perf_counter() < stop and len(times) < 20000):
        times.append(once())
    return float(np.median(times)), max(min(times), 1.0)


def time_row(graph: Graph, row: Row, arrays: list[Array], want: Array, seconds: float) -> tuple[str, Times] | None:
    """(kernel, times) of the row on a one-node graph, equality asserted first; None where the plan has no use for the row."""
    plan = Forced(graph, row).build()
    gemm = [getattr(s.params, "gemm", ffi.NULL) if s.row.op == "conv2d" else ffi.NULL for s in plan.steps]
    if not any(s.row.name == row.name or (g and ffi.cast("void *", g) == row.c.fn) for s, g in zip(plan.steps, gemm, strict=True)):
        return None
    engine = NativeEngine(graph, 1, row.isa, 1, plan)
    for port, array in zip(graph.inputs, arrays, strict=True):
        engine.buffer(port.tensor)[...] = array
    engine.invoke()
    name = " ".join(dict.fromkeys(kernel_name(s) for s in plan.steps))
    check(f"{name} on {graph.name}", engine.buffer(graph.outputs[0].tensor), want)
    ns = ffi.new("int64_t[]", max(engine.count, 1))

    def once() -> float:
        engine.invoke(ns)
        return float(sum(ns))

    return name, sample(once, seconds)


def time_numba(graph: Graph, arrays: list[Array], want: Array, seconds: float) -> tuple[str, Times] | None:
    """The same for the Numba row of the op, called from Python; None where it has none."""
    node = graph.nodes[0]
    row = next((r for r in table() if r.isa == "numba" and r.op == node.op), None)
    if row is None:
        return None
    assert isinstance(node.attrs, Op)
    given = iter(arrays)
    inputs = [graph.constants[n] if n in graph.constants else next(given) for n in node.inputs]
    kwargs, call = node.attrs.kwargs(View(graph, node)), numba_function(row.name)
    check(f"{row.name} on {graph.name}", np.asarray(call(*inputs, **kwargs)), want)

    def once() -> float:
        start = time.perf_counter_ns()
        call(*inputs, **kwargs)
        return float(time.perf_counter_ns() - start)

    return row.name, sample(once, seconds)


def time_finish(row: Row, seconds: float) -> Times:
    """A finish row on a tile of TILE int32 accumulators in L1; its requantization parameters take the general path (left shifts too)."""
    m, n = TILE
    random = np.random.default_rng(5)
    shift = random.integers(-8, 3, n) if row.variant != "shift" else random.integers(-12, -4, n)
    acc = random.integers(-60000, 60001, (m, n)).astype(np.int32)
    bits = 15 if row.variant == "q15" else 31
    multiplier = random.integers(1 << (bits - 1), 1 << bits, n)
    want = ref.requantize(acc.astype(np.int64), multiplier, shift, 3, row.variant, -128, 127)
    single = row.variant == "q31_single"
    right = 31 - shift if single else np.maximum(-shift, 0)
    bias = (1 << right) >> 1 if row.variant == "q15" else np.zeros(n, np.int64)
    fields = {"bias": bias, "mult": multiplier, "left": np.zeros(n) if single else np.maximum(shift, 0), "right": right}
    kept = {k: np.ascontiguousarray(np.pad(v, (0, 64)).astype(np.int32)) for k, v in fields.items()}
    rq = ffi.new("intq_requant *", {"zero_point": 3, "lo": -128, "hi": 127, "any_left": int((shift > 0).any())})
    for k, v in kept.items():
        setattr(rq, k, ffi.cast("int32_t *", v.ctypes.data))
    out, fn = np.zeros((m, n + 64), np.int8), ffi.cast("intq_finish_fn *", row.c.fn)
    pointers = (ffi.cast("int32_t *", acc.ctypes.data), ffi.cast("int8_t *", out.ctypes.data))

    def call(times: int, rows: int = m) -> float:
        start = time.perf_counter_ns()
        for _ in range(times):
            fn(rows, n, pointers[0], n, rq, 0, pointers[1], n + 64)
        return (time.perf_counter_ns() - start) / times

    call(1)
    check(row.name, out[:, :n], want)
    _, empty = sample(lambda: call(20, 0), seconds / 5)  # a call from Python with no rows costs about as much as a fast finisher's work
    median, best = sample(lambda: call(20), seconds)
    return max(median - empty, 1.0), max(best - empty, 1.0)


def entry(network: str, case: str, count: int, kernel: str, isa: str, times: Times, macs: int, moved: int, found: list[peaks.Peak]) -> dict[str, Any]:
    median, ns = times
    limit, bandwidth = peaks.limit_now(isa) if macs else 0.0, peaks.bandwidth_of(moved, found)
    return {
        "network": network, "case": case, "count": count, "kernel": kernel, "isa": isa,
        "us": median / 1e3, "best_us": ns / 1e3, "macs": macs, "bytes": moved,
        "gops": 2 * macs / ns, "percent_of_peak": 200 * macs / ns / limit if limit else 0.0,
        "gbps": moved / ns, "percent_of_bandwidth": 100 * moved / ns / bandwidth if bandwidth else 0.0,
    }  # fmt: skip


def measure_case(case: shapes.Case, chain: tuple[str, ...], found: list[peaks.Peak], *, seconds: float, all_isas: bool, numba: bool,
                 kernel: str | None) -> list[dict[str, Any]]:  # fmt: skip
    """All rows on one shape. Raises Unequal where a kernel differs from ref.py."""
    graph, arrays = case.graph(), case.arrays()
    node = graph.nodes[0]
    assert isinstance(node.attrs, Op)
    want = expected(graph, arrays)
    macs = node.attrs.macs(View(graph, node))
    moved = sum(graph.tensors[n].nbytes for n in (*node.inputs, *node.outputs))
    results: dict[str, dict[str, Any]] = {}
    for row in rows_for(case.op, chain, all_isas):
        if kernel and kernel not in row.name:
            continue
        timed = time_row(graph, row, arrays, want, seconds)
        if timed and timed[0] not in results:
            isa = timed[0].rpartition("_")[2]  # of the product inside, which may be a weaker one than the step's
            results[timed[0]] = entry(case.network, case.label, case.count, timed[0], isa, timed[1], macs, moved, found)
    if numba:
        timed = time_numba(graph, arrays, want, seconds)
        if timed and (not kernel or kernel in timed[0]):
            results[timed[0]] = entry(case.network, case.label, case.count, timed[0], "numba", timed[1], macs, moved, found)
    return list(results.values())


def run(*, networks: list[str] | None = None, ops: list[str] | None = None, kernel: str | None = None, isa: str = "auto", seconds: float = 0.05,
        all_isas: bool = False, found: list[peaks.Peak] | None = None, cases: list[shapes.Case] | None = None,
        tick: Tick = lambda what: None) -> dict[str, Any]:  # fmt: skip
    """Measure: {"environment", "peaks", "kernels": [...]}. isa "numba" takes the Numba rows alone; all_isas adds them to the C rows.

    Raises InputError where no shape or no kernel fits, Unequal where a kernel differs from ref.py.
    """
    chosen = [
        c
        for c in (shapes.read() if cases is None else cases)
        if (not networks or any(c.network.startswith(n) for n in networks)) and (not ops or c.op in ops)
    ]
    finish = not networks and (not ops or "finish" in ops)
    if not chosen and not finish:
        raise InputError(f"no shape fits; ops: {', '.join(sorted({c.op for c in shapes.read()}))}, finish")
    only_numba = isa == "numba"
    chain = () if only_numba or not isas() else closure(isa)
    tick("peaks")
    found = peaks.measure() if found is None else found
    results: list[dict[str, Any]] = []
    for row in rows_for("finish", chain, all_isas) if finish else []:
        if row.variant in ref.ROUNDINGS and (not kernel or kernel in row.name):
            m, n = TILE
            times = time_finish(row, seconds)
            results.append(entry("generic", f"finish {m}x{n} tile", 1, row.name, row.isa, times, 0, m * n * 5, found))
    for i, case in enumerate(chosen):
        tick(f"{i + 1}/{len(chosen)} {case.network}: {case.label}")
        results += measure_case(case, chain, found, seconds=seconds, all_isas=all_isas, numba=only_numba or all_isas, kernel=kernel)
    if not results:
        raise InputError(f"no kernel fits{f': none of these ops has one named like {kernel!r}' if kernel else ''}; `intq doctor` lists them")
    return {"environment": environment.describe("auto" if only_numba else isa), "peaks": [p.as_dict() for p in found], "kernels": results}
