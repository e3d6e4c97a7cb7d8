"""Signs that stay tables, for what reads them is no binary layer (groups, depthwise): the layer before rounds so that none is lost to int8.

Rounded to nearest, values between -1/2 and 0 steps would become 0, whose sign is +1. Half a step less in the bias makes it rounding down, which
keeps x >= 0; half a step more keeps x > 0. The table of signs does not see the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..ir import Float
from ..quantize import QParam, QWeight
from .recognise import sign_at_zero

HALF = 0.4999  # of a step: an x of exactly 0 stays where it is


def round_down(net: Float, params: Mapping[str, QParam], weights: dict[str, QWeight]) -> None:
    """In place, the biases of layers that nothing but a sign reads; their outputs join `net.signs`."""
    makers, uses = net.producers(), net.consumers()
    for node in net.nodes:
        maker = makers.get(node.inputs[0]) if node.op == "Unary" else None
        if maker is None or maker.name not in weights or not net.single_use(maker.output, uses) or params[maker.output].dtype != "int8":
            continue
        at_zero = sign_at_zero(net, node)
        if not at_zero:
            continue
        net.signs.add(maker.output)
        half = HALF * params[maker.output].scale * at_zero
        weights[maker.name] = replace(weights[maker.name], bias=weights[maker.name].bias - half)
