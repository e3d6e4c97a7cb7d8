"""Weights of 4, 2 and 1 bits in the file: int8 constants whose values all fit, or of which few occur, packed into bytes, lowest bits first. They are
int8 again in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import FormatError
from .graph import Tensor

Array = npt.NDArray[Any]
LEAST = 64  # elements: below, nothing is gained
BITS = (2, 4)  # of values as they are
CODE_BITS = (1, 2, 4)  # of indices into a table


def bits_of(array: Array) -> int:
    """The fewest of 2, 4 and 8 bits (two's complement) that hold an int8 array; 8 for any other dtype and for small arrays."""
    if array.dtype != np.int8 or array.ndim < 2 or array.size < LEAST:
        return 8
    low, high = int(array.min()), int(array.max())
    return next((bits for bits in BITS if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)), 8)


def codebook(array: Array) -> Array | None:
    """The values of an int8 array, in order, where there are at most 16; None otherwise."""
    found = np.flatnonzero(np.bincount(array.reshape(-1).view(np.uint8), minlength=256)).astype(np.uint8).view(np.int8)
    return np.sort(found) if 0 < len(found) <= 16 else None


def coded(array: Array) -> tuple[Array, int] | None:
    """The table of an int8 constant of which only 16 values occur, and the bits of an index, where those are fewer than `bits_of` says; else None."""
    table = codebook(array) if array.dtype == np.int8 and array.ndim >= 2 and array.size >= LEAST else None
    if table is None:
        return None
    bits = next(bits for bits in CODE_BITS if len(table) <= 2**bits)
    return (table, bits) if bits < bits_of(array) else None


def lookup(codes: Array, table: list[int], bits: int, name: str) -> Array:
    """What `unpack` made of indices, as the values they stand for. Raises `FormatError` for an index or a value out of range."""
    index = codes.view(np.uint8) & (2**bits - 1)
    if not table or len(table) > 16 or not all(-128 <= value <= 127 for value in table) or int(index.max()) >= len(table):
        raise FormatError(f"tensor {name!r}: its codes do not fit its table of {len(table)} values")
    return np.asarray(np.array(table, np.int8)[index])


def pack(array: Array, bits: int) -> Array:
    """int8 of any shape to uint8[ceil(size * bits / 8)]; the last byte is filled with zeros."""
    per = 8 // bits
    codes = np.zeros(-(-array.size // per) * per, np.uint8)
    codes[: array.size] = array.reshape(-1).view(np.uint8) & (2**bits - 1)
    rows = codes.reshape(-1, per) << (bits * np.arange(per, dtype=np.uint8))
    return np.asarray(np.bitwise_or.reduce(rows, axis=1))


def unpack(data: Array, bits: int, tensor: Tensor) -> Array:
    """The int8 constant of `tensor`. Raises `FormatError` where data, bits and shape do not belong together."""
    if bits not in CODE_BITS or tensor.dtype != "int8" or min(tensor.shape, default=0) < 1:
        raise FormatError(f"tensor {tensor.name!r} of {tensor.dtype} {list(tensor.shape)} cannot be packed in {bits} bits")
    if data.dtype != np.uint8 or data.shape != (-(-tensor.size * bits // 8),):
        raise FormatError(f"tensor {tensor.name!r}: {data.dtype} {list(data.shape)} is not {tensor.size} values of {bits} bits")
    per = 8 // bits
    codes = (data[:, None] >> (bits * np.arange(per, dtype=np.uint8))) & (2**bits - 1)
    codes = codes.reshape(-1)[: tensor.size].astype(np.int8)
    half = np.int8(2 ** (bits - 1))
    return np.asarray(((codes ^ half) - half).reshape(tensor.shape))
