"""Builds small `.tflite` models with the flatbuffers schema package, and runs them with LiteRT's reference kernels.

A model is described by `TensorSpec`s and one or more `OpSpec`s; `build` returns the bytes of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

TYPES = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9, "resource": 13}
Array = np.ndarray


@dataclass
class TensorSpec:
    """One tensor; `data` makes it a constant, `scale` a number or one per channel along `axis`."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: Any = None
    zero_point: Any = 0
    data: Array | None = None
    axis: int = 0
    variable: bool = False


@dataclass
class OpSpec:
    """One operator: builtin name, tensor indices, the options table's name and its fields."""

    name: str
    inputs: list[int]
    outputs: list[int]
    options: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    intermediates: list[int] = field(default_factory=list)
    version: int = 1


def _ints(b: flatbuffers.Builder, values: Any, size: int = 4) -> int:
    values = list(values)
    b.StartVector(size, len(values), size)
    for v in reversed(values):
        {4: b.PrependInt32, 8: b.PrependInt64}[size](int(v))
    return int(b.EndVector())


def _floats(b: flatbuffers.Builder, values: Any) -> int:
    values = list(values)
    b.StartVector(4, len(values), 4)
    for v in reversed(values):
        b.PrependFloat32(float(v))
    return int(b.EndVector())


def _tables(b: flatbuffers.Builder, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for o in reversed(offsets):
        b.PrependUOffsetTRelative(o)
    return int(b.EndVector())


def _table(b: flatbuffers.Builder, kind: str, fields: dict[str, Any]) -> int:
    """A table by name; lists become vectors, strings string offsets, numbers scalars."""
    ready = {}
    for key, value in fields.items():
        if isinstance(value, str):
            ready[key] = b.CreateString(value)
        elif isinstance(value, list | tuple):
            ready[key] = _ints(b, value)
        else:
            ready[key] = value
    getattr(tflite, f"{kind}Start")(b)
    for key, value in ready.items():
        getattr(tflite, f"{kind}Add{key}")(b, value)
    return int(getattr(tflite, f"{kind}End")(b))


def _tensor(b: flatbuffers.Builder, index: int, spec: TensorSpec, buffer: int) -> int:
    quantization = 0
    if spec.scale is not None:
        scales = np.atleast_1d(np.asarray(spec.scale, np.float32))
        zero_points = np.broadcast_to(np.atleast_1d(np.asarray(spec.zero_point, np.int64)), scales.shape)
        fields = {"Scale": _floats(b, scales), "ZeroPoint": _ints(b, zero_points, 8), "QuantizedDimension": spec.axis}
        quantization = _table(b, "QuantizationParameters", fields)
    name = b.CreateString(f"t{index}")
    shape = _ints(b, spec.shape)
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, shape)
    tflite.TensorAddType(b, TYPES[spec.dtype])
    tflite.TensorAddBuffer(b, buffer)
    tflite.TensorAddName(b, name)
    tflite.TensorAddIsVariable(b, spec.variable)
    if quantization:
        tflite.TensorAddQuantization(b, quantization)
    return int(tflite.TensorEnd(b))


def build(
    tensors: list[TensorSpec], ops: list[OpSpec], inputs: list[int], outputs: list[int], start: tuple[int, TensorSpec, dict[str, Any]] | None = None
) -> bytes:
    """The bytes of a model. `start` is (handle tensor, first value, name options): a second subgraph assigns the value before the first call."""
    b = flatbuffers.Builder(1024)
    buffers = [_table(b, "Buffer", {})]
    codes: list[int] = []
    if start is not None:
        handle, value, name = start
        assign = [OpSpec("VAR_HANDLE", [], [0], "VarHandleOptions", name), OpSpec("ASSIGN_VARIABLE", [0, 1], [], "AssignVariableOptions")]
        ops = [OpSpec("CALL_ONCE", [], [], "CallOnceOptions", {"InitSubgraphIndex": 1}), *ops]
    graphs = [_subgraph(b, tensors, ops, inputs, outputs, buffers, codes)]
    if start is not None:
        graphs.append(_subgraph(b, [TensorSpec(tensors[handle].shape, "resource"), value], assign, [], [], buffers, codes))
    fields = {"Version": 3, "OperatorCodes": _tables(b, codes), "Subgraphs": _tables(b, graphs), "Buffers": _tables(b, buffers)}
    b.Finish(_table(b, "Model", fields), b"TFL3")
    return bytes(b.Output())


def _subgraph(
    b: flatbuffers.Builder, tensors: list[TensorSpec], ops: list[OpSpec], inputs: list[int], outputs: list[int], buffers: list[int], codes: list[int]
) -> int:
    """One subgraph; its buffers and operator codes are appended to the model's."""
    tensor_offsets = []
    for i, spec in enumerate(tensors):
        buffer = 0
        if spec.data is not None:
            raw = np.asarray(spec.data, order="C")
            assert str(raw.dtype) == spec.dtype, (raw.dtype, spec.dtype)
            assert raw.shape == tuple(spec.shape), (raw.shape, spec.shape)
            b.StartVector(1, raw.nbytes, 16)
            b.head = b.head - raw.nbytes
            b.Bytes[b.head : b.head + raw.nbytes] = raw.tobytes()
            vector = b.EndVector()
            tflite.BufferStart(b)
            tflite.BufferAddData(b, vector)
            buffers.append(tflite.BufferEnd(b))
            buffer = len(buffers) - 1
        tensor_offsets.append(_tensor(b, i, spec, buffer))
    op_offsets = []
    for op in ops:
        code = getattr(tflite.BuiltinOperator, op.name)
        codes.append(_table(b, "OperatorCode", {"DeprecatedBuiltinCode": min(code, 127), "BuiltinCode": code, "Version": op.version}))
        opts = _table(b, op.options, op.fields) if op.options else 0
        ins, outs = _ints(b, op.inputs), _ints(b, op.outputs)
        mid = _ints(b, op.intermediates) if op.intermediates else 0
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, len(codes) - 1)
        tflite.OperatorAddInputs(b, ins)
        tflite.OperatorAddOutputs(b, outs)
        if op.options:
            tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, op.options))
            tflite.OperatorAddBuiltinOptions(b, opts)
        if mid:
            tflite.OperatorAddIntermediates(b, mid)
        op_offsets.append(tflite.OperatorEnd(b))
    fields = {
        "Tensors": _tables(b, tensor_offsets),
        "Inputs": _ints(b, inputs),
        "Outputs": _ints(b, outputs),
        "Operators": _tables(b, op_offsets),
    }
    return _table(b, "SubGraph", fields)


def run_litert(model: bytes, *inputs: Array, calls: int = 1) -> list[Array]:
    """Outputs of LiteRT's reference kernels; with `calls` > 1 every input has a leading axis of calls and so has every output."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    it = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    it.allocate_tensors()
    results = []
    for c in range(calls):
        for detail, x in zip(it.get_input_details(), inputs, strict=True):
            it.set_tensor(detail["index"], x[c] if calls > 1 else x)
        it.invoke()
        results.append([it.get_tensor(d["index"]) for d in it.get_output_details()])
    if calls == 1:
        return results[0]
    return [np.stack(r) for r in zip(*results, strict=True)]
