"""Channels brought to one level: what one scale per activation costs where channels reach differently far, for nothing at run time.

Heavy tails live in few channels; the others get only a few steps of the common scale. Dividing channel c by s_c > 0 and multiplying the weights
that read it by s_c computes the same function (Nagel et al. 2019, DFQ, arXiv:1906.04721, section 4.1, there with s from weights alone; Xiao et
al. 2023, SmoothQuant, arXiv:2211.10438, equation 4, from activations and weights). Here slots (`slots.py`) follow s_c through residual
additions, concatenations, pooling and the products of squeeze-and-excite.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import InputError
from ..data import Replay
from ..ir import Array, Float, Node
from ..passes.equalize import per_input, store
from .choose import TOO_MUCH, measure, scales
from .rescale import between, copied, insert
from .slots import STEPS, Slots
from .strained import strained

__all__ = ["from_text", "levelled", "per_channel", "restore", "strained", "to_text"]

ZERO = ord("<")  # stands for 1
PAYS = 0.5  # rescalings are worth theirs where they leave this share of what is more than enough
END = "!"  # of the positions of sums with a rescaling, decimal numbers


def to_text(scale: Array, slots: Slots) -> str:
    """One character for each slot but the first: s = 2^(k / STEPS), k = LEAST .. LARGEST as $ to l."""
    return "".join(chr(ZERO + k) for k in slots.steps(scale)[1:])


def from_text(text: str) -> Array:
    return np.array([1.0, *(2.0 ** ((ord(letter) - ZERO) / STEPS) for letter in text)])


def restore(net: Float, text: str) -> dict[str, Array]:
    """Scales the channels in place; what each value is divided by, broadcasting to its shape; nothing for no text. Raises `InputError`."""
    if not text:
        return {}
    *sums, text = text.rsplit(END, 1)
    if sums:
        if not all(word.isdecimal() for word in sums[0].split()):
            raise InputError(f"channel_scales begins with {sums[0][:40]!r}: positions of nodes belong there")
        insert(net, {int(word) for word in sums[0].split()})
    slots, scale = Slots(net), from_text(text)
    if len(scale) != slots.count:
        raise InputError(f"the model has scales for {len(scale) - 1} channels, the source {slots.count - 1}: they do not belong together")
    for reader in slots.readers:
        node = reader.node
        weight = net.constants[node.inputs[1]].astype(np.float64)
        s = scale[reader.slots]
        store(net, node, 1, weight * s.reshape(-1, *[1] * (weight.ndim - 1)) if node.op == "Affine" else per_input(node, weight, s))
    for node in net.nodes:
        if node.name in slots.made and node.op in ("Conv", "Linear", "Affine"):
            s = scale[slots.made[node.name]]
            weight = net.constants[node.inputs[1]].astype(np.float64)
            store(net, node, 1, weight / s.reshape(-1, *[1] * (weight.ndim - 1)))
            if len(node.inputs) > 2 and node.inputs[2]:
                store(net, node, 2, net.constants[node.inputs[2]].astype(np.float64) / s)
        if node.name in slots.tables:
            per_channel(net, node, slots.tables[node.name], *(scale[slots.of[name]] for name in (node.inputs[0], node.output)))
    net.remove_dead()
    return {name: scale[found] for name, found in slots.of.items()}


def per_channel(net: Float, node: Node, axis: int, x: Array, y: Array) -> None:
    """The function f of a node becomes f(x * its input) / y, with x and y for each channel of an axis."""
    for factor, first in ((x, True), (1 / y, False)):
        if not bool((factor != 1).any()):
            continue
        inner, factors = f"{node.output}/{'read' if first else 'made'}", net.constant(f"{node.output}/factors", factor[0].astype(np.float32))
        if first:
            source, node.inputs = node.inputs[0], [node.inputs[0]]
            body = [replace(n, inputs=[inner if name == source else name for name in n.inputs]) for n in node.body]
            node.body = [Node(inner, "Mul", [source, factors], [inner]), *body]
        else:
            *body, last = node.body
            node.body = [*body, replace(last, outputs=[inner]), Node(inner, "Mul", [inner, factors], [node.output])]
        node.attrs = {**node.attrs, "axis": axis}


def levelled(net: Float, replay: Replay) -> str:
    """The channel scales that calibration data asks for; "" where there are none."""
    if net.pinned or net.levels or (slots := Slots(net)).count == 1:
        return ""
    found, sums = scales(net, slots, measure(net, replay, slots)), ""
    if found.worst > TOO_MUCH and (places := between(net, slots, found.sources)):
        apart = copied(net)
        insert(apart, places)
        more = Slots(apart)
        other = scales(apart, more, measure(apart, replay, more))
        if other.excess < PAYS * found.excess:
            found, slots, sums = other, more, " ".join(map(str, places)) + END
    text = to_text(found.scale, slots)
    return sums + text if sums or set(text) - {chr(ZERO)} else ""
