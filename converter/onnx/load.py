"""Opens an ONNX model: a path or a ModelProto, checked, at an opset of 13 or later, with the input shapes fixed for one sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
import onnx.checker
import onnx.defs
import onnx.version_converter
from google.protobuf.message import DecodeError

from ...errors import InputError, UnsupportedError
from .precision import to_float32
from .sizes import refuse_negative

OLDEST, TARGET = 11, 17


def load(model: str | Path | onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]] | None = None) -> onnx.ModelProto:
    """Returns a copy of the model with a free batch set to 1 and every other dimension known.

    `shapes` gives the shape of an input array by input name (axis 0 is ignored), for models whose other dimensions are free.
    Raises `InputError` for a file that is no ONNX model or a dimension that stays unknown, `UnsupportedError` for old opsets.
    """
    if isinstance(model, onnx.ModelProto):
        proto = onnx.ModelProto()
        proto.CopyFrom(model)
    else:
        proto = read(Path(model))
    inputs = {entry.name: entry for entry in proto.graph.input}
    for entry in proto.graph.output:  # onnxruntime does without the shape, the checker does not; it is inferred again below
        if entry.name in inputs:
            entry.CopyFrom(inputs[entry.name])
        elif entry.type.HasField("tensor_type"):
            entry.type.tensor_type.shape.SetInParent()
    refuse_unknown(proto)
    try:
        onnx.checker.check_model(proto)
    except Exception as error:  # the checker raises several unrelated classes
        raise InputError(f"the ONNX checker refuses the model: {first_line(error)}") from error
    to_float32(proto)
    proto = upgrade(proto)
    fix_shapes(proto, shapes or {})
    refuse_negative(proto)
    return proto


def read(path: Path) -> onnx.ModelProto:
    """Parse a file; external weight files beside it are read too."""
    if not path.is_file():
        raise InputError(f"no such model file: {path}")
    if not path.stat().st_size:
        raise InputError(f"{path}: the file is empty")
    try:
        return onnx.load(str(path))
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as error:
        raise InputError(f"{path} is no readable ONNX model: {first_line(error)}") from error


def refuse_unknown(proto: onnx.ModelProto) -> None:
    """Raise one `UnsupportedError` for all nodes that onnxruntime does not know either; ONNX's checker stops at the first and names none."""
    functions = {(function.domain, function.name) for function in proto.functions}
    reasons = []
    for node in proto.graph.node:
        domain = "" if node.domain == "ai.onnx" else node.domain
        if (node.domain, node.op_type) in functions or domain == "com.microsoft" or (not domain and onnx.defs.has(node.op_type)):
            continue
        why = f"it belongs to the domain {domain!r}" if domain else "ONNX has no such operator"
        reasons.append(f"{node.name or ''.join(node.output[:1])!r} ({node.op_type}): {why}")
    if reasons:
        lines = "\n  ".join(reasons)
        raise UnsupportedError(f"{len(reasons)} node(s) cannot be converted:\n  {lines}; way out: export standard ONNX operators in their place")


def upgrade(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Bring opset 11 and 12 to 17, where axes are inputs and Softmax works on one axis; later ones are read as they are."""
    version = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), TARGET)
    if version >= 13:
        return proto
    if version < OLDEST:
        raise UnsupportedError(f"the model uses ONNX opset {version}; export it again at opset {OLDEST} or later ({TARGET} is a good choice)")
    try:
        return onnx.version_converter.convert_version(proto, TARGET)
    except Exception as error:  # the C++ converter throws RuntimeError and its own classes
        raise UnsupportedError(
            f"opset {version} could not be brought to {TARGET}: {first_line(error)}; export the model again at opset {TARGET}"
        ) from error


def fix_shapes(proto: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Set axis 0 of every real input to 1 where it is free and its other dimensions to numbers, and forget the shapes inferred for other batches."""
    weights = {tensor.name for tensor in proto.graph.initializer}
    for entry in proto.graph.input:
        if entry.name in weights:
            continue
        dims = entry.type.tensor_type.shape.dim
        given = shapes.get(entry.name)
        if given is not None and len(given) != len(dims):
            raise InputError(f"input {entry.name!r} has {len(dims)} axes, the array given has shape {tuple(given)}")
        for axis, dim in enumerate(dims):
            if axis == 0:
                dim.dim_value = max(dim.dim_value, 1)
            elif given is not None:
                if dim.HasField("dim_value") and dim.dim_value != given[axis]:
                    raise InputError(f"input {entry.name!r}: axis {axis} is {dim.dim_value} in the model and {given[axis]} in the data")
                dim.dim_value = given[axis]
            elif not dim.HasField("dim_value") or dim.dim_value <= 0:
                raise InputError(f"input {entry.name!r}: axis {axis} is free in the model; pass example_inputs= or calibration= of the shape wanted")
    del proto.graph.value_info[:]
    inputs = {entry.name: entry for entry in proto.graph.input}
    for entry in proto.graph.output:
        entry.type.tensor_type.ClearField("shape")
        if entry.name in inputs:
            entry.CopyFrom(inputs[entry.name])


def first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
