"""Quantizers of activations to a few levels, as DoReFa-Net and its kin export them.

Zhou et al. 2016 (arXiv:1606.06160), equations 5 and 11: round((2^a - 1) * clip(x, 0, 1)) / (2^a - 1). Whatever nodes a framework writes,
the function that they compute is what is recognised, so PACT's clip at alpha, or levels below zero, count as well. The levels become the
integers of the tensor, and the plan may then run the product that reads it by bit planes.
"""

from __future__ import annotations

import numpy as np

from ..ir import INF, Float, Node
from ..onnx.single import evaluate
from .fuse_clamp import TAKES_CLAMP

LEVELS = 16  # at most, of an activation
REACH = np.float32(3e38)
MOVES = ("MaxPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")  # what commutes with a function of single elements that only rises


def staircase(net: Float, node: Node, clamp: tuple[float, float]) -> tuple[float, int, int] | None:
    """(step, first, last) where a function of one element, of inputs within `clamp`, rounds to the multiples first .. last of a step."""
    lo, hi = (np.float32(np.clip(limit, -REACH, REACH)) for limit in clamp)
    try:
        ends = evaluate(net, node, np.array([lo, hi], np.float32)).reshape(-1).astype(np.float64)
        bottom, top = float(ends[0]), float(ends[1])
        if not (np.isfinite(ends).all() and bottom < top < 1e6 and bottom > -1e6):
            return None
        inner = np.linspace(bottom, top, 4099).astype(np.float32)
        x = np.unique(np.clip(np.concatenate([inner, 3 * inner, np.array([lo, hi], np.float32)]), lo, hi))
        y = evaluate(net, node, x).reshape(-1).astype(np.float64)
    except Exception:  # a body that onnxruntime cannot run on its own is no quantizer
        return None
    found = np.unique(np.round(y / (top - bottom), 6))
    if not 2 <= len(found) <= LEVELS:
        return None
    step = (top - bottom) / (len(found) - 1)
    first, last = round(bottom / step), round(top / step)
    wanted = np.clip(x.astype(np.float64), bottom, top) / step
    tie = np.abs(np.abs(wanted - np.floor(wanted)) - 0.5) < 1e-3
    exact = abs(bottom / step - first) < 1e-4 and last - first == len(found) - 1
    return (step, first, last) if exact and bool(np.all((np.abs(y / step - np.rint(wanted)) < 1e-4) | tie)) else None


def find_levels(net: Float) -> None:
    """A pass: `net.levels` gets the scale and zero point of every value that a quantizer leaves on a few levels, and of what makes its input, where
    nothing else reads that: it then rounds to the levels itself, once."""
    for node in [n for n in net.nodes if n.op == "Unary" and n.output not in net.outputs]:
        producers, uses = net.producers(), net.consumers()
        chain, name, clamp = [], node.inputs[0], (-INF, INF)
        while net.single_use(name, uses) and name in producers and producers[name].op in MOVES and name not in net.pinned:
            clamp = within(clamp, producers[name].clamp)
            chain.append(name)
            name = producers[name].inputs[0]
        maker = producers.get(name)
        takes = maker is not None and maker.op in TAKES_CLAMP and net.single_use(name, uses) and name not in net.pinned
        if takes and maker is not None:
            clamp = within(clamp, maker.clamp)
        found = staircase(net, node, clamp)
        if found is None:
            continue
        step, first, last = found
        net.levels[node.output] = (step, 0)
        if takes and maker is not None:
            maker.clamp = within(clamp, (first * step, last * step))
            net.levels.update(dict.fromkeys([name, *chain], (step, 0)))


def within(clamp: tuple[float, float], other: tuple[float, float] | None) -> tuple[float, float]:
    """Both clamps in one."""
    lo, hi = other or (-INF, INF)
    return max(clamp[0], lo), min(clamp[1], hi)
