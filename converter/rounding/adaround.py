"""Adaptive rounding: up or down is learnt, per weight, from the layer's output error (Nagel et al. 2020, arXiv:2004.10568).

The layer-wise relaxation with the rectified sigmoid h and the regularizer of equation 24. The layer's squared output error is
quadratic in its weights, tr(E H E^T), so that the inputs enter by their moments alone and no sample is walked again; the
gradient is 2 E H. Adam does the steps (Kingma and Ba 2015, algorithm 1).
"""

from __future__ import annotations

import numpy as np

from ..ir import Array
from .base import Moments, target

STEPS = 600
RATE = 0.02
WARM = 0.2  # share of the steps before the regularizer acts
REGULARIZER = 0.02
ZETA, GAMMA = 1.1, -0.1
BETA = (20.0, 2.0)


def adaround(weight: Array, scale: Array, bits: int, found: Moments | None) -> Array:
    """weight[G, O, K] and scale[G, O, K] -> integers of the same shape, float64."""
    assert found is not None
    top = 2 ** (bits - 1) - 1
    wanted = (target(weight, found) / scale).astype(np.float32)
    floor = np.floor(wanted)
    hessian = found.damped().astype(np.float32)
    s = scale.astype(np.float32)
    power = np.maximum(np.einsum("gok,gkl,gol->go", s, hessian, s, optimize=True) / s.shape[2], 1e-30)[:, :, None]  # makes losses comparable
    rest = np.clip(wanted - floor, 0.01, 0.99)
    v = -np.log((ZETA - GAMMA) / (rest - GAMMA) - 1)
    first, second = np.zeros_like(v), np.zeros_like(v)
    for step in range(1, STEPS + 1):
        sigmoid = 1 / (1 + np.exp(-v))
        h = np.clip(sigmoid * (ZETA - GAMMA) + GAMMA, 0, 1)
        inside = ((h > 0) & (h < 1)) * (ZETA - GAMMA) * sigmoid * (1 - sigmoid)
        error = s * (np.clip(floor + h, -top, top) - wanted)
        gradient = 2 * (error @ hessian) * s / power
        done = step / STEPS
        if done > WARM:
            beta = BETA[1] + (BETA[0] - BETA[1]) * (1 - (done - WARM) / (1 - WARM))
            centred = 2 * h - 1
            gradient = gradient - REGULARIZER * 2 * beta * np.sign(centred) * np.abs(centred) ** (beta - 1)
        gradient *= inside
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient * gradient
        v -= RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return np.asarray(np.clip(floor + (h >= 0.5), -top, top), np.float64)
