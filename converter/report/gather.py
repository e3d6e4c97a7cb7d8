"""What a report shows, measured: the comparison, the split of each layer's error, histograms, sizes, times and bounds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...model import Model
from ...session import Session
from ..calibrate import FloatRunner, Progress
from ..calibrators import Histogram
from ..channels import restore
from ..compare import Comparison, compare, layout_of
from ..data import Replay
from ..ir import Array, Float, Node
from ..kept import fake
from ..lockstep import layer_function, spread
from ..lower import Context
from ..lower.linear import flattened
from ..onnx.emit import session as float_session
from ..onnx.load import read as read_file
from ..passes import steps
from ..pipeline import prepare
from ..quantize import QParam, float_weights, layers

SOURCES = ("weight rounding", "activation rounding", "clipping", "requantization")


@dataclass(frozen=True)
class Split:
    """Shares of a layer's squared error by source (they are measured one at a time, and scaled to a sum of 1)."""

    layer: str
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Spread:
    """The values of a tensor over the samples, and the range that its integers have."""

    tensor: str
    centres: Array
    counts: Array
    low: float
    high: float


@dataclass
class Facts:
    name: str
    recipe: dict[str, Any]
    comparison: Comparison
    before_after: list[tuple[str, str, str]]
    splits: list[Split] = field(default_factory=list)
    spreads: list[Spread] = field(default_factory=list)
    bounds: list[tuple[str, int, int, int, float]] = field(default_factory=list)  # node, channels, widest lo, widest hi, share of the limit used
    nodes: list[tuple[str, str, list[str], str, str]] = field(default_factory=list)  # name, op, inputs, output, shape


def gather(source: Path, model: Model, inputs: Any, labels: Array | None, samples: int = 32, progress: Progress | None = None) -> Facts:
    """`inputs` as `compare` takes them; `samples` of them are used for layers. Raises `InputError` where source and model do not belong together."""
    if samples < 1:
        raise InputError(f"samples must be at least 1, is {samples}")
    comparison = compare(source, model, inputs, labels, samples, progress)
    net, replay = prepare(source, inputs)
    assert replay is not None
    macs = float_macs(net)
    steps.apply(net, model.recipe.get("steps", ()))
    restore(net, model.recipe.get("channel_scales", ""))
    ctx = layout_of(net, model.graph)
    feeds = first(replay, net, samples)
    facts = Facts(source.stem, model.recipe, comparison, before_after(source, model, comparison, feeds, macs))
    real = FloatRunner(net, [n.output for n in net.nodes]).run(feeds)
    real.update(feeds)
    facts.splits = [split for node in layers(net) if (split := split_error(net, node, ctx, model, real)) is not None]
    facts.spreads = spreads(net, model, real)
    facts.bounds = bound_rows(model)
    for n in model.graph.nodes:
        shape = "x".join(map(str, model.graph.tensors[n.outputs[0]].shape))
        facts.nodes.append((n.name, n.op, [i for i in n.inputs if i not in model.graph.constants], n.outputs[0], shape))
    return facts


def first(replay: Replay, net: Float, samples: int) -> dict[str, Array]:
    parts: list[dict[str, Array]] = []
    for feeds in replay.batches({name: net.shape(name) for name in net.inputs}, samples):
        parts.append(feeds)
        if sum(len(next(iter(p.values()))) for p in parts) >= samples:
            break
    return {name: np.concatenate([p[name] for p in parts])[:samples] for name in net.inputs}


def best_ms(call: Any, seconds: float = 0.5) -> float:
    """The shortest of some calls."""
    call()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def float_macs(net: Float) -> int:
    """Multiply-accumulates for one sample: of the layers with constant weights, and of products of two activations."""
    products = [node for node in net.nodes if node.op == "MatMul" and len(net.activations(node)) == 2]
    weighted = sum(int(np.prod(net.shape(node.output)[1:])) * int(np.prod(float_weights(net, node)[0].shape[1:])) for node in layers(net))
    return weighted + sum(int(np.prod(net.shape(node.output)[1:])) * net.shape(node.inputs[0])[-1] for node in products)


def before_after(source: Path, model: Model, comparison: Comparison, feeds: Mapping[str, Array], macs: int) -> list[tuple[str, str, str]]:
    """(what, float, integer) rows; `macs` are the float network's."""
    proto = read_file(source)
    runner = float_session(proto, optimise=True, threads=1)
    names = [entry.name for entry in runner.get_inputs()]
    one = {name: feeds[name][:1] for name in names if name in feeds}
    session = Session(model)
    float_bytes = sum(int(np.prod(t.dims)) * 4 for t in proto.graph.initializer)
    a = comparison.accuracy
    rows = [
        ("file", f"{source.stat().st_size:,} bytes", f"{len(model.to_bytes()):,} bytes"),
        ("constants in memory", f"{float_bytes:,} bytes", f"{model.weight_bytes:,} bytes"),
        ("multiply-accumulates", f"{macs:,}", f"{model.macs:,}"),
        ("activations (arena)", "", f"{session.arena_bytes:,} bytes"),
        ("latency, one thread", f"{best_ms(lambda: runner.run(None, one)):.3f} ms (onnxruntime)", f"{best_ms(session.invoke):.3f} ms"),
        ("same class as float", "", f"{a.same:.2%} of {a.inputs}"),
    ]
    if a.float_accuracy is not None and a.integer_accuracy is not None:
        rows.append(("accuracy", f"{a.float_accuracy:.2%}", f"{a.integer_accuracy:.2%} ({a.b} right only in float, {a.c} only in integers)"))
    return [*rows, *((f"SQNR of {name}", "", f"{value:.1f} dB") for name, value in comparison.outputs.items())]


def real_weights(net: Float, node: Node, ctx: Context, model: Model) -> Array | None:
    """The integer weights of a layer as real numbers in the source's layout; None where a lowering changed their shape."""
    name = f"{node.name}/weight"
    stored = next((model.graph.constants[n.inputs[1]] for n in model.graph.nodes if n.name == node.name and len(n.inputs) > 1), None)
    tensor = next((model.graph.tensors[n.inputs[1]] for n in model.graph.nodes if n.name == node.name and len(n.inputs) > 1), None)
    if stored is None or tensor is None or name not in model.graph.tensors:
        return None
    shape, op = net.shape(node.inputs[1]), next(n.op for n in model.graph.nodes if n.name == node.name)
    if op == "conv2d" and stored.ndim == len(shape) == 4:
        q = stored.transpose(0, 3, 1, 2)
    elif op == "dwconv2d" and len(shape) == 4:
        q = stored.transpose(2, 0, 1)[:, None]
    elif op == "dense":
        index = flattened(ctx.view(node.inputs[0]))
        q = stored if index is None else stored[:, np.argsort(index)]
    else:
        return None
    scale = np.broadcast_to(np.asarray(tensor.scale, np.float64), (len(q),)) if q.shape == shape else None
    return None if scale is None else np.asarray(q * spread(scale, q.ndim))


def split_error(net: Float, node: Node, ctx: Context, model: Model, real: Mapping[str, Array]) -> Split | None:
    """Each source of error alone in the float layer: the squared change of its output before requantization, and that of requantization."""
    weights = real_weights(net, node, ctx, model)
    if weights is None:
        return None
    x, y = ctx.param(node.inputs[0]), ctx.param(node.output)
    weight, bias = float_weights(net, node)
    given = real[node.inputs[0]]
    run = layer_function(net, node)
    exact = run(weight, bias, given)
    low, high = (x.scale * (edge - x.zero_point) for edge in (x.low, x.high))
    cut = np.clip(given, np.float32(low), np.float32(high))
    clipped = run(weight, bias, cut)
    rounded = run(weight, bias, fake(x, given))
    powers = [
        float(((run(weights, bias, given) - exact) ** 2).mean()),
        float(((rounded - clipped) ** 2).mean()),
        float(((clipped - exact) ** 2).mean()),
        float(((fake(y, real[node.output]) - real[node.output]) ** 2).mean()),
    ]
    total = sum(powers)
    return Split(node.name, tuple(p / total for p in powers) if total > 0 else (0.0,) * 4)


def spreads(net: Float, model: Model, real: Mapping[str, Array]) -> list[Spread]:
    found = []
    for name, array in real.items():
        tensor = model.graph.tensors.get(name)
        if tensor is None or isinstance(tensor.scale, tuple) or array.dtype != np.float32:
            continue
        histogram = Histogram()
        histogram.add(array)
        centres, counts = histogram.filled()
        param = QParam(float(tensor.scale), tensor.zero_point, tensor.dtype)
        low, high = (param.scale * (edge - param.zero_point) for edge in (param.low, param.high))
        found.append(Spread(name, centres, counts, low, high))
    return found


def bound_rows(model: Model) -> list[tuple[str, int, int, int, float]]:
    rows = []
    for name, channels in model.bounds.items():
        if len(channels):
            worst = max(channels, key=lambda b: max(-b.lo, b.hi) / b.limit)
            rows.append((name, len(channels), worst.lo, worst.hi, max(-worst.lo, worst.hi) / worst.limit))
    return rows
