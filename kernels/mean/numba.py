"""mean with Numba (SPEC 6)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import CODES, Array, accumulator, finish_all, jit, output


@jit
def _mean(x: Array, multiplier: int, shift: int, xz: int, yz: int, code: int, lo: int, hi: int, acc: Array, y: Array) -> None:
    """x[outer, reduce, inner] to y[outer, inner]; acc[inner] is work space."""
    outer, reduce, inner = x.shape
    for o in range(outer):
        acc[:] = -xz * reduce
        for r in range(reduce):
            line = x[o, r]
            for i in range(inner):
                acc[i] = acc.dtype.type(acc[i] + acc.dtype.type(line[i]))
        finish_all(acc, multiplier, shift, yz, code, lo, hi, y[o])


def mean(
    x: Array, multiplier: Array, shift: Array, *, x_zero_point: int, y_zero_point: int, axes: tuple[int, ...], rounding: str, lo: int, hi: int,
    out_shape: tuple[int, ...],
) -> Array:  # fmt: skip
    """As ref.mean."""
    gone = sorted(a % x.ndim for a in axes)
    if gone != list(range(gone[0], gone[-1] + 1)):  # bring scattered axes together, behind the others
        x = np.moveaxis(x, gone, range(x.ndim - len(gone), x.ndim))
        gone = list(range(x.ndim - len(gone), x.ndim))
    size = lambda dims: int(np.prod(dims, dtype=np.int64))  # noqa: E731
    outer, reduce, inner = size(x.shape[: gone[0]]), size(x.shape[gone[0] : gone[-1] + 1]), size(x.shape[gone[-1] + 1 :])
    y = output((outer, inner), rounding)
    _mean(
        np.ascontiguousarray(x).reshape(outer, reduce, inner), int(multiplier[0]), int(shift[0]), x_zero_point, y_zero_point, CODES[rounding],
        lo, hi, np.empty(inner, accumulator(rounding)), y,
    )  # fmt: skip
    return y.reshape(out_shape)
