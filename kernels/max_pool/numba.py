"""max_pool with Numba (SPEC 6)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import Array, jit


@jit
def _max_pool(x: Array, kh: int, kw: int, sh: int, sw: int, top: int, left: int, lo: int, hi: int, y: Array) -> None:
    n, h, width, c = x.shape
    for image in range(n):
        for oy in range(y.shape[1]):
            y0, y1 = max(oy * sh - top, 0), min(oy * sh - top + kh, h)
            for ox in range(y.shape[2]):
                x0, x1 = max(ox * sw - left, 0), min(ox * sw - left + kw, width)
                best = y[image, oy, ox]
                best[:] = lo
                for iy in range(y0, y1):
                    for ix in range(x0, x1):
                        pixel = x[image, iy, ix]
                        for k in range(c):
                            best[k] = max(best[k], pixel[k])
                for k in range(c):
                    best[k] = min(best[k], hi)


def max_pool(x: Array, *, kernel: tuple[int, int], stride: tuple[int, int], pads: tuple[int, int, int, int], lo: int, hi: int) -> Array:
    """As ref.max_pool."""
    n, h, width, c = x.shape
    oh, ow = (h + pads[0] + pads[2] - kernel[0]) // stride[0] + 1, (width + pads[1] + pads[3] - kernel[1]) // stride[1] + 1
    y = np.empty((n, oh, ow, c), x.dtype)
    _max_pool(np.ascontiguousarray(x), *kernel, *stride, pads[0], pads[1], lo, hi, y)
    return y
