"""Import of quantized `.tflite` models: a file straight to the integer graph, without calibration.

One function per operator, named like it in small letters, in the module of its family. Float models raise UnsupportedError here and take
the way through ONNX (float.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...errors import FormatError, InputError, UnsupportedError
from ...graph import Graph, Port
from ...model import check_numerics
from . import binary, blocks, cut, edge, move, normalize, pool, products, recurrent, resize, unary
from .fold import fold
from .importer import INTERNAL, Importer, Refusal
from .reader import BAD_BYTES, OPERATOR_NAMES, OperatorInfo, Subgraph, read_tflite

Handler = Callable[[Importer, OperatorInfo], None]
HANDLERS: dict[str, Handler] = {
    name.rstrip("_").upper(): fn
    for module in (binary, blocks, cut, edge, move, normalize, pool, products, recurrent, resize, unary)
    for name, fn in vars(module).items()
    if getattr(fn, "__module__", "") == module.__name__ and name.rstrip("_").upper() in OPERATOR_NAMES.values()
}
MAX_FILE = 2**31


def load_tflite(source: str | os.PathLike[str] | bytes, numerics: str = "litert") -> Graph:
    """The integer graph of a quantized model.

    numerics: "litert" for the bytes of LiteRT's reference kernels, "tflm" for those of TensorFlow Lite Micro.
    Raises FormatError for a file that is no valid model, UnsupportedError with every operator that cannot run in integers.
    """
    check_numerics(numerics)
    data = source if isinstance(source, bytes) else read_bytes(source)
    return import_file(data, numerics, "model" if isinstance(source, bytes) else Path(source).stem).graph


def import_file(data: bytes, numerics: str, name: str) -> Importer:
    """The importer after its work, which knows the graph's tensor of every tensor of the file."""
    subgraphs = read_tflite(data)
    if not is_quantized(subgraphs[0]):
        raise UnsupportedError("this is a float model: convert it with calibration data (intq convert, or intq.converter.convert)")
    try:
        return import_subgraphs(subgraphs, numerics, name)
    except Refusal as reason:  # of an input or output of the model
        raise UnsupportedError(str(reason)) from None


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        if os.path.getsize(path) > MAX_FILE:
            raise FormatError(f"{os.fspath(path)}: more than 2 GiB")
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: {error.strerror}") from error


def is_quantized_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is imported straight, and needs no calibration. Raises FormatError where it is no model."""
    return is_quantized(read_tflite(read_bytes(path))[0])


def is_quantized(subgraph: Subgraph) -> bool:
    """Whether operators work on quantized activations, so that there is something to import straight."""
    made = {i for op in subgraph.operators for i in (*op.inputs, *op.outputs) if i >= 0}
    return any(subgraph.tensors[i].scale.size and not subgraph.tensors[i].constant for i in made) or not any(
        subgraph.tensors[i].dtype == "float32" for i in made
    )


def import_subgraphs(subgraphs: list[Subgraph], numerics: str, name: str) -> Importer:
    im = Importer(subgraphs, numerics, name)
    main = im.subgraph
    wide: list[tuple[int, str]] = []  # uint8 inputs: (tensor, port's tensor)
    for i in main.inputs:
        info = main.tensors[i]
        if info.dtype == "float32":
            im.floats[i] = None
        elif info.dtype == "uint8":
            file_side = im.graph.tensor(im.unique(info.name), info.shape, "uint8", im.scale(i) or 1.0, im.zero_point(i) + 128)
            wide.append((i, file_side))
        elif info.dtype in INTERNAL:
            im.values[i] = im.add(i)
    flip_inputs(im, wide)
    problems = []
    for op in needed(main):
        try:
            run(im, op)
        except Refusal as reason:
            problems.append(f"{op.name} (operator {op.index}): {reason}")
            for y in op.outputs:
                placeholder(im, y)
    problems += check_edges(im)
    if problems:
        raise UnsupportedError(f"{len(problems)} of {len(main.operators)} operators cannot run in integers:\n  " + "\n  ".join(problems[:1000]))
    add_ports(im, dict(wide))
    edge.states(im)
    return im


def needed(main: Subgraph) -> list[OperatorInfo]:
    """The operators that the outputs or a variable depend on; what the others compute nobody sees."""
    wanted, kept = set(main.outputs), []
    for op in reversed(main.operators):
        if wanted & set(op.outputs) or not op.outputs or any(i >= 0 and main.tensors[i].variable for i in op.inputs):
            wanted |= set(op.inputs)
            kept.append(op)
    return kept[::-1]


def run(im: Importer, op: OperatorInfo) -> None:
    handler = HANDLERS.get(op.name)
    try:
        if fold(im, op):
            return
        if handler is None:
            raise Refusal("it is not supported")
        handler(im, op)
    except BAD_BYTES as error:
        raise FormatError(f"{op.name} (operator {op.index}) has operands that make no sense: {error!r}") from error
    except UnsupportedError as error:
        raise Refusal(str(error)) from error


def placeholder(im: Importer, y: int) -> None:
    """Stands for the output of a refused operator, so that the others can still be judged."""
    if y >= 0 and y not in im.values and y not in im.folded:
        info = im.info(y)
        name = im.unique(info.name)
        im.values[y] = im.graph.tensor(name, info.shape, INTERNAL.get(info.dtype, "int8"))


def flip_inputs(im: Importer, wide: list[tuple[int, str]]) -> None:
    """uint8 inputs become int8 by a table."""
    for i, file_side in wide:
        out = im.add(i, "/int8")
        flip(im, file_side, out)
        im.values[i] = out


def flip(im: Importer, source: str, target: str) -> None:
    """Between uint8 and int8 of the same value minus or plus 128: the top bit of every byte."""
    table = (np.arange(256) ^ 128).astype(np.uint8).view(im.graph.of(target).dtype)
    im.emit("lut8", [source, im.constant(f"{target}/table", table)], target)


def check_edges(im: Importer) -> list[str]:
    """Outputs that are float tensors must come from DEQUANTIZE."""
    problems = []
    for y in im.subgraph.outputs:
        if y not in im.values and im.floats.get(y) is None and y not in im.folded and not im.info(y).constant:
            problems.append(f"output {im.info(y).name!r} ({im.info(y).dtype}) is made by no supported operator")
    return problems


def add_ports(im: Importer, wide: dict[int, str]) -> None:
    main = im.subgraph
    for i in main.inputs:
        stands = im.floats.get(i, i) if main.tensors[i].dtype == "float32" else i
        if stands is None:
            continue  # a float input that nothing reads
        tensor = wide.get(i) or im.values[stands]
        shape = im.graph.of(tensor).shape
        im.graph.inputs.append(Port(name=main.tensors[i].name, tensor=tensor, shape=shape, perm=tuple(range(len(shape)))))
    for y in main.outputs:
        stands = im.floats.get(y)
        index = y if stands is None else stands
        tensor = im.x(index)
        if im.info(index).dtype == "uint8":
            info = im.info(index)
            outside = im.graph.tensor(
                im.unique(f"{info.name}/uint8"), im.graph.of(tensor).shape, "uint8", im.scale(index) or 1.0, im.zero_point(index) + 128
            )
            flip(im, tensor, outside)
            tensor = outside
        if im.info(index).dtype == "int64" and im.graph.of(tensor).dtype == "int32":  # inside of the graph 32 bits hold positions and sizes
            narrow = im.graph.of(tensor)
            if tensor in im.graph.constants:
                tensor = im.constant(f"{narrow.name}/int64", im.graph.constants[tensor].astype(np.int64))
            else:
                tensor = im.emit("tfl_cast", [tensor], im.plain(f"{narrow.name}/int64", narrow.shape, "int64"))
        shape = im.graph.of(tensor).shape
        im.graph.outputs.append(Port(name=main.tensors[y].name, tensor=tensor, shape=shape, perm=tuple(range(len(shape)))))
