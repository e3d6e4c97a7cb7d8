"""Outlier channel splitting: the input channels with the largest weights are doubled and their weights halved.

Zhao et al. 2019, OCS (arXiv:1901.09504): W x = (w/2) x + (w/2) x, so the range of a layer's weights shrinks without clipping. The
channel's copy is made by the layer before, which gets a second filter like the first. It costs RATIO more multiplications there.
"""

from __future__ import annotations

import math

import numpy as np

from ..ir import Float, Node
from .equalize import LAYERS, constant

RATIO = 0.03


def split_outliers(net: Float) -> None:
    uses = net.consumers()
    for first in net.nodes:
        if first.op not in LAYERS or not constant(net, first) or not net.single_use(first.output, uses):
            continue
        second = uses[first.output][0]
        if second.op == first.op and second.inputs[0] == first.output and constant(net, second) and ungrouped(first) and ungrouped(second):
            split(net, first, second)
    net.remove_dead()


def ungrouped(node: Node) -> bool:
    return bool(node.attrs.get("group", 1) == 1)


def split(net: Float, first: Node, second: Node) -> None:
    """Doubles ceil(RATIO * C) of the C channels between two layers, each time the one that holds the largest weight."""
    w1, w2 = (net.constants[node.inputs[1]].copy() for node in (first, second))
    has_bias = len(first.inputs) > 2 and bool(first.inputs[2])
    bias = net.constants[first.inputs[2]].copy() if has_bias else np.zeros(len(w1), w1.dtype)
    for _ in range(math.ceil(RATIO * w2.shape[1])):
        channel = int(np.abs(np.moveaxis(w2, 1, 0).reshape(w2.shape[1], -1)).max(axis=1).argmax())
        w2[:, channel] /= 2
        w2 = np.concatenate([w2, w2[:, channel : channel + 1]], axis=1)
        w1 = np.concatenate([w1, w1[channel : channel + 1]])
        bias = np.concatenate([bias, bias[channel : channel + 1]])
    first.inputs[1] = net.constant(f"{first.name}/split/weight", w1)
    if has_bias:
        first.inputs[2] = net.constant(f"{first.name}/split/bias", bias)
    second.inputs[1] = net.constant(f"{second.name}/split/weight", w2)
    value = net.values[first.output]
    shape = list(value.shape)
    shape[len(shape) - 1 if first.op == "Linear" else 1] = len(w1)
    value.shape = tuple(shape)
