"""An ONNX network to the integer graph, step by step: import, clean, fold, calibrate, quantize, lower; the Model then proves the bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx

from ..errors import InputError
from ..graph import Graph
from . import channels, passes, prune, ranges, zeroshot
from .binary import round_down
from .bn_statistics import Statistics, batchnorm_statistics
from .calibrate import FloatRunner, Progress, observe
from .calibrators import CALIBRATORS, Calibrator, Several
from .data import Replay, as_array
from .ir import Array, Float, Node
from .kept import Picker
from .lockstep import unit_of
from .lower import Context, check_supported, lower
from .onnx.alone import check_alone
from .onnx.clean import clean
from .onnx.load import load
from .onnx.load import read as read_file
from .onnx.read import read
from .onnx.single import evaluate
from .passes import steps
from .quantize import QParam, QWeight, layers
from .recipe import ACTIVATIONS, Layer, Recipe, named, needs_data
from .search import Plan, plans, searched
from .search.rivals import Rivals, promising, roundings
from .search.trial import JUDGES, best_of
from .weights import choices, needs_samples, quantize_all


@dataclass
class Conversion:
    """Everything that a conversion made, for reports and comparisons."""

    net: Float
    recipe: Recipe
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    params: dict[str, QParam] = field(default_factory=dict)
    weights: dict[str, QWeight] = field(default_factory=dict)
    calibrator: Calibrator | None = None
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
    if folded:
        passes.run(net)
        if net.lifted and net.free_batch:
            check_alone(proto, net)
    return net, replay


def with_batch(proto: onnx.ModelProto, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A sample given without its batch axis gets one."""
    rank = next((len(entry.type.tensor_type.shape.dim) for entry in proto.graph.input if entry.name == name), len(shape))
    return (1, *shape) if len(shape) == rank - 1 else shape


def convert_onnx(model: str | Path | onnx.ModelProto, data: Any, recipe: Recipe, progress: Progress | None = None) -> Conversion:
    """`data`: calibration samples in any form of `data.stream`. Raises `InputError`, `UnsupportedError`."""
    net, replay = prepare(model, data)
    check_supported(net)
    named(recipe, [node.name for node in layers(net)], [node.name for node in net.nodes])
    steps.apply(net, recipe.steps)
    if recipe.prune is not None and recipe.prune.filters and not net.pinned:
        narrow(model, net, recipe, replay)
    recipe = levelled(net, recipe, replay)
    conversion = Conversion(net, recipe)
    names = ranges.observed(net)
    if net.free_batch and wants_samples(net, recipe):
        net.free_batch = FloatRunner(net, net.outputs).takes_two()
    picker = Picker(recipe.samples + (JUDGES if recipe.budget else 0), unit_of(net)) if wants_samples(net, recipe) else None
    if recipe.zero_shot and replay is None and not net.pinned:
        conversion.ranges = without_data(model, net, names, recipe)
    elif names:
        conversion.ranges, conversion.calibrator = calibrate(net, replay, names, recipe, progress, picker)
    conversion.params = params_of(conversion, recipe)
    if not net.pinned:  # an already quantized network keeps its integers
        samples, judges = (None, None) if picker is None else picker.split(recipe.samples)
        recipe = conversion.recipe = with_ratios(conversion, recipe, samples)
        asked = recipe.prune
        if asked is not None and samples is not None and (count := prune.passes(net, asked, samples)):
            zeros = prune.fitted(net, asked, samples, conversion.params, count)
            recipe = conversion.recipe = msgspec.structs.replace(recipe, prune=zeros)
        if recipe.budget and samples is not None:
            candidates, others = search_bits(conversion, samples, progress), changes(conversion, names, samples)
            found = best_of(candidates, net, partial(params_of, conversion), samples, lambda: statistics(model, net), progress, others, judges)
            conversion.params = params_of(conversion, found[0])
            conversion.ranges.update(ranges_of(conversion, found[0]))
            conversion.recipe, conversion.weights = found
        else:
            conversion.weights = quantize_all(net, conversion.params, recipe, samples, lambda: statistics(model, net), progress)
        conversion.recipe = msgspec.structs.replace(conversion.recipe, prune=asked)
    if not net.pinned:
        round_down(net, conversion.params, conversion.weights)
    conversion.lowered = lower(net, conversion.params, conversion.weights)
    return conversion


def levelled(net: Float, recipe: Recipe, replay: Replay | None) -> Recipe:
    """Scale the channels as the recipe says; where it only asks for that, the recipe with the scales in it. A search does without: then the recipe
    that it finds does not ask for them either, and makes the same model again."""
    if recipe.budget:
        recipe = msgspec.structs.replace(recipe, level_channels=False)
    found = choices(net, recipe).values()
    wanted = recipe.level_channels and all(c.weights == "int8" and c.bias_correction != "analytic" for c in found)
    if wanted and not recipe.channel_scales and replay is not None:
        recipe = msgspec.structs.replace(recipe, channel_scales=channels.levelled(net, replay))
    channels.restore(net, recipe.channel_scales)
    return recipe


def narrow(model: str | Path | onnx.ModelProto, net: Float, recipe: Recipe, replay: Replay | None) -> None:
    """Remove filters, as `recipe.prune` says."""
    assert recipe.prune is not None
    feeds = None
    if recipe.prune.method == "apoz" and replay is not None:
        replay.keep, picker = True, Picker(recipe.samples, unit_of(net))
        for batch in replay.batches({name: net.shape(name) for name in net.inputs}, 16 if net.free_batch else unit_of(net)):
            picker.add(batch)
        feeds = picker.samples()
    gammas = prune.gammas_of(unfolded(model, net)) if recipe.prune.method == "gamma" else {}
    prune.remove_filters(net, recipe.prune, gammas, feeds)


def with_ratios(conversion: Conversion, recipe: Recipe, samples: dict[str, Array] | None) -> Recipe:
    """The recipe with the share of zeros of each layer written out, where it asks for them by sensitivity."""
    if recipe.prune is None or recipe.prune.filters or recipe.prune.spread != "sensitivity" or samples is None:
        return recipe
    layers = {**recipe.prune.layers, **prune.by_sensitivity(conversion.net, recipe.prune, samples, conversion.params)}
    return msgspec.structs.replace(recipe, prune=msgspec.structs.replace(recipe.prune, spread="uniform", layers=layers))


def ranges_of(conversion: Conversion, recipe: Recipe) -> dict[str, tuple[float, float]]:
    """Ranges under a recipe that differs from the conversion's in the calibrator and the bits of activations only; the changed ones."""
    calibrator, net = conversion.calibrator, conversion.net
    if calibrator is None:
        return {}
    before, bits = activation_bits(net, conversion.recipe), activation_bits(net, recipe)
    if isinstance(calibrator, Rivals):
        calibrator.change(recipe.calibrator)
    same = not isinstance(calibrator, Rivals) or recipe.calibrator == conversion.recipe.calibrator
    return {name: as_range(calibrator, name, bits[name]) for name in conversion.ranges if not same or bits[name] != before[name]}


def params_of(conversion: Conversion, recipe: Recipe) -> dict[str, QParam]:
    """Scales and zero points under such a recipe."""
    found = {**conversion.ranges, **ranges_of(conversion, recipe)}
    return ranges.assign(conversion.net, found, recipe.symmetric, activation_bits(conversion.net, recipe))


def changes(conversion: Conversion, names: list[str], samples: dict[str, Array]) -> list[dict[str, str]]:
    """Roundings and calibrators that a search should try besides the recipe's own."""
    calibrator, recipe = conversion.calibrator, conversion.recipe
    found = [{"rounding": method} for method in roundings(recipe)]
    if not isinstance(calibrator, Rivals):
        return found

    def params() -> dict[str, QParam]:
        return params_of(conversion, msgspec.structs.replace(recipe, calibrator=calibrator.own))

    inner = [name for name in names if name not in conversion.net.inputs]
    return found + [{"calibrator": method} for method in promising(conversion.net, calibrator, inner, params, samples)]


def search_bits(conversion: Conversion, samples: dict[str, Array], progress: Progress | None) -> list[Recipe]:
    """The recipe with bits for each layer, in the ways that are worth a trial under its budget."""
    net, recipe = conversion.net, conversion.recipe

    def build(bits: Mapping[str, int]) -> Context:  # what is timed needs no good weights
        quick = msgspec.structs.replace(searched(recipe, Plan(dict(bits), 0.0)), rounding="nearest", bias_correction="none")
        params = params_of(conversion, quick)
        return lower(net, params, quantize_all(net, params, quick, None, dict))

    return [searched(recipe, plan) for plan in plans(net, recipe, samples, conversion.params, build, progress)]


def statistics(model: str | Path | onnx.ModelProto, net: Float) -> Statistics:
    """What batch normalization says about the activations of `net`, from the network before it was folded."""
    return batchnorm_statistics(unfolded(model, net))


def unfolded(model: str | Path | onnx.ModelProto, net: Float) -> Float:
    shapes = {name: np.zeros(net.shape(name), net.values[name].dtype) for name in net.inputs}
    return prepare(model, shapes, folded=False)[0]


def wants_samples(net: Float, recipe: Recipe) -> bool:
    """Whether some of the data is needed again after calibration."""
    return not net.pinned and (needs_data(recipe) or any(needs_samples(choice) for choice in choices(net, recipe).values()))


def settings_of(net: Float, recipe: Recipe) -> dict[str, Layer]:
    """The recipe's settings for every value, by its producer; those of inputs are the recipe's own."""
    weighted = choices(net, recipe)
    found = dict.fromkeys(net.inputs, recipe.layer("", -1, 0))
    for node in net.nodes:
        choice = weighted.get(node.name) or recipe.layer(node.name, -1, 0)
        found.update(dict.fromkeys(node.outputs, choice))
    return found


def activation_bits(net: Float, recipe: Recipe) -> dict[str, int]:
    return {name: ACTIVATIONS[str(choice.activations)] for name, choice in settings_of(net, recipe).items()}


def calibrate(
    net: Float, replay: Replay | None, names: list[str], recipe: Recipe, progress: Progress | None, picker: Picker | None = None
) -> tuple[dict[str, tuple[float, float]], Calibrator | None]:
    """The range of every value in `names`, and what says it for other bits. Tables behind fixed scales (in quantized models) need no data."""
    found = {}
    calibrator: Calibrator | None = None
    if net.pinned:
        found = {
            node.output: table_range(net, node) for node in net.nodes if node.op == "Unary" and node.inputs[0] in net.pinned and node.output in names
        }
    rest = [name for name in names if name not in found]
    if rest and replay is None:
        where = f" (the quantized model gives no scale for {', '.join(rest[:8])})" if net.pinned else ""
        way = "pass calibration= (--calibration FILE), some hundred representative inputs, or use the recipe zero_shot"
        raise InputError(f"calibration data is needed{where}: {way}")
    if rest and replay is not None:
        settings, bits = settings_of(net, recipe), activation_bits(net, recipe)
        wanted = {name: str(settings[name].calibrator) for name in rest}
        strained = channels.strained(net, replay) if "guarded" in wanted.values() else frozenset()
        if recipe.budget and not net.pinned:
            calibrator = Rivals(wanted, recipe.calibrator, ranges.ends(net), strained)
        else:
            several = {name: CALIBRATORS[name]() for name in dict.fromkeys(wanted.values())}
            for each in several.values():
                each.ends, each.strained = ranges.ends(net), strained
            calibrator = Several(several, wanted)
        observe(net, replay, rest, calibrator, progress, picker)
        found.update((name, as_range(calibrator, name, bits[name])) for name in rest)
    return found, calibrator


def as_range(calibrator: Calibrator, name: str, bits: int) -> tuple[float, float]:
    low, high = calibrator.range(name, bits)
    return float(low), float(high)


def without_data(model: str | Path | onnx.ModelProto, net: Float, names: list[str], recipe: Recipe) -> dict[str, tuple[float, float]]:
    """The range of every value in `names` from batch normalization alone."""
    source = unfolded(model, net)
    if not any(node.op == "BatchNormalization" for node in source.nodes):
        source = net  # then nothing speaks for the network as it came, whose rewrites have made new values
        net.free_batch = net.free_batch and FloatRunner(net, net.outputs).takes_two()
    calibrator = CALIBRATORS[recipe.calibrator]()
    known = {*source.inputs, *(name for node in source.nodes for name in node.outputs)}
    if missing := [name for name in names if name not in known]:
        raise InputError(f"zero_shot: {', '.join(missing[:4])} came into being in a rewrite of the network; give calibration data")
    zeroshot.observe(source, names, calibrator, recipe.input_range)
    bits = activation_bits(net, recipe)
    found = {name: as_range(calibrator, name, bits[name]) for name in names}
    wide = zeroshot.widened(source, net.nodes, {name: span for name, span in found.items() if bits[name] >= 8})
    return {**found, **wide}


def table_range(net: Float, node: Node) -> tuple[float, float]:
    """What a function of one element makes of the 256 values that its input can have."""
    scale, zero_point = net.pinned[node.inputs[0]]
    values = evaluate(net, node, (scale * (np.arange(-128, 128) - zero_point)).astype(np.float32))
    return float(values.min()), float(values.max())


def as_data(value: Any) -> Any:
    """Example inputs (an array, a torch tensor, a tuple of them for several inputs) as calibration data."""
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    return as_array(value) if hasattr(value, "detach") else value
