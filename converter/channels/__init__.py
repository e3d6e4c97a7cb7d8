"""Channels brought to one level: what one scale per activation costs where channels reach differently far, for nothing at run time.

Heavy tails live in few channels; the others get only a few steps of the common scale. Dividing channel c by s_c > 0 and multiplying the weights
that read it by s_c computes the same function (Nagel et al. 2019, DFQ, arXiv:1906.04721, section 4.1, there with s from weights alone; Xiao et
al. 2023, SmoothQuant, arXiv:2211.10438, equation 4, from activations and weights). Here slots (`slots.py`) follow s_c through residual
additions, concatenations, pooling and the products of squeeze-and-excite.
"""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..data import Replay
from ..ir import Array, Float
from ..passes.equalize import per_input, store
from .choose import measure, scales
from .slots import Slots

STEPS = 2  # per factor of two
ZERO = ord("N")  # stands for 1


def to_text(scale: Array) -> str:
    """One character for each slot but the first: s = 2^(k / STEPS), k = -12 .. 12 as the letters B to Z."""
    steps = np.clip(np.rint(STEPS * np.log2(scale[1:])), -12, 12).astype(int)
    return "".join(chr(ZERO + k) for k in steps)


def from_text(text: str) -> Array:
    return np.array([1.0, *(2.0 ** ((ord(letter) - ZERO) / STEPS) for letter in text)])


def restore(net: Float, text: str) -> dict[str, Array]:
    """Scales the channels in place; what each value is divided by, broadcasting to its shape; nothing for no text. Raises `InputError`."""
    if not text:
        return {}
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
    net.remove_dead()
    return {name: scale[found] for name, found in slots.of.items()}


def levelled(net: Float, replay: Replay) -> str:
    """The channel scales that calibration data asks for; "" where there are none."""
    if net.pinned or net.levels or (slots := Slots(net)).count == 1:
        return ""
    text = to_text(scales(net, slots, measure(net, replay, slots)))
    return text if set(text) - {chr(ZERO)} else ""
