"""The float network and its quantized twin, executed side by side, node by node, over the same samples.

What is done to a layer (rounding, bias correction) is then done with the inputs that the layer will really see, those of the
layers already quantized before it, and with the float output it should give. Each node runs once; an activation is freed after
its last reader, so that memory follows the widest point of the network and the number of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from .ir import INF, Array, Float, Node
from .onnx.emit import session, to_onnx
from .quantize import QParam, QWeight, float_weights, layers

BLOCK = 16  # samples per call of onnxruntime
MEMORY = 1 << 30  # bytes of activations that live at once


@dataclass
class Site:
    """A layer about to be quantized: weight[O, ...] and bias[O] in float64, its input in both networks (axis 0: samples).

    `wanted` is its float output before the clamp.
    """

    node: Node
    position: int
    count: int
    weight: Array
    bias: Array
    x: QParam
    y: QParam
    real: Array
    quantized: Array
    wanted: Array
    run: Callable[[Array, Array, Array], Array]  # (weight, bias, input) -> output before the clamp

    @property
    def channel_axis(self) -> int:
        """Axis of the output channels in `wanted`."""
        if self.node.op == "Affine":
            return int(self.node.attrs["axis"])
        return self.wanted.ndim - 1 if self.node.op == "Linear" else 1

    def means(self, output: Array) -> Array:
        """Mean of an output per channel, float64[O]."""
        return np.asarray(output.mean(axis=tuple(a for a in range(output.ndim) if a != self.channel_axis), dtype=np.float64))


Visit = Callable[[Site], QWeight]


class Picker:
    """Keeps samples of a stream, spread evenly over all of it: at most `limit`, and what MEMORY holds when the network runs on them."""

    def __init__(self, net: Float, limit: int) -> None:
        self.limit = max(1, min(limit, MEMORY // max(2 * peak_bytes(net), 1)))
        self._rows: dict[str, list[Array]] = {name: [] for name in net.inputs}
        self._seen, self._stride = 0, 1

    def add(self, feeds: Mapping[str, Array]) -> None:
        """One batch."""
        for place in range(len(next(iter(feeds.values())))):
            if self._seen % self._stride == 0:
                for name, rows in self._rows.items():
                    rows.append(feeds[name][place].copy())
                if len(next(iter(self._rows.values()))) > 2 * self.limit:
                    self._stride *= 2
                    self._rows = {name: rows[::2] for name, rows in self._rows.items()}
            self._seen += 1

    def samples(self) -> dict[str, Array]:
        """By input, [count, ...]."""
        count = len(next(iter(self._rows.values())))
        chosen = np.linspace(0, count - 1, min(self.limit, count)).astype(int)
        return {name: np.stack([rows[i] for i in chosen]) for name, rows in self._rows.items()}


def last_uses(net: Float) -> dict[str, int]:
    """Position of the last node that reads each value."""
    return {name: place for place, node in enumerate(net.nodes) for name in net.activations(node)}


def peak_bytes(net: Float) -> int:
    """Most bytes of float32 activations alive at once, for one sample."""
    uses, alive, peak = last_uses(net), {name: 4 * int(np.prod(net.shape(name))) for name in net.inputs}, 0
    for place, node in enumerate(net.nodes):
        alive.update({name: 4 * int(np.prod(net.shape(name))) for name in node.outputs if name})
        peak = max(peak, sum(alive.values()))
        for name in [name for name in alive if uses.get(name, -1) <= place]:
            del alive[name]
    return peak


def executor(net: Float, node: Node) -> Callable[[Mapping[str, Array]], list[Array]]:
    """A function from the node's inputs (any number of samples) to its outputs, before its clamp."""
    part = Float("part", net.opset)
    part.free_batch = net.free_batch
    part.nodes = [replace(node, clamp=None)]
    part.inputs = list(dict.fromkeys(net.activations(node)))
    part.outputs = [name for name in node.outputs if name]
    part.values = {name: net.values[name] for name in [*part.inputs, *part.outputs]}
    part.constants = net.constants
    compiled = session(to_onnx(part))
    step = BLOCK if net.free_batch else 1

    def run(feeds: Mapping[str, Array]) -> list[Array]:
        given = {name: feeds[name].astype(net.values[name].dtype, copy=False) for name in part.inputs}
        count = len(next(iter(given.values())))
        parts = [compiled.run(part.outputs, {k: v[i : i + step] for k, v in given.items()}) for i in range(0, count, step)]
        return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]

    return run


def clamped(node: Node, outputs: list[Array]) -> list[Array]:
    lo, hi = node.clamp or (-INF, INF)
    return outputs if (lo, hi) == (-INF, INF) else [np.clip(outputs[0], np.float32(lo), np.float32(hi)), *outputs[1:]]


def fake(param: QParam, real: Array) -> Array:
    """What quantizing to integers and back leaves, as float32."""
    inverse = np.float32(1 / param.scale)
    q = np.rint(real * inverse)
    q += np.float32(param.zero_point)
    np.clip(q, param.low, param.high, out=q)
    q -= np.float32(param.zero_point)
    return np.asarray(q * np.float32(param.scale), np.float32)


def spread(scale: Array, rank: int) -> Array:
    return scale.reshape(-1, *[1] * (rank - 1))


def walk(
    net: Float, params: Mapping[str, QParam], feeds: Mapping[str, Array], visit: Visit, progress: Callable[[str, int, int | None], None] | None = None
) -> dict[str, QWeight]:
    """Calls `visit` for every layer with constant weights, in order, and goes on with the weights it returns. The weights by layer name."""
    weighted = {id(node): place for place, node in enumerate(layers(net))}
    uses = last_uses(net)
    real: dict[str, Array] = dict(feeds)
    twin: dict[str, Array] = {name: fake(params[name], array) if name in params else array for name, array in feeds.items()}
    result: dict[str, QWeight] = {}
    for place, node in enumerate(net.nodes):
        if not net.activations(node):
            continue
        run = executor(net, node)
        want = run(real)
        if id(node) in weighted:
            site = site_of(net, node, params, real, twin, want[0], weighted[id(node)], len(weighted))
            result[node.name] = weight = visit(site)
            got = [site.run(weight.q * spread(weight.scale, weight.q.ndim), weight.bias, site.quantized)]
        else:
            got = run(twin)
        for name, a, b in zip([name for name in node.outputs if name], clamped(node, want), clamped(node, got), strict=True):
            real[name] = a
            twin[name] = fake(params[name], b) if name in params and b.dtype == np.float32 else b
        for name in [name for name in real if uses.get(name, -1) <= place]:
            del real[name], twin[name]
        if progress is not None:
            progress("weights", place + 1, len(net.nodes))
    return result


def site_of(
    net: Float,
    node: Node,
    params: Mapping[str, QParam],
    real: Mapping[str, Array],
    twin: Mapping[str, Array],
    wanted: Array,
    position: int,
    count: int,
) -> Site:


    weight, bias = float_weights(net, node)
    x = node.inputs[0]

    def run(w: Array, b: Array, given: Array) -> Array:
        part = Float("layer", net.opset)
        part.free_batch, part.values, part.inputs, part.outputs = net.free_batch, net.values, net.inputs, net.outputs
        part.constants = {"weight": w.astype(np.float32), "bias": b.astype(np.float32)}
        return executor(part, replace(node, inputs=[x, "weight", "bias"]))({x: given})[0]

    return Site(node, position, count, weight, bias, params[x], params[node.output], real[x], twin[x], wanted, run)


