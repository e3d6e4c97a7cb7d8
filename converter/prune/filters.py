"""Removal of whole filters, with what reads them: the network gets narrower and needs no sparse kernel.

A filter's worth is its norm, L1 (Li et al. 2017, arXiv:1608.08710) or L2; its factor in the batch normalization behind it (network
slimming, Liu et al. 2017, arXiv:1708.06519); or the share of its activations that are not zero (APoZ, Hu et al. 2016, arXiv:1607.03250).
Only filters go whose channel ends in convolutions and linear layers, on ways that keep channels apart: a channel that enters a sum or
leaves the network stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...errors import RecipeError
from ..ir import Array, Float, Node, Value
from ..onnx.emit import session, to_onnx
from .plan import prunable, ratios
from .settings import Prune

APART = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")  # ops that keep channels (axis 1 of an image) apart
BLOCK = 16


@dataclass
class Reach:
    """What a layer's output channels pass through: depthwise and per-channel layers, and the layers that read them, with inputs per channel."""

    carriers: list[Node] = field(default_factory=list)
    readers: list[tuple[Node, int]] = field(default_factory=list)
    values: list[tuple[str, int]] = field(default_factory=list)


def reach(net: Float, node: Node) -> Reach | None:
    """None where a channel goes somewhere it cannot be removed from."""
    uses, found = net.consumers(), Reach()
    waiting = [(node.output, 1)]
    while waiting:
        name, per = waiting.pop()
        if name in net.outputs or name not in uses:
            return None
        found.values.append((name, per))
        for user in uses[name]:
            fixed = all(other in net.constants for other in user.inputs[1:] if other)
            if not fixed or user.inputs[0] != name or user.body:
                return None
            groups = int(user.attrs.get("group", 1))
            if user.op == "Linear" or (user.op == "Conv" and groups == 1):
                found.readers.append((user, per))
            elif user.op == "Conv" and groups == net.shape(name)[1] == net.shape(user.output)[1]:
                found.carriers.append(user)
                waiting.append((user.output, per))
            elif user.op in APART and len(net.shape(name)) == 4:
                waiting.append((user.output, per))
            elif user.op == "Flatten" and user.attrs.get("axis", 1) == 1:
                waiting.append((user.output, per * int(np.prod(net.shape(name)[2:]))))
            else:
                return None
    return found


def worth(net: Float, node: Node, method: str, gammas: Mapping[str, Array], alive: Mapping[str, Array]) -> Array:
    """A number per filter; the least go first. Raises `RecipeError` where the method finds nothing to judge by."""
    if method == "gamma":
        if node.name not in gammas:
            raise RecipeError(f"recipe: prune by gamma: no batch normalization follows {node.name!r}; use l1, l2 or apoz")
        return np.abs(gammas[node.name])
    if method == "apoz":
        return alive[node.output]
    rows = net.constants[node.inputs[1]].astype(np.float64).reshape(net.shape(node.inputs[1])[0], -1)
    return np.asarray(np.abs(rows).sum(axis=1) if method == "l1" else np.sqrt((rows**2).sum(axis=1)))


def gammas_of(source: Float) -> dict[str, Array]:
    """Of a network that is not folded yet: the factor that batch normalization gives each output channel, by layer."""
    makers = source.producers()
    found = {}
    for node in source.nodes:
        maker = makers.get(node.inputs[0]) if node.op == "BatchNormalization" else None
        if maker is not None and node.inputs[1] in source.constants:
            found[maker.name] = source.constants[node.inputs[1]].astype(np.float64)
    return found


def alive_shares(net: Float, names: list[str], feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Share of activations above zero, per channel of every value named."""
    runner, step = session(to_onnx(net, names)), BLOCK if net.free_batch else 1
    total: dict[str, Array] = {}
    count = len(next(iter(feeds.values())))
    for start in range(0, count, step):
        for name, array in zip(names, runner.run(names, {k: v[start : start + step] for k, v in feeds.items()}), strict=True):
            share = (array > 0).reshape(*array.shape[:2], -1).mean(axis=2).sum(axis=0)
            total[name] = total.get(name, np.zeros(array.shape[1])) + share / count
    return total


def remove_filters(net: Float, prune: Prune, gammas: Mapping[str, Array], feeds: Mapping[str, Array] | None) -> dict[str, int]:
    """In place; how many filters each layer lost. Raises `RecipeError` where none can go, or APoZ has no data."""
    chosen = ratios(net, prune)
    found = [(node, way) for node in prunable(net) if node.name in chosen and (way := reach(net, node)) is not None]
    if not found:
        raise RecipeError("recipe: prune: no layer's filters can be removed; every output enters a sum or leaves the network")
    if prune.method == "apoz" and feeds is None:
        raise RecipeError("recipe: prune by apoz needs calibration data")
    alive = alive_shares(net, [node.output for node, _ in found], feeds) if prune.method == "apoz" and feeds is not None else {}
    values = {node.name: worth(net, node, prune.method, gammas, alive) for node, _ in found}
    for node, way in found:
        count = len(values[node.name])
        gone = min(count - 1, int(chosen[node.name] * count))
        narrow(net, node, way, np.sort(np.argsort(-values[node.name], kind="stable")[: count - gone]))
    net.remove_dead()
    net.check("prune")
    return {node.name: len(values[node.name]) - net.shape(node.inputs[1])[0] for node, _ in found}


def narrow(net: Float, node: Node, way: Reach, stay: Array) -> None:
    """Leave a layer the output channels `stay`, and everything behind it what reads those."""
    for layer in (node, *way.carriers):
        for place, name in enumerate(layer.inputs[1:], 1):
            if name:
                layer.inputs[place] = net.constant(f"{layer.name}/pruned", net.constants[name][stay])
        if layer is not node:
            layer.attrs["group"] = len(stay)
    for reader, per in way.readers:
        columns = (stay[:, None] * per + np.arange(per)).reshape(-1)
        reader.inputs[1] = net.constant(f"{reader.name}/pruned", net.constants[reader.inputs[1]][:, columns])
    for name, per in way.values:
        value = net.values[name]
        net.values[name] = Value((value.shape[0], len(stay) * per, *value.shape[2:]), value.dtype)
