"""QUANTIZE, DEQUANTIZE, CAST, SHAPE, and the state variables VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, CALL_ONCE."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...graph import RANGES, State
from ...kernels.ref_tflite_fixed import scale31
from .importer import INTERNAL, Importer, Refusal
from .reader import OperatorInfo
from .rescale import quantize_multiplier, round_away

Array = npt.NDArray[Any]


def quantize(im: Importer, op: OperatorInfo) -> None:
    """Of a float input of the model: the input becomes the quantized tensor. Of integers: a rescale (T3). Of what DEQUANTIZE made: a table."""
    x, y = op.inputs[0], op.outputs[0]
    if im.info(x).dtype == "float32":
        if x in im.floats and x in im.subgraph.inputs:
            im.same_float(x, y)
            return
        if (made_of := im.floats.get(x)) is not None:
            requantize(im, op, made_of, y)
            return
        if not im.known(x):
            raise Refusal("it quantizes a float tensor in the middle of the graph")
        dtype = im.info(y).dtype
        im.folded[y] = np.clip(rounded(im, im.value(x).astype(np.float32), y), *RANGES[dtype]).astype(dtype)
        return
    source, target = im.dtype(x), im.dtype(y)
    if im.scale(y) <= 0:
        raise Refusal("the output has no scale")
    multiplier, shift = quantize_multiplier(im.scale(x) / im.scale(y))
    zx, zy = im.zero_point(x), im.zero_point(y)
    shape = im.shape(x)
    if source == "int32" or target == "int32":
        lo, hi = RANGES[target]
        out = im.output(op, shape=shape)
        im.emit("tfl_rescale", [im.x(x)], out, multiplier=multiplier, shift=shift, lo=lo, hi=hi)
        return
    zx_file, zy_file = zx + im.offset(x), zy + im.offset(y)
    im.tabulate(x, y, lambda v: scale31(v - zx_file, multiplier, shift) + zy_file, im.output(op, shape=shape))


def rounded(im: Importer, values: Array, y: int) -> Array:
    """Float32 values in steps of tensor `y` of the file, as the reference kernel of QUANTIZE rounds them."""
    return round_away(values / np.float32(im.scale(y))).astype(np.int64) + im.zero_point(y) + im.offset(y)


def requantize(im: Importer, op: OperatorInfo, source: int, y: int) -> None:
    """QUANTIZE of DEQUANTIZE: a function of single values, whose float32 steps a table holds."""
    if im.dtype(source) not in ("int8", "int16") or im.scale(y) <= 0:
        raise Refusal("it quantizes a float tensor in the middle of the graph")
    scale, zero_point = im.scale(source), im.zero_point(source) + im.offset(source)
    out = im.output(op, shape=im.shape(source))
    im.tabulate(source, y, lambda v: rounded(im, (scale * (v - zero_point)).astype(np.float32), y), out)


def dequantize(im: Importer, op: OperatorInfo) -> None:
    """To a float output of the model: the output becomes the quantized tensor."""
    x, y = op.inputs[0], op.outputs[0]
    if im.dtype(x) not in RANGES:
        raise Refusal(f"its input is {im.info(x).dtype}")
    im.floats[y] = x


def cast(im: Importer, op: OperatorInfo) -> None:
    """Between integer types: the value, modulo 2^bits."""
    x, y = op.inputs[0], op.outputs[0]
    source, target = im.info(x).dtype, im.info(y).dtype
    if source == target:
        im.emit("reshape", [im.x(x)], im.output(op, shape=im.shape(x)))
        return
    if source not in INTERNAL or target not in INTERNAL or "bool" in (source, target):
        raise Refusal(f"it casts {source} to {target}")
    wrap = {"int8": np.int8, "uint8": np.uint8, "int16": np.int16, "int32": np.int32, "int64": np.int32}[target]
    if im.dtype(x) == "int32":
        if im.dtype(y) == "int32":
            im.emit("reshape", [im.x(x)], im.output(op, shape=im.shape(x)))
            return
        im.emit("tfl_cast", [im.x(x)], im.output(op, shape=im.shape(x)), offset=im.offset(y))
        return
    im.tabulate(x, y, lambda v: v.astype(wrap).astype(np.int64), im.output(op, shape=im.shape(x)))


def shape(im: Importer, op: OperatorInfo) -> None:
    """Known at import, because every shape is."""
    im.folded[op.outputs[0]] = np.array(im.shape(op.inputs[0]), np.int64 if op.option("OutType") == 4 else np.int32)


def var_handle(im: Importer, op: OperatorInfo) -> None:
    container, name = op.option("Container", ""), op.option("SharedName", "")
    im.resources[op.outputs[0]] = f"{container or ''}/{name or ''}"


def resource(im: Importer, op: OperatorInfo) -> str:
    if op.inputs[0] not in im.resources:
        raise Refusal("its handle is not made by VAR_HANDLE in the main subgraph")
    return im.resources[op.inputs[0]]


def read_variable(im: Importer, op: OperatorInfo) -> None:
    """The value of the last ASSIGN_VARIABLE of this call, else what the last call left; at first the zero point."""
    name, y = resource(im, op), op.outputs[0]
    if name not in im.variables:
        entry = im.add(y)
        im.variables[name] = im.entries[name] = entry
        im.values[y] = entry
        return
    im.emit("reshape", [im.variables[name]], im.output(op))


def assign_variable(im: Importer, op: OperatorInfo) -> None:
    im.variables[resource(im, op)] = im.x(op.inputs[1])


def call_once(im: Importer, op: OperatorInfo) -> None:
    """Runs a subgraph before the first call; accepted where it only sets variables to zeros, which is how ours start."""
    number = op.option("InitSubgraphIndex")
    if not 0 <= number < len(im.subgraphs):
        raise Refusal(f"it calls subgraph {number} of {len(im.subgraphs)}")
    other = im.subgraphs[number]
    for inner in other.operators:
        if inner.name not in ("VAR_HANDLE", "ASSIGN_VARIABLE"):
            raise Refusal(f"its subgraph runs {inner.name}")
        if inner.name == "ASSIGN_VARIABLE":
            info = other.tensors[inner.inputs[1]]
            zero = int(info.zero_point[0]) if info.zero_point.size else 0
            if not info.constant or (info.data() != zero).any():
                raise Refusal("its subgraph starts a variable with something else than zeros")


def states(im: Importer) -> None:
    """Declare every variable that is read before it is assigned, once the whole graph is known."""
    for name, entry in im.entries.items():
        if im.variables[name] != entry:
            im.graph.states.append(State(read=entry, write=im.variables[name]))
