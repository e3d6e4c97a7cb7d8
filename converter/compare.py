"""A float network beside the integer graph made from it: SQNR of every layer, isolated and cumulative, and the accuracy of the task.

Isolated: a layer fed its float inputs, quantized. Cumulative: the same layer within the integer network. SQNR is taken after
each element's mean over the inputs is removed, so that a constant scores about 0 dB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ..errors import InputError
from ..graph import Graph
from ..kernel_api import function, have_numba
from ..model import Model
from ..ops import Op
from ..ops import View as NodeView
from ..session import Session
from .calibrate import FloatRunner, Progress
from .data import Replay
from .ir import Array, Float
from .lower import Context, lower
from .lower.view import View
from .pipeline import prepare
from .quantize import QParam


@dataclass(frozen=True)
class LayerError:
    """SQNR in dB of one layer's output, and the share of its float values that its integers cannot reach."""

    layer: str
    op: str
    tensor: str
    isolated: float
    cumulative: float
    clipped: float


@dataclass(frozen=True)
class Accuracy:
    """Top-1 of float and integers; b inputs that only float gets right, c that only the integers do; `same`: equal classes."""

    inputs: int
    same: float
    float_accuracy: float | None = None
    integer_accuracy: float | None = None
    b: int = 0
    c: int = 0

    def within(self, points: float) -> bool:
        """Whether a loss of `points` holds: b - c <= points * N / 100 + 1.64 * sqrt(b + c)."""
        return self.b - self.c <= points * self.inputs / 100 + 1.64 * math.sqrt(self.b + self.c)


@dataclass
class Comparison:
    outputs: dict[str, float]  # SQNR in dB by output
    accuracy: Accuracy
    layers: list[LayerError] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def worst(self, count: int = 3) -> list[LayerError]:
        """The layers that add most noise of their own."""
        return sorted(self.layers, key=lambda row: row.isolated)[:count]


class Noise:
    """Sums for the SQNR of one tensor over a stream of batches."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: list[Array] = []

    def add(self, reference: Array, given: Array) -> None:
        a = reference.astype(np.float64)
        e = a - given
        now = [a.sum(axis=0), (a * a).sum(axis=0), e.sum(axis=0), (e * e).sum(axis=0)]
        self._sums = now if not self._sums else [s + n for s, n in zip(self._sums, now, strict=True)]
        self.count += len(a)

    def sqnr(self) -> float:
        a, aa, e, ee = self._sums
        signal, noise = float((aa - a * a / self.count).sum()), float((ee - e * e / self.count).sum())
        if noise <= 1e-18 * max(signal, 1e-300):
            return math.inf
        return 10 * math.log10(max(signal, 1e-300) / noise)


def compare(
    source: str | Path | onnx.ModelProto,
    model: Model,
    inputs: Any,
    labels: Array | None = None,
    layers: int = 64,
    progress: Progress | None = None,
) -> Comparison:
    """`inputs`: preprocessed samples in any form that calibration takes; `labels`: class indices; `layers`: samples used per layer.

    Raises `InputError` where the model was not converted from the source, or labels and inputs differ in number.
    """
    net, replay = prepare(source, inputs)
    assert replay is not None
    if set(net.inputs) != {port.name for port in model.inputs}:
        raise InputError(f"the model takes {[port.name for port in model.inputs]}, the source {net.inputs}: they do not belong together")
    layout_of(net, model.graph)  # refuses a model of another source
    replay.keep = True
    outputs = [port.name for port in model.outputs]
    runner, session = FloatRunner(net, outputs), Session(model, batch=8)
    noise = {name: Noise() for name in outputs}
    real_class: list[Array] = []
    integer_class: list[Array] = []
    shapes = {name: net.values[name].shape for name in net.inputs}
    for feeds in replay.batches(shapes, runner.batch):
        real = runner.run(feeds)
        result = session.run(feeds if len(feeds) > 1 else next(iter(feeds.values())))
        integer = result if isinstance(result, dict) else {outputs[0]: result}
        for name in outputs:
            noise[name].add(real[name], integer[name])
        real_class.append(real[outputs[0]].reshape(len(real[outputs[0]]), -1).argmax(axis=1))
        integer_class.append(integer[outputs[0]].reshape(len(integer[outputs[0]]), -1).argmax(axis=1))
        if progress is not None:
            progress("compare", noise[outputs[0]].count, None)
    accuracy = task_accuracy(np.concatenate(real_class), np.concatenate(integer_class), labels)
    result_layers = layer_errors(net, model.graph, replay, layers, progress) if layers else []
    return Comparison({name: noise[name].sqnr() for name in outputs}, accuracy, result_layers)


def task_accuracy(real: Array, integer: Array, labels: Array | None) -> Accuracy:
    same = float((real == integer).mean())
    if labels is None:
        return Accuracy(len(real), same)
    labels = np.asarray(labels).reshape(-1)
    if len(labels) != len(real):
        raise InputError(f"{len(labels)} labels for {len(real)} inputs")
    a, b = real == labels, integer == labels
    return Accuracy(len(real), same, float(a.mean()), float(b.mean()), int((a & ~b).sum()), int((~a & b).sum()))


def layout_of(net: Float, graph: Graph) -> Context:
    """The lowering that made `graph` from `net`, repeated with the graph's own scales, for the views of its values."""
    params: dict[str, QParam] = {}

    def known(name: str) -> QParam | None:
        tensor = graph.tensors.get(name)
        return QParam(float(tensor.scale), tensor.zero_point, tensor.dtype) if tensor is not None and not isinstance(tensor.scale, tuple) else None

    for name in net.inputs:
        params[name] = known(name) or QParam(1.0, 0)
    for node in net.nodes:
        for name in node.outputs:
            params[name] = known(name) or params.get(node.inputs[0], QParam(1.0, 0))
    ctx = lower(net, params, dry=True)
    if [node.name for node in ctx.graph.nodes] != [node.name for node in graph.nodes]:
        raise InputError("the model was not converted from this source")
    return ctx


def to_stored(view: View, real: Array, shape: tuple[int, ...]) -> Array:
    """A source array [N, ...] as it lies in the stored tensor of `shape`."""
    source = real.reshape(len(real), *(view.factors[p] for p in view.perm))
    return source.transpose(0, *(1 + int(i) for i in np.argsort(view.perm))).reshape(len(real), *shape[1:])


def layer_errors(net: Float, graph: Graph, replay: Replay, count: int, progress: Progress | None = None) -> list[LayerError]:
    """One row per layer whose output is stored, in order of execution, over the first `count` samples."""
    ctx = layout_of(net, graph)
    values: dict[str, str] = {}  # stored tensor -> the first source value that lies in it
    for name, view in ctx.views.items():
        values.setdefault(view.tensor, name)
    makers = {name: node for node in net.nodes for name in node.outputs}
    runner = FloatRunner(net, list(values.values()))
    isolated: dict[str, Noise] = {}
    cumulative: dict[str, Noise] = {}
    clipped: dict[str, list[float]] = {}
    done, backend = 0, "numba" if have_numba() else "reference"
    for real in runner.walk(replay):
        real = {name: array[: count - done] for name, array in real.items()}
        for mode, noise in (("isolated", isolated), ("cumulative", cumulative)):
            for tensor, got, want in _walk(graph, ctx, values, real, mode == "isolated", backend):
                noise.setdefault(tensor, Noise()).add(want, _real(graph, tensor, got))
                if mode == "cumulative":
                    clipped.setdefault(tensor, []).append(_outside(graph, tensor, want))
        done += len(next(iter(real.values())))
        if progress is not None:
            progress("layers", done, count)
        if done >= count:
            break
    rows = []
    for tensor, noise_alone in isolated.items():
        node = makers[values[tensor]]
        share = float(np.mean(clipped[tensor]))
        rows.append(LayerError(node.name, node.op, values[tensor], noise_alone.sqnr(), cumulative[tensor].sqnr(), share))
    return rows


def _real(graph: Graph, tensor: str, q: Array) -> Array:
    t = graph.tensors[tensor]
    return np.asarray(t.scale) * (q.astype(np.float64) - t.zero_point)


def _outside(graph: Graph, tensor: str, want: Array) -> float:
    """Share of float values more than half a step outside the range that the tensor's integers have."""
    info = np.iinfo(graph.tensors[tensor].dtype)
    low, high = _real(graph, tensor, np.array([info.min, info.max]))
    half = float(np.asarray(graph.tensors[tensor].scale)) / 2
    return float(((want < low - half) | (want > high + half)).mean())


def _walk(graph: Graph, ctx: Context, values: Mapping[str, str], real: Mapping[str, Array], replace: bool, backend: str) -> Any:
    """Executes the graph; yields (tensor, integers, float values) for each stored value. `replace` feeds on the float values instead."""
    count = len(next(iter(real.values())))

    def exact(tensor: str) -> tuple[Array, Array]:
        name, t = values[tensor], graph.tensors[tensor]
        stored = to_stored(ctx.views[name], real[name], t.shape)
        return stored, QParam(float(np.asarray(t.scale)), t.zero_point, t.dtype).quantize(stored)

    known: dict[str, Array] = dict(graph.constants)
    for port in graph.inputs:
        known[port.tensor] = exact(port.tensor)[1]
    for node in graph.nodes:
        op = node.attrs
        assert isinstance(op, Op)
        kwargs = op.kwargs(NodeView(graph, node))
        if op.wants_out_shape:
            kwargs["out_shape"] = (count, *kwargs["out_shape"][1:])
        output = node.outputs[0]
        known[output] = np.ascontiguousarray(function(op.op, backend)(*[known[name] for name in node.inputs], **kwargs))
        if output in values:
            want, q = exact(output)
            yield output, known[output], want
            if replace:
                known[output] = q
