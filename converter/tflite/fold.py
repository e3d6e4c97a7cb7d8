"""Operators on values known at import: shape arithmetic, and data movement of constants, in plain NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .cut import strided_index
from .importer import Importer, Refusal
from .move import squeezed
from .reader import MAX_ELEMENTS, OperatorInfo

Array = npt.NDArray[Any]
LARGEST = 1 << 20  # elements that one folded operator may make

NUMPY = {
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "FLOOR_DIV": np.floor_divide,
    "FLOOR_MOD": np.mod,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
}
REDUCE: dict[str, Callable[..., Any]] = {"REDUCE_PROD": np.prod, "SUM": np.sum, "REDUCE_MAX": np.max, "REDUCE_MIN": np.min}
MOVES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "PACK", "UNPACK", "CONCATENATION", "SLICE", "STRIDED_SLICE", "GATHER", "TRANSPOSE", "TILE",
         "BROADCAST_TO", "CAST", "FILL", "RANGE", "SPLIT", "RANK")  # fmt: skip


def fold(im: Importer, op: OperatorInfo) -> bool:
    """Evaluate the operator if all its inputs are known and no scale is involved; says whether it did."""
    present = [i for i in op.inputs if i >= 0]
    if not present or not all(im.known(i) for i in present):
        return False
    if op.name not in MOVES and op.name not in NUMPY and op.name not in REDUCE:
        return False
    if any(im.info(i).dtype not in ("int8", "uint8", "int16", "int32", "int64", "bool") for i in (*present, *op.outputs)):
        return False
    if op.name not in MOVES and any(im.quantized(i) for i in (*present, *op.outputs)):
        return False
    if any(im.info(y).size > LARGEST for y in op.outputs):
        return False
    values = [im.value(i) for i in present]
    try:
        with np.errstate(all="ignore"):
            results = evaluate(op, values, im.info(op.outputs[0]).dtype)
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise Refusal(f"its constants do not fit together: {error}") from None
    for index, result in zip(op.outputs, results, strict=True):
        im.folded[index] = np.asarray(result).astype(im.info(index).dtype)
    return True


def evaluate(op: OperatorInfo, v: list[Array], dtype: str) -> list[Any]:
    """The outputs, in NumPy. Raises what NumPy raises on shapes that do not fit."""
    if op.name in NUMPY:
        if np.broadcast(*v).size > MAX_ELEMENTS:
            raise ValueError("too many elements")
        return [NUMPY[op.name](*v)]
    if op.name in REDUCE:
        return [REDUCE[op.name](v[0], axis=tuple(int(a) for a in v[1].reshape(-1)), keepdims=bool(op.option("KeepDims")))]
    if op.name in ("SQUEEZE", "EXPAND_DIMS", "RESHAPE", "CAST", "RANK"):
        return [reshaped(op, v)]
    if op.name == "PACK":
        return [np.stack(v, op.option("Axis"))]
    if op.name == "UNPACK":
        return list(np.moveaxis(v[0], op.option("Axis"), 0))
    if op.name == "CONCATENATION":
        return [np.concatenate(v, op.option("Axis"))]
    if op.name == "SPLIT":
        return list(np.split(v[1], op.option("NumSplits"), int(v[0].reshape(-1)[0])))
    if op.name == "SLICE":
        index = tuple(slice(int(b), None if s == -1 else int(b) + int(s)) for b, s in zip(v[1], v[2], strict=True))
        return [v[0][index]]
    if op.name == "STRIDED_SLICE":
        begin, step, shape, final = strided_index(op, v[0].shape, v[1], v[2], v[3])
        grid = np.ix_(*[b + np.arange(n) * s for b, s, n in zip(begin, step, shape, strict=True)])
        return [v[0][grid].reshape(final)]
    if op.name == "GATHER":
        return [np.take(v[0], v[1], op.option("Axis"))]
    if op.name == "TRANSPOSE":
        return [v[0].transpose(v[1])]
    if op.name == "RANGE":
        if abs(int(v[1]) - int(v[0])) > LARGEST:
            raise ValueError("too many elements")
        return [np.arange(int(v[0]), int(v[1]), int(v[2]))]
    return [large(op, v)]


def reshaped(op: OperatorInfo, v: list[Array]) -> Any:
    if op.name == "SQUEEZE":
        return v[0].reshape(squeezed(op, v[0].shape))
    if op.name == "EXPAND_DIMS":
        return np.expand_dims(v[0], int(v[1].reshape(-1)[0]))
    if op.name == "RESHAPE":
        return v[0].reshape([int(d) for d in (v[1].reshape(-1) if len(v) > 1 else op.options.NewShapeAsNumpy())])
    return np.array(v[0].ndim) if op.name == "RANK" else v[0]


def large(op: OperatorInfo, v: list[Array]) -> Any:
    """TILE, BROADCAST_TO and FILL, whose size the operands say."""
    sizes = [int(d) for d in (v[0] if op.name == "FILL" else v[1]).reshape(-1)]
    total = int(np.prod(sizes, dtype=object)) * (v[0].size if op.name == "TILE" else 1)
    if min(sizes, default=0) < 0 or total > LARGEST:
        raise ValueError("too many elements")
    if op.name == "FILL":
        return np.full(sizes, v[1].reshape(-1)[0])
    return np.tile(v[0], sizes) if op.name == "TILE" else np.broadcast_to(v[0], sizes)
