"""Which channels of a network's activations may be scaled, and which of them only together.

Every element of an activation has a slot; scaling the elements of a slot by one positive number, everywhere, leaves the function of the network
as it is. Layers with constant weights absorb a number for each input channel and give another one to each output channel; pooling, movements,
additions, concatenations and positively homogeneous functions hand slots on. Any other function of one element gets a table for each channel, which
absorbs and gives like a layer; a gate that such a function makes takes up what differs between a product and its other factor.
Slot 0 cannot be scaled: inputs, outputs, and what is read or made by any other operator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..grid import grid_steps
from ..ir import INF, Array, Float, Node
from ..lockstep import executor
from ..onnx.single import evaluate
from ..ranges import moved

LAYERS = ("Conv", "Linear", "Affine")
POOLS = ("MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool")
REDUCES = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum")
SCALABLE = (None, (0.0, INF), (-INF, INF))  # clamps
TOGETHER = ("Add", "Sub", "Max", "Min")
STEPS = 8  # per factor of two
LEAST, LARGEST = -24, 48
COARSE = 4  # steps between the scales of channels with tables: the fewer differ, the fewer tables there are
PROBE = np.array([-7.3, -2.1, -0.4, 0.0, 0.3, 1.9, 6.7], np.float32)


@dataclass(frozen=True)
class Reader:
    """A layer and the slots of the input channels that its weights read."""

    node: Node
    slots: Array


class Slots:
    """`of`: the slots of each value, in an array that broadcasts to its shape; `made`: those of the output channels of each layer, by its name;
    `count`: how many there are."""

    def __init__(self, net: Float) -> None:
        self.net = net
        self.of: dict[str, Array] = {}
        self.readers: list[Reader] = []
        self.made: dict[str, Array] = {}
        self.tables: dict[str, int] = {}  # functions of one element, by the name of the node: the axis of the channels
        self._gates: list[tuple[Array, Array, Array]] = []  # slots of a gate, of what it makes of a factor, of the factor
        self._uses = net.consumers()
        self._parent = [0]
        for name in net.inputs:
            self.of[name] = self._fixed(name)
        for node in net.nodes:
            self._visit(node)
        for name in net.outputs:
            self._join(self.of[name], np.zeros((), np.int64))
        self._even_gates()
        roots = np.array([self._find(slot) for slot in range(len(self._parent))])
        found, place = np.unique(roots, return_inverse=True)
        assert found[0] == 0
        self.count = len(found)  # slot 0 among them
        self.of = {name: place[slots] for name, slots in self.of.items()}
        self.made = {name: place[slots] for name, slots in self.made.items()}
        self.readers = [Reader(reader.node, place[reader.slots]) for reader in self.readers]
        gates = [np.stack([place[slots] for slots in gate]) for gate in self._gates]
        self.gates = np.concatenate(gates, axis=1) if gates else np.zeros((3, 0), np.int64)  # the first is the second over the third

        tables = [self.of[name].reshape(-1) for node in net.nodes if node.name in self.tables for name in (node.inputs[0], node.output)]
        self.coarse = np.unique(np.concatenate([self.gates.reshape(-1), *tables]))

    def steps(self, scale: Array) -> Array:
        """The logarithms of the scales of slots as they can be had: integers, a factor of two being STEPS."""
        k = np.clip(np.rint(STEPS * np.log2(scale)), LEAST, LARGEST).astype(np.int64)
        k[self.coarse] = COARSE * np.rint(k[self.coarse] / COARSE)
        gate, product, factor = self.gates
        near = k[product] - np.clip(k[product] - k[factor], -STEPS, STEPS)
        k[factor] = np.where(factor > 0, np.clip(near, LEAST, LARGEST), 0)
        k[0] = 0
        k[gate] = k[product] - k[factor]
        return k

    def _even_gates(self) -> None:
        """A gate whose slot is not its own, or that would be the quotient of two things at once, keeps its scale."""
        zero = np.zeros((), np.int64)
        while True:
            slots = [self._find(int(slot)) for gate, _, _ in self._gates for slot in gate]
            wrong = {slot for slot in slots if slot and slots.count(slot) > 1}
            found = [i for i, gate in enumerate(self._gates) if {self._find(int(slot)) for slot in gate[0]} & {0, *wrong}]
            if not found:
                return
            gate, product, factor = self._gates.pop(found[0])
            self._join(gate, zero)
            self._join(product, factor)

    def _find(self, slot: int) -> int:
        while (up := self._parent[slot]) != slot:
            self._parent[slot] = self._parent[up]
            slot = up
        return slot

    def _join(self, a: Array, b: Array) -> None:
        """Elementwise, broadcasting; the smaller number stays, 0 above all."""
        a, b = np.broadcast_arrays(a, b)
        differs = a != b
        for first, second in np.unique(np.stack([a[differs], b[differs]], axis=1), axis=0):
            low, high = sorted((self._find(int(first)), self._find(int(second))))
            self._parent[high] = low

    def _fixed(self, name: str) -> Array:
        return np.zeros([1] * len(self.net.shape(name)), np.int64)

    def _fresh(self, count: int) -> Array:
        start = len(self._parent)
        self._parent += range(start, start + count)
        return np.arange(start, start + count)

    def _slots(self, name: str) -> Array:
        """Of a constant: 0."""
        return self.of[name] if name in self.of else np.zeros([1] * len(self.net.shape(name)), np.int64)

    def _even(self, slots: Array, axes: tuple[int, ...]) -> Array:
        """Joins along the axes; what is left has size 1 there."""
        for axis in axes:
            if slots.shape[axis] > 1:
                self._join(slots, slots.take([0], axis))
                slots = slots.take([0], axis)
        return slots

    def _visit(self, node: Node) -> None:
        rules: list[tuple[bool, Callable[[Node], Array | None]]] = [
            (node.op in LAYERS, self._layer),
            (node.op in POOLS, self._pool),
            (node.op in REDUCES, self._reduce),
            (node.op in TOGETHER, self._together),
            (node.op == "Mul", self._product),
            (node.op == "Concat", self._concat),
            (node.op == "Pad", self._pad),
            (node.op == "Resize", self._resize),
            (moved(self.net, node), self._move),
            (node.op == "Unary", self._function),
        ]
        rule = next((rule for fits, rule in rules if fits), None)
        slots = None if rule is None or (node.clamp not in SCALABLE and node.op not in LAYERS) else rule(node)
        if slots is None:
            for name in self.net.activations(node):
                self._join(self._slots(name), np.zeros((), np.int64))
            self.of.update({name: self._fixed(name) for name in node.outputs if name})
        elif node.output not in self.of:
            self.of[node.output] = compact(slots)

    def _layer(self, node: Node) -> Array | None:
        net = self.net
        if any(name and name not in net.constants for name in node.inputs[1:]) or node.inputs[0] in net.constants:
            return None
        rank, weight = len(net.shape(node.output)), net.constants[node.inputs[1]]
        axis = int(node.attrs["axis"]) if node.op == "Affine" else rank - 1 if node.op == "Linear" else 1
        slots = self._even(self.of[node.inputs[0]], tuple(i for i in range(rank) if i != axis))
        slots = np.broadcast_to(slots.reshape(-1), net.shape(node.inputs[0])[axis : axis + 1])
        if node.op != "Affine" and grid_steps(weight.reshape(len(weight), -1)) is not None:  # weights on a grid stay there
            self._join(slots, np.zeros((), np.int64))
        self.readers.append(Reader(node, slots))
        made = self._fresh(len(weight)) if node.clamp in SCALABLE else np.zeros(len(weight), np.int64)
        self.made[node.name] = made
        return made.reshape([-1 if i == axis else 1 for i in range(rank)])

    def _pool(self, node: Node) -> Array:
        slots = self.of[node.inputs[0]]
        return self._even(slots, tuple(range(2, slots.ndim)))

    def _reduce(self, node: Node) -> Array | None:
        before, after = self.net.shape(node.inputs[0]), self.net.shape(node.output)
        axes = node.attrs.get("axes")
        if axes is None and len(node.inputs) > 1 and node.inputs[1] in self.net.constants:
            axes = self.net.constants[node.inputs[1]].reshape(-1).tolist()
        if axes is None:
            return None
        axes = tuple(int(axis) % len(before) for axis in axes)
        slots = self._even(self.of[node.inputs[0]], axes)
        return slots if len(after) == len(before) else slots.squeeze(axes)

    def _together(self, node: Node) -> Array:
        slots = [self._slots(name) for name in node.inputs]
        rank = len(self.net.shape(node.output))
        slots = [s.reshape([1] * (rank - s.ndim) + list(s.shape)) for s in slots]
        whole = np.broadcast_arrays(*slots)
        for other in whole[1:]:
            self._join(whole[0], other)
        return np.asarray(whole[0])

    def _product(self, node: Node) -> Array | None:
        """A gate of one number per channel that a table makes takes up any scale of the product. Else one factor keeps its scale: the one that cannot
        be scaled, or the smaller one."""
        if len(self.net.activations(node)) != 2:
            return None
        if (made := self._gated(node)) is not None:
            return made
        names = sorted(node.inputs, key=lambda name: (self._free(name), int(np.prod(self.net.shape(name)))))
        gate, x = names
        self._join(self.of[gate], np.zeros((), np.int64))
        rank, slots = len(self.net.shape(node.output)), self.of[x]
        return slots.reshape([1] * (rank - slots.ndim) + list(slots.shape))

    def _gated(self, node: Node) -> Array | None:
        shape = self.net.shape(node.output)
        for gate, x in (node.inputs, node.inputs[::-1]):
            maker = next((n for n in self.net.nodes if n.output == gate), None)
            slots = self.of[gate]
            own = maker is not None and maker.name in self.tables and self.net.single_use(gate, self._uses)
            if not own or self.net.shape(x) != shape or len(shape) < 3 or self.net.shape(gate) != (1, shape[1], *[1] * (len(shape) - 2)):
                continue
            if self.of[x].shape not in (slots.shape, tuple([1] * len(shape))):
                continue
            made = self._fresh(shape[1])
            self._gates.append((slots.reshape(-1), made, np.broadcast_to(self.of[x], slots.shape).reshape(-1)))
            return made.reshape(slots.shape)
        return None

    def _free(self, name: str) -> bool:
        return any(self._find(int(slot)) for slot in np.unique(self.of[name]))

    def _concat(self, node: Node) -> Array:
        axis = int(node.attrs["axis"]) % len(self.net.shape(node.output))
        parts = []
        for name in node.inputs:
            slots, size = self._slots(name), self.net.shape(name)[axis]
            parts.append(np.repeat(slots, size, axis=axis) if slots.shape[axis] == 1 else slots)
        common = np.broadcast_shapes(*((*part.shape[:axis], 1, *part.shape[axis + 1 :]) for part in parts))
        return np.concatenate([np.broadcast_to(p, (*common[:axis], p.shape[axis], *common[axis + 1 :])) for p in parts], axis)

    def _pad(self, node: Node) -> Array | None:
        """With zeros around an image."""
        before, after = self.net.shape(node.inputs[0]), self.net.shape(node.output)
        if before[:2] != after[:2] or not moved(self.net, node):
            return None
        return self._pool(node)

    def _resize(self, node: Node) -> Array | None:
        before, after = self.net.shape(node.inputs[0]), self.net.shape(node.output)
        return self._pool(node) if before[:2] == after[:2] else None

    def _move(self, node: Node) -> Array | None:
        """The slots go where the elements go."""
        source = node.inputs[0]
        if source not in self.of or len(self.net.activations(node)) != 1:
            return None
        full = np.ascontiguousarray(np.broadcast_to(self.of[source], self.net.shape(source)), np.float32)  # slots are exact below 2^24
        outputs = executor(self.net, node)({source: full})
        for name, array in zip([name for name in node.outputs if name], outputs, strict=True):
            self.of[name] = compact(array.astype(np.int64))
        return self.of[node.output]

    def _function(self, node: Node) -> Array | None:
        """Where f(a x) = a f(x) for positive a."""
        if len(self.net.activations(node)) != 1 or self.net.shape(node.inputs[0]) != self.net.shape(node.output):
            return None
        try:
            one, more = evaluate(self.net, node, PROBE), [(a, evaluate(self.net, node, np.float32(a) * PROBE)) for a in (0.25, 8.0)]
        except Exception:  # a body that onnxruntime cannot run on its own
            return None
        homogeneous = one.shape == PROBE.shape and all(np.allclose(a * one, other, rtol=1e-5, atol=1e-6) for a, other in more)
        return self.of[node.inputs[0]] if homogeneous else self._table(node)

    def _table(self, node: Node) -> Array | None:
        """One for each channel: the second axis of an image, the last of anything else."""
        shape = self.net.shape(node.output)
        axis = 1 if len(shape) >= 4 else len(shape) - 1
        if len(shape) < 2 or shape[axis] == 1 or self.net.values[node.output].dtype != "float32" or self.net.whole:
            return None
        self._even(self.of[node.inputs[0]], tuple(i for i in range(len(shape)) if i != axis))
        self.tables[node.name] = axis
        return self._fresh(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))])


def compact(slots: Array) -> Array:
    """Axes along which nothing changes get size 1."""
    for axis in range(slots.ndim):
        if slots.shape[axis] > 1 and bool((slots == slots.take([0], axis)).all()):
            slots = slots.take([0], axis)
    return np.ascontiguousarray(slots)
