"""How far each channel is scaled: what reaches beyond a limit of its activation is divided down to it. Limits are lowered where the outputs of nodes
are not precise enough, and no farther.

Where all channels of an activation reach equally far its rounding errors are least; the weights that read a far-reaching channel are then large,
so that the others of their output channel get fewer steps, and no channel has room for what calibration did not show. The noise of either follows
from the ranges: a twelfth of a squared step for each element.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..calibrate import FloatRunner, need_finite
from ..calibrators.guarded import is_vector, margin
from ..data import Replay, rebatch
from ..ir import Array, Float
from ..onnx.single import evaluate
from ..ranges import assign, ends, observed
from .slots import STEPS, Reader, Slots

SAMPLES = 32
TINY = 1e-30
ENOUGH = 10**-2.65  # noise to signal of a node's output that needs no help: 26.5 dB
TOO_MUCH = 10**-2.5  # that is worth some time
PARTS = 8  # noise that is a smaller part of ENOUGH than this is not looked into
ROUNDS = 24
LARGE = 1e18  # a square of more is near the end of float32
LOWER = 0.5**0.25
FEW = 0.25  # a share of channels; limits stay above what they reach
POINTS = np.array([-1.65, -1.04, -0.67, -0.39, -0.13, 0.13, 0.39, 0.67, 1.04, 1.65])  # each for a tenth of a normal distribution


def squares(array: Array) -> Array:
    """Those of float32 numbers, in float64 where they would overflow."""
    large = array.size and max(float(array.max()), -float(array.min())) > LARGE
    return np.square(array, dtype=np.float64) if large else np.square(array)


class Statistics:
    """Least and largest value, mean, mean square and share of elements other than 0 (a zero, and what ReLU cuts off, has no noise) of each value, for
    each channel, and each slot where those are more."""

    def __init__(self, slots: Mapping[str, Array]) -> None:
        self.slots = slots
        self.low: dict[str, Array] = {}
        self.high: dict[str, Array] = {}
        self.mean: dict[str, Array] = {}
        self.square: dict[str, Array] = {}
        self.busy: dict[str, Array] = {}
        self.signal: dict[str, float] = {}  # variance of an element over the samples, mean over the elements
        self.count = 0
        self._means: dict[str, Array] = {}  # of each element
        self._sums: dict[str, float] = {}  # squared differences from them

    def add(self, values: Mapping[str, Array]) -> None:
        self.count += len(next(iter(values.values())))
        for name, array in values.items():
            axes = (0, *(axis for axis in range(2, array.ndim) if self.slots[name].shape[axis] == 1))
            weight = len(array) / self.count
            self.low[name] = np.minimum(self.low.get(name, 0.0), array.min(axis=axes, keepdims=True).astype(np.float64))
            self.high[name] = np.maximum(self.high.get(name, 0.0), array.max(axis=axes, keepdims=True).astype(np.float64))
            for kept, power in ((self.mean, array), (self.square, squares(array)), (self.busy, array != 0)):
                now = power.mean(axis=axes, keepdims=True, dtype=np.float64)
                kept[name] = kept.get(name, 0.0) * (1 - weight) + now * weight
            self._spread(name, array)

    def _spread(self, name: str, array: Array) -> None:
        """Chan, Golub and LeVeque 1983 (The American Statistician 37): the variance of what comes in parts."""
        mean = array.mean(axis=0, dtype=np.float32)
        inside = float(squares(array - mean).sum(dtype=np.float64))
        weight, before = len(array) / self.count, self._means.get(name)
        if before is not None:
            shift = mean - before
            inside += self._sums[name] + float(squares(shift).sum(dtype=np.float64)) * (self.count - len(array)) * weight
            mean = before + shift * np.float32(weight)
        self._means[name], self._sums[name] = mean, inside
        within = inside / (self.count - 1) / mean.size if self.count > 1 else float((self.square[name] - self.mean[name] ** 2).mean())
        self.signal[name] = max(within, TINY)

    def spans(self, net: Float, divided: Mapping[str, Array]) -> dict[str, tuple[float, float]]:
        """The range of each value when its channels are divided, with the margin of the default calibrator."""
        last, result = ends(net), {}
        for name, low in self.low.items():
            by, beyond = divided.get(name, 1.0), margin(self.count) if is_vector(net.shape(name)) and name not in last else 1.0
            result[name] = beyond * float((low / by).min()), beyond * float((self.high[name] / by).max())
        return result

    def reach(self, name: str) -> Array:
        return np.maximum(self.high[name], -self.low[name])


def measure(net: Float, replay: Replay, slots: Slots) -> Statistics:
    """Over the first samples."""
    names = observed(net)
    found = Statistics({name: slots.of[name] for name in names})
    runner, left = FloatRunner(net, names), SAMPLES
    for feeds in rebatch(replay.peek(), {name: net.shape(name) for name in net.inputs}, runner.batch):
        values = {name: array for name, array in runner.run(feeds).items() if array.size}
        for name, array in values.items():
            need_finite(name, array)
        found.add(values)
        left -= len(next(iter(feeds.values())))
        if left <= 0:
            break
    return found


Reaches = dict[str, tuple[Array, Array]]


def reaches(slots: Slots, found: Statistics) -> Reaches:
    """By value: its slots, and how far each of them reaches."""
    result = {}
    for name in found.low:
        reach = found.reach(name)
        which = np.broadcast_to(slots.of[name], reach.shape)
        if which.any() and (reach > 0).any():
            result[name] = which.reshape(-1), reach.reshape(-1)
    return result


def divisors(slots: Slots, known: Reaches, limits: Mapping[str, float]) -> Array:
    """The least s[slots], from 1 on, with which no channel reaches farther than the limit of any value that it occurs in; to the nearest step."""
    s = np.ones(slots.count)
    for name, limit in limits.items():
        which, reach = known[name]
        np.maximum.at(s, which, reach / limit)
    s[0] = 1
    return np.asarray(2.0 ** (slots.steps(s) / STEPS))


@dataclass(frozen=True)
class Share:
    """Ratio of noise to signal in the output of the node `name`, caused by the rounding of the value `source`, or else of weights."""

    name: str
    source: str
    ratio: float


NONE = Share("", "", 0.0)


Gains = Mapping[tuple[str, str], Array]


def slopes(net: Float, slots: Slots, found: Statistics) -> Gains:
    """By input and output of each function that gets tables: the mean square of its slope in each channel, were the input normally distributed."""
    result = {}
    for node in net.nodes:
        name = node.inputs[0]
        if node.name in slots.tables and name in found.mean and node.output in found.mean:
            mean = found.mean[name]
            deviation = np.sqrt(np.maximum(found.square[name] - mean**2, TINY))
            points = mean + deviation * POINTS.reshape(-1, *[1] * (mean.ndim - 1))
            after, before = (evaluate(net, node, (points + side * deviation / 8).astype(np.float32)).astype(np.float64) for side in (1, -1))
            result[name, node.output] = np.square((after - before) / (deviation / 4)).mean(axis=0, keepdims=True)
    return result


class Taps:
    """Of a layer's weights: `peak` [G, O/G, C/G], the largest between two channels; `energy` [G, C/G], squares of all that read a channel; `size`,
    how many there are between two channels."""

    def __init__(self, net: Float, reader: Reader) -> None:
        weight = net.constants[reader.node.inputs[1]]
        groups = len(weight) if reader.node.op == "Affine" else int(reader.node.attrs.get("group", 1))
        taps = weight.reshape(groups, len(weight) // groups, len(reader.slots) // groups, -1)
        self.size = taps.shape[3]
        self.peak = np.abs(taps).max(axis=3).astype(np.float32)
        self.energy = np.einsum("goct,goct->gc", taps, taps, dtype=np.float64)
        self._some = None if (self.peak > 0).all() else self.peak > 0

    def reads(self, by_channel: Array) -> Array:
        """[G, C/G] added up over the channels that each output channel reads, [G, O/G] or [G, 1]."""
        return np.asarray(by_channel.sum(axis=1, keepdims=True) if self._some is None else np.einsum("goc,gc->go", self._some, by_channel))


def noise(net: Float, slots: Slots, found: Statistics, s: Array, gains: Gains, weights: Sequence[Taps]) -> list[Share]:
    """Where slots are divided by s: what rounding an activation does to itself, and what rounding a layer's input and weights, or a function's
    input, does to its output.

    A filter that takes differences of neighbours keeps little of a smooth signal and all of the noise, so the output's own variance counts.
    """
    result, by_slot, times = [], np.zeros(slots.count), np.zeros(slots.count)
    divided = {name: s[slots.of[name]] for name in found.low}
    params = assign(net, found.spans(net, divided))
    signal = found.signal
    # an element that is less than a step is not wrong by more than itself
    rounding = {name: np.minimum((divided[name] * params[name].scale) ** 2 / 12, square) for name, square in found.square.items()}
    for name, square in found.square.items():
        which = np.broadcast_to(slots.of[name], square.shape)
        np.add.at(by_slot, which.reshape(-1), square.reshape(-1))
        np.add.at(times, which.reshape(-1), 1)
        result.append(Share(name, name, float((rounding[name] * found.busy[name]).mean()) / signal[name]))
    result += products_and_sums(net, found, rounding)
    for (source, target), gain in gains.items():
        result.append(Share(target, source, float((rounding[source] * gain).mean()) / signal[target]))
    by_slot /= np.maximum(times, 1)
    for reader, taps in zip(slots.readers, weights, strict=True):
        name, source = reader.node.output, reader.node.inputs[0]
        square, inside = (a[reader.slots].reshape(taps.energy.shape) for a in (by_slot, s))
        step = (taps.peak * inside[:, None].astype(np.float32)).max(axis=2).astype(np.float64) / 127  # [G, O/G]
        made = (step**2 * taps.reads(square / inside**2)).sum() * taps.size
        steps = (inside * params[source].scale) ** 2
        read = (taps.energy * np.where(reader.slots.reshape(inside.shape) > 0, np.minimum(steps, 12 * square), steps)).sum()
        factor = float(found.busy[name].mean()) / taps.peak.shape[0] / taps.peak.shape[1] / 12 / signal[name]
        result += [Share(name, "", float(made) * factor), Share(name, source, float(read) * factor)]
    return result


def products_and_sums(net: Float, found: Statistics, rounding: Mapping[str, Array]) -> list[Share]:
    """What rounding the operands of Add, Sub and Mul does to the result; a factor's noise is multiplied by the other factor."""
    result = []
    for node in net.nodes:
        names = net.activations(node)
        measured = all(name in found.square for name in (*names, node.output))
        if node.op not in ("Add", "Sub", "Mul") or len(names) != 2 or not measured:
            continue
        for name, other in (names, names[::-1]):
            if node.op == "Mul":  # a factor of 0 leaves no noise, and its square knows
                power = float((rounding[name] * found.busy[name] * found.square[other]).mean())
            else:
                power = float(rounding[name].mean()) * float(found.busy[node.output].mean())
            result.append(Share(node.output, name, power / found.signal[node.output]))
    return result


@dataclass(frozen=True)
class Found:
    """`scale` s[slots], 1 for slot 0; `excess`: the logarithms of what nodes have more noise than enough, in sum; `worst`: the most noise to signal;
    `sources`: values that what is too much comes from."""

    scale: Array
    excess: float
    worst: float
    sources: frozenset[str]


def scales(net: Float, slots: Slots, found: Statistics) -> Found:
    """As long as some node has too much noise, the values that most of it comes from, and those that share a scale with them,
    get lower limits; what left least noise is taken."""
    known, gains, weights = reaches(slots, found), slopes(net, slots, found), [Taps(net, reader) for reader in slots.readers]
    params = assign(net, found.spans(net, {}))
    shared = {name: params[name].scale for name in known}
    limits = {name: max(float(known[other][1].max()) for other in known if shared[other] == shared[name]) for name in known}
    floors = {name: float(np.quantile(reach, FEW)) for name, (_, reach) in known.items()}
    kept = Found(np.ones(slots.count), np.inf, 0.0, frozenset())
    for _ in range(ROUNDS):
        s = divisors(slots, known, limits)
        total: dict[str, float] = {}
        largest: dict[str, Share] = {}
        shares = noise(net, slots, found, s, gains, weights)
        for share in shares:
            total[share.name] = total.get(share.name, 0.0) + share.ratio
            if share.ratio > largest.get(share.name, NONE).ratio and share.source in known:
                largest[share.name] = share
        excess = float(sum(np.log(ratio / ENOUGH) for ratio in total.values() if ratio > ENOUGH))
        if excess < kept.excess:
            much = [share.source for share in shares if total[share.name] > ENOUGH < share.ratio * PARTS]
            kept = Found(s, excess, max(total.values(), default=0.0), frozenset(much) & frozenset(known))
        sources = {share.source for share in largest.values() if total[share.name] > ENOUGH}
        lower = {shared[name] for name in sources if limits[name] > floors[name]}
        if not lower:
            break
        limits.update({name: limit * LOWER for name, limit in limits.items() if shared[name] in lower})
    return kept
