"""Each weight to its nearest integer (Jacob et al. 2018, arXiv:1712.05877)."""

from __future__ import annotations

import numpy as np

from ..ir import Array
from .base import Moments


def nearest(weight: Array, scale: Array, bits: int, found: Moments | None) -> Array:
    """weight[G, O, K] and scale[G, O, K] -> integers of the same shape, float64."""
    top = 2 ** (bits - 1) - 1
    return np.asarray(np.clip(np.rint(weight / scale), -top, top))
