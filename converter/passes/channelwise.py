"""Add, Sub, Mul and Div by a constant that varies along one axis become `Affine`; by a single number too, where a producer can take it."""

from __future__ import annotations

import numpy as np

from ..ir import Array, Float, Node
from .fold_affine import PRODUCERS


def channelwise_to_affine(net: Float) -> None:
    producers, uses = net.producers(), net.consumers()
    for node in net.nodes:
        if node.op not in ("Add", "Sub", "Mul", "Div") or len(net.activations(node)) != 1 or len(node.inputs) != 2:
            continue
        x = net.activations(node)[0]
        other = next(name for name in node.inputs if name != x)
        constant, shape = net.constants[other], net.shape(x)
        if net.shape(node.output) != shape or constant.dtype.kind != "f":
            continue
        left_constant = node.inputs[0] == other
        if node.op == "Div" and (left_constant or not np.all(constant)):
            continue
        producer = producers.get(x)
        if constant.size == 1:
            foldable = producer is not None and producer.op in PRODUCERS and producer.clamp is None and net.single_use(x, uses)
            axis = _channel_axis(producer, shape) if foldable and producer is not None else None
        else:
            axis = _single_axis(constant, shape)
        if axis is None:
            continue
        _become_affine(net, node, x, constant.reshape(-1), axis, left_constant)


def _single_axis(constant: Array, shape: tuple[int, ...]) -> int | None:
    """The one axis (not the batch) along which the constant varies, or None."""
    padded = (1,) * (len(shape) - constant.ndim) + constant.shape
    axes = [axis for axis, size in enumerate(padded) if size != 1]
    return axes[0] if len(axes) == 1 and axes[0] > 0 else None


def _channel_axis(producer: Node, shape: tuple[int, ...]) -> int:
    if producer.op == "Affine":
        return int(producer.attrs["axis"])
    return len(shape) - 1 if producer.op == "Linear" else 1


def _become_affine(net: Float, node: Node, x: str, constant: Array, axis: int, left_constant: bool) -> None:
    values = np.broadcast_to(constant.astype(np.float64), (net.shape(x)[axis],))
    scale, shift = np.ones_like(values), np.zeros_like(values)
    if node.op == "Mul":
        scale = values
    elif node.op == "Div":
        scale = 1 / values
    elif node.op == "Add":
        shift = values
    else:
        scale, shift = (-scale, values) if left_constant else (scale, -values)
    node.op, node.attrs = "Affine", {"axis": axis}
    node.inputs = [
        x,
        net.constant(f"{node.name}/scale", scale.astype(np.float32)),
        net.constant(f"{node.name}/shift", shift.astype(np.float32)),
    ]
