"""How far outputs are from the float ones: the measure that a search minimizes, zero where nothing changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..ir import Array, Float

TINY = 1e-9


def probabilities(output: Array, already: bool) -> Array:
    rows = output.reshape(len(output), -1).astype(np.float64)
    if already:
        return np.maximum(rows, TINY)
    rows = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(np.maximum(rows / rows.sum(axis=1, keepdims=True), TINY))


def divergence(net: Float, real: Array) -> Callable[[Array], float]:
    """A function of the first output: the mean Kullback-Leibler divergence of its classes from those of `real`, or for anything but
    [N, classes] the squared error over the variance.

    The divergence of an unchanged network is 0 and a minimum, so its second derivative there is the Gauss-Newton matrix.
    """
    maker = net.producers().get(net.outputs[0])
    softmax = maker is not None and maker.op == "Softmax"
    if real.ndim == 2 and real.shape[1] > 1 and (softmax or real.shape[1] <= 4096):
        p = probabilities(real, softmax)

        def kl(given: Array) -> float:
            return float((p * np.log(p / probabilities(given, softmax))).sum(axis=1).mean())

        return kl
    power = max(float(real.astype(np.float64).var()), 1e-30)
    return lambda given: float(((given.astype(np.float64) - real) ** 2).mean()) / power
