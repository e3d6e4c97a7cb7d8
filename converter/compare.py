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

import msgspec
import numpy as np
import onnx

from ..errors import InputError
from ..graph import Graph, Port
from ..model import Model
from ..session import Session
from . import channels
from .calibrate import FloatRunner, Progress
from .data import Replay
from .ir import Array, Float, Node
from .lower import Context, lower
from .lower.view import View
from .passes import steps
from .pipeline import prepare
from .quantize import QParam
from .ranges import narrow_name, wide_capable

LARGE = 1 << 16  # elements
PARTS = 3  # operators that an expression is called by


@dataclass(frozen=True)
class LayerError:
    """SQNR in dB of one layer's output, and the share of its float values that its integers cannot reach. `label`: the operator, or of an
    elementwise expression those that it consists of."""

    layer: str
    op: str
    tensor: str
    isolated: float
    cumulative: float
    clipped: float
    label: str = ""


def label(node: Node) -> str:
    """What a reader calls the operator: "Sigmoid, Mul" for an expression that has become one table."""
    parts = list(dict.fromkeys(inner.op for inner in node.body)) if node.op == "Unary" and node.body else [node.op]
    return ", ".join(parts if len(parts) <= PARTS else [*parts[: PARTS - 1], "..."])


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
        """Ready for JSON, which has no infinity: an SQNR without any error is None."""
        found = asdict(self)
        for row in (found["outputs"], *found["layers"]):
            row.update({key: None for key, value in row.items() if value == math.inf})
        return found

    def worst(self, count: int = 3) -> list[LayerError]:
        """The layers that add most noise of their own."""
        return sorted(self.layers, key=lambda row: row.isolated)[:count]


class Noise:
    """Sums for the SQNR of one tensor over a stream of batches, about the first sample, which keeps float32 exact enough for a large one."""

    def __init__(self) -> None:
        self.count = 0
        self._origin: Array = np.zeros(0)
        self._sums: list[Array] = []
        self._squares = [0.0, 0.0]

    def add(self, reference: Array, given: Array) -> None:
        kind = np.float64 if reference.size < LARGE else np.float32
        if not self.count:
            self._origin = reference[:1].astype(kind)
        parts = [reference.astype(kind, copy=False) - self._origin, np.subtract(reference, given, dtype=kind)]
        now = [part.sum(axis=0) for part in parts]
        self._sums = now if not self._sums else [s + n for s, n in zip(self._sums, now, strict=True)]
        self._squares = [s + float(np.vdot(part, part)) for s, part in zip(self._squares, parts, strict=True)]
        self.count += len(reference)

    def sqnr(self) -> float:
        signal, noise = (square - float(np.vdot(s, s)) / self.count for square, s in zip(self._squares, self._sums, strict=True))
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
    if layers < 0:
        raise InputError(f"the number of samples for the layers must be at least 0, is {layers}")
    if labels is not None:
        check_labels(np.asarray(labels), math.prod(model.outputs[0].shape[1:]))
    net, replay = prepare(source, inputs)
    steps.apply(net, model.recipe.get("steps", ()))
    scales = channels.restore(net, model.recipe.get("channel_scales", ""))
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
    result_layers = layer_errors(net, model.graph, replay, layers, progress, scales) if layers else []
    return Comparison({name: noise[name].sqnr() for name in outputs}, accuracy, result_layers)


def check_labels(labels: Array, classes: int) -> None:
    """Raises `InputError` for labels that are no indices of classes."""
    if labels.dtype.kind not in "iub":
        raise InputError(f"labels must be integers, the indices of classes; they are {labels.dtype}")
    if wrong := np.flatnonzero((labels < 0) | (labels >= classes)).tolist():
        raise InputError(f"labels must be in 0..{classes - 1}, the classes that the model has; label {wrong[0]} is {labels.flat[wrong[0]]}")


def task_accuracy(real: Array, integer: Array, labels: Array | None) -> Accuracy:
    """`real`, `integer`: the class of each input. Raises `InputError` where there are not as many labels."""
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
        if params[node.output].dtype == "int16" and wide_capable(net, node):
            params[narrow_name(node.output)] = known(narrow_name(node.output)) or QParam(1.0, 0)
    ctx = lower(net, params, dry=True)
    if [node.name for node in ctx.graph.nodes] != [node.name for node in graph.nodes]:
        raise InputError("the model was not converted from this source")
    return ctx


def to_stored(view: View, real: Array, shape: tuple[int, ...]) -> Array:
    """A source array [N, ...] as it lies in the stored tensor of `shape`."""
    source = real.reshape(len(real), *(view.factors[p] for p in view.perm))
    return source.transpose(0, *(1 + int(i) for i in np.argsort(view.perm))).reshape(len(real), *shape[1:])


def layer_errors(
    net: Float, graph: Graph, replay: Replay, count: int, progress: Progress | None = None, scales: Mapping[str, Array] | None = None
) -> list[LayerError]:
    """One row per layer whose output is stored, in order of execution, over the first `count` samples.

    `scales`: what values were divided by in `net`; the figures are those of the source's values.
    """
    ctx = layout_of(net, graph)
    values: dict[str, str] = {}  # stored tensor -> the first source value that lies in it
    for name, view in ctx.views.items():
        values.setdefault(view.tensor, name)
    makers = {name: node for node in net.nodes for name in node.outputs}
    source = {tensor: _in_source(ctx.views[name], (scales or {}).get(name), graph.tensors[tensor].shape) for tensor, name in values.items()}
    runner = FloatRunner(net, list(values.values()))
    noises: tuple[dict[str, Noise], dict[str, Noise]] = ({}, {})
    clipped: dict[str, list[float]] = {}
    sessions = [Session(probe(graph, values, isolated)) for isolated in (True, False)]
    done = 0
    for found in runner.walk(replay):
        real = {name: array[: count - done] for name, array in found.items()}
        stored = {tensor: to_stored(ctx.views[name], real[name], graph.tensors[tensor].shape) for tensor, name in values.items()}
        exact = {tensor: _param(graph, tensor).quantize(array) for tensor, array in stored.items()}
        for session, noise in zip(sessions, noises, strict=True):
            feeds = {info.name: exact[info.name.removesuffix("/given")] for info in session.inputs}
            result = session.run_quantized(feeds)
            outputs = result if isinstance(result, dict) else {session.outputs[0].name: result}
            for tensor, got in outputs.items():
                noise.setdefault(tensor, Noise()).add(stored[tensor] * source[tensor], _param(graph, tensor).dequantize(got) * source[tensor])
        for tensor in noises[0]:
            clipped.setdefault(tensor, []).append(_outside(graph, tensor, stored[tensor]))
        done += len(next(iter(real.values())))
        if progress is not None:
            progress("layers", done, count)
        if done >= count:
            break
    isolated, cumulative = noises
    rows = []
    for tensor, noise_alone in isolated.items():
        node = makers[values[tensor]]
        share = float(np.mean(clipped[tensor]))
        rows.append(LayerError(node.name, node.op, values[tensor], noise_alone.sqnr(), cumulative[tensor].sqnr(), share, label(node)))
    return rows


def _in_source(view: View, scale: Array | None, shape: tuple[int, ...]) -> Array:
    """What the elements of a stored tensor are to be multiplied by, float32."""
    if scale is None:
        return np.ones((), np.float32)
    return to_stored(view, np.broadcast_to(scale.astype(np.float32), (len(scale), *view.shape[1:])), shape)


def _param(graph: Graph, tensor: str) -> QParam:
    t = graph.tensors[tensor]
    return QParam(float(np.asarray(t.scale)), t.zero_point, t.dtype)


def _outside(graph: Graph, tensor: str, want: Array) -> float:
    """Share of float values more than half a step outside the range that the tensor's integers have."""
    info = np.iinfo(graph.tensors[tensor].dtype)
    low, high = _param(graph, tensor).dequantize(np.array([info.min, info.max]))
    half = _param(graph, tensor).scale / 2
    return float(((want < low - half) | (want > high + half)).mean())


def probe(graph: Graph, values: Mapping[str, str], isolated: bool) -> Model:
    """The graph with every stored value as an output; `isolated` cuts it there, so that each reader takes a new input instead."""
    copy = Graph(graph.name)
    copy.tensors, copy.constants = dict(graph.tensors), dict(graph.constants)
    copy.inputs = [_port(graph, port.tensor) for port in graph.inputs]
    made = [node.outputs[0] for node in graph.nodes if node.outputs[0] in values]
    copy.outputs = [_port(graph, tensor) for tensor in made]
    given = {tensor: f"{tensor}/given" for tensor in made} if isolated else {}
    read = {name for node in graph.nodes for name in node.inputs}
    for tensor, name in given.items():
        if tensor in read:
            copy.tensors[name] = msgspec.structs.replace(graph.tensors[tensor], name=name)
            copy.inputs.append(_port(graph, tensor, name))
    copy.nodes = [msgspec.structs.replace(node, inputs=tuple(given.get(name, name) for name in node.inputs)) for node in graph.nodes]
    return Model(copy, max_arena=2**40, max_macs=2**50)


def _port(graph: Graph, tensor: str, name: str | None = None) -> Port:
    shape = graph.tensors[tensor].shape
    return Port(name=name or tensor, tensor=name or tensor, shape=shape, perm=tuple(range(len(shape))))
