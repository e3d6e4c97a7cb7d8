"""One-shot rounding by second order: each weight is rounded in turn and the rest of its row makes up for the error.

Frantar et al. 2022, GPTQ (arXiv:2210.17323), equation 2 and algorithm 1, in the order of falling diagonal; it is the optimal brain
quantizer (Frantar and Alistarh 2022, OBC, arXiv:2208.11580) with one order for all rows. Convolutions are unfolded; a depthwise
convolution is one small problem per channel. The sweeps of coordinate descent afterwards are QuantEase (Behdin et al. 2023,
arXiv:2309.01885): every weight is set again to the best integer given all the others, so the error only falls.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dtrtri

from ..ir import Array
from .base import Moments, snap, target

BLOCK = 64
SWEEPS = 4


def gptq(weight: Array, scale: Array, bits: int, found: Moments | None) -> Array:
    """weight[G, O, K] and scale[G, O, K] -> integers of the same shape, float64."""
    return rounded(weight, scale, bits, found, 0)


def gptq_cd(weight: Array, scale: Array, bits: int, found: Moments | None) -> Array:
    """GPTQ, then sweeps of coordinate descent."""
    return rounded(weight, scale, bits, found, SWEEPS)


def rounded(weight: Array, scale: Array, bits: int, found: Moments | None, sweeps: int) -> Array:
    assert found is not None
    damped, wanted = found.damped(), target(weight, found)
    q = np.empty_like(weight)
    for group in range(found.groups):
        order = np.argsort(-np.diagonal(found.hessian[group]), kind="stable")
        back = np.argsort(order)
        h = damped[group][np.ix_(order, order)]
        w, s = wanted[group][:, order], scale[group][:, order]
        top = np.full(w.shape, 2.0 ** (bits - 1) - 1) if found.keep is None else found.keep[group][:, order] * (2.0 ** (bits - 1) - 1)
        q[group] = descend(w, s, top, h, eliminate(w.copy(), s, top, upper(h), found.table), sweeps, found.table)[:, back]
    return q


def upper(h: Array) -> Array:
    """The upper triangular R with R^T R = h^-1, for positive definite h[K, K]: with J that reverses the order, h = (J L J)(J L J)^T for the
    Cholesky factor L of J h J, and R is the inverse of J L J. A third of the work of inverting h first.
    """
    factor, _ = dtrtri(np.linalg.cholesky(h[::-1, ::-1])[::-1, ::-1])
    return np.asarray(factor)


def eliminate(w: Array, scale: Array, top: Array, factor: Array, table: Array | None = None) -> Array:
    """GPTQ's algorithm 1 on w[O, K] (destroyed), integers up to top[O, K]: `factor` is the upper Cholesky factor of the inverse Hessian."""
    q = np.empty_like(w)
    for start in range(0, w.shape[1], BLOCK):
        stop = min(start + BLOCK, w.shape[1])
        errors = np.empty((len(w), stop - start))
        for k in range(start, stop):
            q[:, k] = snap(w[:, k] / scale[:, k], top[:, k], table)
            errors[:, k - start] = (w[:, k] - q[:, k] * scale[:, k]) / factor[k, k]
            w[:, k + 1 : stop] -= errors[:, k - start, None] * factor[k, k + 1 : stop]
        w[:, stop:] -= errors @ factor[start:stop, stop:]
    return q


def descend(w: Array, scale: Array, top: Array, h: Array, q: Array, sweeps: int, table: Array | None = None) -> Array:
    """Coordinate descent on (w - s q) H (w - s q)^T: with the others fixed, the best w_k - s_k q_k is -sum_j!=k e_j H_jk / H_kk."""
    error = w - scale * q
    for _ in range(sweeps):
        before = q.copy()
        for k in range(w.shape[1]):
            rest = error @ h[:, k] - error[:, k] * h[k, k]
            q[:, k] = snap((w[:, k] + rest / h[k, k]) / scale[:, k], top[:, k], table)
            error[:, k] = w[:, k] - scale[:, k] * q[:, k]
        if np.array_equal(before, q):
            break
    return q
