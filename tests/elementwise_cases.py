"""Case tables of the elementwise, pooling and copying ops, and the C parameters of one kernel call."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from intq.kernels.table import Row, ffi
from kernel_cases import SLACK, buffer, pointer

DIMS = 6
SCRATCH = 16384


class Call:
    """One kernel over `units` units. The output is filled with a pattern first; a write outside of it fails."""

    def __init__(
        self, row: Row, params: Any, inputs: list[np.ndarray], shape: tuple[int, ...], dtype: Any, units: int, scratch: int = SCRATCH
    ) -> None:
        self.row, self.params, self.units = row, params, units
        self.inputs = [buffer(np.ascontiguousarray(x)) for x in inputs]
        self.scratch = np.full(scratch + SLACK, 0x55, np.uint8)
        self.out = np.full(max(int(np.prod(shape)), 1) * np.dtype(dtype).itemsize + 2 * SLACK, 0x55, np.uint8)
        self.y = self.out[SLACK:-SLACK].view(dtype)[: int(np.prod(shape))].reshape(shape)

    def run(self, splits: int = 1) -> np.ndarray:
        io = ffi.new("void *[8]", [*(pointer("void *", v) for _, v in self.inputs), pointer("void *", self.y)])
        fn = ffi.cast("intq_kernel_fn *", self.row.c.fn)
        edges = [self.units * i // splits for i in range(splits + 1)]
        for begin, end in reversed(list(itertools.pairwise(edges))):  # any order of the slices is right
            if begin < end:
                fn(self.params, io, begin, end, pointer("uint8_t *", self.scratch))
        assert (self.out[:SLACK] == 0x55).all(), "wrote before the output"
        assert (self.out[-SLACK:] == 0x55).all(), "wrote behind the output"
        assert (self.scratch[-SLACK:] == 0x55).all(), "wrote behind the scratch"
        return self.y


def strides(shape: tuple[int, ...], out: tuple[int, ...]) -> list[int]:
    """Element strides of a dense operand broadcast to `out`, right-aligned to DIMS."""
    full = (1,) * (len(out) - len(shape)) + shape
    dense = [int(np.prod(full[i + 1 :])) for i in range(len(full))]
    return [0] * (DIMS - len(out)) + [s if d > 1 else 0 for s, d in zip(dense, full, strict=True)]


def fill_broadcast(struct: Any, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Writes an intq_broadcast; returns the output shape and the number of units."""
    out = np.broadcast_shapes(a, b)
    dims = [1] * (DIMS - len(out)) + list(out)
    struct.dims, struct.stride_a, struct.stride_b = dims, strides(a, out), strides(b, out)
    return out, int(np.prod(dims[:-1]))


def scalar_requant(rounding: str, multiplier: Any, shift: Any, zero_point: int, lo: int, hi: int, keep: list[Any]) -> Any:
    """An array of intq_requant, one per entry of multiplier and shift, each with 64 equal entries, as the plan makes them."""
    multiplier, shift = np.atleast_1d(multiplier), np.atleast_1d(shift)
    found = ffi.new("intq_requant[]", len(multiplier))
    keep.append(found)
    for rq, m, s in zip(found, multiplier.tolist(), shift.tolist(), strict=True):
        left, right = max(s, 0), max(-s, 0)
        bias = (1 << right) >> 1 if rounding == "q15" else 0
        if rounding == "q31_single":
            left, right = 0, 31 - s
        for name, value in (("bias", bias), ("mult", m), ("left", left), ("right", right)):
            held = buffer(np.full(64, value, np.int32))
            keep.append(held)
            setattr(rq, name, pointer("int32_t *", held[1]))
        rq.zero_point, rq.lo, rq.hi, rq.any_left = zero_point, lo, hi, int(left > 0)
    return found


def multiplier_shift(rng: np.random.Generator, rounding: str, scale: float) -> tuple[int, int]:
    """The pair of SPEC 3 nearest to `scale` (for `shift` the nearest power of two)."""
    if rounding == "shift":
        return 0, min(int(np.round(np.log2(scale))), 0)
    fraction, exponent = np.frexp(scale * 64 if rounding == "q15" else scale)
    bits = 15 if rounding == "q15" else 31
    return min(int(np.rint(fraction * 2.0**bits)), 2**bits - 1), int(exponent)


BROADCASTS = [
    ((7,), (7,)),
    ((1, 64), (1, 64)),
    ((3, 5, 67), (3, 5, 67)),
    ((1, 8, 8, 16), (1, 8, 8, 16)),
    ((2, 5, 5, 33), (2, 1, 1, 33)),
    ((2, 5, 5, 33), (33,)),
    ((4, 130), (4, 1)),
    ((4, 1), (4, 130)),
    ((2, 3, 1, 5), (1, 3, 4, 1)),
    ((9000,), (9000,)),
    ((3, 5000), (3, 1)),
    ((2, 2, 2, 2, 2, 3), (1, 2, 1, 2, 1, 3)),
    ((1, 1), (1, 1)),
    ((1, 255), (1,)),
    ((1, 12, 13, 144), (1, 1, 1, 144)),
    ((1, 1, 1, 48), (1, 9, 5, 48)),
    ((2, 5, 4, 672), (2, 1, 1, 672)),
    ((3, 4, 301), (3, 1, 301)),
]
# n, h, w, c, kernel, stride, pads (top, left, bottom, right), count_include_pad
POOLS = [
    (1, 4, 4, 8, (2, 2), (2, 2), (0, 0, 0, 0), False),
    (2, 7, 9, 3, (3, 3), (2, 2), (1, 1, 1, 1), False),
    (1, 8, 8, 64, (3, 3), (1, 1), (1, 1, 1, 1), False),
    (1, 8, 8, 64, (3, 3), (1, 1), (1, 1, 1, 1), True),
    (1, 6, 5, 130, (3, 2), (2, 1), (0, 1, 1, 0), False),
    (1, 8, 8, 17, (8, 8), (8, 8), (0, 0, 0, 0), False),
    (3, 25, 5, 64, (25, 5), (1, 1), (0, 0, 0, 0), False),
    (1, 3, 3, 4100, (2, 2), (1, 1), (0, 0, 1, 1), False),
    (1, 1, 40, 5, (1, 7), (1, 3), (0, 3, 0, 3), True),
    (1, 20, 20, 1, (20, 20), (20, 20), (0, 0, 0, 0), False),
    (1, 9, 11, 72, (3, 3), (1, 1), (2, 2, 2, 2), False),
    (2, 2, 2, 33, (3, 3), (1, 1), (2, 2, 2, 2), True),
    (1, 6, 12, 70, (5, 3), (2, 1), (1, 0, 2, 2), False),
    (1, 17, 16, 4, (16, 16), (1, 1), (0, 0, 0, 0), False),
]
