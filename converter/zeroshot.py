"""Ranges without data: noise is sent through the network, and every batch normalization makes its statistics right again.

Each BatchNormalization normalizes by the mean and variance of the noise itself (as in training), so that its output has exactly the
mean beta and deviation gamma that it had on the training set, channel by channel, whatever came in. What lies between two of them
(activations, sums, pooling) follows. The constraint is that of ZeroQ (Cai et al. 2020, arXiv:2001.00281, distilled data), met layer by layer
in one forward pass instead of by gradient descent on the inputs. DFQ (Nagel et al. 2019, arXiv:1906.04721) reads the same statistics.

The input's own mean and deviation are solved for from the first batch normalization. Noise is 1/f, as images are.

Activations of real inputs have longer tails than those of noise, and noise images are more alike than images of different classes.
Ranges of 8 bits or more are therefore wider than what the noise showed: one bit too many costs less than clipping (`widened`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np

from .calibrators import Calibrator
from .ir import INF, Array, Float, Node
from .lockstep import clamped, executor, last_uses

SAMPLES = 32
MARGIN = 1.5  # noise shows about four deviations, and six are what DFQ takes
BEHIND = 2.0  # behind the last batch normalization, where nothing makes the differences between images right again
AVERAGES = {"AveragePool", "GlobalAveragePool", "ReduceMean"}
MIXES = AVERAGES | {"Conv", "ConvTranspose", "Gemm", "MatMul", "Linear", "ReduceSum"}
PIXELS = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))  # what images are scaled to
USUAL = 2.64  # how far images reach that were scaled to mean 0 and deviation 1, ImageNet's blue the farthest; [-1, 1] and [0, 1] lie within
REACH = 2.5  # the input's range in deviations: images are bounded, and their histograms wide
NEIGHBOUR, CHANNEL = 0.95, 0.9  # correlations of neighbouring pixels and of colours in images


def input_moments(net: Float, name: str) -> tuple[Array, float] | None:
    """Mean per channel and common deviation of an input that a convolution with batch normalization reads; None for others.

    running mean = sum of the kernel x mean (least squares); running variance = deviation^2 x w^T R w with the correlations R of images.
    """
    uses = net.consumers()
    for conv in uses.get(name, []):
        after = uses.get(conv.output, [])
        if conv.op != "Conv" or len(after) != 1 or after[0].op != "BatchNormalization" or conv.attrs.get("group", 1) != 1:
            continue
        weight = net.constants[conv.inputs[1]].astype(np.float64)
        mean, variance = (net.constants[n].astype(np.float64) for n in after[0].inputs[3:5])
        bias = net.constants[conv.inputs[2]] if len(conv.inputs) > 2 and conv.inputs[2] else 0.0
        sums = weight.reshape(*weight.shape[:2], -1).sum(axis=2)
        found = np.linalg.lstsq(sums, mean - bias, rcond=0.05)[0]
        places = np.stack(np.unravel_index(np.arange(int(np.prod(weight.shape[1:]))), weight.shape[1:]), axis=1)
        apart = np.abs(places[:, None] - places[None]).astype(np.float64)
        r = NEIGHBOUR ** apart[:, :, 1:].sum(axis=2) * CHANNEL ** (apart[:, :, 0] > 0)
        rows = weight.reshape(len(weight), -1)
        power = np.einsum("ok,kl,ol->o", rows, r, rows)
        good = power > 1e-3 * power.max()
        return found, float(np.sqrt(np.median(variance[good] / power[good])))
    return None


def pink(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Noise [N, C, ...] with amplitude 1/f along the image axes, channels correlated, mean 0 and deviation 1."""
    white = rng.standard_normal(shape)
    if len(shape) > 2:
        white = CHANNEL**0.5 * rng.standard_normal((shape[0], 1, *shape[2:])) + (1 - CHANNEL) ** 0.5 * white
        axes = tuple(range(2, len(shape)))
        f = np.sqrt(sum(np.fft.fftfreq(size).reshape([-1 if i == a else 1 for i in range(len(axes))]) ** 2 for a, size in enumerate(shape[2:])))
        white = np.fft.ifftn(np.fft.fftn(white, axes=axes) / np.maximum(f, 1 / max(shape[2:])), axes=axes).real
    return np.asarray((white - white.mean()) / max(white.std(), 1e-12))


def pixels(mean: float, deviation: float) -> tuple[float, float]:
    """The usual interval of pixels that has a mean inside and a deviation of an eighth to two fifths of it; everything where none has."""
    for low, high in PIXELS:
        width = high - low
        if 0.25 <= (mean - low) / width <= 0.75 and 0.125 <= deviation / width <= 0.4:
            return low, high
    return -INF, INF


def inputs(net: Float, given: tuple[float, float] | None, count: int = SAMPLES) -> dict[str, Array]:
    """Noise for every input within `given`, or within what the first batch normalization says, or within +-USUAL."""
    rng = np.random.default_rng(0)
    result = {}
    for name in net.inputs:
        shape = (rows(net, name, count), *net.shape(name)[1:])
        noise = pink(shape, rng)
        found = input_moments(net, name) if given is None else None
        if found is not None:
            mean = found[0].reshape(1, -1, *[1] * (len(shape) - 2))
            low, high = pixels(float(found[0].mean()), found[1]) if shape[1] == 3 and len(shape) == 4 else (-INF, INF)
            low, high = max(low, float(found[0].mean() - REACH * found[1])), min(high, float(found[0].mean() + REACH * found[1]))
            x = mean + found[1] * noise
        else:
            if given is None:
                assumed = f"{-USUAL} to {USUAL} is assumed: give input_range, or calibration data"
                warnings.warn(f"zero_shot: nothing in the network says what its input {name!r} holds; {assumed}", stacklevel=2)
            low, high = given or (-USUAL, USUAL)
            x = (low + high) / 2 + (high - low) / 4 * noise
        x = np.clip(x, low, high)
        x.reshape(-1)[:2] = low, high  # the range is the whole interval
        result[name] = x.astype(np.float32)
    return result


def rows(net: Float, name: str, count: int) -> int:
    """Of the noise for one input: about `count`, in whole batches where the network fixes them. Nodes are run batch by batch."""
    if net.free_batch:
        return count
    batches = {net.shape(each)[0] for each in net.inputs}
    return net.shape(name)[0] * (max(1, count // net.shape(name)[0]) if len(batches) == 1 else 1)


def observe(net: Float, names: Iterable[str], calibrator: Calibrator, given: tuple[float, float] | None = None) -> None:
    """Shows the calibrator the values in `names`; `net` still has its BatchNormalization nodes, if it has any."""
    values, uses, wanted = inputs(net, given), last_uses(net), set(names)
    for name in wanted.intersection(values):
        calibrator.observe(name, values[name])
    for place, node in enumerate(net.nodes):
        if not net.activations(node):
            continue
        if node.op == "BatchNormalization" and all(name in net.constants for name in node.inputs[1:3]):
            outputs = [renormalized(values[node.inputs[0]], *(net.constants[name] for name in node.inputs[1:3]))]
        else:
            outputs = clamped(node, executor(net, node)(values))
        values.update(zip([name for name in node.outputs if name], outputs, strict=False))
        for name in wanted.intersection(node.outputs):
            calibrator.observe(name, values[name])
        for name in [name for name in values if uses.get(name, -1) <= place]:
            del values[name]


def behind(net: Float) -> set[str]:
    """Values that no batch normalization follows, and that mix what the last ones gave; none in a network without them."""
    before: set[str] = set()
    exact = {node.output for node in net.nodes if node.op == "BatchNormalization"}
    if not exact:
        return set()
    for node in reversed(net.nodes):
        if node.output in exact or before.intersection(node.outputs):
            before.update(net.activations(node))
    for node in net.nodes:
        if node.op not in MIXES and net.activations(node) and exact.issuperset(net.activations(node)):
            exact.update(node.outputs)
    return {name for node in net.nodes for name in node.outputs} - before - exact


def widened(net: Float, nodes: Iterable[Node], found: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Ranges that real data fits in, from those of noise.

    `net` still has its BatchNormalization nodes; `nodes` are the folded network's, whose clamps bound a range, as its input bounds an average.
    """
    loose, result = behind(net), dict(found)
    for node in nodes:
        for name in node.outputs:
            if name not in found:
                continue
            (low, high), factor = found[name], BEHIND if name in loose else MARGIN
            middle = (low + high) / 2 if low < 0 else 0.0
            least, most = result.get(node.inputs[0], (-INF, INF)) if node.op in AVERAGES else node.clamp or (-INF, INF)
            result[name] = max(middle + factor * (low - middle), least), min(middle + factor * (high - middle), most)
    return result


def renormalized(x: Array, gamma: Array, beta: Array) -> Array:
    """x[N, C, ...] with mean beta[C] and deviation |gamma[C]|."""
    axes = tuple(a for a in range(x.ndim) if a != 1)
    shape = (1, -1, *[1] * (x.ndim - 2))
    centred = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=axes, keepdims=True))
    return np.asarray(centred / np.maximum(deviation, 1e-12) * gamma.reshape(shape) + beta.reshape(shape), np.float32)
