"""Real numbers to integers: the scale and zero point of every activation, and the integer weights and biases of every layer.

Jacob et al. 2018 (arXiv:1712.05877), equation 1; Krishnamoorthi 2018 (arXiv:1806.08342), section 2, for channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .ir import Array, Float, Node

if TYPE_CHECKING:
    from .codebook import Codes

BIAS_LIMIT = 2.0**30  # leaves room for the products in the int32 accumulator; the bound proof is exact, this is only a target
SMALLEST = 2.0**-38  # effective scales below it are not represented, nor needed: an int32 times it is less than 1/64


@dataclass(frozen=True)
class QParam:
    """value = scale * (q - zero_point); fewer `bits` than the dtype has use only its middle, `low` to `high`."""

    scale: float
    zero_point: int
    dtype: str = "int8"
    bits: int = 0  # 0: all that the dtype has

    @property
    def low(self) -> int:
        return -(2 ** (self.bits - 1)) if self.bits else int(np.iinfo(self.dtype).min)

    @property
    def high(self) -> int:
        return -1 - self.low

    def quantize(self, real: Array | float) -> Array:
        """Nearest integers, ties to even, clamped to `low` and `high`."""
        q = np.rint(np.asarray(real, np.float64) / self.scale) + self.zero_point
        return np.asarray(np.clip(q, self.low, self.high)).astype(self.dtype)

    def dequantize(self, q: Array) -> Array:
        return np.asarray(self.scale * (q.astype(np.float64) - self.zero_point))


def qparam(lo: float, hi: float, dtype: str = "int8", symmetric: bool = False, bits: int = 0) -> QParam:
    """Scale and zero point for [lo, hi], widened to contain 0; a range of nothing but 0 gets scale 1."""
    unit = QParam(1.0, 0, dtype, bits)
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    if symmetric or dtype == "int16":
        reach = max(-lo, hi)
        return QParam(reach / unit.high if reach > 0 else 1.0, 0, dtype, bits)
    scale = (hi - lo) / (unit.high - unit.low)
    if scale < 1e-30:
        return unit
    return QParam(scale, int(np.clip(np.rint(unit.low - lo / scale), unit.low, unit.high)), dtype, bits)


SOFTMAX = QParam(1 / 256, -128)
FINEST = 20  # bits behind the point that the operator can give probabilities


def probabilities(most: float) -> QParam:
    """For what a softmax inside the network makes, at most `most`: the scale is a power of two, and all of int8 is used."""
    bits = int(np.clip(np.floor(np.log2(255 / max(most, 1e-9))), 8, FINEST))
    return QParam(2.0**-bits, -128)


@dataclass(frozen=True)
class QWeight:
    """Integer weights in the source's layout, one scale per output channel, and the bias in float (its scale is x times this)."""

    q: Array
    scale: Array
    bias: Array
    bits: int = 8
    zero_point: int = 0
    codes: tuple[Codes, str, int] | None = None  # of a linear layer with codes per group: with the kind of table and the size of a group


def layers(net: Float) -> list[Node]:
    """The nodes with constant weights, in order: convolutions, linear layers and free-standing affine ones."""
    return [node for node in net.nodes if node.op in ("Conv", "Linear", "Affine") and node.inputs[1] in net.constants]


def float_weights(net: Float, node: Node) -> tuple[Array, Array]:
    """float64 weight[O, ...] and bias[O] of a layer."""
    weight = net.constants[node.inputs[1]].astype(np.float64)
    name = node.inputs[2] if len(node.inputs) > 2 else ""
    bias = net.constants[name].astype(np.float64) if name else np.zeros(len(weight))
    return weight, bias


def weight_scale(weight: Array, bits: int = 8) -> Array:
    """Symmetric scale per output channel from its largest weight; 0 for a channel of zeros."""
    return np.asarray(np.abs(weight.reshape(len(weight), -1)).max(axis=1) / (2 ** (bits - 1) - 1))


def fit_scale(scale: Array, bias: Array, x_scale: float, y_scale: float) -> Array:
    """Raise scales until bias / (x_scale * scale) fits the accumulator and x_scale * scale / y_scale is representable.

    A channel of zeros has no scale of its own: it takes the one that gives its bias 2^20 steps.
    """
    empty = np.abs(bias) / (x_scale * 2.0**20)
    scale = np.where(scale > 0, scale, np.maximum(empty, 2.0**-20 * y_scale / x_scale))
    return np.maximum(np.maximum(scale, np.abs(bias) / (x_scale * BIAS_LIMIT)), SMALLEST * y_scale / x_scale)


def quantize_weight(weight: Array, scale: Array, bits: int = 8) -> Array:
    """Nearest integers in [-(2^(bits-1) - 1), 2^(bits-1) - 1], ties to even."""
    top = 2 ** (bits - 1) - 1
    spread = scale.reshape(-1, *[1] * (weight.ndim - 1))
    return np.asarray(np.clip(np.rint(weight / spread), -top, top)).astype(np.int8)


def given_layer(net: Float, node: Node) -> QWeight | None:
    """The integers that the source model stores for a layer, or None where it stores none (or a pass has changed the weights)."""
    known = net.quantized.get(node.inputs[1])
    if known is None or known.q.shape != net.shape(node.inputs[1]) or len(set(known.zero_point.tolist())) != 1:
        return None
    count = len(known.q)
    if known.scale.size not in (1, count) or (known.scale.size == count > 1 and known.axis != 0):
        return None
    bias = float_weights(net, node)[1]
    return QWeight(known.q, np.broadcast_to(known.scale, (count,)), bias, 8, int(known.zero_point[0]))


def quantize_layer(net: Float, node: Node, x: QParam, y: QParam, bits: int = 8) -> QWeight:
    """Nearest rounding of one layer, per output channel; the source's own integers where it has them."""
    given = given_layer(net, node)
    if given is not None:
        return given
    weight, bias = float_weights(net, node)
    scale = fit_scale(weight_scale(weight, bits), bias, x.scale, y.scale)
    return QWeight(quantize_weight(weight, scale, bits), scale, bias, bits)


def quantize_bias(bias: Array, x_scale: float, scale: Array) -> Array:
    """int32 bias at the accumulator's scale."""
    return np.rint(bias / (x_scale * scale)).astype(np.int64).clip(-(2**31) + 1, 2**31 - 1).astype(np.int32)
