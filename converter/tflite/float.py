"""Float `.tflite` models to ONNX, which then take the ordinary way through calibration.

TensorFlow Lite computes in NHWC, ONNX in NCHW. A 4-dimensional activation is held in either layout, or both, and elementwise operators stay in
the layout of their inputs; so a convolutional network gets a transpose at its input and where it turns flat, and none in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...errors import FormatError, UnsupportedError
from .fold import fold
from .importer import Importer, Refusal
from .reader import BAD_BYTES, OperatorInfo, read_tflite

Array = npt.NDArray[Any]
Handler = Callable[["Translator", OperatorInfo], None]
TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "int64": TensorProto.INT64}
OPSET, IR = 17, 8


class Translator(Importer):
    """Builds ONNX nodes; `held[i]` maps a layout, "nhwc" or "nchw", to the ONNX name of tensor i in it."""

    def __init__(self, subgraphs: list[Any], name: str) -> None:
        super().__init__(subgraphs, "litert", name)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.held: dict[int, dict[str, str]] = {}

    def put(self, op: str, inputs: list[str], wish: str, **attrs: Any) -> str:
        out = self.unique(wish)
        self.nodes.append(helper.make_node(op, inputs, [out], **attrs))
        return out

    def weight(self, array: Array, wish: str) -> str:
        name = self.unique(wish)
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def number(self, index: int) -> Array:
        """A constant, dequantized where it is stored in 8 or 16 bits."""
        info = self.info(index)
        value = self.value(index)
        if info.dtype == "float16":
            return value.astype(np.float32)
        if info.scale.size and value.dtype != np.float32:
            shape = [1] * value.ndim
            if info.scale.size > 1:
                shape[info.axis] = -1
            zero = info.zero_point.reshape(shape if info.zero_point.size > 1 else [1] * value.ndim) if info.zero_point.size else 0
            return (info.scale.reshape(shape) * (value.astype(np.float32) - zero)).astype(np.float32)
        return value

    def image(self, index: int) -> bool:
        return len(self.info(index).shape) == 4 and not self.known(index)

    def take(self, index: int, layout: str = "nhwc") -> str:
        """The ONNX name of a tensor in a layout; transposed on demand, once."""
        if index not in self.held and self.known(index):
            value = self.number(index)
            flip = layout == "nchw" and value.ndim == 4
            return self.weight(value.transpose(TO_NCHW) if flip else value, self.info(index).name)
        names = self.held.get(index)
        if names is None:
            raise FormatError(f"tensor {self.info(index).name!r} is used before anything has made it")
        if layout not in names:
            if not self.image(index):
                return names["nhwc"]
            other = next(iter(names.values()))
            names[layout] = self.put("Transpose", [other], f"{self.info(index).name}/{layout}", perm=TO_NCHW if layout == "nchw" else TO_NHWC)
        return names[layout]

    def layout(self, *indices: int) -> str:
        """Where elementwise operators of these tensors should stay: NCHW if all activations are images that have it."""
        live = [i for i in indices if not self.known(i)]
        return "nchw" if live and all(self.image(i) and "nchw" in self.held.get(i, {}) for i in live) else "nhwc"

    def give(self, op: OperatorInfo, name: str, layout: str = "nhwc", k: int = 0) -> None:
        self.held[op.outputs[k]] = {layout if self.image(op.outputs[k]) else "nhwc": name}

    def activate(self, name: str, kind: int) -> str:
        if kind == 0:
            return name
        if kind == 1:
            return self.put("Relu", [name], f"{name}/relu")
        if kind not in (2, 3):
            raise Refusal(f"fused activation number {kind}")
        low, high = (-1.0, 1.0) if kind == 2 else (0.0, 6.0)
        limits = [self.weight(np.array(v, np.float32), f"{name}/limit") for v in (low, high)]
        return self.put("Clip", [name, *limits], f"{name}/clip")

    def wish(self, op: OperatorInfo, k: int = 0) -> str:
        return f"{self.info(op.outputs[k]).name}/{op.name}"

    def target(self, shape: tuple[int, ...], wish: str) -> str:
        """A shape for Reshape that leaves the batch free where it is 1."""
        return self.weight(np.array([-1 if i == 0 and d == 1 and len(shape) > 1 else d for i, d in enumerate(shape)], np.int64), f"{wish}/shape")


def handlers() -> dict[str, Handler]:
    from .float_ops import HANDLERS

    return HANDLERS


def float_to_onnx(source: str | os.PathLike[str] | bytes) -> onnx.ModelProto:
    """The ONNX model of a float `.tflite` file.

    Raises FormatError for a file that is no model, UnsupportedError with every operator that has no translation.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    t = Translator(read_tflite(data), "model" if isinstance(source, bytes) else Path(source).stem)
    main, table, problems = t.subgraph, handlers(), []
    inputs, outputs = [], []
    for i in main.inputs:
        info = main.tensors[i]
        if info.dtype not in TYPES:
            raise UnsupportedError(f"input {info.name!r} is {info.dtype}: quantized models are imported, not translated")
        name = t.unique(info.name)
        t.held[i] = {"nhwc": name}
        dims: list[Any] = ["N" if k == 0 and d == 1 and len(info.shape) > 1 else d for k, d in enumerate(info.shape)]
        inputs.append(helper.make_tensor_value_info(name, TYPES[info.dtype], dims))
    for op in main.operators:
        try:
            if fold(t, op):
                continue
            if op.name not in table:
                raise Refusal("it is not supported")
            table[op.name](t, op)
        except BAD_BYTES as error:
            raise FormatError(f"{op.name} (operator {op.index}) has operands that make no sense: {error!r}") from error
        except Refusal as reason:
            problems.append(f"{op.name} (operator {op.index}): {reason}")
            for y in op.outputs:
                t.held.setdefault(y, {"nhwc": f"missing{y}"})
    if problems:
        raise UnsupportedError(f"{len(problems)} of {len(main.operators)} operators have no translation to ONNX:\n  " + "\n  ".join(problems[:1000]))
    for y in main.outputs:
        info = main.tensors[y]
        name = t.put("Identity", [t.take(y)], info.name)
        dims = ["N" if k == 0 and d == 1 and len(info.shape) > 1 else d for k, d in enumerate(info.shape)]
        outputs.append(helper.make_tensor_value_info(name, TYPES.get(info.dtype, TensorProto.FLOAT), dims))
    graph = helper.make_graph(t.nodes, t.graph.name, inputs, outputs, t.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise FormatError(f"the translation is no valid ONNX model: {error}") from error
    return model
