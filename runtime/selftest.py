"""A small seeded network that touches the main kernels; `intq doctor` compares every backend on it."""

from __future__ import annotations

import numpy as np

from .graph import Graph, Port
from .kernels.fixed_point import add_params, requantize_params
from .ops.elementwise import Add, Lut8, Softmax
from .ops.move import Concat
from .ops.pool import MaxPool, Mean
from .ops.product import Conv2d, Dense, DwConv2d


def network() -> Graph:
    """Convolutions (strided, pointwise, grouped), depthwise, add, lut8, pooling, concat, dense, softmax: 3x24x24 to 10 classes."""
    rng = np.random.default_rng(7)
    g = Graph("selftest")

    def weights(name: str, shape: tuple[int, ...], channels: int, rounding: str = "q15") -> list[str]:
        w = rng.integers(-127, 128, shape).astype(np.int8)
        fan_in = w.size // channels
        m, s = requantize_params(rng.uniform(0.5, 2, channels) / (70 * np.sqrt(fan_in) * 2), rounding)
        bias = rng.integers(-2000, 2000, channels).astype(np.int32)
        return [g.constant(f"{name}.{k}", a) for k, a in (("weight", w), ("bias", bias), ("multiplier", m), ("shift", s))]

    g.tensor("x", (1, 24, 24, 3), scale=0.03, zero_point=5)
    g.tensor("stem", (1, 12, 12, 24), scale=0.05, zero_point=-128)
    g.node(Conv2d(stride=(2, 2), pads=(0, 0, 1, 1)), ["x", *weights("stem", (24, 3, 3, 3), 24)], ["stem"])
    g.tensor("depthwise", (1, 12, 12, 24), scale=0.05, zero_point=-20)
    g.node(DwConv2d(pads=(1, 1, 1, 1)), ["stem", *weights("depthwise", (3, 3, 24), 24)], ["depthwise"])
    g.tensor("grouped", (1, 12, 12, 24), scale=0.05, zero_point=9)
    g.node(Conv2d(pads=(1, 1, 1, 1), groups=2, rounding="q31_double"), ["stem", *weights("grouped", (24, 3, 3, 12), 24, "q31_double")], ["grouped"])
    m1, m2, shift = add_params(0.05, 0.05, 0.07)
    g.tensor("sum", (1, 12, 12, 24), scale=0.07, zero_point=-3)
    g.node(Add(m1=m1, m2=m2, shift=shift), ["depthwise", "grouped"], ["sum"])
    table = np.clip(np.rint(np.tanh(np.arange(256, dtype=np.uint8).view(np.int8) * 0.02) * 127), -128, 127).astype(np.int8)
    g.tensor("tanh", (1, 12, 12, 24), scale=1 / 127)
    g.node(Lut8(), ["sum", g.constant("tanh.table", table)], ["tanh"])
    g.tensor("concat", (1, 12, 12, 48), scale=1 / 127)
    g.node(Concat(axis=3), ["tanh", "tanh"], ["concat"])
    g.tensor("pointwise", (1, 12, 12, 72), scale=0.04, zero_point=-128)
    g.node(Conv2d(rounding="q31_single"), ["concat", *weights("pointwise", (72, 1, 1, 48), 72, "q31_single")], ["pointwise"])
    g.tensor("pool", (1, 6, 6, 72), scale=0.04, zero_point=-128)
    g.node(MaxPool(kernel=(2, 2), stride=(2, 2)), ["pointwise"], ["pool"])
    m, s = requantize_params(1 / 36, "q15")
    g.tensor("mean", (1, 72), scale=0.04, zero_point=-128)
    g.node(Mean(axes=(1, 2)), ["pool", g.constant("mean.multiplier", m), g.constant("mean.shift", s)], ["mean"])
    g.tensor("logits", (1, 10), scale=0.1)
    g.node(Dense(), ["mean", *weights("logits", (10, 72), 10)], ["logits"])
    exponentials = np.rint(2**23 * np.exp(-np.arange(256) * 0.1)).astype(np.int32)
    g.tensor("output", (1, 10), scale=1 / 256, zero_point=-128)
    g.node(Softmax(), ["logits", g.constant("softmax.table", exponentials)], ["output"])
    g.inputs = [Port(name="x", tensor="x", shape=(1, 3, 24, 24), perm=(0, 2, 3, 1))]
    g.outputs = [Port(name="output", tensor="output", shape=(1, 10), perm=(0, 1))]
    return g
