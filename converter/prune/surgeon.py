"""Removal of weights by second order: which go, and how the ones that stay make up for them.

The saliency w_k^2 / [H^-1]_kk is that of the optimal brain surgeon (Hassibi and Stork 1993). Small layers take OBC (Frantar and Alistarh 2022,
arXiv:2208.11580, algorithms 1 and 2): weights leave a row one by one, its inverse Hessian is updated each time, and rows share the zeros by
what each removal costs. Large layers and blocks take SparseGPT (Frantar and Alistarh 2023, arXiv:2301.00774, algorithm 1): one order for all
rows, masks chosen run by run. Groups N:M are then set again, each to the best N given all others, until nothing moves. At last the weights
that stay are solved for exactly.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ..ir import Array
from .settings import block_of, group_of

RUN = 64  # columns whose mask SparseGPT chooses at once
SMALL = 1 << 34  # rows x K^3 up to which rows are treated one by one
BEYOND = 1.4  # how far past the average ratio a row is followed
SWEEPS = 12
CHOICES = 10  # most ways to fill a group that are tried


def keep(score: Array, pattern: str, ratio: float) -> Array:
    """bool[O, K]: what stays where the least of score[O, K] goes, block by block."""
    group = group_of(pattern)
    rows, columns = (1, group[1]) if group else block_of(pattern)
    n, k = score.shape
    padded = np.pad(score, ((0, -n % rows), (0, -k % columns)), constant_values=-1 if group else 0)
    if group:
        parts = padded.reshape(n, -1, columns)
        rank = np.argsort(np.argsort(-parts, axis=2, kind="stable"), axis=2)
        return np.asarray((rank < group[0]).reshape(padded.shape)[:, :k])
    sums = padded.reshape(padded.shape[0] // rows, rows, -1, columns).sum(axis=(1, 3))
    stay = np.ones(sums.size, bool)
    stay[np.argsort(sums, axis=None, kind="stable")[: round(ratio * sums.size)]] = False
    return np.asarray(np.repeat(np.repeat(stay.reshape(sums.shape), rows, axis=0), columns, axis=1)[:n, :k])


def surgeon(weight: Array, h: Array, pattern: str, ratio: float) -> tuple[Array, Array]:
    """weight[O, K] and its inputs' damped moments h[K, K], in kernel order -> weights and bool[O, K] of those that stay."""
    rows, k = weight.shape
    small = rows * k**3 <= SMALL
    group = group_of(pattern)
    whole = group is None or k % group[1] == 0
    if small and whole and (group is not None or block_of(pattern) == (1, 1)):
        stays = one_by_one(weight, h, ratio, group)
        found = solved(weight, h, stays)
    else:
        found, stays = run_by_run(weight, h, pattern, ratio)
    if group is not None and whole and len(list(combinations(range(group[1]), group[0]))) <= CHOICES:
        found, stays = group_by_group(weight, h, found, group)
    return (solved(weight, h, stays) if small else found), stays


def one_by_one(weight: Array, h: Array, ratio: float, group: tuple[int, int] | None) -> Array:
    """OBC: bool[O, K] of the weights that stay."""
    n, k = weight.shape
    inverse = np.linalg.inv(h)
    steps = k // group[1] * (group[1] - group[0]) if group else min(k, int(np.ceil(k * min(1.0, BEYOND * ratio))))
    order, cost = np.empty((n, steps), np.int64), np.empty((n, steps))
    for row in range(n):
        left, w, alive = inverse.copy(), weight[row].copy(), np.ones(k, bool)
        count = np.full(k // group[1], group[1]) if group else None
        for step in range(steps):
            open_ = alive if count is None or group is None else alive & np.repeat(count > group[0], group[1])
            saliency = np.where(open_, w * w / np.maximum(np.diagonal(left), 1e-30), np.inf)
            j = int(saliency.argmin())
            order[row, step], cost[row, step], alive[j] = j, saliency[j], False
            if count is not None and group is not None:
                count[j // group[1]] -= 1
            column = left[:, j] / left[j, j]
            w -= column * w[j]
            left -= np.outer(column, left[j])
    taken = np.arange(n * steps) if group else np.argsort(np.maximum.accumulate(cost, axis=1), axis=None, kind="stable")[: round(ratio * n * k)]
    stays = np.ones((n, k), bool)
    stays[taken // steps, order.reshape(-1)[taken]] = False
    return stays


def run_by_run(weight: Array, h: Array, pattern: str, ratio: float) -> tuple[Array, Array]:
    """SparseGPT."""
    w, k = weight.copy(), weight.shape[1]
    factor = np.linalg.cholesky(np.linalg.inv(h)).T
    group = group_of(pattern)
    columns = group[1] if group else block_of(pattern)[1]
    run = columns if group else -(-RUN // columns) * columns
    stays = np.empty(w.shape, bool)
    for start in range(0, k, run):
        stop = min(start + run, k)
        stays[:, start:stop] = keep((w[:, start:stop] / np.diagonal(factor)[start:stop]) ** 2, pattern, ratio)
        errors = np.empty((len(w), stop - start))
        for column in range(start, stop):
            errors[:, column - start] = np.where(stays[:, column], 0, w[:, column]) / factor[column, column]
            w[:, column + 1 : stop] -= errors[:, column - start, None] * factor[column, column + 1 : stop]
        w[:, stop:] -= errors @ factor[start:stop, stop:]
    return w * stays, stays


def group_by_group(weight: Array, h: Array, found: Array, group: tuple[int, int]) -> tuple[Array, Array]:
    """Block coordinate descent: each group becomes the N weights, of all choices, that are best while the others are fixed."""
    v, error = found.copy(), weight - found
    for _ in range(SWEEPS):
        before = v != 0
        for start in range(0, weight.shape[1], group[1]):
            here = slice(start, start + group[1])
            own = h[here, here]
            pull = error @ h[:, here] + v[:, here] @ own
            gain, best = np.full(len(v), -np.inf), np.zeros((len(v), group[1]))
            for choice in combinations(range(group[1]), group[0]):
                chosen = list(choice)
                values = np.linalg.solve(own[np.ix_(chosen, chosen)], pull[:, chosen].T).T
                better = (pull[:, chosen] * values).sum(axis=1)
                rows = better > gain
                gain[rows], best[rows] = better[rows], 0
                best[np.ix_(rows, chosen)] = values[rows]
            error[:, here] += v[:, here] - best
            v[:, here] = best
        if np.array_equal(before, v != 0):
            break
    return v, v != 0


def solved(weight: Array, h: Array, stays: Array) -> Array:
    """Row by row the v, zero outside `stays`, of least (w - v) h (w - v)^T: v_S = w_S + h_SS^-1 h_SP w_P."""
    found = np.zeros_like(weight)
    for row, (w, kept) in enumerate(zip(weight, stays, strict=True)):
        if kept.any():
            found[row, kept] = w[kept] + np.linalg.solve(h[np.ix_(kept, kept)], h[np.ix_(kept, ~kept)] @ w[~kept])
    return found
