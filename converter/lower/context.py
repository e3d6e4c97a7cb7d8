"""What a lowering function works with: the float network, the scales, the integer graph so far, and how values lie in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...graph import Graph
from ...kernels.fixed_point import requantize_params
from ...ops import REGISTRY
from ..ir import INF, Array, Float, Node
from ..quantize import QParam, QWeight, quantize_layer
from . import view as views
from .view import View, view_of

AXES = 6  # of a tensor
Lowering = Callable[["Context", Node], None]
LOWERINGS: dict[str, Lowering] = {}


class Refused(Exception):
    """A node that cannot become integers: the reason, and the nearest way out."""

    def __init__(self, reason: str, way_out: str = "replace it in the source model") -> None:
        super().__init__(reason)
        self.reason, self.way_out = reason, way_out


def lowers(*ops: str) -> Callable[[Lowering], Lowering]:
    """Register a function for ONNX operators or composites."""

    def register(function: Lowering) -> Lowering:
        for op in ops:
            LOWERINGS[op] = function
        return function

    return register


class Context:
    """State of one lowering. `weights` overrides the nearest rounding of a layer by node name; `dry` skips the arithmetic on weights."""

    def __init__(self, net: Float, params: Mapping[str, QParam], weights: Mapping[str, QWeight] | None = None, dry: bool = False) -> None:
        self.net, self.params, self.dry = net, dict(params), dry
        self.graph = Graph(net.name)
        self.views: dict[str, View] = {}
        self.other_views: dict[str, View] = {}  # values in a second number of bits
        self.source: dict[str, str] = {}  # integer node name -> layer name in the source
        self._weights = dict(weights or {})
        self._layouts: dict[tuple[View, tuple[int, ...], tuple[int, ...]], str] = {}
        self._node: Node | None = None

    # ----- values -----

    def begin(self, node: Node) -> None:
        self._node = node

    @contextmanager
    def under(self, node: Node) -> Iterator[None]:
        """Within, what is emitted belongs to an earlier node."""
        current, self._node = self._node, node
        try:
            yield
        finally:
            self._node = current

    def shape(self, name: str) -> tuple[int, ...]:
        return self.net.shape(name)

    def view(self, name: str) -> View:
        """How a computed value is stored."""
        return self.views[name]

    def view_for(self, source: str, result: str) -> View:
        """The view of `source` with its data at the scale of `result`: a table where a quantized source model gives them different ones."""
        view = self.view(source)
        return view.on(self.rescaled(view.tensor, self.param(result)))

    def param(self, name: str) -> QParam:
        return self.params[name]

    def is_constant(self, name: str) -> bool:
        return name in self.net.constants

    def constant(self, name: str, what: str) -> Array:
        """The array of an input that must be constant."""
        if name not in self.net.constants:
            raise Refused(f"{what} is computed at run time", "export the model with fixed shapes and constant parameters")
        return self.net.constants[name]

    def ints(self, node: Node, position: int, attribute: str, default: list[int] | None = None) -> list[int]:
        """Integers that are an attribute in old opsets and an input in new ones."""
        if attribute in node.attrs:
            return [int(v) for v in node.attrs[attribute]]
        if len(node.inputs) > position and node.inputs[position]:
            return [int(v) for v in self.constant(node.inputs[position], attribute).reshape(-1)]
        if default is None:
            raise Refused(f"{attribute} is missing")
        return default

    def weight(self, node: Node) -> QWeight:
        """The integer weights of a layer in the source's layout."""
        if node.name in self._weights:
            return self._weights[node.name]
        if self.dry:
            shape = self.shape(node.inputs[1])
            return QWeight(np.zeros(shape, np.int8), np.ones(shape[0]), np.zeros(shape[0]))
        return quantize_layer(self.net, node, self.param(node.inputs[0]), self.param(node.output))

    # ----- layouts -----

    def natural(self, name: str) -> tuple[int, ...]:
        """Storage order of a value's axes: channels last for images and sequences of channels."""
        rank = len(self.shape(name))
        return (0, *range(2, rank), 1) if rank >= 3 else tuple(range(rank))

    def lies(self, name: str, order: tuple[int, ...]) -> bool:
        """Whether a computed value is stored with its axes in `order`, so that reading it so moves nothing."""
        return views.moves(self.view(name), order) == ((), ())

    def in_runs(self, name: str, order: tuple[int, ...]) -> bool:
        """Whether storing a computed value with its axes in `order` moves nothing, or runs of bytes, as its last axis stays the last."""
        moved = views.moves(self.view(name), order)
        return moved is not None and (not moved[1] or moved[1][-1] == len(moved[1]) - 1)

    def common_order(self, inputs: list[str], output: str) -> tuple[int, ...]:
        """An order of the axes that the computed inputs are stored in already where they agree; else the natural one."""
        natural, plain = self.natural(output), tuple(range(len(self.shape(output))))
        if natural == plain:
            return plain
        for name in inputs:
            if name not in self.net.constants and self.lies(name, natural):
                return natural
        agree = all(name in self.net.constants or self.lies(name, plain) for name in inputs)
        return plain if agree else natural

    def stored(self, name: str, order: tuple[int, ...] | None = None, shape: tuple[int, ...] | None = None) -> str:
        """The tensor that holds a value with its axes in `order`, reshaped to `shape`; moves data only where it must."""
        return self.arrange(self.view(name), order or self.natural(name), shape)

    def arrange(self, view: View, order: tuple[int, ...], shape: tuple[int, ...] | None = None) -> str:
        wanted = shape or tuple(view.shape[axis] for axis in order)
        key = (view, order, wanted)
        if key not in self._layouts:
            moved = views.moves(view, order)
            if moved is None or self.too_many(moved[0]):  # bring it into the order of the source first, which every later order divides
                view = self.materialise(view)
                moved = views.moves(view, order)
                if moved is None:
                    raise Refused("its layout cannot be untangled")
            factors, perm = moved
            self._layouts[key] = self.reshape(self._transposed(view.tensor, factors, perm) if perm else view.tensor, wanted)
        return self._layouts[key]

    def too_many(self, factors: tuple[int, ...]) -> bool:
        """Whether a tensor has too few axes for all factors to be moved at once; a batch of 1 is an axis and no factor."""
        return len(factors) + (not self.net.whole) > AXES

    def _transposed(self, tensor: str, factors: tuple[int, ...], perm: tuple[int, ...]) -> str:
        batch = () if self.net.whole else (1,)
        tensor = self.reshape(tensor, (*batch, *factors))
        turned = (*range(len(batch)), *(len(batch) + p for p in perm))
        return self._emit_move("transpose", tensor, (*batch, *(factors[p] for p in perm)), perm=turned)

    def turned(self, view: View, axes: tuple[int, ...]) -> View:
        """The view with its axes permuted. Moves data first where an axis is no run of whole factors, or there would be too many to move at once."""
        found = views.transpose(view, axes)
        if found is None or self.too_many(found.factors):
            found = views.transpose(self.materialise(view), axes)
            assert found is not None, "a value stored in the order of its source has its axes as factors"
        return found

    def materialise(self, view: View) -> View:
        """The value stored in the order of its source."""
        tensor = self._transposed(view.tensor, view.factors, view.perm)
        return view_of(self.reshape(tensor, view.shape), view.shape, tuple(range(len(view.shape))))

    def reshape(self, tensor: str, shape: tuple[int, ...]) -> str:
        """The same bytes under another shape; no node where the shape is that already."""
        if self.graph.of(tensor).shape == shape:
            return tensor
        return self._emit_move("reshape", tensor, shape)

    def _emit_move(self, op: str, tensor: str, shape: tuple[int, ...], **fields: object) -> str:
        before = self.graph.of(tensor)
        result = self.graph.tensor(self.fresh(tensor), shape, before.dtype, before.scale, before.zero_point)
        self.emit(op, [tensor], result, helper=True, **fields)
        return result

    # ----- building -----

    def fresh(self, stem: str) -> str:
        stem = stem.split("~")[0]
        if stem not in self.graph.tensors:
            return stem
        number = 1
        while f"{stem}~{number}" in self.graph.tensors:
            number += 1
        return f"{stem}~{number}"

    def emit(self, op: str, inputs: list[str], output: str, helper: bool = False, **fields: object) -> None:
        """Append an integer node under the name of the source layer; a `helper` (a copy, a rescale) and later ones are numbered."""
        stem = self._node.name if self._node is not None else output
        name, number = stem, 1
        while helper or name in self.source:
            name, number, helper = f"{stem}~{number}", number + 1, False
        self.source[name] = stem
        self.graph.node(REGISTRY[op](**fields), inputs, [output], name)

    def like(self, name: str, param: QParam, shape: tuple[int, ...]) -> str:
        """A new activation named after a value."""
        return self.graph.tensor(self.fresh(name), shape, param.dtype, param.scale, param.zero_point)

    def produce(self, name: str, shape: tuple[int, ...]) -> str:
        """A new activation that holds the source value `name` (with its scale), in any shape; `place` then says how it lies."""
        return self.like(name, self.param(name), shape)

    def place(self, name: str, tensor: str, order: tuple[int, ...] | None = None, shape: tuple[int, ...] | None = None) -> None:
        """The value `name` lies in `tensor` with its axes in `order` (default: the natural one)."""
        source = shape or self.shape(name)
        self.views[name] = view_of(tensor, source, order or self.natural(name))

    def result(self, name: str, view: View) -> None:
        """The value `name` is a view of something stored. Axis 0 must stay the batch."""
        if view.shape[:1] != (1,) and not self.net.whole:
            raise Refused(f"it gives axis 0 (the batch) the size {view.shape[:1]}", "keep the batch in axis 0")
        self.views[name] = view

    def put(self, stem: str, array: Array, scale: float | tuple[float, ...] = 1.0, zero_point: int = 0) -> str:
        """Store a constant."""
        return self.graph.constant(self.fresh(stem), array, scale, zero_point)

    def limits(self, node: Node) -> dict[str, Any]:
        """`lo` and `hi` of the output's integers: the dtype's range cut by the fused activation."""
        param = self.param(node.output)
        lo, hi = node.clamp or (-INF, INF)
        return {
            "lo": int(param.low if lo == -INF else param.quantize(lo)),
            "hi": int(param.high if hi == INF else param.quantize(hi)),
        }

    def rounding(self, scales: Array, peaks: Array) -> str:
        """`q15` where its bound abs(acc + r) < 2^(31 - left shift) holds for every channel, `q31_single` otherwise.

        `scales` are the effective ones, `peaks` the largest |accumulator|, per channel.
        """
        if self.dry:
            return "q15"
        _, shift = requantize_params(scales, "q15")
        left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
        half = np.where(right > 0, 2.0 ** (right - 1.0), 0)
        return "q15" if np.all(np.asarray(peaks, np.float64) + half < 2.0 ** (31 - left)) else "q31_single"

    def requantizer(self, stem: str, scales: Array, peaks: Array, output: str = "") -> tuple[str, str, str]:
        """Stores the fixed-point parameters of effective `scales`; returns (multiplier, shift, rounding).

        Where `output` has few levels or is read for its sign, `q31_single`: q15 sees 64 parts of a step, too few where a step is much of the range.
        """
        fine = not self.dry and (output in self.net.levels or output in self.net.signs)
        rounding = "q31_single" if fine else self.rounding(scales, peaks)
        multiplier, shift = requantize_params(scales, rounding)
        return self.put(f"{stem}/multiplier", multiplier), self.put(f"{stem}/shift", shift), rounding

    def rescaled(self, tensor: str, to: QParam, name: str | None = None) -> str:
        """The tensor at another scale and zero point, by a table of 256 entries (its result named after `name`); itself where nothing changes."""
        have = self.graph.of(tensor)
        if (have.scale, have.zero_point, have.dtype) == (to.scale, to.zero_point, to.dtype):
            return tensor
        assert isinstance(have.scale, float)
        return self.table(tensor, QParam(have.scale, have.zero_point, have.dtype), to, lambda x: x, name, helper=True)

    def table(self, tensor: str, x: QParam, y: QParam, function: Callable[[Array], Array], name: str | None = None, helper: bool = False) -> str:
        """`lut8`: the function of the 256 possible values of a tensor, as integers at scale y."""
        raw = np.arange(256, dtype=np.uint8).view(x.dtype)
        table = self.put(f"{name or tensor}/table", y.quantize(function(x.dequantize(raw))))
        result = self.like(name or tensor, y, self.graph.of(tensor).shape)
        self.emit("lut8", [tensor, table], result, helper=helper)
        return result
