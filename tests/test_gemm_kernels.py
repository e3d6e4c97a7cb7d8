"""Every gemm, finish, conv2d and dwconv2d row that this machine can run equals a plain NumPy int64 computation."""

from __future__ import annotations

import numpy as np
import pytest
from intq.kernels.table import Row, ffi, isas
from kernel_cases import (
    FLAG_NARROW_PANELS,
    FLAG_NO_MIN_WEIGHT,
    FLAG_UNSIGNED_A,
    ROUNDINGS,
    SLACK,
    Conv,
    Requant,
    Step,
    buffer,
    pack,
    pointer,
    requant,
    usable,
    values,
)

name = lambda row: row.name  # noqa: E731
CONVS = [
    Conv(1, 1, 1, 5, 7),
    Conv(1, 7, 7, 64, 96),
    Conv(2, 9, 13, 24, 40),
    Conv(1, 12, 12, 3, 16, (3, 3), (2, 2), pads=(0, 0, 1, 1)),
    Conv(1, 11, 9, 1, 8, (10, 4), (2, 2), pads=(4, 1, 5, 1)),
    Conv(1, 14, 14, 64, 33, (3, 3), pads=(1, 1, 1, 1)),
    Conv(2, 15, 10, 16, 70, (3, 3), (2, 2), pads=(1, 1, 1, 1)),
    Conv(1, 17, 40, 32, 16, (3, 3), (2, 1), pads=(1, 1, 1, 1)),
    Conv(1, 20, 9, 32, 12, (5, 3), (3, 2), pads=(2, 0, 1, 3)),
    Conv(1, 13, 13, 32, 20, (3, 3), dilation=(2, 2), pads=(2, 2, 2, 2)),
    Conv(1, 30, 30, 64, 32, (3, 3), dilation=(3, 1), pads=(3, 1, 3, 1)),
    Conv(1, 8, 8, 24, 36, (3, 3), pads=(1, 1, 1, 1), groups=3),
    Conv(1, 8, 8, 96, 64, (3, 3), (2, 2), pads=(1, 1, 1, 1), groups=2),
    Conv(1, 6, 5, 12, 24, groups=4),
    Conv(1, 14, 14, 48, 40, (1, 1), (2, 2)),
    Conv(1, 6, 6, 8, 8, (7, 7), pads=(3, 3, 3, 3)),
    Conv(1, 4, 4, 8, 8, (4, 4)),
    Conv(3, 1, 1, 300, 200),
    Conv(1, 20, 20, 40, 100),
    Conv(1, 23, 23, 40, 144),
    Conv(1, 37, 37, 3, 33, (3, 3), (2, 2), pads=(1, 1, 1, 1)),
    Conv(1, 40, 20, 4, 48, (7, 7), (2, 2), pads=(3, 3, 3, 3)),
    Conv(1, 7, 7, 160, 96, (3, 3), pads=(1, 1, 1, 1)),
    Conv(1, 29, 31, 32, 64, (3, 3), pads=(1, 1, 1, 1)),
    Conv(37, 1, 1, 130, 10),
    *(Conv(1, 1, 1, c, n) for c, n in ((300, 200), (9, 70), (4, 33), (3, 64), (12, 65), (8, 96), (1, 130), (4100, 300))),
    Conv(1, 3, 3, 40, 150, (3, 3)),
    Conv(2, 9, 7, 16, 16, (3, 4), (1, 2), pads=(2, 6, 2, 7)),  # windows without a pixel of the image
    Conv(1, 13, 3, 20, 40, (5, 5), (3, 1), pads=(4, 4, 2, 8)),
    Conv(1, 32, 32, 16, 32, (3, 3), (2, 2), pads=(0, 0, 1, 1)),
    Conv(1, 12, 12, 16, 16, (3, 1), groups=2),
    Conv(1, 7, 7, 24, 32, groups=2),
    Conv(1, 6, 7, 512, 520),  # deep and wide: the operand is copied tile by tile
    Conv(1, 7, 9, 728, 500),
]
DEPTHWISE = [
    Conv(1, 9, 9, c, c * m, k, s, d, p, depthwise=True)
    for c, m, k, s, d, p in [
        (1, 1, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        (16, 1, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        (24, 1, (3, 3), (2, 2), (1, 1), (0, 0, 1, 1)),
        (64, 1, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        (96, 1, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)),
        (130, 1, (3, 3), (1, 2), (1, 1), (1, 0, 1, 2)),
        (40, 1, (5, 5), (1, 1), (1, 1), (2, 2, 2, 2)),
        (72, 1, (5, 5), (2, 2), (1, 1), (1, 2, 2, 1)),
        (33, 1, (3, 3), (1, 1), (2, 2), (2, 2, 2, 2)),
        (8, 3, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        (1, 8, (8, 8), (2, 2), (1, 1), (3, 3, 3, 3)),
        (20, 1, (1, 3), (1, 1), (1, 1), (0, 1, 0, 1)),
        (70, 1, (7, 7), (1, 1), (1, 1), (3, 3, 3, 3)),
        (64, 1, (9, 9), (1, 1), (1, 1), (0, 0, 0, 0)),
        *((c, 1, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)) for c in (1, 2, 3, 4, 8, 16, 32, 40, 64, 200)),
        (32, 1, (1, 1), (1, 1), (1, 1), (0, 1, 0, 0)),
    ]
]


def chain(isa: str) -> set[str]:
    """The ISA and the weaker ones that it implies."""
    found = set()
    while isa:
        found.add(isa)
        isa = isas()[isa][1]
    return found


def finish_row(rounding: str, isa: str) -> Row:
    """The best finish row that goes with an ISA."""
    allowed = chain(isa)
    return next(r for r in usable("finish", rounding) if r.isa in allowed)


def gemm(row: Row, a: np.ndarray, b: np.ndarray, lda: int, offsets: np.ndarray, m: int, init: np.ndarray | None) -> np.ndarray:
    """Run a gemm row on a raw operand buffer a; b[segs][k][n]."""
    segs, k, n = b.shape
    left = buffer(a ^ np.int8(-128) if row.flags & FLAG_UNSIGNED_A else a)
    width = -(-n // 16) * 16 if row.flags & FLAG_NARROW_PANELS else row.nr
    weights = buffer(pack(b, width, row.kr, row.ku))
    data, acc = buffer(np.full((m, width), 0x55555555, np.int32))
    start = buffer(np.zeros(width, np.int32) if init is None else np.resize(init, width))
    offs = buffer(offsets.astype(np.int64))
    ffi.cast("intq_gemm_fn *", row.c.fn)(
        m, n, segs, k, pointer("int8_t *", left[1]), lda, pointer("int64_t *", offs[1]), pointer("int8_t *", weights[1]),
        ffi.NULL if init is None else pointer("int32_t *", start[1]), pointer("int32_t *", acc),
    )  # fmt: skip
    end = acc.ctypes.data + acc.nbytes - data.ctypes.data
    assert (data[end : end + SLACK - 64] == 0x55).all(), "wrote behind the accumulators"
    out = acc[:, :n].astype(np.int64)
    return out - 128 * b.astype(np.int64).sum((0, 1)) if row.flags & FLAG_UNSIGNED_A else out


@pytest.mark.parametrize("row", usable("gemm"), ids=name)
def test_gemm_equals_int64(row: Row) -> None:
    rng = np.random.default_rng(row.mr * 1000 + row.kr)
    ms = sorted({1, 2, 3, row.mr - 1, row.mr, row.mr + 1, 2 * row.mr + 1, 15, 16, 17, 31, 33, 49} - {0})
    ks = sorted({1, 3, row.kr, row.ku - 1, row.ku, row.ku + 1, 2 * row.ku, 200, 1000} - {0})
    for m in ms:
        for k in ks:
            segs, n = int(rng.integers(1, 4)), int(rng.choice([1, row.nr // 2, row.nr // 2 + 1, row.nr]))
            kind_a, kind_b = rng.choice(["random", "random", "-128", "127", "ends"], 2)
            lda = int(rng.choice([k, k + 5, max(1, k // 3)]))
            offsets = rng.permutation(segs) * int(rng.integers(1, 2 * k + 2))
            a = values(rng, kind_a, ((m - 1) * lda + int(offsets.max()) + k,))
            b = values(rng, kind_b, (segs, k, n), -127 if row.flags & FLAG_NO_MIN_WEIGHT else -128)
            rows = np.stack([np.concatenate([a[i * lda + o : i * lda + o + k] for o in offsets]) for i in range(m)]).astype(np.int64)
            init = rng.integers(-(2**24), 2**24, n, dtype=np.int32) if rng.integers(2) else None
            want = rows @ b.reshape(segs * k, n).astype(np.int64) + (0 if init is None else init)
            got = gemm(row, a, b, lda, offsets, m, init)
            assert (got == want).all(), (m, n, k, segs, lda, kind_a, kind_b)


@pytest.mark.parametrize("row", usable("gemm"), ids=name)
def test_gemm_is_exact_for_deep_sums_of_extremes(row: Row) -> None:
    low, k = (-127 if row.flags & FLAG_NO_MIN_WEIGHT else -128), 9 * 2048
    for va in (-128, 127):
        for vb in (low, 127):
            a, b = np.full(3 * k, va, np.int8), np.full((1, k, row.nr), vb, np.int8)
            assert (gemm(row, a, b, k, np.zeros(1), 3, None) == k * va * vb).all()


@pytest.mark.parametrize("row", usable("finish"), ids=name)
def test_finish_equals_int64(row: Row) -> None:
    rng = np.random.default_rng(5)
    for n in (1, 2, 7, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 100, 130):
        for m in (1, 2, 3, 5):
            for wide in (False, True):
                channel0 = int(rng.choice([0, 0, 64, 5, 32]))
                span = float(2.0 ** rng.uniform(4, 22))
                rq = requant(rng, row.variant, channel0 + n, span, wide)
                has_bias = bool(rng.integers(2))
                check_finish(row, rq, rng.integers(-int(span), int(span) + 1, (m, n)).astype(np.int32), channel0, has_bias, n + int(rng.integers(3)))


def check_finish(row: Row, rq: Requant, acc: np.ndarray, channel0: int, has_bias: bool, ldo: int) -> None:
    m, n = acc.shape
    if not has_bias:
        rq.bias = np.zeros_like(rq.bias)
    keep: list[object] = []
    struct = rq.struct(keep)
    if not has_bias:
        struct.bias = ffi.NULL
    ldacc = n + 3
    tile = np.full((m, ldacc), 123456, np.int32)
    tile[:, :n] = acc
    source, (data, out) = buffer(tile), buffer(np.full((m, ldo), 0x55, np.int8))
    ffi.cast("intq_finish_fn *", row.c.fn)(
        m, n, pointer("int32_t *", source[1]), ldacc, struct, channel0, pointer("int8_t *", out), ldo
    )
    sub = Requant(rq.rounding, *(getattr(rq, f)[channel0:] for f in ("bias", "mult", "left", "right")), rq.zero_point, rq.lo, rq.hi)
    assert (out[:, :n] == sub.apply(acc.astype(np.int64))).all(), (m, n, channel0)
    assert (out[:, n:] == 0x55).all()
    assert (data[out.ctypes.data - data.ctypes.data + out.nbytes :] == 0x55).all()


@pytest.mark.parametrize("row", usable("finish"), ids=name)
def test_finish_at_the_ends_of_int32(row: Row) -> None:
    """q31 accepts any accumulator and any shift; q15's and shift's bound is on what they shift left."""
    rng, n = np.random.default_rng(6), 64
    ends = np.array([-(2**31), -(2**31) + 1, -(2**30) - 1, -1, 0, 1, 2**30, 2**31 - 1], np.int64)
    for trial in range(40):
        rq = requant(rng, row.variant, n, 1000.0, True)
        rq.bias[:] = 0
        if row.variant == "q31_single":
            rq.right[:] = rng.integers(1, 63, n)
        elif row.variant == "q31_double":
            rq.right[:], rq.left[:] = rng.integers(0, 32, n), 0
        else:
            rq.right[:], rq.left[:] = rng.integers(0, 31, n), 0
        if trial % 4 == 0 and row.variant.startswith("q31"):
            rq.mult[:] = 2**31 - 1
        acc = rng.choice(ends, (3, n))
        if row.variant == "shift":
            acc >>= 1
        check_finish(row, rq, acc.astype(np.int32), 0, True, n)


@pytest.mark.parametrize("row", usable("conv2d"), ids=name)
def test_conv2d_equals_int64(row: Row) -> None:
    allowed = chain(row.isa)
    for g in (g for g in usable("gemm") if g.isa in allowed and g.variant in ("s8s8", "u8s8")):
        for i, conv in enumerate(CONVS):
            check_conv(row, conv, i, g)


@pytest.mark.parametrize("row", usable("conv2d"), ids=name)
def test_conv2d_of_every_depth(row: Row) -> None:
    """How the work on one product is spread over the next one depends on how many times 64 deep it is, and on the panels side by side."""
    allowed = chain(row.isa)
    for g in (g for g in usable("gemm") if g.isa in allowed and g.variant in ("s8s8", "u8s8")):
        for i, pieces in enumerate((1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33)):
            for oc in (8, 100, 520) if pieces in (1, 4, 8, 17) else (40,):
                for h, w in ((7, 7), (5, 41)):
                    check_conv(row, Conv(1, h, w, 64 * pieces, oc), i + oc + h, g, 0)


@pytest.mark.parametrize("row", usable("dwconv2d"), ids=name)
def test_dwconv2d_equals_int64(row: Row) -> None:
    for i, conv in enumerate(DEPTHWISE):
        for wz in (0, 0, 9):
            check_conv(row, conv, i * 7 + wz, None, wz)


def check_conv(row: Row, conv: Conv, seed: int, g: Row | None, weight_zero: int | None = None) -> None:
    """One case with q15, whose fast paths differ with and without shifts to the left, and one with another rounding."""
    for i, (rounding, wide) in enumerate((("q15", False), ("q15", True), (ROUNDINGS[1 + seed % 3], seed % 2 == 0))):
        check_rounding(row, conv, 3 * seed + i, g, weight_zero, rounding, wide)


def check_rounding(
    row: Row, conv: Conv, seed: int, g: Row | None, weight_zero: int | None, rounding: str, wide: bool
) -> None:
    rng = np.random.default_rng(seed)
    kind = rng.choice(["random", "random", "ends"], 2)
    low = -127 if g is not None and g.flags & FLAG_NO_MIN_WEIGHT else -128
    x, w = values(rng, kind[0], (conv.n, conv.h, conv.w, conv.c)), values(rng, kind[1], conv.weight_shape(), low)
    xz = int(rng.choice([-128, 127, 0, 5]))
    wz = int(rng.choice([0, 0, -128, 127, 3])) if weight_zero is None else weight_zero
    acc = conv.accumulate(x, w, xz, wz)
    rq = requant(rng, rounding, conv.oc, float(np.abs(acc).max() + 1) / 2, wide)
    step = Step(row, finish_row(rq.rounding, row.isa), conv, w, rq, xz, wz, g)
    want = rq.apply(acc)
    for splits in (1, 3):
        got = step.run(x, splits)
        assert (got == want).all(), (conv, row.name, g and g.name, step.p.units, np.argwhere(got != want)[:4])
