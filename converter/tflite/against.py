"""An imported model beside LiteRT's reference kernels, tensor by tensor: which layer is the first to differ."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ...edge import scalar_scale
from ...errors import InputError, UnsupportedError, about
from ...graph import RANGES
from ...model import Model, check_numerics
from ...walk import walk
from . import import_file, read_bytes
from .importer import Importer

Array = npt.NDArray[Any]


class Layer(msgspec.Struct):
    """One tensor of the file over all inputs: elements that differ, the largest difference, and elements in all."""

    tensor: str
    operator: str
    differ: int
    largest: int
    elements: int


def against_litert(path: str | os.PathLike[str], inputs: list[Array] | None = None, count: int = 4, numerics: str = "litert") -> list[Layer]:
    """Every tensor that both sides compute, in execution order; state is kept from one input to the next.

    `inputs`: integer arrays of the model's only input; where None, random ones over the whole type for every input. Raises InputError for
    arrays of another shape or type, UnsupportedError without LiteRT.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        raise UnsupportedError("comparing with LiteRT needs the extra intq[peers]") from None
    check_numerics(numerics)
    data = read_bytes(path)
    with about(path):
        im = import_file(data, numerics, "model")
        Model(im.graph, numerics=numerics)
    try:
        interpreter = Interpreter(
            model_content=repaired(data), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, experimental_preserve_all_tensors=True
        )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise UnsupportedError(f"LiteRT refuses this model: {str(error)[:300]}") from None
    layers: dict[int, Layer] = {}
    kept = {s.read: np.full(t.shape, t.zero_point, t.dtype) for s in im.graph.states for t in [im.graph.of(s.read)]}
    for sample in samples(im, inputs, count):
        values = walk(im.graph, {**dict(zip((p.tensor for p in im.graph.inputs), sample, strict=True)), **kept}, "reference")
        arrays = iter(sample)
        for detail in interpreter.get_input_details():
            read = detail["dtype"] != np.float32 or im.floats.get(detail["index"]) is not None
            feed = next(arrays) if read else np.zeros(detail["shape"])
            quantized = im.floats.get(detail["index"])
            interpreter.set_tensor(detail["index"], (feed if quantized is None else dequantized(im, quantized, feed)).astype(detail["dtype"]))
        interpreter.invoke()
        collect(im, values, interpreter, layers)
        kept = {s.read: values[s.write] for s in im.graph.states}
    return list(layers.values())


def repaired(data: bytes) -> bytes:
    """The file with a quantized dimension of 0 where it names none of the tensor's: LiteRT refuses that meaningless field, others ignore it."""
    import tflite

    found = bytearray(data)
    model = tflite.Model.GetRootAs(found, 0)
    for g in range(model.SubgraphsLength()):
        for i in range(model.Subgraphs(g).TensorsLength()):
            tensor = model.Subgraphs(g).Tensors(i)
            quantization = tensor.Quantization()
            if quantization is not None and quantization.QuantizedDimension() >= max(tensor.ShapeLength(), 1):
                table = quantization._tab
                at = table.Pos + table.Offset(16)  # the field's place in the table, by the schema
                found[at : at + 4] = bytes(4)
    return bytes(found)


def samples(im: Importer, inputs: list[Array] | None, count: int) -> list[list[Array]]:
    """An array for every input of the graph, `count` times."""
    tensors = [im.graph.of(p.tensor) for p in im.graph.inputs]
    if inputs is None:
        rng = np.random.default_rng(0)
        return [[rng.integers(*RANGES[t.dtype], t.shape, dtype=t.dtype, endpoint=True) for t in tensors] for _ in range(count)]
    if len(tensors) != 1:
        raise InputError(f"the model has {len(tensors)} inputs; arrays are taken for models of one")
    for x in inputs:
        if x.shape != tensors[0].shape or str(x.dtype) != tensors[0].dtype:
            raise InputError(f"an input is {x.dtype}{list(x.shape)}, the model takes {tensors[0].dtype}{list(tensors[0].shape)}")
    return [[x] for x in inputs]


def dequantized(im: Importer, index: int, x: Array) -> Array:
    """Float values of tensor `index` of the file."""
    t = im.graph.of(im.values[index])
    return np.asarray(np.float32(scalar_scale(t)) * (x.astype(np.int64) - t.zero_point).astype(np.float32))


def collect(im: Importer, values: dict[str, Array], interpreter: Any, layers: dict[int, Layer]) -> None:
    """Add one run's comparison of every tensor that an operator makes."""
    for op in im.subgraph.operators:
        for index in op.outputs:
            name = im.values.get(index)
            if name is None or name not in values:
                continue
            info = im.info(index)
            ours = values[name].astype(np.int64).reshape(-1) + im.offset(index)
            theirs = interpreter.get_tensor(index).astype(np.int64).reshape(-1)
            row = layers.setdefault(index, Layer(info.name, op.name, 0, 0, 0))
            difference = np.abs(ours - theirs)
            row.differ += int((difference > 0).sum())
            row.largest = max(row.largest, int(difference.max(initial=0)))
            row.elements += ours.size
