"""Lowers a graph to a native plan: C steps with packed weights, tensors placed in one arena.

Ops call the methods of `Builder`; the result is a `Plan` that `intq_run` executes in one call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import cost
from .arena import Interval, place
from .choose import fastest
from .errors import UnsupportedError
from .fuse import residual_adds, write_in_place
from .graph import Array, Graph, Tensor
from .kernel_api import ffi, pick
from .memory import SLACK, Pool, aligned
from .ops import Op, View, coded, dense, groups, planes, sparse
from .ops.elementwise import Add
from .steps import Step, bind

if TYPE_CHECKING:
    from .kernel_api import Row
    from .ops.product import DwConv2d, Product

SCRATCH = 16384
PAD_CHANNELS = 64  # INTQ_PAD_CHANNELS of kernels/decl.h
LONG_RUN = 8192
FORMS = (dense, groups, sparse, coded, planes)  # ways to a product's bytes: modules of ops with a function `forms`; the first is always there
IN_PLACE = {"add", "mul", "lut8", "lut8_channels"}  # rows that read an element before they write the one in its place, and never again


class Builder:
    """Collects the steps of one plan for a batch size, a number of threads and a chain of instruction sets."""

    def __init__(self, graph: Graph, chain: tuple[str, ...], batch: int, threads: int = 1) -> None:
        self.graph, self.chain, self.batch, self.threads = graph, chain, batch, threads
        self.ffi = ffi
        self.steps: list[Step] = []
        self.aliases: dict[str, str] = {}
        self.sizes: dict[str, int] = {t.name: self.size(t) * np.dtype(t.dtype).itemsize for t in graph.tensors.values()}
        self.scratch_bytes = SCRATCH
        self.pool = Pool()
        self.choices: dict[str, str] = {}  # node -> the form that was taken where there were several, and the times
        self.alive: list[Any] = []  # cffi memory that params point to

    # ----- shapes -----

    def shape(self, t: Tensor) -> tuple[int, ...]:
        """The tensor's shape with the plan's batch in axis 0."""
        return t.shape if t.name in self.graph.constants or self.batch == 1 else (self.batch * t.shape[0], *t.shape[1:])

    def size(self, t: Tensor) -> int:
        return int(np.prod(self.shape(t), dtype=np.int64)) if t.shape else 1

    # ----- memory -----

    def hold(self, thing: Any) -> Any:
        """Keep cffi memory alive as long as the plan."""
        self.alive.append(thing)
        return thing

    def constant(self, array: Array, ctype: str) -> Any:
        """A pointer to a private, dense copy of an array with readable slack behind it."""
        raw = np.frombuffer(np.ascontiguousarray(array).tobytes() + bytes(SLACK), np.uint8)
        return ffi.cast(ctype, self.hold(ffi.from_buffer(self.hold(raw))))

    def new(self, struct: str, **fields: Any) -> Any:
        p = self.hold(ffi.new(f"{struct} *"))
        for name, value in fields.items():
            setattr(p, name, value)
        return p

    def temporary(self, v: View, nbytes: int) -> str:
        """A tensor that only this node's own steps see."""
        name = f"{v.node.name}/temporary{len(self.sizes)}"
        self.sizes[name] = nbytes * np.dtype(v.y().dtype).itemsize
        return name

    def alias(self, name: str, of: str) -> None:
        """Both names mean the same bytes."""
        self.aliases[name] = of

    def root(self, name: str) -> str:
        return root(self.aliases, name)

    # ----- kernels -----

    def row(self, op: str, variant: str, without_flags: int = 0) -> Row:
        rows = pick(op, variant, self.chain, without_flags)
        if not rows:
            raise UnsupportedError(f"no {op} kernel of kind {variant} for {', '.join(self.chain)}; use backend='numba' or 'reference'")
        return rows[0]

    def finish(self, rounding: str) -> Any:
        return ffi.cast("intq_finish_fn *", self.row("finish", rounding).c.fn)

    def requant(self, rq: Any, v: View, op: Any, bias: Array, multiplier: Array, shift: Array, *, uniform: bool = False) -> Any:
        """Fill an intq_requant (decl.h); returns the writable bias array. `uniform` repeats the one entry over all lanes."""
        m, s, total = multiplier.astype(np.int64), shift.astype(np.int64), bias.astype(np.int64)
        right = 31 - s if op.rounding == "q31_single" else np.maximum(-s, 0)
        left = np.zeros_like(s) if op.rounding == "q31_single" else np.maximum(s, 0)
        if op.rounding == "q15":
            total = total + ((1 << right) >> 1)
        length = PAD_CHANNELS if uniform else -(-len(m) // PAD_CHANNELS) * PAD_CHANNELS + PAD_CHANNELS
        mode: Any = {"mode": "edge"} if uniform else {"mode": "constant"}
        arrays = [np.pad(a, (0, length - len(a)), **mode).astype(np.int32) for a in (total, m, left, right)]
        rq.bias, rq.mult, rq.left, rq.right = (self.constant(a, "int32_t *") for a in arrays)
        rq.zero_point, rq.lo, rq.hi, rq.any_left = v.y().zero_point, op.lo, op.hi, int(left.any())
        return ffi.cast("int32_t *", rq.bias)

    def broadcast(self, shape: Any, v: View) -> tuple[int, int]:
        """Fill an intq_broadcast; neighbouring axes that both operands walk alike are merged. Returns (units, run length)."""
        y = self.shape(v.y())
        dims, strides = merge(y, [broadcast_strides(self.shape(v.x(i)), y) for i in (0, 1)])
        for i in range(6):
            shape.dims[i], shape.stride_a[i], shape.stride_b[i] = dims[i], strides[0][i], strides[1][i]
        if dims[4] == 1 and dims[5] >= 2 * LONG_RUN:  # a long run in pieces, so that threads can share it
            pieces = next((n for n in range(dims[5] // LONG_RUN, 1, -1) if dims[5] % n == 0), 1)
            shape.dims[4], shape.dims[5] = pieces, dims[5] // pieces
            shape.stride_a[4], shape.stride_b[4] = (strides[i][5] * shape.dims[5] for i in (0, 1))
        run = shape.dims[5]
        return int(np.prod(dims)) // run, run

    # ----- steps -----

    def step(self, v: View, row: Row, params: Any, units: int, min_units: int = 1, reads: list[str] | None = None,
             writes: list[str] | None = None) -> None:  # fmt: skip
        """Append a step. By default it reads the node's activations and writes its outputs; `reads` may name constants too."""
        min_units = cost.min_units(self, v, row.isa, units, min_units)
        self.steps.append(
            Step(
                v.node.name, row, params,
                [name for i, name in enumerate(v.node.inputs) if not v.is_constant(i)] if reads is None else reads,
                list(v.node.outputs) if writes is None else writes, int(units), int(min_units),
            )
        )  # fmt: skip

    def prepare(self, row: Row, p: Any) -> None:
        """Let the kernel choose its loops and pack its weights."""
        nbytes = row.c.prepare(p, ffi.NULL)
        packed = self.hold(self.pool.take(nbytes + SLACK))
        row.c.prepare(p, ffi.cast("uint8_t *", packed.ctypes.data))
        self.scratch_bytes = max(self.scratch_bytes, p.scratch_bytes)

    def product(self, v: View, op: Product, weights: Array, groups: int, fields: dict[str, int]) -> None:
        """conv2d and dense: the fastest of the forms that these weights [O, ...] have. fields: of ops.product.conv_fields."""
        geometry = {**fields, "groups": groups, "x_zero_point": v.x().zero_point, "w_zero_point": v.x(1).zero_point}
        fastest(self, v, [form for kind in FORMS for form in kind.forms(self, v, op, weights, geometry)])

    def depthwise(self, v: View, op: DwConv2d, fields: dict[str, int]) -> None:
        """dwconv2d. fields: of ops.product.conv_fields."""
        variant = "s16" if op.rounding == "i64_15" else "any"
        row = self.row("dwconv2d", variant)
        p = self.new("intq_dwconv2d", weights=self.constant(v.array(1), "int8_t *"), multiplier=fields["oc"] // fields["c"],
                     x_zero_point=v.x().zero_point, w_zero_point=v.x(1).zero_point, **fields)  # fmt: skip
        if variant == "any":
            p.finish = self.finish(op.rounding)
        p.bias = self.requant(p.rq, v, op, v.array(2), v.array(3), v.array(4))
        self.prepare(row, p)
        self.step(v, row, p, p.units, reads=[v.node.inputs[0]])

    def copy(self, v: View, source: str, dims: tuple[int, ...], xs: list[int], ys: list[int], x_offset: int = 0, y_offset: int = 0,
             target: str | None = None) -> None:  # fmt: skip
        """One strided copy of `dims` elements into the node's output."""
        merged, (x_strides, y_strides) = merge(dims, [xs, ys])
        p = self.new("intq_copy", x_offset=x_offset, y_offset=y_offset, element_size=np.dtype(v.y().dtype).itemsize)
        for i in range(6):
            p.dims[i], p.x_stride[i], p.y_stride[i] = merged[i], x_strides[i], y_strides[i]
        units, run = int(np.prod(merged[:5])), merged[5]
        self.step(v, self.row("copy", "any"), p, units, max(1, 32768 // run), [source], [target or v.node.outputs[0]])

    def fill(self, v: View, value: int) -> None:
        count = self.size(v.y())
        p = self.new("intq_fill", count=count, value=value, element_size=np.dtype(v.y().dtype).itemsize)
        self.step(v, self.row("fill", "any"), p, -(-count // 4096), 16, [], [v.node.outputs[0]])

    def gather(self, v: View, source: str, target: str, shape: tuple[int, ...], axis: int, index: Array) -> None:
        outer, inner = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :])) * np.dtype(v.y().dtype).itemsize
        p = self.new("intq_gather", outer=outer, n_index=len(index), x_axis=shape[axis], inner_bytes=inner, index=self.constant(index, "int32_t *"))
        self.step(v, self.row("gather", "any"), p, outer * len(index), max(1, 32768 // inner), [source], [target])

    # ----- the whole graph -----

    def build(self) -> Plan:
        """Lower every node, a product that feeds a residual addition together with it."""
        fused = residual_adds(self.graph)
        late = {product.name for product, _ in fused.values()}
        for node in self.graph.nodes:
            assert isinstance(node.attrs, Op)
            if node.name in late:
                continue
            if node.name in fused:
                product, other = fused[node.name]
                assert isinstance(product.attrs, Op)
                product.attrs.lower(View(self.graph, product), self)
                if self.attach(View(self.graph, node), self.steps[-1], product.outputs[0], other):
                    continue
            node.attrs.lower(View(self.graph, node), self)
        self.steps = write_in_place(self.graph, self.steps, self.root, {self.root(name) for name in self.kept()})
        return Plan(self)

    def kept(self) -> list[str]:
        """Ports and state: they keep their memory between calls."""
        graph = self.graph
        return [p.tensor for p in (*graph.inputs, *graph.outputs)] + [n for s in graph.states for n in (s.read, s.write)]

    def attach(self, v: View, step: Step, product: str, other: str) -> bool:
        """Let a convolution add its residual to each block before it leaves the cache; False where its kernel cannot."""
        op = v.node.attrs
        if step.row.op != "conv2d" or step.row.variant != "any" or step.writes != [product] or not isinstance(op, Add):
            return False
        row = self.row("add", "any")
        first = v.node.inputs[0] == product
        (m1, m2), (a, b) = ((op.m1, op.m2), (0, 1)) if first else ((op.m2, op.m1), (1, 0))
        p = self.new("intq_add", m1=m1, m2=m2, shift=op.shift, lo=op.lo, hi=op.hi, a_zero_point=v.x(a).zero_point,
                     b_zero_point=v.x(b).zero_point, y_zero_point=v.y().zero_point)  # fmt: skip
        for i in range(6):
            p.shape.dims[i] = 1
        p.shape.stride_a[5] = p.shape.stride_b[5] = 1
        step.params.residual, step.params.residual_add = ffi.cast("void *", p), ffi.cast("intq_kernel_fn *", row.c.fn)
        step.reads, step.writes = [*step.reads, other], list(v.node.outputs)
        return True


class Plan:
    """Steps, arena offsets and packed weights: immutable, shared by every session that runs it."""

    def __init__(self, builder: Builder) -> None:
        graph = builder.graph
        self.steps, self.scratch_bytes, self.alive = builder.steps, -(-builder.scratch_bytes // 64) * 64, builder.alive
        self.aliases, self.choices = builder.aliases, builder.choices
        self.constants = {name: builder.constant(a, "uint8_t *") for name, a in graph.constants.items() if any(name in s.reads for s in self.steps)}
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for i, step in enumerate(self.steps):
            for name in (*step.reads, *step.writes):
                root = self.root(name)
                first.setdefault(root, i)
                last[root] = i
        # ports and state lie outside the arena, which holds what lives within one call
        self.kept = list(dict.fromkeys(self.root(name) for name in builder.kept() if name not in graph.constants))
        self.sizes: dict[str, int] = {}
        for name, size in builder.sizes.items():
            root = self.root(name)
            self.sizes[root] = max(self.sizes.get(root, 0), size)
        outside = {*self.kept, *graph.constants}
        self.reuse_inputs(first, last, outside)
        self.offsets, self.arena_bytes = place([Interval(n, self.sizes[n], first[n], last[n]) for n in first if n not in outside], SLACK)

    def reuse_inputs(self, first: dict[str, int], last: dict[str, int], outside: set[str]) -> None:
        """Let an elementwise step write over an input of its own size that nobody reads later."""
        for i, step in enumerate(self.steps):
            if step.row.op not in IN_PLACE:
                continue
            target = self.root(step.writes[0])
            for name in step.reads:
                source = self.root(name)
                dead = last.get(source) == i and source not in outside and self.sizes[source] == self.sizes[target]
                if dead and target not in outside and source != target:
                    self.aliases[target] = source
                    last[source] = last.pop(target)
                    del first[target]
                    break

    def root(self, name: str) -> str:
        return root(self.aliases, name)

    def allocate(self) -> dict[str, Array]:
        """Memory of one session: "" is the arena, the others are ports and state by tensor name."""
        return {"": aligned(self.arena_bytes), **{name: aligned(self.sizes[name] + SLACK) for name in self.kept}}

    def address(self, memory: dict[str, Array], name: str) -> int:
        root = self.root(name)
        return int(memory[root].ctypes.data if root in memory else memory[""].ctypes.data + self.offsets[root])

    def bind(self, memory: dict[str, Array]) -> Any:
        """A C array of steps whose pointers go into this memory."""

        def pointer(name: str) -> Any:
            root = self.root(name)
            return self.constants[root] if root in self.constants else ffi.cast("char *", self.address(memory, root))

        return bind(self.steps, pointer)


def root(aliases: dict[str, str], name: str) -> str:
    """The one name that all others for the same bytes lead to."""
    while name in aliases:
        name = aliases[name]
    return name


def broadcast_strides(shape: tuple[int, ...], to: tuple[int, ...]) -> list[int]:
    """Element strides of a dense array of `shape` walked as `to`; 0 where an axis repeats."""
    padded = (1,) * (len(to) - len(shape)) + shape
    out, step = [0] * len(to), 1
    for i in range(len(to) - 1, -1, -1):
        out[i] = step if padded[i] > 1 else 0
        step *= padded[i]
    return out


def merge(dims: tuple[int, ...], strides: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    """Drop axes of size 1, join neighbours that every walker passes without a gap, right-align to 6 axes."""
    kept: list[tuple[int, list[int]]] = []
    for i, d in enumerate(dims):
        if d == 1:
            continue
        at = [s[i] for s in strides]
        if kept and all(p == s * d for p, s in zip(kept[-1][1], at, strict=True)):
            kept[-1] = (kept[-1][0] * d, at)
        else:
            kept.append((d, at))
    blank = [(1, [0] * len(strides))] * (6 - len(kept))
    rows = blank + kept
    return [d for d, _ in rows], [[s[k] for _, s in rows] for k in range(len(strides))]
