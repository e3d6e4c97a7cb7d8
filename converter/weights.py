"""The integer weights of a layer: scale, granularity, rounding and bias correction, as the recipe's settings for the layer say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from . import coded
from .bn_statistics import Statistics
from .calibrate import Progress
from .grid import grid_scale, grid_steps
from .ir import Array, Float, Node
from .lockstep import Site, spread, walk
from .prune import Prune, prune_layer, ratios
from .quantize import QParam, QWeight, fit_scale, float_weights, layers, quantize_weight
from .recipe import TABLES, WEIGHTS, Layer, Recipe
from .rounding import ROUNDINGS
from .rounding.base import Moments, moments
from .rounding.bias import analytic, empirical
from .rounding.ridge import steadied
from .rounding.scales import SCALES

Cut = tuple[Prune, float]  # how a layer is pruned, and its share of zeros
GROUP_LIMIT = 127  # an int8 weight holds group multiplier x code


def bits_of(choice: Layer) -> int:
    return WEIGHTS[str(choice.weights)]


def needs_samples(choice: Layer) -> bool:
    return choice.rounding != "nearest" or choice.bias_correction == "empirical"


def group_multipliers(weight: Array, scale: Array, bits: int, size: int) -> tuple[Array, Array]:
    """Scale[O] and integer multipliers[O, C], one for every `size` input channels, of weight[O, C, ...].

    The integers stored are multiplier x code, so that one int32 accumulator and one scale per output channel still do
    (VS-Quant, Dai et al. 2021, arXiv:2102.04503: two-level scales, the inner ones integers).
    """
    top = 2 ** (bits - 1) - 1
    largest = np.abs(weight.reshape(*weight.shape[:2], -1)).max(axis=2)
    starts = np.arange(0, weight.shape[1], size)
    per_group = np.maximum.reduceat(largest, starts, axis=1) / top
    most = GROUP_LIMIT // top
    base = np.maximum(per_group.max(axis=1) / most, scale * 1e-6)
    multipliers = np.clip(np.ceil(per_group / np.where(base > 0, base, 1)[:, None] - 1e-9), 1, most)
    sizes = np.diff([*starts, weight.shape[1]])
    return base, np.repeat(multipliers, sizes, axis=1)


def quantize(weight: Array, bias: Array, x: QParam, y: QParam, choice: Layer, groups: int = 1, found: Moments | None = None) -> QWeight:
    """weight[O, ...] and bias[O] in float64 to integers; `found` are the moments of the layer's inputs, which all roundings but `nearest` need."""
    bits, count = bits_of(choice), len(weight)
    kind = str(choice.weights)
    if kind in TABLES and choice.granularity == "group" and weight.ndim == 2:
        return coded.per_group(weight, bias, x, y, coded.KINDS[kind], int(choice.group_size or 64))
    rows = weight.reshape(count, -1)
    importance = None
    if found is not None and found.keep is None and 2 * np.count_nonzero(rows) <= rows.size:  # a pruned layer stays pruned
        found = replace(found, keep=(rows != 0).reshape(groups, count // groups, -1))
    if found is not None:
        importance = np.repeat(np.einsum("gkk->gk", found.hessian), count // found.groups, axis=0) + 1e-12
    if kind in TABLES:
        return coded.per_channel(weight, bias, x, y, kind, str(choice.rounding), groups, found, importance)
    steps_of_source = grid_steps(rows) if bits == 8 else None
    if steps_of_source is not None:
        scale = fit_scale(grid_scale(rows, steps_of_source), bias, x.scale, y.scale)
        return QWeight(quantize_weight(weight, scale), scale, bias, bits)
    method = SCALES[str(choice.weight_range)]
    if choice.granularity == "tensor":
        flat = importance.reshape(1, -1) if importance is not None else None
        scale = np.full(count, method(rows.reshape(1, -1), bits, flat)[0])
    else:
        scale = method(rows, bits, importance)
    multipliers = np.ones_like(rows)
    if choice.granularity == "group" and weight.ndim > 1 and weight.shape[1] > choice.group_size and bits < 8:
        scale, per_channel = group_multipliers(weight, scale, bits, int(choice.group_size or 32))
        multipliers = np.repeat(per_channel, rows.shape[1] // weight.shape[1], axis=1)
    scale = fit_scale(scale, bias, x.scale, y.scale)
    shape = (groups, count // groups, rows.shape[1])
    steps = (multipliers * scale[:, None]).reshape(shape)
    if found is not None and choice.rounding != "nearest":
        found = steadied(rows.reshape(shape), steps, bits, found)
    rounding = ROUNDINGS["nearest" if found is None else str(choice.rounding)]
    codes = rounding(rows.reshape(shape), steps, bits, found)
    if found is not None and found.keep is not None:
        codes = codes * found.keep
    q = (codes.reshape(rows.shape) * multipliers).reshape(weight.shape)
    made = QWeight(q.astype(np.int8), scale, bias, bits)
    size = int(choice.group_size or 32)
    if weight.ndim == 2 and bits <= 4 and size % 4 == 0 and np.any(multipliers != 1):
        return replace(made, codes=(coded.linear(codes.reshape(rows.shape), multipliers, scale, size), "linear", size))
    return made


def groups_of(node: Node, weight: Array) -> int:
    return len(weight) if node.op == "Affine" else int(node.attrs.get("group", 1))


def with_samples(site: Site, choice: Layer, cut: Cut | None = None) -> QWeight:
    """A layer of which samples of the inputs are at hand."""
    second = cut is not None and cut[0].method == "second_order"
    exact = cut is None and bits_of(choice) == 8 and grid_steps(site.weight.reshape(len(site.weight), -1)) is not None
    found = moments(site) if second or (choice.rounding != "nearest" and not exact) else None
    weight = site.weight
    if cut is not None:
        weight, found = prune_layer(site.node, weight, *cut, found)
    result = quantize(weight, site.bias, site.x, site.y, choice, groups_of(site.node, site.weight), found)
    if choice.bias_correction == "empirical":
        result = with_bias(result, empirical(site, result.q * spread(result.scale, result.q.ndim)), site.x, site.y)
    return result


def with_bias(weight: QWeight, bias: Array, x: QParam, y: QParam) -> QWeight:
    """Other biases for the same weights; one that would not fit keeps what it was."""
    fits = fit_scale(weight.scale, bias, x.scale, y.scale) <= weight.scale * (1 + 1e-12)
    return replace(weight, bias=np.where(fits & np.isfinite(bias), bias, weight.bias))


def without_samples(net: Float, node: Node, x: QParam, y: QParam, choice: Layer, statistics: Statistics, cut: Cut | None = None) -> QWeight:
    """A layer rounded from its weights alone."""
    weight, bias = float_weights(net, node)
    pruned = weight if cut is None else prune_layer(node, weight, *cut, None)[0]
    result = quantize(pruned, bias, x, y, choice, groups_of(node, weight))
    known = statistics.get(node.inputs[0])
    if choice.bias_correction == "analytic" and known is not None and weight.ndim > 1:
        rounded = result.q * spread(result.scale, result.q.ndim)
        result = with_bias(result, analytic(weight, rounded, bias, known[0], groups_of(node, weight)), x, y)
    return result


def choices(net: Float, recipe: Recipe) -> dict[str, Layer]:
    """The recipe's settings for every layer with weights."""
    found = layers(net)
    return {node.name: recipe.layer(node.name, place, len(found)) for place, node in enumerate(found)}


def quantize_all(
    net: Float,
    params: Mapping[str, QParam],
    recipe: Recipe,
    samples: Mapping[str, Array] | None,
    statistics: Callable[[], Statistics],
    progress: Progress | None = None,
    ends: dict[str, tuple[Array, Array]] | None = None,
    held: float = 0.0,
) -> dict[str, QWeight]:
    """Weights of all layers, each method with what it needs: samples, batch-norm statistics, or nothing.

    `ends` receives the outputs on the samples, real and quantized; with it the samples are walked whether a method needs them or not;
    `held`: as in `walk`.
    """
    chosen, cuts = choices(net, recipe), {}
    if recipe.prune is not None and not recipe.prune.filters:
        cuts = {name: (recipe.prune, ratio) for name, ratio in ratios(net, recipe.prune).items()}
    known = statistics() if any(c.bias_correction == "analytic" for c in chosen.values()) else {}
    walked = ends is not None or any(needs_samples(c) for c in chosen.values()) or any(cut[0].method == "second_order" for cut in cuts.values())
    if samples is None or not walked:
        nodes = layers(net)
        return {n.name: without_samples(net, n, params[n.inputs[0]], params[n.output], chosen[n.name], known, cuts.get(n.name)) for n in nodes}

    def visit(site: Site) -> QWeight:
        choice = chosen[site.node.name]
        cut = cuts.get(site.node.name)
        if needs_samples(choice) or (cut is not None and cut[0].method == "second_order"):
            return with_samples(site, choice, cut)
        return without_samples(net, site.node, site.x, site.y, choice, known, cut)

    return walk(net, params, samples, visit, progress, ends, held)


def average_bits(net: Float, weights: Mapping[str, QWeight]) -> float:
    """Sum of bits x elements over sum of elements, of convolutions and linear layers."""
    sizes = [(weights[node.name].bits, weights[node.name].q.size) for node in layers(net) if node.op != "Affine"]
    return sum(bits * size for bits, size in sizes) / max(sum(size for _, size in sizes), 1)
