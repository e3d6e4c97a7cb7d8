"""The batch back in axis 0, where attention and its kin move it: PyTorch writes `permute(2, 0, 3, 1, 4)` of [N, L, 3, H, D], `nn.MultiheadAttention`
works on [L, N, E] and [N * H, L, D].

Shapes here are those of one sample. Whatever a network makes of one sample can be made of each of N: a value whose axis 0 is not 1
for one sample gets a 1 in front (it is `lifted`), and the nodes that read it move their axes by one. The result is the source's for every
sample wherever the source treats samples alike, which `onnx.alone` makes sure of.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..ir import Float, Node, Value
from .decompose import Builder

Rule = Callable[["Lift"], bool]
VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}
AXIS = {"Softmax": -1, "LogSoftmax": -1, "LayerNormalization": -1, "Concat": 0, "Split": 0, "Gather": 0}  # the attribute's default
REDUCTIONS = {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"}
PLAIN = {
    "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Where", "MatMul", "Relu", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh",
    "Erf", "Gelu", "Exp", "Log", "Sqrt", "Reciprocal", "Neg", "Abs", "Clip", "Elu", "Selu", "Celu", "Mish", "Softplus", "Softsign", "Cast",
    "Identity", "Dropout", "Sin", "Cos", "IsNaN", "Not", "Equal", "Less", "Greater",
}  # fmt: skip  (nothing in them names an axis, but for broadcasting, from the last axis on)


def lift_batch(net: Float) -> None:
    """Rewrite what moves the batch. What cannot be rewritten stays, and is refused with its reason when it is lowered."""
    if net.whole:
        return
    result: list[Node] = []
    lifted: dict[str, tuple[int, ...]] = {}  # value -> its shape in the source
    for node in net.nodes:
        lift = Lift(net, node, lifted)
        result += lift.nodes if lift.concerns() and lift.rewrite() else [node]
    net.nodes = result
    net.lifted = bool(lifted)
    for name in net.outputs:
        if name in lifted:  # the source's output has no batch in front: its own shape, so that it is refused by its name
            inner = net.fresh(f"{name}/lifted")
            for node in net.nodes:
                node.inputs = [inner if n == name else n for n in node.inputs]
                node.outputs = [inner if n == name else n for n in node.outputs]
            net.values[inner], net.values[name] = net.values[name], Value(lifted[name], net.values[name].dtype)
            shape = net.constant(f"{name}/shape", np.asarray(lifted[name], np.int64))
            producer = net.producers()[inner]
            net.nodes.append(Node(producer.name, "Reshape", [inner, shape], [name]))
            producer.name = f"{producer.name}/lifted"


class Lift(Builder):
    """One node, and those that replace it. Sources' shapes are of one sample and may lack the batch in front; stored ones begin with 1."""

    def __init__(self, net: Float, node: Node, lifted: dict[str, tuple[int, ...]]) -> None:
        super().__init__(net, node)
        self.lifted = lifted

    def source(self, name: str) -> tuple[int, ...]:
        return self.lifted.get(name) or self.net.shape(name)

    def concerns(self) -> bool:
        """Whether an input is lifted, or an output would have to be."""
        names = self.net.activations(self.node)
        if not names or any(not self.source(name) for name in (*names, *filter(None, self.node.outputs))):
            return False
        moved = any(self.source(name)[0] != 1 for name in self.node.outputs if name)
        return moved or any(name in self.lifted for name in names) or (self.node.op == "Transpose" and self.perm()[0] != 0)

    def perm(self) -> list[int]:
        return [int(p) for p in self.node.attrs.get("perm", range(len(self.source(self.x)))[::-1])]

    def rewrite(self) -> bool:
        op = self.node.op
        if op in VIEWS:
            return self.view(self.x)
        if op == "Gemm":
            return self.gemm()
        if op == "Transpose":
            return self.transpose()
        if op in AXIS:
            return self.along(AXIS[op])
        if op in REDUCTIONS:
            return self.reduce()
        if op == "Slice":
            return self.slice()
        return op in PLAIN and self.plain()

    def step(self, op: str, inputs: list[str], shape: tuple[int, ...], **attrs: object) -> str:
        """Append a node that makes a value of the stored `shape`, with the dtype of the output."""
        name = self.add(op, inputs, shape, **attrs)
        self.net.values[name].dtype = self.net.values[self.node.output].dtype
        return name

    def reshaped(self, name: str, shape: tuple[int, ...]) -> str:
        """The value as (1, ...)."""
        if self.net.shape(name) == shape:
            return name
        result = self.step("Reshape", [name, self.constant("shape", [0, *shape[1:]])], shape)
        self.net.values[result].dtype = self.net.values[name].dtype
        if name in self.net.pinned:
            self.net.pinned[result] = self.net.pinned[name]
        return result

    def given(self, name: str, rank: int) -> str:
        """An operand, its source shape of at most `rank` axes, with 1 in front; constants as they are, for they broadcast."""
        if name in self.net.constants or not name:
            return name
        shape = self.source(name)
        return self.reshaped(name, (1, *[1] * (rank - len(shape)), *shape))

    def leave(self, name: str, output: str) -> None:
        """`name`, stored as (1, *shape of the source's output), becomes that output: as it is stored."""
        shape = self.net.shape(output)
        stored = shape if shape[0] == 1 else (1, *shape)
        if shape[0] != 1:
            self.lifted[output] = shape
            self.net.values[output] = Value(stored, self.net.values[output].dtype)
        if output in self.net.pinned:
            self.net.pinned[name] = self.net.pinned[output]
        if self.net.shape(name) != stored or not any(name in node.outputs for node in self.nodes):
            self.nodes.append(
                Node(f"{self.node.name}/batch{len(self.nodes)}", "Reshape", [name, self.constant("shape", [0, *stored[1:]])], [output])
            )
            return
        for node in self.nodes:
            node.outputs = [output if n == name else n for n in node.outputs]

    def finish(self, name: str) -> bool:
        """The main node keeps the source's name."""
        main = next((node for node in self.nodes if node.op == self.node.op), self.nodes[-1] if self.nodes else None)
        if main is not None:
            main.name = self.node.name
        self.leave(name, self.node.output)
        return True

    def view(self, name: str) -> bool:
        self.leave(name, self.node.output)
        self.nodes[-1].name = self.node.name
        return True

    def transpose(self) -> bool:
        perm, shape = self.perm(), self.source(self.x)
        if self.x not in self.lifted:  # axis 0 is 1 and stands for the batch: it leaves the permutation
            kept = [p for p in perm if p]
            return self.finish(self.step("Transpose", [self.x], (1, *(shape[p] for p in kept)), perm=[0, *kept]))
        return self.finish(self.step("Transpose", [self.x], (1, *(shape[p] for p in perm)), perm=[0, *(p + 1 for p in perm)]))

    def plain(self) -> bool:
        rank = max(len(self.source(name)) for name in self.node.inputs if name)
        if self.node.op == "MatMul" and any(len(self.source(name)) < 2 for name in self.node.inputs):
            return False
        names = [self.given(name, rank) for name in self.node.inputs]
        return self.finish(self.step(self.node.op, names, (1, *self.net.shape(self.node.output)), **self.node.attrs))

    def along(self, default: int) -> bool:
        """Operators with one axis."""
        rank = len(self.source(self.net.activations(self.node)[0]))
        axis = int(self.node.attrs.get("axis", default))
        if (self.node.op in ("Softmax", "LogSoftmax") and self.net.opset < 13) or (any(self.node.outputs[1:]) and self.node.op != "Split"):
            return False
        names = [self.given(name, rank) for name in self.node.inputs]
        if self.node.op == "Concat":
            for i, name in enumerate(names):
                if name in self.net.constants:
                    names[i] = self.constant(f"part{i}", self.net.constants[name][None])
        if self.node.op == "Gather" and self.node.inputs[0] in self.net.constants:
            return False
        attrs = {**self.node.attrs, "axis": axis % rank + 1}
        if self.node.op != "Split":
            return self.finish(self.step(self.node.op, names, (1, *self.net.shape(self.node.output)), **attrs))
        if not all(self.node.outputs):
            return False
        parts = [self.net.fresh(f"{name}/part") for name in self.node.outputs]
        for part, name in zip(parts, self.node.outputs, strict=True):
            self.net.values[part] = Value((1, *self.net.shape(name)), self.net.values[name].dtype)
        self.nodes.append(Node(self.node.name, "Split", names, parts, attrs))
        for part, name in zip(parts, self.node.outputs, strict=True):
            self.leave(part, name)
        return True

    def reduce(self) -> bool:
        rank = len(self.source(self.x))
        axes = self.ints(1, "axes", [])
        if not axes:
            return False
        moved = [axis % rank + 1 for axis in axes]
        x = self.given(self.x, rank)
        by_attribute = "axes" in self.node.attrs
        names = [x] if by_attribute else [x, self.constant("axes", moved)]
        attrs = {**self.node.attrs, **({"axes": moved} if by_attribute else {})}
        return self.finish(self.step(self.node.op, names, (1, *self.net.shape(self.node.output)), **attrs))

    def slice(self) -> bool:
        rank = len(self.source(self.x))
        starts = self.ints(1, "starts", [])
        axes = self.ints(3, "axes", list(range(len(starts or []))))
        if not starts or axes is None:
            return False
        names = [self.given(self.x, rank), *self.node.inputs[1:3], self.constant("axes", [axis % rank + 1 for axis in axes]), *self.node.inputs[4:]]
        return self.finish(self.step("Slice", names, (1, *self.net.shape(self.node.output))))

    def gemm(self) -> bool:
        """x[L, K] with constant weights, as a product of [1, L, K]."""
        x, w, bias = [*self.node.inputs, ""][:3]
        attrs, known = self.node.attrs, self.net.constants
        if x in known or w not in known or (bias and bias not in known) or attrs.get("transA") or w in self.net.quantized:
            return False
        weight = (known[w].T if attrs.get("transB") else known[w]) * np.float32(attrs.get("alpha", 1.0))
        shape = (1, *self.net.shape(self.node.output))
        y = self.step("MatMul", [self.given(x, 2), self.constant("matrix", np.ascontiguousarray(weight))], shape)
        self.nodes[-1].name = self.node.name
        if bias:
            y = self.step("Add", [y, self.constant("bias", known[bias] * np.float32(attrs.get("beta", 1.0)))], shape)
        self.leave(y, self.node.output)
        return True
