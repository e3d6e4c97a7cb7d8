"""avg_pool with Numba (SPEC 6)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import CODES, Array, accumulator, finish_all, jit, output


@jit
def _avg_pool(
    x: Array, multiplier: Array, shift: Array, xz: int, yz: int, kh: int, kw: int, sh: int, sw: int, top: int, left: int, divisors: Array,
    include: bool, code: int, lo: int, hi: int, acc: Array, y: Array,
) -> None:  # fmt: skip
    n, h, width, c = x.shape
    for image in range(n):
        for oy in range(y.shape[1]):
            y0, y1 = max(oy * sh - top, 0), min(oy * sh - top + kh, h)
            for ox in range(y.shape[2]):
                x0, x1 = max(ox * sw - left, 0), min(ox * sw - left + kw, width)
                valid = max(y1 - y0, 0) * max(x1 - x0, 0)
                acc[:] = -xz * valid
                for iy in range(y0, y1):
                    for ix in range(x0, x1):
                        pixel = x[image, iy, ix]
                        for k in range(c):
                            acc[k] = acc.dtype.type(acc[k] + acc.dtype.type(pixel[k]))
                d = np.searchsorted(divisors, kh * kw if include else valid)
                finish_all(acc, np.int64(multiplier[d]), np.int64(shift[d]), yz, code, lo, hi, y[image, oy, ox])


def avg_pool(
    x: Array, multiplier: Array, shift: Array, *, x_zero_point: int, y_zero_point: int, kernel: tuple[int, int], stride: tuple[int, int],
    pads: tuple[int, int, int, int], divisors: tuple[int, ...], count_include_pad: bool, rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """As ref.avg_pool."""
    n, h, width, c = x.shape
    oh, ow = (h + pads[0] + pads[2] - kernel[0]) // stride[0] + 1, (width + pads[1] + pads[3] - kernel[1]) // stride[1] + 1
    y = output((n, oh, ow, c), rounding)
    _avg_pool(
        np.ascontiguousarray(x), multiplier, shift, x_zero_point, y_zero_point, *kernel, *stride, pads[0], pads[1], np.array(divisors),
        count_include_pad, CODES[rounding], lo, hi, np.empty(c, accumulator(rounding)), y,
    )  # fmt: skip
    return y
