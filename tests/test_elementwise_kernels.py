"""Every row of the elementwise, pooling and copying ops that this machine can run equals ref.py, byte for byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from elementwise_cases import BROADCASTS, DIMS, POOLS, Call, fill_broadcast, multiplier_shift, scalar_requant
from intq.kernels import ref, ref_tflite
from intq.kernels.table import Row, ffi
from kernel_cases import ROUNDINGS, buffer, pointer, usable, values

name = lambda row: row.name  # noqa: E731
MEANS = [(1, 64, 64), (3, 49, 5), (2, 1, 300), (1, 3, 9000), (5000, 7, 1), (2, 1000, 1), (4, 600, 33), (1, 257, 96)]  # outer, reduce, inner
KINDS = ("random", "ends", "-128", "127")


def rows(op: str) -> Any:
    return pytest.mark.parametrize("row", usable(op), ids=name)


def finishers(rounding: str, row: Row) -> list[Row]:
    """The finish rows that the plan may hand to this row: its own ISA's or a weaker one's."""
    found = usable("finish", rounding)
    return [r for r in found if r.isa == row.isa] or found[-1:]


def check(call: Call, expected: np.ndarray) -> None:
    for splits in (1, 2, 3):
        call.y[...] = 0x55
        np.testing.assert_array_equal(call.run(splits), expected)


@rows("add")
@pytest.mark.parametrize("shapes", BROADCASTS, ids=str)
def test_add(row: Row, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    rng = np.random.default_rng(1)
    for i, (m1, m2, shift) in enumerate([(20000, 18000, 15), (32767, -32768, 1), (-32767, 32767, 14), (12345, 30000, 24), (1, 0, 2)]):
        kw = {"a_zero_point": (-128, 127, 3)[i % 3], "b_zero_point": (127, 127, -128, 0)[i % 4], "y_zero_point": (-128, 127, 5)[i % 3]}
        attrs = {"m1": m1, "m2": m2, "shift": shift, "lo": (-128, 5)[i % 2], "hi": (127, 5, 90)[i % 3]}
        a, b = (values(rng, KINDS[(i * 3 + j) % 4], s) for j, s in enumerate(shapes))
        p = ffi.new("intq_add *", {**kw, **attrs})
        out, units = fill_broadcast(p.shape, *shapes)
        check(Call(row, p, [a, b], out, np.int8, units), ref.add(a, b, **kw, **attrs))


@rows("mul")
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("shapes", BROADCASTS, ids=str)
def test_mul(row: Row, rounding: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    rng = np.random.default_rng(2)
    for i, scale in enumerate((1 / 128, 0.3, 2.0**-14, 30.0)):
        m, s = multiplier_shift(rng, rounding, scale)
        kw = {"a_zero_point": (-128, 127, 3)[i % 3], "b_zero_point": (127, 127, -128, 0)[i % 4]}
        zp, lo, hi = (-128, 127, 5)[i % 3], (-128, -20)[i % 2], (127, 90)[i % 2]
        a, b = (values(rng, KINDS[(i * 3 + j) % 4], sh) for j, sh in enumerate(shapes))
        expected = ref.mul(a, b, **kw, y_zero_point=zp, multiplier=m, shift=s, rounding=rounding, lo=lo, hi=hi)
        for finish in finishers(rounding, row):
            keep: list[Any] = []
            p = ffi.new("intq_mul *", kw)
            p.rq, p.finish = scalar_requant(rounding, m, s, zp, lo, hi, keep)[0], ffi.cast("intq_finish_fn *", finish.c.fn)
            out, units = fill_broadcast(p.shape, *shapes)
            check(Call(row, p, [a, b], out, np.int8, units), expected)


def pool_params(case: tuple[Any, ...]) -> tuple[Any, tuple[int, ...], dict[str, Any]]:
    n, h, w, c, kernel, stride, pads, include = case
    oh, ow = ((size + pads[i] + pads[i + 2] - kernel[i]) // stride[i] + 1 for i, size in enumerate((h, w)))
    p = ffi.new("intq_pool *")
    p.n, p.h, p.w, p.c, p.oh, p.ow, (p.kh, p.kw), (p.stride_h, p.stride_w) = n, h, w, c, oh, ow, kernel, stride
    p.pad_top, p.pad_left, p.count_include_pad = pads[0], pads[1], include
    return p, (n, oh, ow, c), {"kernel": kernel, "stride": stride, "pads": pads}


@rows("max_pool")
@pytest.mark.parametrize("case", POOLS, ids=str)
def test_max_pool(row: Row, case: tuple[Any, ...]) -> None:
    rng = np.random.default_rng(3)
    for kind, lo, hi in (("random", -128, 127), ("random", -7, 50), ("-128", -128, 127), ("127", -128, 3), ("ends", 9, 9)):
        x = values(rng, kind, case[:4])
        p, shape, attrs = pool_params(case)
        p.lo, p.hi = lo, hi
        check(Call(row, p, [x], shape, np.int8, shape[0] * shape[1]), ref.max_pool(x, **attrs, lo=lo, hi=hi))


@rows("avg_pool")
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("case", POOLS, ids=str)
def test_avg_pool(row: Row, rounding: str, case: tuple[Any, ...]) -> None:
    rng = np.random.default_rng(4)
    kh, kw = case[4]
    divisors = (kh * kw,) if case[7] else tuple(sorted({i * j for i in range(1, kh + 1) for j in range(1, kw + 1)}))
    for kind, xz, zp, factor in (("random", -128, 127, 1.0), ("ends", 127, -128, 3.7), ("127", -128, 3, 0.02), ("-128", 127, 0, 1.5)):
        x = values(rng, kind, case[:4])
        pairs = np.array([multiplier_shift(rng, rounding, factor / d) for d in divisors], np.int32)
        p, shape, attrs = pool_params(case)
        expected = ref.avg_pool(
            x, pairs[:, 0], pairs[:, 1], x_zero_point=xz, y_zero_point=zp, **attrs, divisors=divisors, count_include_pad=case[7],
            rounding=rounding, lo=-128, hi=120,
        )  # fmt: skip
        for finish in finishers(rounding, row):
            keep: list[Any] = []
            held, p.divisors = ffi.new("int32_t[]", divisors), ffi.NULL
            p.divisors, p.n_divisors, p.x_zero_point = held, len(divisors), xz
            p.rqs, p.finish = scalar_requant(rounding, pairs[:, 0], pairs[:, 1], zp, -128, 120, keep), ffi.cast("intq_finish_fn *", finish.c.fn)
            check(Call(row, p, [x], shape, np.int8, shape[0] * shape[1]), expected)


@rows("mean")
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("shape", MEANS, ids=str)
def test_mean(row: Row, rounding: str, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(5)
    for kind, xz, zp in (("random", -128, 3), ("127", -128, -128), ("-128", 127, 127), ("ends", 0, 0)):
        x = values(rng, kind, shape)
        m, s = multiplier_shift(rng, rounding, 1.3 / shape[1])
        out = (shape[0], shape[2])
        expected = ref.mean(
            x, np.array([m]), np.array([s]), x_zero_point=xz, y_zero_point=zp, axes=(1,), rounding=rounding, lo=-128, hi=127, out_shape=out
        )
        for finish in finishers(rounding, row):
            keep: list[Any] = []
            p = ffi.new("intq_mean *", {"outer": shape[0], "reduce": shape[1], "inner": shape[2], "x_zero_point": xz})
            p.rq, p.finish = scalar_requant(rounding, m, s, zp, -128, 127, keep)[0], ffi.cast("intq_finish_fn *", finish.c.fn)
            check(Call(row, p, [x], out, np.int8, shape[0]), expected)


def copy_call(row: Row, x: np.ndarray, view: np.ndarray, out: tuple[int, ...], y_view: np.ndarray, y_origin: np.ndarray) -> Call:
    """x seen as `view` goes to the part `y_view` of an output (both views give offset and strides)."""
    size, pad = x.dtype.itemsize, DIMS - view.ndim
    p = ffi.new("intq_copy *", {"element_size": size})
    p.dims = [1] * pad + list(view.shape)
    p.x_stride, p.y_stride = ([0] * pad + [s // size for s in v.strides] for v in (view, y_view))
    p.x_offset = (view.ctypes.data - x.ctypes.data) // size
    p.y_offset = (y_view.ctypes.data - y_origin.ctypes.data) // size
    return Call(row, p, [x], out, x.dtype, int(np.prod(list(p.dims)[:5])))


@rows("copy")
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_copy(row: Row, dtype: Any) -> None:
    rng = np.random.default_rng(6)
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, (3, 4, 5, 6), dtype=dtype)
    for view in (
        x,
        x.transpose(0, 3, 1, 2),
        x.transpose(3, 2, 1, 0),
        x[:, ::-1, ::2, 1:],
        np.broadcast_to(x[:, :1], (3, 7, 5, 6)),
        x.reshape(3, 1, 4, 1, 5, 6),
    ):
        whole = np.zeros(view.shape, dtype)
        check(copy_call(row, x, view, view.shape, whole, whole), view)
    joined = np.zeros((3, 4, 5, 16), dtype)  # one input of a concat
    expected = np.full(joined.shape, 0x55, dtype)
    expected[..., 7:13] = x
    check(copy_call(row, x, x, joined.shape, joined[..., 7:13], joined), expected)


@rows("copy")
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_copy_shuffles(row: Row, dtype: Any) -> None:
    """A few rows interleaved and taken apart again: channel shuffles, and the phases of a transposed convolution."""
    rng = np.random.default_rng(8)
    for groups in (2, 3, 4, 5, 8):
        for n in (1, 2, 7, 58, 131):
            x = rng.integers(-128, 128, (3, groups, n)).astype(dtype)
            for view in (x.transpose(0, 2, 1), x.reshape(3, n, groups).transpose(0, 2, 1)):
                whole = np.zeros(view.shape, dtype)
                check(copy_call(row, x, view, view.shape, whole, whole), view)
                wide = np.zeros((*view.shape[:2], view.shape[2] + 3), dtype)
                expected = np.full(wide.shape, 0x55, dtype)
                expected[..., 1:-2] = view
                check(copy_call(row, x, view, wide.shape, wide[..., 1:-2], wide), expected)


@rows("copy")
def test_copy_of_short_runs(row: Row) -> None:
    """Runs of every length up to a cache line and more, none of which may write past its end."""
    rng = np.random.default_rng(9)
    for n in (*range(1, 70), 127, 128, 300):
        x = rng.integers(-128, 128, (5, n), dtype=np.int8)
        joined = np.zeros((5, n + 9), np.int8)
        expected = np.full(joined.shape, 0x55, np.int8)
        expected[:, 4:-5] = x
        check(copy_call(row, x, x, joined.shape, joined[:, 4:-5], joined), expected)


@rows("fill")
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_fill(row: Row, dtype: Any) -> None:
    for count in (1, 100, 4096, 4097, 20000):
        p = ffi.new("intq_fill *", {"count": count, "value": -3, "element_size": np.dtype(dtype).itemsize})
        check(Call(row, p, [], (count,), dtype, -(-count // 4096)), np.full(count, -3, dtype))


@rows("gather")
def test_gather(row: Row) -> None:
    rng = np.random.default_rng(7)
    for outer, axis, inner, index in ((1, 5, 7, [0, 0, 4, 3]), (3, 4, 64, [3, 2, 1, 0, 0, 0, 3]), (2, 1, 1, [0] * 9), (1, 8, 1000, [7])):
        x = rng.integers(-128, 128, (outer, axis, inner), dtype=np.int8)
        _, held = buffer(np.array(index, np.int32))
        p = ffi.new("intq_gather *", {"outer": outer, "n_index": len(index), "x_axis": axis, "inner_bytes": inner})
        p.index = pointer("int32_t *", held)
        check(Call(row, p, [x], (outer, len(index), inner), np.int8, outer * len(index)), ref.gather(x, np.array(index), axis=1))


@rows("lut8")
@pytest.mark.parametrize("count", [1, 63, 64, 65, 255, 256, 1000, 4096, 4097, 12289])
def test_lut8(row: Row, count: int) -> None:
    rng = np.random.default_rng(count)
    x = np.resize(rng.permutation(256).astype(np.uint8), count)
    _, table = buffer(rng.integers(0, 256, 256).astype(np.uint8))
    p = ffi.new("intq_lut8 *", {"count": count})
    p.table = pointer("uint8_t *", table)
    check(Call(row, p, [x], (count,), np.uint8, -(-count // 4096)), ref.lut8(x, table))


@rows("tfl_lut")
@pytest.mark.parametrize("count", [1, 31, 33, 64, 65, 1000, 4097, 12289])
@pytest.mark.parametrize("kinds", [(np.int8, np.int16), (np.int8, np.int32), (np.int16, np.int16), (np.uint8, np.int8)])
def test_tfl_lut(row: Row, count: int, kinds: tuple[Any, Any]) -> None:
    rng = np.random.default_rng(count)
    entries = 256 ** np.dtype(kinds[0]).itemsize
    x = np.resize(rng.permutation(entries), count).astype(np.dtype(f"u{np.dtype(kinds[0]).itemsize}")).view(kinds[0])
    info = np.iinfo(kinds[1])
    _, table = buffer(rng.integers(info.min, info.max + 1, entries).astype(kinds[1]))
    p = ffi.new("intq_tfl_lut *", {"count": count, "x_size": x.itemsize, "y_size": table.itemsize})
    p.table = pointer("uint8_t *", table)
    check(Call(row, p, [x], (count,), kinds[1], -(-count // 4096)), ref_tflite.tfl_lut(x, table))


@rows("lut8_channels")
@pytest.mark.parametrize("channels", [1, 2, 8, 15, 16, 17, 32, 64, 100, 300])
@pytest.mark.parametrize("tables", [1, 2, 3, 200])
def test_lut8_channels(row: Row, channels: int, tables: int) -> None:
    rng = np.random.default_rng(channels)
    x = rng.integers(0, 256, (71, channels)).astype(np.uint8)
    _, table = buffer(rng.integers(0, 256, (tables, 256)).astype(np.uint8))
    _, which = buffer(rng.integers(0, tables, channels).astype(np.int32))
    p = ffi.new("intq_lut8_channels *", {"rows": 71, "channels": channels})
    p.tables, p.which = pointer("uint8_t *", table), pointer("int32_t *", which)
    check(Call(row, p, [x], x.shape, np.uint8, 2), ref.lut8_channels(x, table, which))


@rows("softmax")
@pytest.mark.parametrize("bits", [8, 13, 20])
@pytest.mark.parametrize("shape", [(1, 1), (3, 10), (2, 197), (3, 511), (2, 512), (2, 255), (2, 256), (2, 257), (1, 5000), (5, 12)], ids=str)
def test_softmax(row: Row, shape: tuple[int, int], bits: int) -> None:
    rng = np.random.default_rng(8)
    for scale in (1e-4, 0.02, 0.1, 1.0, 30.0):
        most = 2.0**23 if scale != 0.02 else 7.0  # a file may say so
        _, table = buffer(np.rint(most * np.exp(-np.arange(256) * scale)).astype(np.int32))
        for kind in KINDS:
            x = values(rng, kind, shape)
            p = ffi.new("intq_softmax *", {"rows": shape[0], "cols": shape[1], "bits": bits})
            p.table = pointer("int32_t *", table)
            check(Call(row, p, [x], shape, np.int8, shape[0]), ref.softmax(x, table, bits=bits))
