"""What the Numba kernels share: the compiler decorator and the requantizations of SPEC 3. Imported only when a Numba row is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
F = TypeVar("F", bound=Callable[..., Any])
CODES = {"q15": 0, "shift": 1, "q31_single": 2, "q31_double": 3, "i64_15": 4}


def jit(function: F) -> F:
    """numba.njit as every kernel wants it: compiled once per machine, running without the GIL."""
    return cast(F, numba.njit(nogil=True, cache=True)(function))


def accumulator(rounding: str) -> Any:
    """dtype of the sums: int32, which is proven to hold the final value and may wrap before; int64 for 16-bit activations."""
    return np.int64 if rounding == "i64_15" else np.int32


def output(shape: tuple[int, ...], rounding: str) -> Array:
    """An uninitialised result of the dtype that the rounding makes."""
    return np.empty(shape, np.int16 if rounding == "i64_15" else np.int8)


@jit
def requantize(acc: int, multiplier: int, shift: int, code: int) -> int:
    """One int64 accumulator, bias included, to a value without its zero point; for q15 the value is 64 times too large and not yet rounded."""
    left, right = max(shift, 0), max(-shift, 0)
    if code == 0:
        t = min(max(((acc + ((1 << right) >> 1)) << left) >> right, -32768), 32767)
        return (t * multiplier + 16384) >> 15
    if code == 1:
        return (acc + ((1 << right) >> 1)) >> right
    if code == 2:
        s = 31 - shift
        return (acc * multiplier + (1 << (s - 1))) >> s
    if code == 3:
        high = ((acc << left) * multiplier + (1 << 30)) >> 31
        mask = (1 << right) - 1
        threshold = (mask >> 1) + 1 if high < 0 else mask >> 1
        return (high >> right) + (1 if (high & mask) > threshold else 0)
    reduced = (multiplier + 32768) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF
    s = 15 - shift
    return (acc * reduced + (1 << (s - 1))) >> s


@jit
def finish(value: int, zero_point: int, code: int, lo: int, hi: int) -> int:
    """Zero point and clamp; for q15 also the last rounding from 1/64 steps."""
    q = min(max(value + 64 * zero_point + 32, -32768), 32767) >> 6 if code == 0 else value + zero_point
    return min(max(q, lo), hi)


@jit
def finish_channels(acc: Array, bias: Array, multiplier: Array, shift: Array, zero_point: int, code: int, lo: int, hi: int, out: Array) -> None:
    """out[i, c] from acc[i, c] + bias[c], with one multiplier and shift per channel."""
    for i in range(acc.shape[0]):
        for c in range(acc.shape[1]):
            total = np.int64(acc[i, c]) + np.int64(bias[c])
            out[i, c] = finish(requantize(total, np.int64(multiplier[c]), np.int64(shift[c]), code), zero_point, code, lo, hi)


@jit
def finish_all(acc: Array, multiplier: int, shift: int, zero_point: int, code: int, lo: int, hi: int, out: Array) -> None:
    """out[i] from acc[i], with one multiplier and shift."""
    for i in range(acc.shape[0]):
        out[i] = finish(requantize(np.int64(acc[i]), multiplier, shift, code), zero_point, code, lo, hi)
