"""How far outputs are from the float ones: the measure that a search minimizes, zero where nothing changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..ir import Array, Float

TINY = 1e-9
SPREAD = 4.0  # logits that deviate more would hide all but the largest


def probabilities(output: Array, temperature: float) -> Array:
    """Classes[N, C] of logits; a temperature of 0 says that they are probabilities already."""
    rows = output.reshape(len(output), -1).astype(np.float64)
    if temperature == 0:
        return np.maximum(rows, TINY)
    rows = np.exp((rows - rows.max(axis=1, keepdims=True)) / temperature)
    return np.asarray(np.maximum(rows / rows.sum(axis=1, keepdims=True), TINY))


def divergences(net: Float, real: Array, output: str | None = None) -> Callable[[Array], Array]:
    """A function of `output` (default: the first): for each of its rows the Kullback-Leibler divergence of its classes from those of `real`, or
    for anything but [N, classes] the squared error over the variance. float64[N]

    The divergence of an unchanged network is 0 and a minimum, so its second derivative there is the Gauss-Newton matrix.
    """
    maker = net.producers().get(output or net.outputs[0])
    softmax = maker is not None and maker.op == "Softmax"
    if real.ndim == 2 and real.shape[1] > 1 and (softmax or real.shape[1] <= 4096):
        temperature = 0.0 if softmax else max(1.0, float(real.std(axis=1).mean()) / SPREAD)
        p = probabilities(real, temperature)

        def kl(given: Array) -> Array:
            return np.asarray((p * np.log(p / probabilities(given, temperature))).sum(axis=1))

        return kl
    power = max(float(real.astype(np.float64).var()), 1e-30)
    return lambda given: ((given.astype(np.float64) - real) ** 2).reshape(len(real) if real.ndim else 1, -1).mean(axis=1) / power


def divergence(net: Float, real: Array, output: str | None = None) -> Callable[[Array], float]:
    """The mean of `divergences`."""
    rows = divergences(net, real, output)
    return lambda given: float(rows(given).mean())
