"""The float network and its quantized twin, executed side by side, node by node, over the same samples.

What is done to a layer (rounding, bias correction) is then done with the inputs that the layer will really see, those of the
layers already quantized before it, and with the float output it should give. An activation is freed after its last reader.
Memory is bounded, not the number of samples: where the network is wide few of them are carried; where it gets narrower others,
run through the layers already done, join them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from .ir import INF, Array, Float, Node
from .kept import Kept
from .onnx.emit import session, to_onnx
from .quantize import QParam, QWeight, float_weights, layers

BLOCK = 16  # samples per call of onnxruntime, at most
BLOCK_BYTES = 8 << 20  # of the largest activation of a block
MEMORY = 256 << 20  # bytes of activations that live at once; twice that while samples join


@dataclass
class Site:
    """A layer about to be quantized: weight[O, ...] and bias[O] in float64, its input in both networks (axis 0: samples).

    `wanted` is the mean of its float output per channel, before the clamp.
    """

    node: Node
    position: int
    count: int
    weight: Array
    bias: Array
    x: QParam
    y: QParam
    real: Kept
    quantized: Kept
    wanted: Array
    channel_axis: int  # of the output
    run: Callable[[Array, Array, Array], Array]  # (weight, bias, input) -> output before the clamp

    def means(self, weight: Array, bias: Array) -> Array:
        """Mean per channel of what the layer makes of its quantized input, float64[O]."""
        average = Average(self.channel_axis)
        for x in self.quantized:
            average.add(self.run(weight, bias, x))
        return average.value()


class Average:
    """Mean per channel over a stream of blocks."""

    def __init__(self, axis: int) -> None:
        self.axis, self.total, self.count = axis, np.zeros(1), 0

    def add(self, block: Array) -> None:
        rows = np.moveaxis(block, self.axis, 1).reshape(len(block), block.shape[self.axis], -1)
        self.total = self.total + rows.sum(axis=2).sum(axis=0, dtype=np.float64)
        self.count += rows.shape[0] * rows.shape[2]

    def value(self) -> Array:
        return self.total / self.count


Visit = Callable[[Site], QWeight]
Progress = Callable[[str, int, int | None], None]


def last_uses(net: Float) -> dict[str, int]:
    """Position of the last node that reads each value."""
    return {name: place for place, node in enumerate(net.nodes) for name in net.activations(node)}


def carried(net: Float, params: Mapping[str, QParam]) -> list[int]:
    """Bytes that one sample takes from each node on, at the widest: both networks' activations, kept small."""

    def size(name: str) -> int:
        return int(np.prod(net.shape(name))) * (3 if name in params else 4)

    uses, alive = last_uses(net), {name: size(name) for name in net.inputs}
    found = []
    for place, node in enumerate(net.nodes):
        alive.update({name: size(name) for name in node.outputs if name})
        found.append(sum(alive.values()))
        for name in [name for name in alive if uses.get(name, -1) <= place]:
            del alive[name]
    for place in range(len(found) - 2, -1, -1):
        found[place] = max(found[place], found[place + 1])
    return found


def schedule(net: Float, params: Mapping[str, QParam], total: int, memory: int, unit: int) -> dict[int, int]:
    """How many samples are carried from which node on: the first entry is for node 0, the number at least doubles, and it ends with all."""
    stages: dict[int, int] = {}
    now = 0
    for place, size in enumerate(carried(net, params)):
        room = min(total, max(unit, memory // max(size, 1) // unit * unit))
        if room > now and (room >= 2 * now or room == total):
            stages[place] = now = room
    return stages


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
    step = BLOCK if net.free_batch else unit_of(net)

    def run(feeds: Mapping[str, Array]) -> list[Array]:
        given = {name: feeds[name].astype(net.values[name].dtype, copy=False) for name in part.inputs}
        count = len(next(iter(given.values())))
        parts = [compiled.run(part.outputs, {k: v[i : i + step] for k, v in given.items()}) for i in range(0, count, step)]
        return parts[0] if len(parts) == 1 else [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]

    return run


def unit_of(net: Float) -> int:
    """Rows that the network takes at once where its batch is not free."""
    return 1 if net.free_batch else next((net.shape(name)[0] for name in net.inputs if net.shape(name)), 1)


def clamped(node: Node, outputs: list[Array]) -> list[Array]:
    lo, hi = node.clamp or (-INF, INF)
    return outputs if (lo, hi) == (-INF, INF) else [np.clip(outputs[0], np.float32(lo), np.float32(hi)), *outputs[1:]]


def spread(scale: Array, rank: int) -> Array:
    return scale.reshape(-1, *[1] * (rank - 1))


def layer_function(net: Float, node: Node) -> Callable[[Array, Array, Array], Array]:
    """(weight, bias, input) -> output of a layer before its clamp."""
    last: list[tuple[Array, Array, Callable[[Mapping[str, Array]], list[Array]]]] = []

    def run(w: Array, b: Array, given: Array) -> Array:
        if not last or last[0][0] is not w or last[0][1] is not b:  # the blocks of a stream come with the same arrays
            part = Float("layer", net.opset)
            part.free_batch, part.values, part.inputs, part.outputs = net.free_batch, net.values, net.inputs, net.outputs
            part.constants = {"weight": w.astype(np.float32), "bias": b.astype(np.float32)}
            last[:] = [(w, b, executor(part, replace(node, inputs=[node.inputs[0], "weight", "bias"])))]
        return last[0][2]({node.inputs[0]: given})[0]

    return run


class Twins:
    """Both networks' live activations of the same samples; `params` quantizes the twin's, all but those in `exact`.

    Layers are fitted without the last samples, a share `held`.
    """

    def __init__(
        self, net: Float, params: Mapping[str, QParam], feeds: Mapping[str, Array], exact: frozenset[str] = frozenset(), held: float = 0.0
    ) -> None:
        self.net, self.params, self.exact, self.held = net, params, exact, held
        largest = max(int(np.prod(value.shape)) for value in net.values.values())
        step = max(1, min(BLOCK, BLOCK_BYTES // (4 * largest))) if net.free_batch else unit_of(net)
        self.real = {name: Kept() for name in feeds}
        self.twin = {name: Kept(params.get(name)) for name in feeds}
        for name, array in feeds.items():
            for start in range(0, len(array), step):
                self.real[name].add(array[start : start + step])
                self.twin[name].add(array[start : start + step])

    def join(self, others: Twins) -> None:
        """More samples, at the same place of the network."""
        for mine, theirs in ((self.real, others.real), (self.twin, others.twin)):
            for name, kept in mine.items():
                kept.extend(theirs[name])

    def float_step(self, node: Node, average: Average | None = None) -> None:
        """The float network through one node; `average` sees its output before the clamp."""
        self._step(self.real, {}, node, executor(self.net, node), average)

    def twin_step(self, node: Node, weight: QWeight | None) -> None:
        """The quantized one, with the integer weights of a layer that has some."""
        if weight is not None:
            layer, real = layer_function(self.net, node), weight.q * spread(weight.scale, weight.q.ndim)
            bias, x = weight.bias, node.inputs[0]
            self._step(self.twin, self.params, node, lambda feeds: [layer(real, bias, feeds[x])])
        else:
            self._step(self.twin, self.params, node, executor(self.net, node))

    def _step(
        self,
        state: dict[str, Kept],
        params: Mapping[str, QParam],
        node: Node,
        run: Callable[[Mapping[str, Array]], list[Array]],
        average: Average | None = None,
    ) -> None:
        inputs = list(dict.fromkeys(self.net.activations(node)))
        made = {name: Kept(None if name in self.exact else params.get(name)) for name in node.outputs if name}
        seen = state[inputs[0]].split(self.held)[0].count
        for blocks in zip(*(state[name] for name in inputs), strict=True):
            outputs = run(dict(zip(inputs, blocks, strict=True)))
            if average is not None and next(iter(made.values())).count < seen:
                average.add(outputs[0])
            for kept, array in zip(made.values(), clamped(node, outputs), strict=True):
                kept.add(array)
        state.update(made)

    def drop(self, name: str) -> None:
        del self.real[name], self.twin[name]


def walk(
    net: Float,
    params: Mapping[str, QParam],
    feeds: Mapping[str, Array],
    visit: Visit,
    progress: Progress | None = None,
    ends: dict[str, tuple[Array, Array]] | None = None,
    held: float = 0.0,
) -> dict[str, QWeight]:
    """Calls `visit` for every layer with constant weights, in order, and goes on with the weights it returns. The weights by layer name.

    `ends` receives the outputs of both networks that nothing else reads, (real, quantized), before they become integers; of a share `held` of
    the samples alone, which no layer was fitted to, where there are blocks enough.
    """
    stages = schedule(net, params, len(next(iter(feeds.values()))), MEMORY, unit_of(net))
    uses, dead = last_uses(net), dict[int, list[str]]()
    exact = frozenset(net.outputs) - frozenset(uses) if ends is not None else frozenset()
    for place, node in enumerate(net.nodes):
        for name in {*net.activations(node), *node.outputs} - {""}:
            if uses.get(name, place) <= place and name not in exact:
                dead.setdefault(place, []).append(name)
    weighted = {id(node): place for place, node in enumerate(layers(net))}
    result: dict[str, QWeight] = {}

    def part(start: int, stop: int) -> Twins:
        return Twins(net, params, {name: array[start:stop] for name, array in feeds.items()}, exact, held)

    def advance(state: Twins, place: int) -> None:
        node = net.nodes[place]
        if not net.activations(node):
            return
        fresh = id(node) in weighted and node.name not in result
        average = Average(channel_axis(net, node)) if fresh else None
        state.float_step(node, average)
        if fresh and average is not None:
            result[node.name] = visit(site_of(state, node, average.value(), weighted[id(node)], len(weighted)))
        state.twin_step(node, result[node.name] if id(node) in weighted else None)
        for name in dead.get(place, []):
            state.drop(name)

    first = count = stages[0]
    state = part(0, first)
    for place in range(len(net.nodes)):
        while count < stages.get(place, 0):  # they go through the layers before this one, no more at a time than fit there
            others = part(count, min(count + first, stages[place]))
            count = min(count + first, stages[place])
            for earlier in range(place):
                advance(others, earlier)
            state.join(others)
        advance(state, place)
        if progress is not None:
            progress("weights", place + 1, len(net.nodes))
    if ends is not None:
        for name in exact:
            pairs = [pair for pair in zip(state.real[name].split(held), state.twin[name].split(held), strict=True) if pair[0].count]
            ends[name] = pairs[-1][0].array(), pairs[-1][1].array()
    return result


def channel_axis(net: Float, node: Node) -> int:
    """Axis of the output channels of a layer."""
    if node.op == "Affine":
        return int(node.attrs["axis"])
    return len(net.shape(node.output)) - 1 if node.op == "Linear" else 1


def site_of(state: Twins, node: Node, wanted: Array, position: int, count: int) -> Site:
    net, params, x = state.net, state.params, node.inputs[0]
    return Site(
        node,
        position,
        count,
        *float_weights(net, node),
        params[x],
        params[node.output],
        state.real[x].split(state.held)[0],
        state.twin[x].split(state.held)[0],
        wanted,
        channel_axis(net, node),
        layer_function(net, node),
    )
