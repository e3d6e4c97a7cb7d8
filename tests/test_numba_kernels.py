"""Every Numba row equals ref.py, byte for byte."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from elementwise_cases import BROADCASTS, POOLS, multiplier_shift
from intq.kernels import ref, ref_lowbit
from intq.kernels.table import table
from kernel_cases import values

pytest.importorskip("numba")
ROUNDINGS = ("q15", "shift", "q31_single", "q31_double", "i64_15")
KINDS = ("random", "ends", "-128", "127")


def function(op: str) -> Any:
    """The function of the op's Numba row."""
    place = next(r.name for r in table() if r.isa == "numba" and r.op == op)
    path, name = place.removesuffix(":" + op).removesuffix(".py").replace("/", "."), place.rpartition(":")[2]
    return getattr(importlib.import_module(f"intq.kernels.{path}"), name)


def same(op: str, *inputs: np.ndarray, **kwargs: Any) -> None:
    expected, got = getattr(ref if hasattr(ref, op) else ref_lowbit, op)(*inputs, **kwargs), function(op)(*inputs, **kwargs)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_every_row_loads() -> None:
    rows = [r for r in table() if r.isa == "numba"]
    assert rows
    for row in rows:
        assert callable(function(row.op)), row.name


def requant(rng: np.random.Generator, rounding: str, channels: int, span: float) -> dict[str, Any]:
    """Constants of one product: about the whole range for accumulators within +-span."""
    top = 32767 if rounding == "i64_15" else 127
    pairs = np.array([multiplier_shift(rng, rounding, top / span * 2.0 ** rng.uniform(-3, 3)) for _ in range(channels)], np.int32)
    bias = rng.integers(-int(span) - 1, int(span) + 2, channels).astype(np.int32)
    return {"bias": bias, "multiplier": pairs[:, 0].copy(), "shift": pairs[:, 1].copy()}


def reach(x: np.ndarray) -> float:
    return float(np.abs(x.astype(np.int64)).max())


def activations(rng: np.random.Generator, rounding: str, kind: str, shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
    if rounding == "i64_15":
        return rng.integers(-32768, 32768, shape, dtype=np.int16), 0
    return values(rng, kind, shape), int(rng.choice([-128, 127, 7]))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(
    ("shape", "w", "stride", "dilation", "pads", "groups"),
    [
        ((2, 7, 9, 3), (5, 3, 3, 3), (2, 2), (1, 1), (0, 0, 1, 1), 1),
        ((1, 6, 6, 8), (12, 1, 1, 4), (1, 1), (1, 1), (0, 0, 0, 0), 2),
        ((1, 9, 8, 6), (9, 3, 2, 2), (1, 2), (2, 3), (2, 1, 2, 2), 3),
    ],
)
def test_conv2d(rounding: str, shape: Any, w: Any, stride: Any, dilation: Any, pads: Any, groups: int) -> None:
    rng = np.random.default_rng(1)
    for kind in KINDS:
        x, xz = activations(rng, rounding, kind, shape)
        span = 40.0 * reach(x) * np.prod(w[1:])
        r = requant(rng, rounding, w[0], span)
        weights = values(rng, kind, w)
        same(
            "conv2d", x, weights, *r.values(), x_zero_point=xz, w_zero_point=0 if kind == "ends" else 3, y_zero_point=-5, stride=stride,
            dilation=dilation, pads=pads, groups=groups, rounding=rounding, lo=-100 if kind == "ends" else -128, hi=127,
        )  # fmt: skip


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("depth", [1, 3])
def test_dwconv2d(rounding: str, depth: int) -> None:
    rng = np.random.default_rng(2)
    for kind, stride, dilation in zip(KINDS, ((1, 1), (2, 2), (1, 2), (1, 1)), ((1, 1), (1, 1), (2, 1), (3, 3)), strict=True):
        x, xz = activations(rng, rounding, kind, (2, 9, 7, 5))
        r = requant(rng, rounding, 5 * depth, 40.0 * reach(x) * 9)
        same(
            "dwconv2d", x, values(rng, kind, (3, 3, 5 * depth)), *r.values(), x_zero_point=xz, w_zero_point=0 if kind == "ends" else -2,
            y_zero_point=9, stride=stride, dilation=dilation, pads=(1, 1, 1, 1), rounding=rounding, lo=-128, hi=127,
        )  # fmt: skip


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(("shape", "n"), [((1, 1), 1), ((3, 130), 7), ((2, 5, 33), 12)])
def test_dense(rounding: str, shape: tuple[int, ...], n: int) -> None:
    rng = np.random.default_rng(3)
    for kind in KINDS:
        x, xz = activations(rng, rounding, kind, shape)
        r = requant(rng, rounding, n, 40.0 * reach(x) * shape[-1])
        same(
            "dense", x, values(rng, kind, (n, shape[-1])), *r.values(), x_zero_point=xz, w_zero_point=0, y_zero_point=0, rounding=rounding,
            lo=-128, hi=127,
        )  # fmt: skip


@pytest.mark.parametrize("shapes", BROADCASTS, ids=str)
def test_add_and_mul(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    rng = np.random.default_rng(4)
    for i, kind in enumerate(KINDS):
        a, b = (values(rng, kind, s) for s in shapes)
        points = {"a_zero_point": (-128, 127, 3, 0)[i], "b_zero_point": (127, -128, -1, 0)[i], "y_zero_point": (5, -128, 127, 0)[i]}
        same("add", a, b, **points, m1=(32767, -32768, 11, 20000)[i], m2=(32767, 32767, -9, 1)[i], shift=(14, 16, 1, 22)[i], lo=-128, hi=100)
        for rounding in ROUNDINGS[:4]:
            multiplier, shift = multiplier_shift(rng, rounding, (0.5, 1 / 128, 20.0, 2.0**-13)[i])
            same("mul", a, b, **points, multiplier=multiplier, shift=shift, rounding=rounding, lo=-20, hi=127)


@pytest.mark.parametrize("case", POOLS, ids=str)
def test_pools(case: tuple[Any, ...]) -> None:
    rng = np.random.default_rng(5)
    (kh, kw), include = case[4], case[7]
    attrs = {"kernel": case[4], "stride": case[5], "pads": case[6]}
    divisors = (kh * kw,) if include else tuple(sorted({i * j for i in range(1, kh + 1) for j in range(1, kw + 1)}))
    for kind, rounding in zip(KINDS, ROUNDINGS, strict=False):
        x = values(rng, kind, case[:4])
        same("max_pool", x, **attrs, lo=-100, hi=110)
        pairs = np.array([multiplier_shift(rng, rounding, 1.7 / d) for d in divisors], np.int32)
        same(
            "avg_pool", x, pairs[:, 0], pairs[:, 1], x_zero_point=-128, y_zero_point=4, **attrs, divisors=divisors, count_include_pad=include,
            rounding=rounding, lo=-128, hi=127,
        )  # fmt: skip


@pytest.mark.parametrize(("shape", "axes"), [((2, 5, 4, 7), (1, 2)), ((2, 5, 4, 7), (1, 3)), ((3, 9), (-1,)), ((2, 300, 5), (1,))])
def test_mean(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(6)
    out = tuple(d for i, d in enumerate(shape) if i not in {a % len(shape) for a in axes})
    for kind, rounding in zip(KINDS, ROUNDINGS, strict=False):
        m, s = multiplier_shift(rng, rounding, 1.2 / np.prod([shape[a] for a in axes]))
        same(
            "mean", values(rng, kind, shape), np.array([m], np.int32), np.array([s], np.int32), x_zero_point=127, y_zero_point=-3, axes=axes,
            rounding=rounding, lo=-128, hi=127, out_shape=out,
        )  # fmt: skip


def test_lut8_and_softmax() -> None:
    rng = np.random.default_rng(7)
    for shape in ((1, 1), (3, 10), (2, 300), (2, 3, 4)):
        for dtype, out in ((np.int8, np.int8), (np.uint8, np.int8), (np.int8, np.uint8)):
            x = rng.integers(0, 256, shape).astype(np.uint8).view(dtype)
            same("lut8", x, rng.integers(0, 256, 256).astype(np.uint8).view(out))
            which = rng.integers(0, 5, shape[-1]).astype(np.int32)
            same("lut8_channels", x, rng.integers(0, 256, (5, 256)).astype(np.uint8).view(out), which)
        for scale in (1e-4, 0.1, 30.0):
            table = np.rint(2.0**23 * np.exp(-np.arange(256) * scale)).astype(np.int32)
            same("softmax", x.view(np.int8), table)
            same("softmax", x.view(np.int8), table, bits=11)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("groups", [1, 2])
def test_conv2d_skips_zeros(rounding: str, groups: int) -> None:
    rng = np.random.default_rng(6)
    x, xz = activations(rng, rounding, "random", (2, 7, 9, 8))
    w = np.where(rng.random((12, 3, 3, 8 // groups)) < 0.85, 0, rng.integers(-128, 128, (12, 3, 3, 8 // groups))).astype(np.int8)
    r = requant(rng, rounding, 12, 40.0 * reach(x) * 20)
    same(
        "conv2d", x, w, *r.values(), x_zero_point=xz, w_zero_point=0, y_zero_point=3, stride=(1, 1), dilation=(1, 2), pads=(1, 2, 1, 2),
        groups=groups, rounding=rounding, lo=-128, hi=127,
    )  # fmt: skip


@pytest.mark.parametrize("rounding", ROUNDINGS[:4])
@pytest.mark.parametrize(("shape", "n", "group"), [((1, 1), 3, 4), ((3, 130), 7, 32), ((2, 5, 64), 12, 64)])
def test_dense_codes(rounding: str, shape: tuple[int, ...], n: int, group: int) -> None:
    rng = np.random.default_rng(7)
    x, xz = activations(rng, rounding, "random", shape)
    k = shape[-1]
    codes = rng.integers(0, 256, (n, (k + 1) // 2)).astype(np.uint8)
    multipliers = rng.integers(1, 32, (n, -(-k // group))).astype(np.uint8)
    r = requant(rng, rounding, n, 600.0 * reach(x) * k)
    table = rng.integers(-127, 128, 16).astype(np.int8)
    same("dense_codes", x, codes, table, multipliers, *r.values(), x_zero_point=xz, y_zero_point=-7, group=group, rounding=rounding, lo=-128, hi=99)
