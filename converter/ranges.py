"""Which activations share a scale, and the scale and zero point of each from the calibrated ranges.

A node that only moves or selects elements (MaxPool, Reshape, Slice, nearest Resize...) has the scale of its input. The inputs
of a Concat share one where that costs little: an input that is read elsewhere too and is much narrower keeps its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .binary.stream import HEADROOM, is_stream, joined
from .ir import Float, Node
from .passes.find_masks import HIDDEN
from .quantize import SOFTMAX, QParam, probabilities, qparam

_NAMES = """
MaxPool GlobalMaxPool ReduceMax ReduceMin Reshape Flatten Squeeze Unsqueeze Transpose Slice Split Gather Tile Expand Pad
DepthToSpace SpaceToDepth Resize Identity
"""
MOVES = frozenset(_NAMES.split())
NARROWER = 2.0  # an input of a Concat keeps its own scale where the shared one would be this many times wider and others read it too
GONE = 10.0  # how far below the least score hidden ones end: e^-10 of a probability is left where all that is seen is as low as that
UNIT = {"Sigmoid", "HardSigmoid"}
SIGNED_UNIT = {"Tanh", "Softsign", "Erf", "Sin", "Cos"}


class Sharing:
    """Union-find over value names."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, name: str) -> str:
        while (up := self._parent.get(name, name)) != name:
            name = up
        return name

    def join(self, a: str, b: str) -> None:
        """The group of `b` keeps its representative."""
        self._parent[self.find(a)] = self.find(b)


def moved(net: Float, node: Node) -> bool:
    """Whether the outputs of a node hold nothing but elements of its first input."""
    if node.op == "Resize":
        return bool(node.attrs.get("mode", "nearest") == "nearest")
    return node.op in MOVES and not (node.op == "Pad" and node.attrs.get("mode", "constant") == "constant" and _pad_value(net, node) != 0)


def _pad_value(net: Float, node: Node) -> float:
    name = node.inputs[2] if len(node.inputs) > 2 else ""
    return float(net.constants[name].reshape(-1)[0]) if name in net.constants else 0.0


def fixed(net: Float, node: Node) -> QParam | None:
    """Outputs whose range needs no data. Inside the network, probabilities may all be small."""
    if node.op == "Softmax" and (net.pinned or node.output in ends(net)):
        return SOFTMAX
    if node.op == "Unary" and node.body[-1].op in UNIT and node.output in net.outputs:
        return SOFTMAX
    return None


def observed(net: Float) -> list[str]:
    """The values whose range must be measured: everything computed that is not the copy of something else."""
    names = list(net.inputs)
    for node in net.nodes:
        if not moved(net, node) and fixed(net, node) is None:
            names += [name for name in node.outputs if name and net.values[name].dtype.startswith("float")]
    return [name for name in names if name not in net.pinned and name not in net.masked]


def ends(net: Float) -> frozenset[str]:
    """The outputs of the network, and the values that they are copies of."""
    found = set(net.outputs)
    for node in reversed(net.nodes):
        if found.intersection(node.outputs) and moved(net, node):
            found.add(node.inputs[0])
    return frozenset(found)


def possible(node: Node) -> tuple[float, float]:
    """An interval that holds every value of a node's first output, whatever its inputs."""
    if node.clamp is not None:
        return node.clamp
    last = node.body[-1].op if node.op == "Unary" else node.op
    return (0.0, 1.0) if last in UNIT else (-1.0, 1.0) if last in SIGNED_UNIT else (-np.inf, np.inf)


def assign(
    net: Float, ranges: Mapping[str, tuple[float, float]], symmetric: bool = False, bits: Mapping[str, int] | None = None
) -> dict[str, QParam]:
    """The scale and zero point of every activation. `ranges` covers `observed(net)`; `bits` (default 8) may name the same values.

    Values that share a scale have the bits of the one that asks for most; those of inputs and outputs of the network are always 8.
    16 bits are for results of layers and sums; the int8 parameters of such a value, for readers that need them, are at `narrow_name`.
    """
    wide16 = {node.output for node in net.nodes if (bits or {}).get(node.output, 8) == 16 and wide_capable(net, node)}
    wide16 -= {*net.inputs, *net.outputs}
    edge = {*net.inputs, *net.outputs}
    pinned = {name: QParam(scale, zero_point) for name, (scale, zero_point) in {**net.levels, **net.pinned}.items()}
    sharing = Sharing()
    for node in net.nodes:
        known = fixed(net, node)
        if known is None and node.op == "Softmax":
            known = probabilities(ranges[node.output][1] if node.output in ranges else 1.0)
        if known is not None:
            pinned.setdefault(node.output, known)
        elif moved(net, node):
            for name in node.outputs:
                if name and name not in pinned:
                    sharing.join(name, node.inputs[0])
    for node in net.nodes:
        for name in joined(node):
            sharing.join(node.output, name)
    _join_concats(net, ranges, sharing, pinned)
    wide = {sharing.find(node.output) for node in net.nodes if is_stream(node)}
    spans: dict[str, tuple[float, float]] = {}
    width: dict[str, int] = {}
    limits = {node.output: possible(node) for node in net.nodes}
    for name, (lo, hi) in ranges.items():
        least, most = limits.get(name, (lo, hi))
        lo, hi = max(lo, least), min(hi, most)
        root = sharing.find(name)
        before = spans.get(root, (lo, hi))
        spans[root] = min(before[0], lo), max(before[1], hi)
        width[root] = max(width.get(root, 0), 8 if name in edge else min((bits or {}).get(name, 8), 8))
    for node in net.nodes:
        if node.output in net.masked and node.output not in pinned:
            spans[sharing.find(node.output)] = _masked(net, node, spans[sharing.find(net.activations(node)[0])])
            width[sharing.find(node.output)] = 8
    width.update({sharing.find(name): 8 for name in edge})
    result: dict[str, QParam] = {}
    for name in net.values:
        root = sharing.find(name)
        if name in pinned:
            result[name] = pinned[name]
        elif root in pinned:
            result[name] = pinned[root]
        elif root in spans:
            lo, hi = spans[root]
            result[name] = qparam(HEADROOM * lo, HEADROOM * hi, "int16") if root in wide else qparam(lo, hi, "int8", symmetric, width[root] % 8)
            if name in wide16 and result[name].dtype == "int8":
                result[narrow_name(name)], result[name] = result[name], qparam(lo, hi, "int16")
    return result


def _masked(net: Float, node: Node, scores: tuple[float, float]) -> tuple[float, float]:
    """The range of scores and a mask: of the sums that are seen, and so far below that nothing is left of the hidden ones, which end there."""
    (mask,) = (net.constants[name] for name in node.inputs if name in net.constants)
    seen = mask[mask > HIDDEN]
    return scores[0] + float(seen.min()) - GONE, scores[1] + float(seen.max())


def narrow_name(name: str) -> str:
    """Where the int8 parameters of an int16 value are."""
    return f"{name}/int8"


def wide_capable(net: Float, node: Node) -> bool:
    """Whether a node can run in 16 bits: a layer, or a sum of two computed values of one shape."""
    if node.op in ("Conv", "Linear"):
        return node.inputs[0] not in net.constants and node.inputs[1] in net.constants
    return node.op in ("Add", "Sub") and len(net.activations(node)) == 2 and len({net.shape(name) for name in node.inputs}) == 1


def _join_concats(net: Float, ranges: Mapping[str, tuple[float, float]], sharing: Sharing, pinned: Mapping[str, QParam]) -> None:
    uses = net.consumers()
    for node in net.nodes:
        if node.op != "Concat" or node.output in pinned:
            continue
        total = _width(ranges.get(node.output, (0.0, 0.0)))
        for name in net.activations(node):
            if sharing.find(name) in pinned:
                continue
            root = sharing.find(name)
            own = _width(ranges.get(root, ranges.get(name, (0.0, 0.0))))
            elsewhere = any(other.op != "Concat" for other in uses[name])
            if not (elsewhere and total > NARROWER * own):
                sharing.join(node.output, name)


def _width(span: tuple[float, float]) -> float:
    return max(span[1], 0.0) - min(span[0], 0.0)
