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
    """All groups at once, as [G, K, O]: the numbers of one step lie side by side."""
    assert found is not None
    top = np.full(weight.shape, 2.0 ** (bits - 1) - 1) * (1.0 if found.keep is None else found.keep)
    order = np.argsort(-np.einsum("gkk->gk", found.hessian), axis=1, kind="stable")
    h = np.take_along_axis(np.take_along_axis(found.damped(), order[:, :, None], 1), order[:, None, :], 2)
    w, s, top = (np.ascontiguousarray(np.take_along_axis(v.transpose(0, 2, 1), order[:, :, None], 1)) for v in (target(weight, found), scale, top))
    q = descend(w, s, top, h, eliminate(w.copy(), s, top, upper(h), found.table), sweeps, found.table)
    return np.take_along_axis(q, np.argsort(order, axis=1)[:, :, None], 1).transpose(0, 2, 1)


def upper(h: Array) -> Array:
    """The upper triangular R with R^T R = h^-1, for positive definite h[G, K, K]: with J that reverses the order, h = (J L J)(J L J)^T for the
    Cholesky factor L of J h J, and R is the inverse of J L J. A third of the work of inverting h first.
    """
    return np.stack([dtrtri(factor[::-1, ::-1])[0] for factor in np.linalg.cholesky(h[:, ::-1, ::-1])])


def eliminate(w: Array, scale: Array, top: Array, factor: Array, table: Array | None = None) -> Array:
    """GPTQ's algorithm 1 on w[G, K, O] (destroyed), integers up to top[G, K, O]: `factor` is the upper Cholesky factor of the inverse Hessian."""
    q = np.empty_like(w)
    for start in range(0, w.shape[1], BLOCK):
        stop = min(start + BLOCK, w.shape[1])
        errors = np.empty((len(w), stop - start, w.shape[2]))
        for k in range(start, stop):
            q[:, k] = snap(w[:, k] / scale[:, k], top[:, k], table)
            error = (w[:, k] - q[:, k] * scale[:, k]) / factor[:, k, k, None]
            errors[:, k - start] = error
            w[:, k + 1 : stop] -= factor[:, k, k + 1 : stop, None] * error[:, None]
        w[:, stop:] -= factor[:, start:stop, stop:].transpose(0, 2, 1) @ errors
    return q


def descend(w: Array, scale: Array, top: Array, h: Array, q: Array, sweeps: int, table: Array | None = None) -> Array:
    """Coordinate descent on (w - s q)^T H (w - s q): with the others fixed, the best w_k - s_k q_k is -sum_j!=k H_kj e_j / H_kk.

    The sums are kept up to date block by block.
    """
    error = w - scale * q
    sums, diagonal = h @ error if sweeps else error, np.einsum("gkk->gk", h)[:, :, None]
    for _ in range(sweeps):
        moved_at_all = False
        for start in range(0, w.shape[1], BLOCK):
            stop = min(start + BLOCK, w.shape[1])
            moved = np.zeros((len(w), stop - start, w.shape[2]))
            for k in range(start, stop):
                rest = sums[:, k] - error[:, k] * diagonal[:, k]
                if k > start:
                    rest += (h[:, k, None, start:k] @ moved[:, : k - start])[:, 0]
                q[:, k] = snap((w[:, k] + rest / diagonal[:, k]) / scale[:, k], top[:, k], table)
                after = w[:, k] - scale[:, k] * q[:, k]
                moved[:, k - start] = after - error[:, k]
                error[:, k] = after
            if moved.any():
                moved_at_all = True
                sums += h[:, :, start:stop] @ moved
        if not moved_at_all:
            break
    return q
