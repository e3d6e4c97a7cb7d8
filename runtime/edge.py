"""Floats to integers at the inputs and back at the outputs (SPEC 2): edge.c, or the same float32 arithmetic in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import InputError
from .graph import RANGES, Array, Port, Tensor
from .kernel_api import ffi, lib


def scalar_scale(t: Tensor) -> float:
    return float(t.scale if isinstance(t.scale, float | int) else t.scale[0])


class Quantizer:
    """Writes float samples, given in the source layout, into an input buffer."""

    def __init__(self, port: Port, t: Tensor, buffer: Array) -> None:
        self.port, self.t, self.buffer = port, t, buffer
        self.inverse = float(np.float32(1) / np.float32(scalar_scale(t)))
        self.lo, self.hi = RANGES[t.dtype]
        self.itemsize = buffer.dtype.itemsize
        self.pointer = None if ffi is None else ffi.cast("void *", buffer.ctypes.data)
        self.native = ffi is not None and t.dtype != "int64"
        self.cached: tuple[tuple[int, ...], Any, Any] | None = None

    def check(self, x: Any) -> Array:
        """As float32 with the port's shape, any number of samples. Raises InputError."""
        try:
            a: Array = np.asarray(x, np.float32)
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
            q = np.rint(x * np.float32(self.inverse)) + np.float32(self.t.zero_point)
            q = np.clip(q, np.float32(self.lo), np.float32(self.hi)).astype(self.t.dtype)
            self.buffer.reshape(-1)[: q.size] = q.transpose(self.port.perm).reshape(-1)
            return
        if not x.flags.c_contiguous:
            x = np.ascontiguousarray(x)
        if self.cached is None or self.cached[0] != x.shape:
            self.cached = (x.shape, *walked(x, self.port.perm))
        _, dims, strides = self.cached
        at = lib.intq_quantize(
            ffi.cast("float *", x.ctypes.data), dims, strides, self.inverse, self.t.zero_point, self.lo, self.hi, self.itemsize, self.pointer
        )
        if at >= 0:
            self.fail()

    def fail(self) -> None:
        raise InputError(f"input {self.port.name!r}: NaN has no integer value")


class Dequantizer:
    """Writes an output buffer as floats in the source layout."""

    def __init__(self, port: Port, t: Tensor, buffer: Array) -> None:
        self.port, self.t, self.buffer, self.shape = port, t, buffer, port.shape
        self.scale = scalar_scale(t)
        self.inverse_perm = tuple(int(i) for i in np.argsort(port.perm))
        self.permuted = tuple(port.shape[p] for p in port.perm)

    def __call__(self, y: Array) -> None:
        samples = y.shape[0] // self.shape[0] if self.shape else 1
        count = samples * self.t.size
        shape = (samples * self.permuted[0], *self.permuted[1:]) if self.permuted else ()
        q = self.buffer.reshape(-1)[:count].reshape(shape).transpose(self.inverse_perm)
        np.multiply(np.float32(self.scale), (q.astype(np.int64) - self.t.zero_point).astype(np.float32), out=y)


def walked(x: Array, perm: tuple[int, ...]) -> tuple[Any, Any]:
    """dims and strides (elements) that visit x in storage order, right-aligned to 6 axes."""
    size = x.dtype.itemsize
    dims, strides = [x.shape[p] for p in perm], [x.strides[p] // size for p in perm]
    blank = 6 - len(dims)
    return ffi.new("int64_t[6]", [1] * blank + dims), ffi.new("int64_t[6]", [0] * blank + strides)
