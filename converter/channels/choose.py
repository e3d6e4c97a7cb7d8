"""How far each channel is scaled: reach^b, with the least b that leaves the outputs of all nodes precise enough.

With b = 1 all channels of an activation reach equally far, and its rounding errors are least; the weights that read a far-reaching channel
are then large, so that the others of their output channel get fewer steps, and no channel has room for what calibration did not show. With
b = 0 all stays as it was. The noise of either follows from the ranges: a twelfth of a squared step for each element.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..calibrate import FloatRunner, need_finite
from ..data import Replay, rebatch
from ..ir import Array, Float
from ..quantize import QParam
from ..ranges import assign, observed
from .slots import Slots

SAMPLES = 32
TINY = 1e-30
STEP = 0.25
ENOUGH = 10**-2.6  # noise to signal of a node's output that needs no help: 26 dB
ROUNDS = 9
REACH = 64.0  # channels are told apart up to this many times below and above the mean


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
        self.count = 0

    def add(self, values: Mapping[str, Array]) -> None:
        self.count += len(next(iter(values.values())))
        for name, array in values.items():
            axes = (0, *(axis for axis in range(2, array.ndim) if self.slots[name].shape[axis] == 1))
            weight = len(array) / self.count
            self.low[name] = np.minimum(self.low.get(name, 0.0), array.min(axis=axes, keepdims=True).astype(np.float64))
            self.high[name] = np.maximum(self.high.get(name, 0.0), array.max(axis=axes, keepdims=True).astype(np.float64))
            for kept, power in ((self.mean, array), (self.square, np.square(array)), (self.busy, array != 0)):
                now = power.mean(axis=axes, keepdims=True, dtype=np.float64)
                kept[name] = kept.get(name, 0.0) * (1 - weight) + now * weight

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


def levels(slots: Slots, found: Statistics) -> tuple[Array, Array]:
    """The logarithm of each slot's reach against those beside it, averaged over the values that it occurs in, and the component of each slot:
    those that occur in one value, directly or not, have the same."""
    total, times = np.zeros(slots.count), np.zeros(slots.count)
    parent = list(range(slots.count))

    def find(slot: int) -> int:
        while (up := parent[slot]) != slot:
            parent[slot] = parent[up]
            slot = up
        return slot

    for name in found.low:
        reach = found.reach(name)
        which = np.broadcast_to(slots.of[name], reach.shape)
        if not which.any() or not (reach > 0).any():
            continue
        log = np.log(np.maximum(reach, TINY))
        log = np.where(reach > 0, np.clip(log - log[reach > 0].mean(), -np.log(REACH), np.log(REACH)), 0.0)
        np.add.at(total, which.reshape(-1), log.reshape(-1))
        np.add.at(times, which.reshape(-1), 1)
        free = [find(int(slot)) for slot in np.unique(which) if slot]
        for slot in free[1:]:
            parent[find(slot)] = find(free[0])
    total[0] = 0
    return total / np.maximum(times, 1), np.array([find(slot) for slot in range(slots.count)])


@dataclass(frozen=True)
class Share:
    """Ratio of noise to signal in the output of the node `name`, caused by the rounding of what lies in a component (by its slot) of channels."""

    name: str
    component: int
    ratio: float


NONE = Share("", 0, 0.0)


def noise(net: Float, slots: Slots, found: Statistics, s: Array, component: Array) -> list[Share]:
    """Where slots are divided by s: what rounding an activation does to itself, and what rounding a layer's input and weights does to its output.

    A filter that takes differences of neighbours keeps little of a smooth signal and all of the noise, so the output's own variance counts.
    """
    result, by_slot, times = [], np.zeros(slots.count), np.zeros(slots.count)
    divided = {name: s[slots.of[name]] for name in found.low}
    spans = {name: (float((low / divided[name]).min()), float((found.high[name] / divided[name]).max())) for name, low in found.low.items()}
    params = assign(net, spans)
    signal = {name: max(float((square - found.mean[name] ** 2).mean()), TINY) for name, square in found.square.items()}
    for name, square in found.square.items():
        which = np.broadcast_to(slots.of[name], square.shape)
        np.add.at(by_slot, which.reshape(-1), square.reshape(-1))
        np.add.at(times, which.reshape(-1), 1)
        ratio = params[name].scale ** 2 * float((s[which] ** 2 * found.busy[name]).mean()) / 12 / signal[name]
        result.append(Share(name, int(component[which.max()]), ratio))
    result += products_and_sums(net, slots, found, params, s, component, signal)
    by_slot /= np.maximum(times, 1)
    for reader in slots.readers:
        name, weight = reader.node.output, net.constants[reader.node.inputs[1]].astype(np.float64)
        groups = len(weight) if reader.node.op == "Affine" else int(reader.node.attrs.get("group", 1))
        taps = np.abs(weight.reshape(groups, len(weight) // groups, len(reader.slots) // groups, -1))
        peak, energy = taps.max(axis=3), (taps**2).sum(axis=3)  # [G, O/G, C/G]
        square, inside = (a[reader.slots].reshape(groups, 1, -1) for a in (by_slot, s))
        step = (peak * inside).max(axis=2, keepdims=True) / 127
        made = (np.where(peak > 0, step / inside, 0) ** 2 * square).sum() * taps.shape[3]
        read = (energy * inside**2).sum() * params[reader.node.inputs[0]].scale ** 2
        ratio = float(made + read) / len(weight) / 12 * float(found.busy[name].mean()) / signal[name]
        result.append(Share(name, int(component[reader.slots.max()]), ratio))
    return result


def products_and_sums(
    net: Float, slots: Slots, found: Statistics, params: Mapping[str, QParam], s: Array, component: Array, signal: Mapping[str, float]
) -> list[Share]:
    """What rounding the operands of Add, Sub and Mul does to the result; a factor's noise is multiplied by the other factor."""
    result = []
    for node in net.nodes:
        names = net.activations(node)
        if node.op not in ("Add", "Sub", "Mul") or len(names) != 2 or node.output not in signal or not all(name in found.square for name in names):
            continue
        for name, other in (names, names[::-1]):
            which = slots.of[name]
            power = float(found.square[other].mean()) if node.op == "Mul" else 1.0
            ratio = params[name].scale ** 2 * float((s[which] ** 2).mean()) / 12 * power * float(found.busy[node.output].mean()) / signal[node.output]
            result.append(Share(node.output, int(component[which.max()]), ratio))
    return result


def scales(net: Float, slots: Slots, found: Statistics) -> Array:
    """s[slots]: 1 for slot 0. Exponents rise one after the other where most noise comes from, as long as some node has too much and it helps."""
    level, component = levels(slots, found)
    exponent, best, kept = np.zeros(slots.count), np.inf, np.zeros(slots.count)
    for _ in range(ROUNDS):
        shares = noise(net, slots, found, np.exp(exponent[component] * level), component)
        total: dict[str, float] = {}
        for share in shares:
            total[share.name] = total.get(share.name, 0.0) + share.ratio
        excess = float(sum(np.log(ratio / ENOUGH) for ratio in total.values() if ratio > ENOUGH))
        if excess < best:
            best, kept = excess, exponent.copy()
        largest: dict[str, Share] = {}
        for share in shares:
            if total[share.name] > ENOUGH and share.ratio > largest.get(share.name, NONE).ratio:
                largest[share.name] = share
        rising = {home for share in largest.values() if (home := share.component) and exponent[home] < 1}
        if not rising:
            break
        exponent[list(rising)] += STEP
    return np.asarray(np.exp(kept[component] * level))
