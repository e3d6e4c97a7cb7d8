"""An ONNX network to the integer graph, step by step: import, clean, fold, calibrate, quantize, lower; the Model then proves the bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx

from ..errors import InputError
from ..graph import Graph
from . import passes, ranges
from .calibrate import Progress, observe
from .calibrators import CALIBRATORS
from .data import Replay, as_array
from .ir import Float
from .lower import Context, check_supported, lower
from .onnx.clean import clean
from .onnx.load import load
from .onnx.load import read as read_file
from .onnx.read import read
from .quantize import QParam, QWeight
from .recipe import Recipe


@dataclass
class Conversion:
    """Everything that a conversion made, for reports and comparisons."""

    net: Float
    recipe: Recipe
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    params: dict[str, QParam] = field(default_factory=dict)
    weights: dict[str, QWeight] = field(default_factory=dict)
    lowered: Context | None = None

    @property
    def graph(self) -> Graph:
        assert self.lowered is not None
        return self.lowered.graph


def input_names(proto: onnx.ModelProto) -> list[str]:
    weights = {tensor.name for tensor in proto.graph.initializer}
    return [entry.name for entry in proto.graph.input if entry.name not in weights]


def prepare(model: str | Path | onnx.ModelProto, data: Any = None, folded: bool = True) -> tuple[Float, Replay | None]:
    """The float network (folded, or only cleaned) and its calibration data, whose first piece gives the free dimensions."""
    proto = model if isinstance(model, onnx.ModelProto) else read_file(Path(model))
    names = input_names(proto)
    replay = None if data is None else Replay(data, names)
    shapes = {} if replay is None else replay.first_shapes()
    free = {
        entry.name: len(entry.type.tensor_type.shape.dim) > 0 and not entry.type.tensor_type.shape.dim[0].HasField("dim_value")
        for entry in proto.graph.input
    }
    fixed = load(proto, {name: with_batch(proto, name, shape) for name, shape in shapes.items()})
    net = read(clean(fixed), all(free[name] for name in names))
    return (passes.run(net) if folded else net), replay


def with_batch(proto: onnx.ModelProto, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A sample given without its batch axis gets one."""
    rank = next((len(entry.type.tensor_type.shape.dim) for entry in proto.graph.input if entry.name == name), len(shape))
    return (1, *shape) if len(shape) == rank - 1 else shape


def convert_onnx(model: str | Path | onnx.ModelProto, data: Any, recipe: Recipe, progress: Progress | None = None) -> Conversion:
    """`data`: calibration samples in any form of `data.stream`. Raises `InputError`, `UnsupportedError`."""
    net, replay = prepare(model, data)
    check_supported(net)
    if replay is None:
        raise InputError("calibration data is needed: pass calibration= (some hundred representative inputs)")
    conversion = Conversion(net, recipe)
    calibrator = CALIBRATORS[recipe.calibrator]()
    replay.keep = calibrator.passes > 1
    names = ranges.observed(net)
    observe(net, replay, names, calibrator, progress)
    conversion.ranges = {name: calibrator.range(name) for name in names}
    conversion.params = ranges.assign(net, conversion.ranges)
    conversion.lowered = lower(net, conversion.params, conversion.weights)
    return conversion


def as_data(value: Any) -> Any:
    """Example inputs (an array, a torch tensor, a tuple of them for several inputs) as calibration data."""
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    return as_array(value) if hasattr(value, "detach") else value
