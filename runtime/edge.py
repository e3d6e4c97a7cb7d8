"""Floats to integers at the inputs and back at the outputs (SPEC 2): kernels/edge, or the same float32 arithmetic in NumPy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import InputError
from .graph import RANGES, Array, Port, Tensor
from .kernel_api import closure, ffi, lib, pick
from .kernels import ref


def scalar_scale(t: Tensor) -> float:
    return float(t.scale if isinstance(t.scale, float | int) else t.scale[0])


def walk_fields(params: Any, strides_field: str, dims: list[int], strides: list[int]) -> int:
    """Fill dims and strides, right-aligned, neighbours merged; returns the number of units (planes of the two inner axes)."""
    kept: list[tuple[int, int]] = []
    for d, s in zip(dims, strides, strict=True):
        if kept and kept[-1][1] == s * d:
            kept[-1] = (kept[-1][0] * d, s)
        elif d != 1:
            kept.append((d, s))
    kept = [(1, 0)] * (6 - len(kept)) + kept
    target, units = getattr(params, strides_field), 1
    for i, (d, s) in enumerate(kept):
        params.dims[i], target[i] = d, s
        units *= d if i < 4 else 1
    return units


class Quantizer:
    """Writes float samples, given in the source layout, into an input buffer."""

    def __init__(self, port: Port, t: Tensor, buffer: Array, isa: str = "auto") -> None:
        self.port, self.t, self.buffer = port, t, buffer
        self.shape: tuple[int, ...] | None = None
        self.native = lib is not None and t.dtype != "int64"
        self.flag = ffi.new("uint8_t[1]")
        if self.native:
            lo, hi = RANGES[t.dtype]
            self.kernel = ffi.cast("intq_kernel_fn *", pick("quantize", "any", closure(isa))[0].c.fn)
            self.params = ffi.new("intq_quantize *")
            self.params.inverse_scale = float(np.float32(1) / np.float32(scalar_scale(t)))
            self.params.zero_point, self.params.lo, self.params.hi, self.params.element_size = t.zero_point, lo, hi, buffer.dtype.itemsize
            self.io = ffi.new("void *[2]")
            self.io[1] = ffi.cast("void *", buffer.ctypes.data)

    def check(self, x: Any) -> Array:
        """As float32 with the port's shape, any number of samples, dense. Raises InputError."""
        try:
            a: Array = np.asarray(x)
            if a.dtype.kind in "cSUmM":  # what NumPy would convert, losing or guessing something
                raise TypeError(f"dtype {a.dtype}")
            a = np.asarray(a, np.float32, order="C")
        except (TypeError, ValueError) as error:
            raise InputError(f"input {self.port.name!r}: not an array of numbers ({error})") from None
        shape = self.port.shape
        if a.ndim != len(shape) or a.shape[1:] != shape[1:]:
            raise InputError(f"input {self.port.name!r}: shape {list(a.shape)}, expected {['N', *shape[1:]]}")
        return a

    def __call__(self, x: Array) -> None:
        if not self.native:
            if np.isnan(x).any():
                self.fail()
            q = ref.quantize(x, scale=scalar_scale(self.t), zero_point=self.t.zero_point, dtype=self.t.dtype)
            self.buffer.reshape(-1)[: q.size] = q.transpose(self.port.perm).reshape(-1)
            return
        if self.shape != x.shape:
            self.walk(x)
        self.io[0] = ffi.from_buffer(x)
        self.kernel(self.params, self.io, 0, self.units, self.flag)
        if self.flag[0]:
            self.fail()

    def walk(self, x: Array) -> None:
        """From now on for arrays of the shape and strides of x."""
        self.shape = x.shape
        self.units = walk_fields(self.params, "x_stride", [x.shape[p] for p in self.port.perm], [x.strides[p] // 4 for p in self.port.perm])

    def fail(self) -> None:
        self.flag[0] = 0
        raise InputError(f"input {self.port.name!r}: NaN has no integer value")


class Dequantizer:
    """Writes an output buffer as floats in the source layout."""

    def __init__(self, port: Port, t: Tensor, buffer: Array, isa: str = "auto") -> None:
        self.port, self.t, self.buffer, self.shape = port, t, buffer, port.shape
        self.inverse_perm = tuple(int(i) for i in np.argsort(port.perm))
        self.permuted = tuple(port.shape[p] for p in port.perm)
        self.samples = -1
        self.native = lib is not None and t.dtype != "int64"
        if self.native:
            self.kernel = ffi.cast("intq_kernel_fn *", pick("dequantize", "any", closure(isa))[0].c.fn)
            self.params = ffi.new("intq_dequantize *")
            self.params.scale, self.params.zero_point = scalar_scale(t), t.zero_point
            self.params.element_size, self.params.is_signed = buffer.dtype.itemsize, int(t.dtype != "uint8")
            self.io = ffi.new("void *[2]")
            self.io[0] = ffi.cast("void *", buffer.ctypes.data)

    def stored(self, samples: int) -> Array:
        """The buffer's first samples as a view in the source layout."""
        shape = (samples * self.permuted[0], *self.permuted[1:]) if self.permuted else ()
        return self.buffer.reshape(-1)[: samples * self.t.size].reshape(shape).transpose(self.inverse_perm)

    def __call__(self, y: Array) -> None:
        samples = y.shape[0] // self.shape[0] if self.shape else 1
        if not self.native:
            y[...] = ref.dequantize(self.stored(samples), scale=scalar_scale(self.t), zero_point=self.t.zero_point)
            return
        if self.samples != samples:
            self.walk(samples)
        self.io[1] = ffi.from_buffer(y)
        self.kernel(self.params, self.io, 0, self.units, ffi.NULL)

    def walk(self, samples: int) -> None:
        """From now on for that many samples."""
        self.samples, q = samples, self.stored(samples)
        self.units = walk_fields(self.params, "q_stride", list(q.shape), [s // q.itemsize for s in q.strides])


def direct(quantizer: Quantizer, invoke: Callable[[], None], dequantizer: Dequantizer, lock: Any) -> Callable[[Any], Array | None] | None:
    """One dense float32 sample through a network of one input and one output, in as few steps of Python as there can be: a large network
    leaves nothing of the interpreter in the caches, and every line of it costs a microsecond afterwards.

    The function returns None for any other array, and there is none (None) where the edges are not native."""
    if not (quantizer.native and dequantizer.native):
        return None
    shape, float32, array, empty, from_buffer = quantizer.port.shape, np.dtype(np.float32), np.ndarray, np.empty, ffi.from_buffer
    quantizer.walk(np.empty(shape, np.float32))
    dequantizer.walk(1)
    source, target, flag, out_shape = quantizer.io, dequantizer.io, quantizer.flag, dequantizer.shape
    quantize = functools.partial(quantizer.kernel, quantizer.params, source, 0, quantizer.units, flag)
    dequantize = functools.partial(dequantizer.kernel, dequantizer.params, target, 0, dequantizer.units, ffi.NULL)

    def run(x: Any) -> Array | None:
        if type(x) is not array or x.dtype is not float32 or x.shape != shape:
            return None
        try:
            pointer = from_buffer(x)
        except ValueError:  # not contiguous
            return None
        y = empty(out_shape, float32)
        with lock:
            source[0] = pointer
            quantize()
            if flag[0]:
                quantizer.fail()
            invoke()
            target[1] = from_buffer(y)
            dequantize()
        return y

    return run
