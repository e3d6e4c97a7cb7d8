"""Rounding methods: real weights to integers, given the scales and (all but `nearest`) the moments of the layer's inputs.

A method is `fn(weight[G, O/G, K], scale[G, O/G, K], bits, moments) -> integers`, float64 of the same shape. Adding one is a file
here and a row in `ROUNDINGS`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..ir import Array
from .adaround import adaround
from .base import Moments
from .gptq import gptq, gptq_cd
from .nearest import nearest

__all__ = ["ROUNDINGS", "Rounding"]

Rounding = Callable[[Array, Array, int, Moments | None], Array]

ROUNDINGS: dict[str, Rounding] = {"nearest": nearest, "adaround": adaround, "gptq": gptq, "gptq_cd": gptq_cd}
