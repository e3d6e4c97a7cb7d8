"""An imported model beside LiteRT's reference kernels, tensor by tensor: which layer is the first to differ."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ...edge import scalar_scale
from ...errors import InputError, UnsupportedError
from ...model import Model
from ...walk import walk
from . import NUMERICS, import_file, read_bytes
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
    """Every tensor that both sides compute, in execution order.

    `inputs`: integer arrays of the model's first input; random ones over the whole type where None. Raises InputError for arrays of another
    shape or type, UnsupportedError without LiteRT.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        raise UnsupportedError("comparing with LiteRT needs the extra intq[peers]") from None
    if numerics not in NUMERICS:
        raise InputError(f"numerics {numerics!r}: one of {', '.join(NUMERICS)} is expected")
    data = read_bytes(path)
    im = import_file(data, numerics, "model")
    Model(im.graph, numerics=numerics)
    try:
        interpreter = Interpreter(
            model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, experimental_preserve_all_tensors=True
        )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise UnsupportedError(f"LiteRT refuses this model: {error}") from None
    if len(im.graph.inputs) != 1 or im.graph.states:
        raise UnsupportedError("only models of one input and without state are compared layer by layer")
    port, detail = im.graph.inputs[0], interpreter.get_input_details()[0]
    layers: dict[int, Layer] = {}
    for x in samples(im, inputs, count):
        values = walk(im.graph, {port.tensor: x}, "reference")
        feed = x if detail["dtype"] != np.float32 else dequantized(im, x)
        interpreter.set_tensor(detail["index"], feed.astype(detail["dtype"]))
        interpreter.invoke()
        collect(im, values, interpreter, layers)
    return list(layers.values())


def samples(im: Importer, inputs: list[Array] | None, count: int) -> list[Array]:
    t = im.graph.of(im.graph.inputs[0].tensor)
    info = np.iinfo(t.dtype)
    if inputs is None:
        rng = np.random.default_rng(0)
        return [rng.integers(info.min, info.max, t.shape, dtype=t.dtype, endpoint=True) for _ in range(count)]
    for x in inputs:
        if x.shape != t.shape or str(x.dtype) != t.dtype:
            raise InputError(f"an input is {x.dtype}{list(x.shape)}, the model takes {t.dtype}{list(t.shape)}")
    return inputs


def dequantized(im: Importer, x: Array) -> Array:
    t = im.graph.of(im.graph.inputs[0].tensor)
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
