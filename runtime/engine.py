"""Two ways to execute a graph behind one interface: C steps, or Python over the reference or Numba functions."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .build import Builder, Plan
from .graph import Array, Graph, Node
from .kernel_api import closure, ffi, function, lib
from .memory import SLACK, aligned
from .ops import Op, View
from .walk import NodeProfile, walk

NO_TIMES = ffi.NULL if ffi is not None else None


class Engine(Protocol):
    arena_bytes: int

    def buffer(self, tensor: str) -> Array: ...
    def invoke(self) -> None: ...
    def invoker(self) -> Callable[[], None]: ...
    def profile(self) -> list[NodeProfile]: ...
    def clone(self) -> Engine: ...
    def kernels(self) -> list[tuple[str, str]]: ...


class NativeEngine:
    """Owns the memory of ports, state and arena, scratch and a thread pool; shares the plan with its clones."""

    def __init__(self, graph: Graph, threads: int, isa: str, batch: int, plan: Plan | None = None) -> None:
        self.graph, self.threads, self.isa, self.batch = graph, threads, isa, batch
        self.plan = plan or Builder(graph, closure(isa), batch, threads).build()
        self.arena_bytes = self.plan.arena_bytes
        self.memory = self.plan.allocate()
        self.scratch_bytes = self.plan.scratch_bytes
        self.scratch = aligned(self.scratch_bytes * threads + SLACK)
        self.steps = self.plan.bind(self.memory)
        self.scratch_pointer = ffi.cast("uint8_t *", self.scratch.ctypes.data)
        self.count = len(self.plan.steps)
        self.start_pool()

    def start_pool(self) -> None:
        self.pid = os.getpid()
        self.pool = ffi.gc(lib.intq_threads_new(self.threads), lib.intq_threads_free) if self.threads > 1 else ffi.NULL
        # bound once: small networks take about as long as looking these names up
        self.run = functools.partial(lib.intq_run, self.steps, self.count, self.pool, self.scratch_pointer, self.scratch_bytes)

    def buffer(self, tensor: str) -> Array:
        t = self.graph.tensors[tensor]
        shape = t.shape if self.batch == 1 else (self.batch * t.shape[0], *t.shape[1:])
        if tensor in self.graph.constants:
            return self.graph.constants[tensor]
        nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(t.dtype).itemsize
        return self.memory[self.plan.root(tensor)][:nbytes].view(t.dtype).reshape(shape)

    def invoke(self, ns: Any = NO_TIMES) -> None:
        if self.threads > 1 and self.pid != os.getpid():  # threads do not survive a fork; the child must not free the parent's
            ffi.gc(self.pool, None)
            self.start_pool()
        self.run(ns)

    def invoker(self) -> Callable[[], None]:
        """What `invoke` does, at the least cost for each call."""
        return self.invoke if self.threads > 1 else functools.partial(self.run, NO_TIMES)

    def kernels(self) -> list[tuple[str, str]]:
        return [(step.node, kernel_name(step)) for step in self.plan.steps]

    def profile(self) -> list[NodeProfile]:
        ns = ffi.new("int64_t[]", max(self.count, 1))
        self.invoke(ns)
        nodes = {n.name: n for n in self.graph.nodes}
        found: dict[str, NodeProfile] = {}
        for step, t in zip(self.plan.steps, ns, strict=False):
            before = found.get(step.node)
            kernel = kernel_name(step)
            if before is not None:
                kernel = before.kernel if kernel in before.kernel else f"{before.kernel} + {kernel}"
            found[step.node] = profile_row(self.graph, nodes[step.node], kernel, t + (before.ns if before else 0), self.batch)
        # a node without a step of its own is part of another's, or nothing but a name for the same bytes
        return [found.get(n.name) or profile_row(self.graph, n, "-", 0, self.batch) for n in self.graph.nodes]

    def clone(self) -> NativeEngine:
        return NativeEngine(self.graph, self.threads, self.isa, self.batch, self.plan)


class PythonEngine:
    """Walks the graph over ref.py (`reference`) or the Numba rows (`numba`); the portable path."""

    def __init__(self, graph: Graph, backend: str, batch: int) -> None:
        self.graph, self.backend, self.batch = graph, backend, batch
        self.values: dict[str, Array] = {}
        ports = [p.tensor for p in (*graph.inputs, *graph.outputs)] + [n for s in graph.states for n in (s.read, s.write)]
        for name in ports:
            t = graph.tensors[name]
            self.values[name] = np.zeros((batch * t.shape[0], *t.shape[1:]) if batch > 1 else t.shape, t.dtype)
        self.reads = [p.tensor for p in graph.inputs] + [s.read for s in graph.states]
        self.arena_bytes = sum(a.nbytes for a in self.values.values())

    def buffer(self, tensor: str) -> Array:
        return self.values[tensor]

    def invoke(self) -> None:
        known = walk(self.graph, {name: self.values[name] for name in self.reads}, self.backend)
        for name, array in self.values.items():
            if name not in self.reads:
                array[...] = known[name]

    def invoker(self) -> Callable[[], None]:
        return self.invoke

    def kernels(self) -> list[tuple[str, str]]:
        return [(n.name, f"{function(n.op, self.backend).__module__.rpartition('kernels.')[2]}:{n.op}") for n in self.graph.nodes]

    def profile(self) -> list[NodeProfile]:
        rows: list[NodeProfile] = []
        kernels = dict(self.kernels())
        clock = [time.perf_counter_ns()]

        def observe(node: Node, outputs: list[Array]) -> None:
            now = time.perf_counter_ns()
            rows.append(profile_row(self.graph, node, kernels[node.name], now - clock[0], self.batch))
            clock[0] = time.perf_counter_ns()

        walk(self.graph, {name: self.values[name] for name in self.reads}, self.backend, observe)
        return rows

    def clone(self) -> PythonEngine:
        return PythonEngine(self.graph, self.backend, self.batch)


def kernel_name(step: Any) -> str:
    """The row that a step runs, and the gemm row inside a convolution."""
    gemm = getattr(step.params, "gemm", None) if step.row.op == "conv2d" else None
    if not gemm:
        return str(step.row.name)
    from .kernel_api import table

    inner = next((r.name for r in table() if r.op == "gemm" and r.c is not None and ffi.cast("void *", gemm) == r.c.fn), "")
    return f"{step.row.name} {inner}".strip()


def profile_row(graph: Graph, node: Node, kernel: str, ns: int, batch: int) -> NodeProfile:
    v = View(graph, node)
    assert isinstance(node.attrs, Op)
    moved = sum(graph.tensors[n].nbytes * (1 if n in graph.constants else batch) for n in (*node.inputs, *node.outputs))
    return NodeProfile(node.name, node.op, kernel, int(ns), node.attrs.macs(v) * batch, moved)
