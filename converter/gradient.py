"""Gradients of a float network by its weights: reverse accumulation over the operators that a convolutional network is made of.

Every operator is a pair: `forward` gives the output and what `backward` needs to turn the gradient at the output into those at the inputs
(Griewank and Walther 2008, Evaluating Derivatives, section 3.2). Arrays are float32, axis 0 holds samples, layouts are those of ONNX.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import RecipeError
from .ir import INF, Array, Float, Node

Back = Callable[[Array], list[Array]]  # gradient at the output -> at every input, in order
Rule = Callable[[Float, Node, list[Array]], tuple[Array, Back]]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


class Window:
    """Sliding windows over x[N, C, *spatial], as a convolution or a pool with these attributes places them; `fill` is the padding.

    Inside, channels come last.
    """

    def __init__(self, node: Node, x: Array, kernel: tuple[int, ...], fill: float = 0.0) -> None:
        if node.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", b"NOTSET") or node.attrs.get("ceil_mode", 0):
            raise RecipeError(f"recipe: prune.tune: {node.name!r} has automatic padding")
        rank = len(kernel)
        pads = node.attrs.get("pads") or [0] * 2 * rank
        self.low, high = pads[:rank], pads[rank:]
        self.steps, self.gaps = node.attrs.get("strides") or [1] * rank, node.attrs.get("dilations") or [1] * rank
        self.kernel, self.spatial = kernel, x.shape[2:]
        around = [(0, 0), *zip(self.low, high, strict=True), (0, 0)]
        self.padded = np.pad(np.moveaxis(x, 1, -1), around, constant_values=fill)
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, self.gaps, strict=True)]
        view = sliding_window_view(self.padded, reach, axis=tuple(range(1, 1 + rank)))
        starts = (slice(None), *(slice(None, None, s) for s in self.steps), slice(None), *(slice(None, None, d) for d in self.gaps))
        self.view = view[starts]
        self.positions = self.view.shape[1 : 1 + rank]

    def rows(self) -> Array:
        """A copy [N, *positions, *kernel, C]."""
        return np.ascontiguousarray(np.moveaxis(self.view, 1 + len(self.kernel), -1))

    def back(self, gradient: Array) -> Array:
        """The gradient at every entry of `rows` -> at x."""
        total = np.zeros(self.padded.shape, np.float32)
        for tap in np.ndindex(*self.kernel):
            walks = zip(tap, self.gaps, self.steps, self.positions, strict=True)
            places = (slice(None), *(slice(k * d, k * d + (count - 1) * s + 1, s) for k, d, s, count in walks))
            entries = (*(slice(None) for _ in range(1 + len(tap))), *tap)
            total[places] += gradient[entries]
        inside = (slice(None), *(slice(low, low + size) for low, size in zip(self.low, self.spatial, strict=True)))
        return np.moveaxis(total[inside], -1, 1)


@rule("Conv")
def conv(net: Float, node: Node, inputs: list[Array]) -> tuple[Array, Back]:
    """Unfolded with channels last, which copies runs: [G, N * positions, K] times [G, K, O / G]."""
    x, w = inputs[:2]
    groups, window = int(node.attrs.get("group", 1)), Window(node, x, w.shape[2:])
    rank, per, depth = len(w.shape) - 2, len(w) // groups, w.shape[1]
    places, taps = math.prod(window.positions), math.prod(window.kernel)
    rows = window.rows().reshape(len(x) * places, taps, groups, depth).transpose(2, 0, 1, 3).reshape(groups, -1, taps * depth)
    flat = np.moveaxis(w, 1, -1).reshape(groups, per, -1)
    y = (rows @ flat.transpose(0, 2, 1)).reshape(groups, len(x), places, per).transpose(1, 0, 3, 2).reshape(len(x), len(w), *window.positions)
    if len(inputs) > 2:
        y = y + inputs[2].reshape(-1, *[1] * rank)

    def back(gradient: Array) -> list[Array]:
        g = gradient.reshape(len(x), groups, per, places).transpose(1, 0, 3, 2).reshape(groups, -1, per)
        entries = (g @ flat).reshape(groups, -1, taps, depth).transpose(1, 2, 0, 3)
        dx = window.back(np.ascontiguousarray(entries).reshape(len(x), *window.positions, *window.kernel, groups * depth))
        dw = np.moveaxis((g.transpose(0, 2, 1) @ rows).reshape(len(w), *window.kernel, depth), -1, 1)
        return [dx, dw, g.sum(axis=1).reshape(-1)][: len(inputs)]

    return y, back


@rule("Linear")
def linear(net: Float, node: Node, inputs: list[Array]) -> tuple[Array, Back]:
    x, w = inputs[:2]
    y = x @ w.T + inputs[2] if len(inputs) > 2 else x @ w.T

    def back(gradient: Array) -> list[Array]:
        g = gradient.reshape(-1, len(w))
        return [gradient @ w, g.T @ x.reshape(-1, w.shape[1]), g.sum(axis=0)][: len(inputs)]

    return y, back


def shrunk(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The sum over what broadcasting has spread."""
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    axes = tuple(i for i, size in enumerate(shape) if size == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=axes, keepdims=True) if axes else gradient


@rule("Add")
def add(net: Float, node: Node, inputs: list[Array]) -> tuple[Array, Back]:
    a, b = inputs
    return a + b, lambda g: [shrunk(g, a.shape), shrunk(g, b.shape)]


@rule("Mul")
def mul(net: Float, node: Node, inputs: list[Array]) -> tuple[Array, Back]:
    a, b = inputs
    return a * b, lambda g: [shrunk(g * b, a.shape), shrunk(g * a, b.shape)]


@rule("MaxPool")
def max_pool(net: Float, node: Node, inputs: list[Array]) -> tuple[Array, Back]:
    """The first of equal entries takes the gradient."""
    kernel = tuple(node.attrs["kernel_shape"])
    window = Window(node, inputs[0], kernel, -INF)
    rows = window.rows()
    flat = rows.reshape(*rows.shape[: 1 + len(kernel)], -1, rows.shape[-1])
    at = flat.argmax(axis=-2)[..., None, :]

    def back(gradient: Array) -> list[Array]:
        entries = np.zeros(flat.shape, np.float32)
        np.put_along_axis(entries, at, np.moveaxis(gradient, 1, -1)[..., None, :], -2)
        return [window.back(entries.reshape(rows.shape))]

    return np.moveaxis(np.take_along_axis(flat, at, -2)[..., 0, :], -1, 1), back


@rule("AveragePool")
def average_pool(net: Float, node: Node, inputs: list[Array]) -> tuple[Array, Back]:
    kernel = tuple(node.attrs["kernel_shape"])
    window, rank = Window(node, inputs[0], kernel), len(kernel)
    axes = tuple(range(1 + rank, 1 + 2 * rank))
    ones = inputs[0][:1, :1] * 0 + 1
    count = Window(node, ones, kernel).rows().sum(axis=axes) if node.attrs.get("count_include_pad", 0) == 0 else np.float32(math.prod(kernel))
    shape = (len(inputs[0]), *window.positions, *kernel, inputs[0].shape[1])

    def back(gradient: Array) -> list[Array]:
        return [window.back(np.broadcast_to(np.expand_dims(np.moveaxis(gradient, 1, -1) / count, axes), shape))]

    return np.moveaxis(window.rows().sum(axis=axes) / count, -1, 1), back


@rule("GlobalAveragePool", "ReduceMean")
def mean(net: Float, node: Node, inputs: list[Array]) -> tuple[Array, Back]:
    x, y_rank = inputs[0], len(net.shape(node.output))
    given = node.attrs.get("axes") or (net.constants[node.inputs[1]].tolist() if len(node.inputs) > 1 else range(2, x.ndim))
    axes = tuple(int(axis) % x.ndim for axis in given)
    count = math.prod(x.shape[axis] for axis in axes)

    def back(gradient: Array) -> list[Array]:
        full = gradient if gradient.ndim == x.ndim else np.expand_dims(gradient, axes)
        return [np.broadcast_to(full / np.float32(count), x.shape)]

    return x.mean(axis=axes, keepdims=y_rank == x.ndim), back


@rule("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def reshape(net: Float, node: Node, inputs: list[Array]) -> tuple[Array, Back]:
    x = inputs[0]
    return x.reshape(len(x), *net.shape(node.output)[1:]), lambda g: [g.reshape(x.shape)]


@rule("Concat")
def concat(net: Float, node: Node, inputs: list[Array]) -> tuple[Array, Back]:
    axis = int(node.attrs["axis"])
    ends = np.cumsum([part.shape[axis] for part in inputs])[:-1]
    return np.concatenate(inputs, axis), lambda g: list(np.split(g, ends, axis))


class Tape:
    """One run of a network up to the values `ends`, with these constants; `gradients` walks it backwards."""

    def __init__(self, net: Float, ends: list[str], feeds: Mapping[str, Array], constants: Mapping[str, Array]) -> None:
        self.values: dict[str, Array] = {name: array.astype(np.float32) for name, array in feeds.items()}
        self.trail: list[tuple[Node, list[str], Back]] = []
        for node in needed(net, ends):
            names = [name for name in node.inputs if name in self.values or name in constants]
            y, back = RULES[node.op](net, node, [self.values[name] if name in self.values else constants[name] for name in names])
            self.trail.append((node, names, back))
            self.values[node.output] = np.clip(y, *(np.float32(v) for v in node.clamp)) if node.clamp else y

    def gradients(self, at: Mapping[str, Array]) -> dict[str, Array]:
        """The gradient at every value and constant that `at`, the gradient at some ends, depends on."""
        found = dict(at)
        for node, names, back in reversed(self.trail):
            here = found.pop(node.output, None)
            if here is None:
                continue
            if node.clamp:
                y = self.values[node.output]
                here = here * ((y > node.clamp[0]) & (y < node.clamp[1]))
            for name, gradient in zip(names, back(here), strict=True):
                found[name] = found[name] + gradient if name in found else gradient
        return found


def needed(net: Float, ends: list[str]) -> list[Node]:
    """The nodes that `ends` come from, in order. Raises `RecipeError` where one has no rule."""
    wanted, found = set(ends), []
    for node in reversed(net.nodes):
        if wanted & set(node.outputs):
            found.append(node)
            wanted |= set(node.inputs)
    missing = sorted({node.op for node in found if node.op not in RULES or len(node.outputs) > 1 or node.body})
    if missing:
        raise RecipeError(f"recipe: prune.tune: no gradient through {', '.join(missing)}")
    return found[::-1]
