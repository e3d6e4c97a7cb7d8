"""The scale of each output channel's weights: what the largest weight needs, or less.

- `max`: the largest weight (Krishnamoorthi 2018, arXiv:1806.08342)
- `omse`: the least squared error of the weights, searched (Choukroun et al. 2019, arXiv:1902.06822, "OMSE"); where moments of
  the inputs are known each weight counts as much as its input's variance
- `aciq`: the clipping that is optimal for a Laplace or Gauss distribution, from the error in closed form (Banner et al. 2019, arXiv:1810.05723)
- `percentile`: all but 0.1 % of the weights
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from ..ir import Array

CANDIDATES = 80
Method = Callable[[Array, int, Array | None], Array]


def largest(weight: Array, bits: int, importance: Array | None = None) -> Array:
    """weight[O, K] -> scale[O]; 0 for a channel of zeros."""
    return np.asarray(np.abs(weight).max(axis=1) / (2 ** (bits - 1) - 1))


def omse(weight: Array, bits: int, importance: Array | None = None) -> Array:
    """`importance`[O or 1, K]: weight of each squared error."""
    top = 2 ** (bits - 1) - 1
    full = largest(weight, bits)
    factor = np.ones((1, weight.shape[1])) if importance is None else importance
    best, chosen = np.full(len(weight), np.inf), full.copy()
    for share in np.linspace(1.0, 0.2, CANDIDATES):
        scale = np.maximum(share * full, 1e-300)[:, None]
        error = (factor * (weight - scale * np.clip(np.rint(weight / scale), -top, top)) ** 2).sum(axis=1)
        better = error < best
        best, chosen = np.where(better, error, best), np.where(better, share * full, chosen)
    return chosen


def laplace_clip(bits: int) -> float:
    """alpha / b that minimizes 2 b^2 exp(-alpha / b) + alpha^2 / (3 * 4^bits): clipping and rounding error of a Laplace(b) variable."""
    return float(brentq(lambda a: -2 * np.exp(-a) + 2 * a / (3 * 4.0**bits), 1e-6, 50.0))


def gauss_clip(bits: int) -> float:
    """alpha / sigma likewise for a normal variable: d/da of (1 + a^2) 2 Q(a) - 2 a phi(a) + a^2 / (3 * 4^bits)."""
    return float(brentq(lambda a: 4 * (a * norm.sf(a) - norm.pdf(a)) + 2 * a / (3 * 4.0**bits), 1e-6, 50.0))


def aciq(weight: Array, bits: int, importance: Array | None = None) -> Array:
    """Per channel the distribution whose density has the likelier deviation; never beyond the largest weight."""
    centred = weight - weight.mean(axis=1, keepdims=True)
    b, sigma = np.abs(centred).mean(axis=1), centred.std(axis=1)
    # log likelihoods of the maximum likelihood fits, per weight: -log(2 b) - 1 and -log(sigma) - log(2 pi e) / 2
    laplace = np.log(2 * np.maximum(b, 1e-300)) + 1 < np.log(np.maximum(sigma, 1e-300)) + 0.5 * np.log(2 * np.pi * np.e)
    alpha = np.where(laplace, b * laplace_clip(bits), sigma * gauss_clip(bits)) + np.abs(weight.mean(axis=1))
    full = largest(weight, bits)
    return np.asarray(np.where(alpha > 0, np.minimum(alpha / (2 ** (bits - 1) - 1), full), full))


def percentile(weight: Array, bits: int, importance: Array | None = None) -> Array:
    return np.asarray(np.quantile(np.abs(weight), 0.999, axis=1) / (2 ** (bits - 1) - 1))


SCALES: dict[str, Method] = {"max": largest, "omse": omse, "aciq": aciq, "percentile": percentile}
