"""What a plan's file takes: a budget of bytes bounds the file that `Model.save` writes, description and tables included.

The network is lowered with the plan's bits, quickly rounded, and written; its weights count with the bits that the plan gives them, since
quick rounding may use fewer. What other rounding can change in the text, digits of the scales and the name of a method, is left as a margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ... import format
from ...packing import bits_of, coded
from ..ir import Array
from ..lower import Context
from ..recipe import Recipe

METHODS = 64  # bytes of text: what another rounding or calibrator writes into the recipe
DIGITS = 4  # bytes times the square root of the number of scales: each has a few digits more or less


@dataclass
class Sizes:
    """`build` lowers the network with given bits, `described` is the recipe with them written out, `elements` the weights of each layer."""

    build: Callable[[Mapping[str, int]], Context]
    described: Callable[[Mapping[str, int]], Recipe]
    elements: Mapping[str, int]
    _seen: dict[tuple[tuple[str, int], ...], tuple[float, dict[str, float]]] = field(default_factory=dict)

    def measure(self, plan: Mapping[str, int]) -> tuple[float, dict[str, float]]:
        """Bytes of the file at most, and of each layer's weights among them."""
        key = tuple(sorted(plan.items()))
        if key not in self._seen:
            ctx = self.build(plan)
            actual = weight_bytes(ctx)
            written = len(format.to_bytes(ctx.graph, "intq", self.described(plan).describe()))
            own = {name: max(actual.get(name, 0.0), float(-(-bits * self.elements[name] // 8))) for name, bits in plan.items()}
            scales = sum(1 if isinstance(t.scale, float | int) else len(t.scale) for t in ctx.graph.tensors.values())
            rest = written - sum(actual.get(name, 0.0) for name in plan) + METHODS + math.ceil(DIGITS * math.sqrt(scales))
            self._seen[key] = rest + sum(own.values()), own
        return self._seen[key]

    def file(self, plan: Mapping[str, int]) -> float:
        return self.measure(plan)[0]


def weight_bytes(ctx: Context) -> dict[str, float]:
    """By layer of the source: the bytes that its weights take in the file."""
    found: dict[str, float] = {}
    seen: set[str] = set()
    for node in ctx.graph.nodes:
        layer = ctx.source.get(node.name, node.name)
        for name in node.inputs:
            array = ctx.graph.constants.get(name)
            if array is not None and name not in seen and array.dtype == np.int8 and array.ndim > 1:
                seen.add(name)
                found[layer] = found.get(layer, 0.0) + stored(array)
    return found


def stored(array: Array) -> int:
    """Bytes of an int8 constant as the file packs it."""
    table = coded(array)
    return -(-array.size * (bits_of(array) if table is None else table[1]) // 8)
