"""What each layer costs at each number of bits, measured on the float network with that layer's weights alone changed.

- `measured`: the divergence of the outputs with the layer's rounded weights in place
- `hessian`: HAWQ-V2 (Dong et al. 2020, arXiv:1911.03852, equation 2.11): mean trace of the layer's Hessian times the squared error of its
  weights. The trace is Hutchinson's estimate; v^T H v comes from the loss at W + e v, whose first derivative at W is 0, so no gradients are needed
- `estimate`: the relative squared error of the weights, before anything is measured
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx.helper as helper

from ..ir import Array, Float, Node
from ..lockstep import spread
from ..onnx.composite import turned
from ..onnx.emit import session, to_onnx, unclamped
from ..quantize import QParam, float_weights
from ..recipe import Layer
from ..weights import groups_of, quantize
from .loss import divergence

PROBES = 2
STEP = 0.02  # length of a probe as a share of the weights' own
UNIT = QParam(1e-4, 0)
BLOCK = 16


def rounded(net: Float, node: Node, bits: int) -> tuple[Array, Array]:
    """float64 weights of a layer, real and rounded to nearest per channel with the least squared error."""
    weight, bias = float_weights(net, node)
    choice = Layer(weights=f"int{bits}", rounding="nearest", weight_range="omse", granularity="channel")
    found = quantize(weight, np.zeros_like(bias), UNIT, UNIT, choice, groups_of(node, weight))
    return weight, found.q * spread(found.scale, found.q.ndim)


def estimate(net: Float, node: Node, bits: int) -> float:
    weight, near = rounded(net, node, bits)
    return float(((weight - near) ** 2).sum() / max((weight**2).sum(), 1e-30))


class Probe:
    """The float network with replaceable weights."""

    def __init__(self, net: Float, nodes: list[Node], feeds: Mapping[str, Array]) -> None:
        self.net, self.feeds = net, feeds
        proto = to_onnx(net)
        stored = {tensor.name: tensor for tensor in proto.graph.initializer}
        self._names: dict[str, tuple[str, bool]] = {}
        for node in nodes:
            name = node.inputs[1] if node.inputs[1] in stored else turned(node.output if node.clamp is None else unclamped(node.output))
            self._names[node.name] = name, name != node.inputs[1]
            proto.graph.input.append(helper.make_tensor_value_info(name, stored[name].data_type, list(stored[name].dims)))
        self._session = session(proto, optimise=True)
        self._loss = divergence(net, self._output({}))

    def _output(self, replaced: Mapping[str, Array]) -> Array:
        parts = []
        step = BLOCK if self.net.free_batch else 1
        for start in range(0, len(next(iter(self.feeds.values()))), step):
            block = {name: array[start : start + step] for name, array in self.feeds.items()}
            parts.append(self._session.run(self.net.outputs[:1], {**block, **replaced})[0])
        return np.concatenate(parts)

    def loss(self, node: Node, weight: Array) -> float:
        """With the layer's weights replaced by weight[O, ...]."""
        name, turned = self._names[node.name]
        array = np.ascontiguousarray(weight.T if turned else weight, np.float32)
        return self._loss(self._output({name: array}))

    def measured(self, node: Node, bits: int) -> float:
        return self.loss(node, rounded(self.net, node, bits)[1])

    def mean_trace(self, node: Node) -> float:
        """Mean of the diagonal of the loss's Hessian in the layer's weights."""
        weight = float_weights(self.net, node)[0]
        rng = np.random.default_rng(0)
        size = STEP * float(np.sqrt((weight**2).mean())) or 1e-6
        found = [2 * self.loss(node, weight + size * rng.choice([-1.0, 1.0], weight.shape)) / size**2 for _ in range(PROBES)]
        return float(np.mean(found)) / weight.size
