"""Random networks of several ops: branches, aliases, tensors that live long, several outputs, state. They test the plan and the arena."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from generate import CHANNELS, Array, Rng, clamp, data, pick, scales, zero_point
from intq.graph import Graph, Port, State
from intq.kernels.fixed_point import requantize_params
from intq.ops import REGISTRY

ROUNDINGS = ("q15", "q15", "q31_single", "q31_double")


class Net:
    """A graph being grown; `live` are the int8 NHWC tensors to go on from."""

    def __init__(self, name: str, rng: Rng) -> None:
        self.g, self.rng, self.live, self.count = Graph(name), rng, list[str](), 0

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def constant(self, array: Array) -> str:
        return self.g.constant(self.name("c"), array)

    def node(self, op: str, inputs: list[str], shape: tuple[int, ...], zp: int | None = None, **attrs: object) -> str:
        y = self.g.tensor(self.name(op), shape, zero_point=zero_point(self.rng) if zp is None else zp)
        self.g.node(REGISTRY[op](**attrs), inputs, [y])
        return y

    def shape(self, x: str) -> tuple[int, int, int, int]:
        return self.g.of(x).shape  # type: ignore[return-value]

    def requant(self, rounding: str, span: Array) -> list[str]:
        multiplier, shift = requantize_params(scales(self.rng, rounding, span), rounding)
        return [self.constant(multiplier), self.constant(shift)]

    def product(self, op: str, x: str, w: Array, axis: int, shape: tuple[int, ...], **attrs: object) -> str:
        rounding = pick(self.rng, *ROUNDINGS)
        span = np.abs(np.moveaxis(w.astype(np.int64), axis, 0)).reshape(w.shape[axis], -1).sum(axis=1) * 255
        bias = self.rng.integers(-span - 1, span + 1).astype(np.int32)
        inputs = [x, self.constant(w), self.constant(bias), *self.requant(rounding, 2.0 * span + 1)]
        return self.node(op, inputs, shape, rounding=rounding, **clamp(self.rng), **attrs)


def conv(n: Net, x: str) -> str:
    (_, h, w, c), out, k = n.shape(x), int(pick(n.rng, *CHANNELS[:14])), int(pick(n.rng, 1, 3))
    stride, p = int(pick(n.rng, 1, 1, 2)), k // 2
    shape = (1, (h - 1) // stride + 1, (w - 1) // stride + 1, out)
    return n.product("conv2d", x, data(n.rng, (out, k, k, c)), 0, shape, stride=(stride, stride), pads=(p, p, p, p))


def depthwise(n: Net, x: str) -> str:
    shape = n.shape(x)
    return n.product("dwconv2d", x, data(n.rng, (3, 3, shape[3])), 2, shape, pads=(1, 1, 1, 1))


def dense(n: Net, x: str) -> str:
    shape, out = n.shape(x), int(pick(n.rng, *CHANNELS[:14]))
    return n.product("dense", x, data(n.rng, (out, shape[3])), 0, (*shape[:3], out))


def add(n: Net, x: str) -> str:
    same = [t for t in n.live if n.shape(t) == n.shape(x)]
    m1, m2 = (int(v) for v in n.rng.integers(-32768, 32768, 2))
    return n.node("add", [x, pick(n.rng, *same)], n.shape(x), m1=m1, m2=m2, shift=int(pick(n.rng, 15, 16)), **clamp(n.rng))


def mean(n: Net, x: str) -> str:
    _, h, w, c = n.shape(x)
    return n.node("mean", [x, *n.requant("q15", np.array([255.0 * h * w]))], (1, 1, 1, c), axes=(1, 2))


def gate(n: Net, x: str) -> str:
    """x times a function of its channel means."""
    multiplier, shift = requantize_params(scales(n.rng, "q15", np.array([65025.0])), "q15")
    return n.node("mul", [x, lut8(n, mean(n, x))], n.shape(x), multiplier=int(multiplier[0]), shift=int(shift[0]))


def lut8(n: Net, x: str) -> str:
    return n.node("lut8", [x, n.constant(data(n.rng, (256,)))], n.shape(x))


def softmax(n: Net, x: str) -> str:
    table = np.rint(2.0**23 * np.exp(-np.arange(256) * 2.0 ** n.rng.uniform(-8, 2))).astype(np.int32)
    return n.node("softmax", [x, n.constant(table)], n.shape(x), -128)


def max_pool(n: Net, x: str) -> str:
    _, h, w, c = n.shape(x)
    return n.node("max_pool", [x], (1, (h + 1) // 2, (w + 1) // 2, c), n.g.of(x).zero_point, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1))


def avg_pool(n: Net, x: str) -> str:
    divisors = (1, 2, 3, 4, 6, 9)
    inputs = [x, *n.requant("q15", 255.0 * np.array(divisors))]
    return n.node("avg_pool", inputs, n.shape(x), kernel=(3, 3), stride=(1, 1), pads=(1, 1, 1, 1), divisors=divisors)


def concat(n: Net, x: str) -> str:
    parts = [x, *(t for t in n.live if n.shape(t)[:3] == n.shape(x)[:3] and n.rng.random() < 0.5)][:4]
    return n.node("concat", parts, (*n.shape(x)[:3], sum(n.shape(p)[3] for p in parts)), axis=3)


def cut(n: Net, x: str) -> str:
    _, h, w, c = n.shape(x)
    begin = int(n.rng.integers(c))
    return n.node("slice", [x], (1, h, w, c - begin), begin=(0, h - 1, 0, begin), step=(1, -1, 1, 1))


def pad(n: Net, x: str) -> str:
    _, h, w, c = n.shape(x)
    return n.node("pad", [x], (1, h + 2, w + 1, c), before=(0, 1, 0, 0), after=(0, 1, 1, 0), value=int(n.rng.integers(-128, 128)))


def transpose(n: Net, x: str) -> str:
    _, h, w, c = n.shape(x)
    return (
        n.node("transpose", [x], (1, w, h, c), perm=(0, 2, 1, 3)) if n.rng.integers(2) else n.node("transpose", [x], (1, h, c, w), perm=(0, 1, 3, 2))
    )


def reshape(n: Net, x: str) -> str:
    _, h, w, c = n.shape(x)
    return n.node("reshape", [x], (1, w, h, c))


def resize(n: Net, x: str) -> str:
    _, h, w, c = n.shape(x)
    rows, cols = (np.arange(2 * s, dtype=np.int32) // 2 for s in (h, w))
    return n.node("resize_nearest", [x, n.constant(rows), n.constant(cols)], (1, 2 * h, 2 * w, c))


STEPS: tuple[Callable[[Net, str], str], ...] = (
    conv, conv, depthwise, dense, add, add, add, gate, lut8, softmax, max_pool, avg_pool, concat, concat, cut, pad, transpose, reshape, reshape,
    resize,
)  # fmt: skip


def port(g: Graph, name: str, tensor: str) -> Port:
    shape = g.of(tensor).shape
    return Port(name=name, tensor=tensor, shape=shape, perm=tuple(range(len(shape))))


def network(seed: int) -> tuple[Graph, dict[str, Array]]:
    """A network and three samples of its input."""
    rng = np.random.default_rng([seed, 99])
    n = Net(f"network{seed}", rng)
    shape = (1, int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(pick(rng, *CHANNELS[:12])))
    n.live = [n.g.tensor("x", shape, zero_point=zero_point(rng))]
    if state := rng.random() < 0.2:
        n.live.append(n.g.tensor("state", shape, zero_point=zero_point(rng)))
    for _ in range(int(rng.integers(2, 14))):
        step = pick(rng, *STEPS)
        x = pick(rng, *n.live[-3:], *n.live)
        if np.prod(n.shape(x)) < 20_000:
            n.live.append(step(n, x))
    n.g.inputs = [port(n.g, "x", "x")]
    made = n.live[1:] or n.live
    n.g.outputs = [
        port(n.g, f"y{i}", t) for i, t in enumerate(dict.fromkeys([made[-1], *(pick(rng, *n.live) for _ in range(int(rng.integers(0, 3))))]))
    ]
    if state:
        same = [t for t in n.live if n.g.of(t).shape == shape]
        n.g.states = [State(read="state", write=pick(rng, *same))]
    return n.g, {"x": data(rng, (3, *shape[1:]))}
