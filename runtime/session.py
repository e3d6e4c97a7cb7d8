"""Session: a model ready to run. Floats in and out by `run`, integers by `run_quantized`, no copies by `invoke`."""

from __future__ import annotations

import operator
import os
import threading
import warnings
import weakref
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from . import edge
from .checks import batchable
from .engine import Engine, NativeEngine, PythonEngine
from .errors import InputError
from .graph import Array, Graph, Port
from .kernel_api import NO_NATIVE, have_native, have_numba
from .model import Model, load
from .walk import NodeProfile

BACKENDS = ("auto", "native", "numba", "reference")
Inputs = Any  # an array, or a dict of arrays by input name


class PortInfo(msgspec.Struct, frozen=True):
    """What `run_quantized` takes or gives (`dtype`, storage `shape` and `layout`) and what it means (`scale`, `zero_point`)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    layout: str
    scale: float
    zero_point: int
    source_shape: tuple[int, ...]


def port_info(graph: Graph, port: Port) -> PortInfo:
    t = graph.tensors[port.tensor]
    scale = t.scale if isinstance(t.scale, float | int) else t.scale[0]
    return PortInfo(port.name, t.dtype, t.shape, {4: "NHWC", 3: "NLC", 2: "NC"}.get(len(t.shape), "dense"), float(scale), t.zero_point, port.shape)


def whole(what: str, value: Any, most: int) -> int:
    """A number of things as an int, NumPy's integers included. Raises InputError."""
    try:
        found = operator.index(value)
    except TypeError:
        found = 0
    if not 1 <= found <= most:
        raise InputError(f"{what} must be an integer in 1..{most}, is {value!r}")
    return found


class Session:
    """Runs a model. Thread-safe (calls lock), picklable, and usable after a fork.

    model: a Model or a path. threads: CPU threads for one call. isa: caps the instruction sets ("auto" = best, or INTQ_ISA).
    backend: "native" (C), "numba", "reference" (NumPy), "auto" = the first that is there, with a warning unless it is "native".
    batch: samples per internal call; any number may be passed to `run`. The bytes of the result depend on none of these.

    Raises InputError for arguments out of range.
    """

    def __init__(
        self, model: Model | str | os.PathLike[str], *, threads: int = 1, isa: str = "auto", backend: str = "auto", batch: int = 1
    ) -> None:
        self.model = model if isinstance(model, Model) else load(model)
        if backend not in BACKENDS:
            raise InputError(f"backend {backend!r} is unknown; known: {', '.join(BACKENDS)}")
        threads, batch = whole("threads", threads, 256), whole("batch", batch, 65536)
        if backend == "auto":
            backend = "native" if have_native() else "numba" if have_numba() else "reference"
            if backend != "native":
                warnings.warn(f"{NO_NATIVE}; running {backend} (ask for backend={backend!r} to mean it)", stacklevel=2)
        if backend == "native" and not have_native():
            raise InputError(f"{NO_NATIVE}, or use backend='numba' or 'reference'")
        if backend == "numba" and not have_numba():
            raise InputError("backend='numba' needs the extra intq[jit]")
        self.options = {"threads": threads, "isa": isa, "backend": backend, "batch": batch}
        graph = self.model.graph
        self.batchable = batchable(graph)
        self.batch = batch if self.batchable else 1
        self._start(NativeEngine(graph, threads, isa, self.batch) if backend == "native" else PythonEngine(graph, backend, self.batch))

    def _start(self, engine: Engine) -> None:
        graph = self.model.graph
        self.engine, isa = engine, str(self.options["isa"])
        self._invoke = engine.invoker()
        self.inputs = [port_info(graph, p) for p in graph.inputs]
        self.outputs = [port_info(graph, p) for p in graph.outputs]
        self._in = [engine.buffer(p.tensor) for p in graph.inputs]
        self._out = [engine.buffer(p.tensor) for p in graph.outputs]
        self._quantizers = [edge.Quantizer(p, graph.tensors[p.tensor], self._in[i], isa) for i, p in enumerate(graph.inputs)]
        self._dequantizers = [edge.Dequantizer(p, graph.tensors[p.tensor], self._out[i], isa) for i, p in enumerate(graph.outputs)]
        self._states = [(engine.buffer(s.read), engine.buffer(s.write)) for s in graph.states]
        self._renew_lock()
        _alive.add(self)
        self.reset()

    def _renew_lock(self) -> None:
        """A new lock, and the short way of `run` that holds it."""
        self._lock = threading.RLock()
        plain = self.batch == 1 and len(self._in) == len(self._out) == 1 and not self._states
        self._direct = edge.direct(self._quantizers[0], self._invoke, self._dequantizers[0], self._lock) if plain else None

    # ----- running -----

    def run(self, x: Inputs) -> Any:
        """Float inputs in the source model's names, shapes and layout; floats out. Any number of samples on axis 0.

        x: an array [N, ...], or a dict of them by input name. Returns an array, or a dict by output name where the model has several.
        Raises InputError for a wrong name, shape, dtype or NaN.
        """
        if self._direct and (y := self._direct(x)) is not None:
            return y
        arrays = [q.check(a) for q, a in zip(self._quantizers, self._named(x), strict=True)]
        n = self._samples([a.shape for a in arrays], [p.shape for p in self.model.inputs], [d.shape for d in self._dequantizers])
        results = [np.empty((n, *d.shape[1:]) if d.shape[:1] == (1,) else d.shape, np.float32) for d in self._dequantizers]
        with self._lock:
            for at in range(0, n, self.batch) if n else ():
                count = min(self.batch, n - at)
                for q, a in zip(self._quantizers, arrays, strict=True):
                    q(a[at : at + count] if n > 1 or self.batch > 1 else a)
                self.invoke()
                for d, y in zip(self._dequantizers, results, strict=True):
                    d(y[at : at + count] if n > 1 or self.batch > 1 else y)
        return results[0] if len(results) == 1 else {p.name: y for p, y in zip(self.model.outputs, results, strict=True)}

    def run_quantized(self, xq: Inputs) -> Any:
        """Integer inputs in storage layout and file dtype (`inputs[i]`); integers out. No floating-point arithmetic."""
        try:
            arrays = [np.asarray(a) for a in self._named(xq)]
        except (TypeError, ValueError) as error:
            raise InputError(f"not an array of integers: {error}") from None
        for a, info in zip(arrays, self.inputs, strict=True):
            if str(a.dtype) != info.dtype:
                raise InputError(f"input {info.name!r}: dtype {a.dtype}, expected {info.dtype}")
            if a.shape[1:] != info.shape[1:] or a.ndim != len(info.shape):
                raise InputError(f"input {info.name!r}: shape {list(a.shape)}, expected {['N', *info.shape[1:]]} (storage layout {info.layout})")
        n = self._samples([a.shape for a in arrays], [i.shape for i in self.inputs], [o.shape for o in self.outputs])
        results = [np.empty((n, *o.shape[1:]) if o.shape[:1] == (1,) else o.shape, o.dtype) for o in self.outputs]
        with self._lock:
            for at in range(0, n, self.batch) if n else ():
                count = min(self.batch, n - at)
                whole = n == 1 and self.batch == 1
                for buffer, a in zip(self._in, arrays, strict=True):
                    if whole:
                        buffer[...] = a
                    else:
                        buffer[:count] = a[at : at + count]
                self.invoke()
                for buffer, y in zip(self._out, results, strict=True):
                    if whole:
                        y[...] = buffer
                    else:
                        y[at : at + count] = buffer[:count]
        return results[0] if len(results) == 1 else {p.name: y for p, y in zip(self.model.outputs, results, strict=True)}

    def invoke(self) -> None:
        """Run once on `input_buffer`s; results appear in `output_buffer`s."""
        with self._lock:
            if not self._states:
                self._invoke()
                return
            self._enter_state()
            self._invoke()
            for (_, write), kept in zip(self._states, self._next, strict=True):
                kept[...] = write

    def _enter_state(self) -> None:
        """State takes its new value when the next run begins: until then an output may show the old one."""
        for (read, _), value in zip(self._states, self._next, strict=True):
            read[...] = value

    def input_buffer(self, i: int = 0) -> Array:
        """The memory that input i is read from: storage layout, file dtype, `batch` samples."""
        return self._in[i]

    def output_buffer(self, i: int = 0) -> Array:
        """The memory that output i is written to."""
        return self._out[i]

    def reset(self) -> None:
        """Set every state variable to its zero point."""
        starts = [self.model.graph.tensors[s.read].zero_point for s in self.model.graph.states]
        self._next = [np.full_like(read, start) for (read, _), start in zip(self._states, starts, strict=True)]

    def profile(self, x: Inputs | None = None) -> list[NodeProfile]:
        """Run once (on x, or on what the input buffers hold) and return one row per node: kernel, ns, MACs, bytes."""
        with self._lock:
            if x is not None:
                for q, a in zip(self._quantizers, self._named(x), strict=True):
                    q(q.check(a)[: self.batch])
            self._enter_state()
            return self.engine.profile()

    # ----- facts -----

    @property
    def arena_bytes(self) -> int:
        return self.engine.arena_bytes

    @property
    def choices(self) -> dict[str, str]:
        """Nodes that had several forms with the same bytes (dense or sparse, for one): the one taken, and the times of all."""
        return dict(self.engine.plan.choices) if isinstance(self.engine, NativeEngine) else {}

    def kernels(self) -> list[tuple[str, str]]:
        """(node, kernel) for every step."""
        return self.engine.kernels()

    # ----- life -----

    def clone(self) -> Session:
        """Another session with its own buffers and state; weights are shared."""
        twin: Session = object.__new__(Session)
        twin.model, twin.options, twin.batchable, twin.batch = self.model, dict(self.options), self.batchable, self.batch
        twin._start(self.engine.clone())
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model.to_bytes(), "limits": self.model.limits, "options": self.options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        arena, macs = state["limits"]
        self.__init__(Model.from_bytes(state["model"], max_arena=arena, max_macs=macs), **state["options"])  # type: ignore[misc]

    # ----- arguments -----

    def _named(self, x: Inputs) -> list[Any]:
        names = [p.name for p in self.model.inputs]
        if isinstance(x, Mapping):
            if set(x) != set(names):
                raise InputError(f"inputs are named {names}, got {list(x)}")
            return [x[n] for n in names]
        if len(names) != 1:
            raise InputError(f"the model has {len(names)} inputs; pass a dict with the names {names}")
        return [x]

    def _samples(self, shapes: list[tuple[int, ...]], expected: list[tuple[int, ...]], outputs: list[tuple[int, ...]]) -> int:
        """How many runs of one sample the arrays hold: 1 where an input, or an output that the results would lie along, has no axis for more."""
        if all(s == e for s, e in zip(shapes, expected, strict=True)):
            return 1
        if any(e[:1] != (1,) for e in (*expected, *outputs)):
            raise InputError(f"shapes {[list(s) for s in shapes]} given, exactly {[list(e) for e in expected]} expected: this model fixes its batch")
        counts = {s[0] for s in shapes}
        if len(counts) != 1:
            raise InputError(f"the inputs hold different numbers of samples: {sorted(counts)}")
        return counts.pop()


_alive: weakref.WeakSet[Session] = weakref.WeakSet()


def _renew_locks() -> None:
    """In a forked child, where no thread is left that could give back what it held."""
    for session in list(_alive):
        session._renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
