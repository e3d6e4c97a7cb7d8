"""`.tflite` flatbuffers to plain records, safe on hostile bytes.

The schema package reads offsets without judging them, so every count and size is checked here before it is used, and whatever the
package raises on bytes that are no model becomes a FormatError with the place. Constant data are views of the file's bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import tflite

from ...errors import FormatError

Array = npt.NDArray[Any]
DTYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool", 7: "int16", 8: "complex64", 9: "int8",
          10: "float64", 12: "uint64", 13: "resource", 14: "variant", 15: "uint32", 16: "uint16", 17: "int4", 18: "bfloat16", 19: "int2"}  # fmt: skip
MAX_TENSORS = 100_000
MAX_OPERATORS = 50_000
MAX_ELEMENTS = 2**31 - 1
MAX_RANK = 8
MAX_NAME = 1_000

OPERATOR_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
OPTION_TABLES = {v: k for k, v in vars(tflite.BuiltinOptions).items() if isinstance(v, int) and v > 0}
OPTION_TABLES_2 = {v: k for k, v in vars(tflite.BuiltinOptions2).items() if isinstance(v, int) and v > 0}
BAD_BYTES = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, KeyError)


@contextmanager
def reading(place: str) -> Iterator[None]:
    """Whatever broken offsets make the schema package raise becomes a FormatError naming the place."""
    try:
        yield
    except FormatError:
        raise
    except BAD_BYTES as error:
        raise FormatError(f"{place} is damaged: {error}") from error


class TensorInfo(msgspec.Struct, kw_only=True):
    """A tensor of the file. `scale` and `zero_point` are empty where it is not quantized; `axis` is the quantized dimension."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: Array
    zero_point: Array
    axis: int = 0
    variable: bool = False
    raw: Array | None = None  # the bytes of a constant

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=object)) if self.shape else 1

    @property
    def constant(self) -> bool:
        return self.raw is not None

    def data(self) -> Array:
        """The constant as an array of its shape; int4 and int2 are unpacked to int8. Raises FormatError where the bytes do not fit."""
        if self.raw is None:
            raise FormatError(f"tensor {self.name!r} must be a constant")
        if self.dtype in ("int4", "int2"):
            return unpack(self.raw, self.size, int(self.dtype[3:])).reshape(self.shape)
        if self.dtype in ("string", "resource", "variant", "bfloat16"):
            raise FormatError(f"constant {self.name!r} is of type {self.dtype}")
        if self.raw.nbytes != self.size * np.dtype(self.dtype).itemsize:
            raise FormatError(f"constant {self.name!r} has {self.raw.nbytes} bytes, its shape {self.shape} of {self.dtype} needs another number")
        return np.frombuffer(self.raw.tobytes(), np.dtype(self.dtype).newbyteorder("<")).astype(self.dtype).reshape(self.shape)


def unpack(raw: Array, count: int, bits: int) -> Array:
    """Signed `bits`-wide integers, least significant first in each byte, as int8."""
    per_byte = 8 // bits
    if raw.nbytes != -(-count // per_byte):
        raise FormatError(f"{raw.nbytes} bytes do not hold {count} packed values of {bits} bits")
    shifts = np.arange(per_byte, dtype=np.uint8) * bits
    values = ((raw[:, None] >> shifts) & (2**bits - 1)).reshape(-1)[:count].astype(np.int8)
    return np.where(values >= 2 ** (bits - 1), values - 2**bits, values).astype(np.int8)


class OperatorInfo(msgspec.Struct, kw_only=True):
    """An operator of the file; absent optional inputs are -1."""

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    intermediates: tuple[int, ...]
    options: Any = None

    def option(self, field: str, default: Any = 0) -> Any:
        """A field of the options table, its default where the table is absent."""
        if self.options is None:
            return default
        with reading(f"option {field} of {self.name} {self.index}"):
            value = getattr(self.options, field)()
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class Subgraph(msgspec.Struct, kw_only=True):
    name: str
    tensors: list[TensorInfo]
    operators: list[OperatorInfo]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def _count(n: int, limit: int, what: str) -> int:
    if not 0 <= n <= limit:
        raise FormatError(f"{n} {what}: at most {limit} are accepted")
    return n


def _vector(length: int, read: Callable[[], Any], what: str, limit: int = MAX_TENSORS) -> Array:
    """A vector of numbers; the schema package answers 0 for an absent one."""
    if _count(length, limit, what) == 0:
        return np.zeros(0, np.int64)
    return np.asarray(read())


def _tensor(index: int, t: Any, buffers: list[Array | None]) -> TensorInfo:
    raw_name = t.Name()
    name = raw_name.decode("utf-8", "replace")[:MAX_NAME] if isinstance(raw_name, bytes) else ""
    shape = tuple(int(d) for d in _vector(t.ShapeLength(), t.ShapeAsNumpy, "dimensions", MAX_RANK))
    if any(d < 0 for d in shape):
        raise FormatError(f"tensor {index} ({name!r}) has the shape {shape}")
    if t.Type() not in DTYPES:
        raise FormatError(f"tensor {index} ({name!r}) has the unknown type {t.Type()}")
    scale, zero_point, axis = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    quantization = t.Quantization()
    if quantization is not None and quantization.ScaleLength():
        scale = _vector(quantization.ScaleLength(), quantization.ScaleAsNumpy, "scales", MAX_ELEMENTS)
        zero_point = _vector(quantization.ZeroPointLength(), quantization.ZeroPointAsNumpy, "zero points", MAX_ELEMENTS)
        axis = quantization.QuantizedDimension()
        if not np.isfinite(scale).all() or (scale < 0).any():
            raise FormatError(f"tensor {index} ({name!r}) has a scale that is negative or not finite")
        if (np.abs(zero_point) > 2**31 - 1).any():
            raise FormatError(f"tensor {index} ({name!r}) has a zero point outside of int32")
    if t.Buffer() >= len(buffers):
        raise FormatError(f"tensor {index} ({name!r}) refers to buffer {t.Buffer()} of {len(buffers)}")
    if t.Sparsity() is not None:
        raise FormatError(f"tensor {index} ({name!r}) is stored sparse, which is not supported")
    info = TensorInfo(index=index, name=name or f"tensor_{index}", shape=shape, dtype=DTYPES[t.Type()], scale=scale.astype(np.float32),
                      zero_point=zero_point.astype(np.int64), axis=axis, variable=bool(t.IsVariable()), raw=buffers[t.Buffer()])  # fmt: skip
    if info.size > MAX_ELEMENTS:
        raise FormatError(f"tensor {index} ({name!r}) has {info.size} elements")
    if info.size == 0:
        info.raw = np.zeros(0, np.uint8)
    return info


def _options(op: Any) -> Any:
    """The operator's options as an object of the schema package, or None."""
    for kind, table, names in (
        (op.BuiltinOptionsType(), op.BuiltinOptions, OPTION_TABLES),
        (op.BuiltinOptions2Type(), op.BuiltinOptions2, OPTION_TABLES_2),
    ):
        if kind and kind in names and table() is not None:
            options = getattr(tflite, names[kind])()
            where = table()
            options.Init(where.Bytes, where.Pos)
            return options
    return None


def _operator(index: int, op: Any, codes: list[tuple[str, int]], n_tensors: int) -> OperatorInfo:
    if op.OpcodeIndex() >= len(codes):
        raise FormatError(f"operator {index} refers to operator code {op.OpcodeIndex()} of {len(codes)}")
    name, version = codes[op.OpcodeIndex()]
    ends = []
    for length, read in (
        (op.InputsLength(), op.InputsAsNumpy),
        (op.OutputsLength(), op.OutputsAsNumpy),
        (op.IntermediatesLength(), op.IntermediatesAsNumpy),
    ):
        indices = tuple(int(i) for i in _vector(length, read, "operands", 10_000))
        if any(not -1 <= i < n_tensors for i in indices):
            raise FormatError(f"operator {index} ({name}) refers to tensors {indices} of {n_tensors}")
        ends.append(indices)
    return OperatorInfo(index=index, name=name, version=version, inputs=ends[0], outputs=ends[1], intermediates=ends[2], options=_options(op))


def _subgraph(g: Any, codes: list[tuple[str, int]], buffers: list[Array | None]) -> Subgraph:
    tensors = [_tensor(i, g.Tensors(i), buffers) for i in range(_count(g.TensorsLength(), MAX_TENSORS, "tensors"))]
    operators = [_operator(i, g.Operators(i), codes, len(tensors)) for i in range(_count(g.OperatorsLength(), MAX_OPERATORS, "operators"))]
    inputs = tuple(int(i) for i in _vector(g.InputsLength(), g.InputsAsNumpy, "inputs"))
    outputs = tuple(int(i) for i in _vector(g.OutputsLength(), g.OutputsAsNumpy, "outputs"))
    if any(not 0 <= i < len(tensors) for i in inputs + outputs):
        raise FormatError("the subgraph's inputs or outputs refer to tensors that do not exist")
    raw_name = g.Name()
    return Subgraph(
        name=raw_name.decode("utf-8", "replace")[:MAX_NAME] if raw_name else "main",
        tensors=tensors,
        operators=operators,
        inputs=inputs,
        outputs=outputs,
    )


def _buffer(b: Any, data: bytes) -> Array | None:
    """The bytes of one buffer, stored inside the flatbuffer or, in large files, behind it; None where empty."""
    if b.DataLength():
        return np.asarray(b.DataAsNumpy())
    if b.Offset() > 1 and b.Size():
        if b.Offset() + b.Size() > len(data):
            raise FormatError("a buffer ends behind the end of the file")
        return np.frombuffer(data, np.uint8, b.Size(), b.Offset())
    return None


def read_tflite(data: bytes) -> list[Subgraph]:
    """The subgraphs of a model. Raises FormatError for anything that is not one."""
    if len(data) < 16 or data[4:8] != b"TFL3":
        raise FormatError("not a .tflite file: the identifier TFL3 is missing")
    with reading("the file"):
        model = tflite.Model.GetRootAs(data, 0)
        if model.Version() != 3:
            raise FormatError(f"schema version {model.Version()}: only 3 is known")
        buffers = [_buffer(model.Buffers(i), data) for i in range(_count(model.BuffersLength(), MAX_TENSORS, "buffers"))]
        codes = []
        for i in range(_count(model.OperatorCodesLength(), MAX_OPERATORS, "operator codes")):
            code = model.OperatorCodes(i)
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            name = OPERATOR_NAMES.get(number, f"operator {number}")
            if name == "CUSTOM":
                custom = code.CustomCode()
                name = f"CUSTOM {custom.decode('utf-8', 'replace')[:MAX_NAME] if isinstance(custom, bytes) else ''}"
            codes.append((name, int(code.Version())))
        n = _count(model.SubgraphsLength(), 1_000, "subgraphs")
        if n == 0:
            raise FormatError("the file has no subgraph")
        return [_subgraph(model.Subgraphs(i), codes, buffers) for i in range(n)]
