"""Pruned weights fitted to the network's outputs: global AdaPrune (Frantar and Alistarh 2022, SPDY, arXiv:2201.13096).

The weights that stay, and all biases, follow the gradient of the squared difference to the float network's outputs and, as hints (Romero et
al. 2015, FitNets, arXiv:1412.6550), to its sums of branches; no label is used. Few samples are soon learnt by heart, so that every step sees
new mixtures of two of them (Zhang et al. 2018, mixup, arXiv:1710.09412, equation 1): the float network says what their outputs are (Beyer et
al. 2022, arXiv:2106.05237). Adam does the steps (Kingma and Ba 2015, algorithm 1). A share of the samples is held back; the result counts
where it is nearer to the float network's outputs on those.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...errors import RecipeError
from ..gradient import Tape, needed
from ..ir import Array, Float
from ..onnx.emit import session, to_onnx
from ..quantize import layers

BATCH = 32
RATE = 0.005  # of a step, as a share of the layer's mean absolute weight
BETAS = 0.9, 0.99
HELD = 1 / 16
SPREAD = 256  # samples that tell how much a value varies
HINT = 1.0  # what a sum of branches counts beside an output


def ends_of(net: Float) -> list[str]:
    """What is compared: the outputs, before a softmax where they come from one."""
    makers = net.producers()
    return [makers[name].inputs[0] if name in makers and makers[name].op == "Softmax" else name for name in net.outputs]


def tunable(net: Float) -> bool:
    """Whether `tuned` takes this network."""
    if net.whole or any(net.values[name].dtype != "float32" for name in net.inputs):
        return False
    try:
        return all(node.attrs.get("auto_pad", "NOTSET") in ("NOTSET", b"NOTSET") for node in needed(net, ends_of(net)))
    except RecipeError:
        return False


def tuned(net: Float, pruned: Mapping[str, Array], samples: Mapping[str, Array], passes: int) -> dict[str, Array]:
    """New constants of the layers, by name: `pruned` replaces those of `net`, whose zeros stay.

    Raises `RecipeError` where an operator has no gradient, or axis 0 is no batch.
    """
    if net.whole or any(net.values[name].dtype != "float32" for name in net.inputs):
        raise RecipeError("recipe: prune.tune needs float inputs with a batch axis")
    count = len(next(iter(samples.values())))
    held = int(count * HELD)
    task = Task(net, pruned, {name: np.asarray(array[:count], np.float32) for name, array in samples.items()})
    order = np.random.default_rng(0).permutation(count)
    fitted = task.descend(order[held:], passes)
    if held and task.distance(fitted, order[:held]) >= task.distance(task.start, order[:held]):
        return task.start
    return fitted


class Task:
    """The float network, the constants that may change, and how they do."""

    def __init__(self, net: Float, pruned: Mapping[str, Array], samples: Mapping[str, Array]) -> None:
        self.net, self.samples, self.ends = net, samples, ends_of(net)
        sums = [n.output for n in needed(net, self.ends) if n.op == "Add" and len(net.activations(n)) == 2]
        self.counts = {**dict.fromkeys(sums, np.float32(HINT)), **dict.fromkeys(self.ends, np.float32(1))}
        self.runner = session(to_onnx(net, list(self.counts)))
        self.real = {name: array.astype(np.float32) for name, array in net.constants.items() if array.dtype.kind == "f"}
        self.rates: dict[str, float] = {}
        for node in layers(net):
            weight = pruned.get(node.inputs[1], self.real[node.inputs[1]])
            live = np.abs(weight[weight != 0])
            self.rates.update(dict.fromkeys((name for name in node.inputs[1:] if name), RATE * float(live.mean()) if live.size else 0.0))
        self.start = {name: np.asarray(pruned.get(name, self.real[name]), np.float32) for name in self.rates}
        self.masks = {name: array != 0 for name, array in self.start.items() if name in pruned and array.ndim > 1}
        self.spread = self.spreads()

    def spreads(self) -> dict[str, Array]:
        """Variance of every end over the samples: what a squared difference is measured by."""
        few = {name: array[:SPREAD] for name, array in self.samples.items()}
        return {name: np.float32(max(array.var(axis=0).mean(), 1e-12)) for name, array in self.wanted(few).items()}

    def wanted(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """What the float network makes of samples."""
        step, count = BATCH if self.net.free_batch else 1, len(next(iter(feeds.values())))
        parts = [self.runner.run(list(self.counts), {k: v[i : i + step] for k, v in feeds.items()}) for i in range(0, count, step)]
        return {name: np.concatenate(arrays) for name, arrays in zip(self.counts, zip(*parts, strict=True), strict=True)}

    def distance(self, constants: Mapping[str, Array], chosen: Array) -> float:
        """Mean squared difference from the float outputs, in units of their variance."""
        total = 0.0
        for start in range(0, len(chosen), BATCH):
            feeds = {name: array[chosen[start : start + BATCH]] for name, array in self.samples.items()}
            real, other = self.wanted(feeds), Tape(self.net, self.ends, feeds, {**self.real, **constants}).values
            part = len(next(iter(feeds.values()))) / len(chosen)
            total += float(sum(part * ((real[name] - other[name]) ** 2).mean() / self.spread[name] for name in self.ends))
        return total

    def mixed(self, chosen: Array, random: np.random.Generator) -> dict[str, Array]:
        """Samples l a + (1 - l) b with l drawn evenly, b another of the chosen ones."""
        other, share = random.permutation(chosen), random.random(len(chosen), np.float32)
        found = {}
        for name, array in self.samples.items():
            own = share.reshape(-1, *[1] * (array.ndim - 1))
            found[name] = own * array[chosen] + (1 - own) * array[other]
        return found

    def descend(self, chosen: Array, passes: int) -> dict[str, Array]:
        random, now = np.random.default_rng(1), dict(self.start)
        first, second = ({name: np.zeros_like(array) for name, array in now.items()} for _ in range(2))
        per = max(1, len(chosen) // BATCH)
        for step in range(passes * per):
            if step % per == 0:
                order = random.permutation(chosen)
            feeds = self.mixed(order[step % per * BATCH :][:BATCH], random)
            real = self.wanted(feeds)
            tape = Tape(self.net, self.ends, feeds, {**self.real, **now})
            at = {name: 2 * count * (tape.values[name] - real[name]) / (real[name].size * self.spread[name]) for name, count in self.counts.items()}
            slopes, rate = tape.gradients(at), 0.5 * (1 + np.cos(np.pi * step / (passes * per)))
            for name in now.keys() & slopes.keys():
                slope = slopes[name] * self.masks[name] if name in self.masks else slopes[name]
                first[name] += (1 - BETAS[0]) * (slope - first[name])
                second[name] += (1 - BETAS[1]) * (slope * slope - second[name])
                size = np.sqrt(second[name] / (1 - BETAS[1] ** (step + 1))) + 1e-12
                now[name] = now[name] - np.float32(rate * self.rates[name] / (1 - BETAS[0] ** (step + 1))) * first[name] / size
        return now
