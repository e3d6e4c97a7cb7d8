"""Float network and scales to the integer graph. One function per operator, registered by `lowers`, a file per family."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from ...errors import UnsupportedError
from ...graph import Port
from ..ir import Float, Node
from ..quantize import QParam, QWeight
from . import view as views
from . import wide
from .context import LOWERINGS, Context, Refused
from .view import View

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["LOWERINGS", "Context", "check_supported", "lower"]


def check_supported(net: Float) -> None:
    """Lower with made-up scales: raises the one `UnsupportedError` that lists every offending node, before any data is read."""
    lower(net, dict.fromkeys(net.values, QParam(0.05, 0)), dry=True)


def lower(net: Float, params: Mapping[str, QParam], weights: Mapping[str, QWeight] | None = None, dry: bool = False) -> Context:
    """The integer graph in `.graph`, and what each of its nodes comes from in `.source`."""
    ctx = Context(net, params, weights, dry)
    for name in net.inputs:
        _input(ctx, name)
    offenders: list[str] = []
    failed: set[str] = set()
    for node in net.nodes:
        if failed.intersection(node.inputs):
            failed.update(node.outputs)
            continue
        try:
            ctx.begin(node)
            _lower_node(ctx, node)
        except Refused as refusal:
            offenders.append(f"{node.name!r} ({node.op}): {refusal.reason}; way out: {refusal.way_out}")
            failed.update(node.outputs)
    if offenders:
        lines = "\n  ".join(offenders)
        raise UnsupportedError(f"{len(offenders)} node(s) cannot be converted:\n  {lines}")
    ctx.begin(Node("output", "Output", [], []))
    for name in net.outputs:
        _output(ctx, name)
    return ctx


UNROLL = "unroll it into MatMul, Sigmoid and Tanh (in PyTorch: its steps in forward), or quantize it with TensorFlow Lite, whose int8 LSTM is taken"
WAYS_OUT = {
    "LSTM": UNROLL,
    "GRU": UNROLL,
    "RNN": UNROLL,
    "Einsum": "write it with MatMul, Transpose and Reshape; products of two with every letter once in each, the batch first, are taken",
    "NonMaxSuppression": "cut the model before it, and do it on the outputs",
    "TopK": "cut the model before it, and do it on the outputs",
    "GridSample": "use Resize, or sample outside of the model",
    "Loop": "unroll it: export with fixed sizes",
    "Scan": "unroll it: export with fixed sizes",
    "If": "export one branch: constant conditions are folded",
}


def _lower_node(ctx: Context, node: Node) -> None:
    if node.op not in LOWERINGS or (node.domain not in ("", "com.microsoft")):
        known = f"{node.domain}." if node.domain else ""
        way_out = WAYS_OUT.get(node.op, "see `intq ops` for the operators that have one")
        raise Refused(f"the operator {known}{node.op} has no integer form here", way_out)
    for name in ctx.net.activations(node):
        if name in ctx.net.values and not ctx.net.values[name].dtype.startswith("float"):
            raise Refused(f"its input {name!r} has dtype {ctx.net.values[name].dtype}", "only float tensors become int8")
    for name in node.outputs:
        if name in ctx.net.values and ctx.net.values[name].shape[:1] != (1,) and not ctx.net.whole:
            raise Refused(f"its output has shape {ctx.net.values[name].shape} for one sample", "keep the batch in axis 0")
    wide.lower_node(ctx, node)


def _input(ctx: Context, name: str) -> None:
    """A graph input: channels last, unless it is a sequence that a Linear layer reads as it is."""
    shape = ctx.shape(name)
    order = ctx.natural(name)
    readers = ctx.net.consumers().get(name, [])
    if len(shape) == 3 and any(node.op in ("Linear", "MatMul") for node in readers):
        order = tuple(range(3))
    tensor = ctx.produce(name, tuple(shape[axis] for axis in order))
    ctx.place(name, tensor, order)
    ctx.graph.inputs.append(Port(name=name, tensor=tensor, shape=shape, perm=order))


def _output(ctx: Context, name: str) -> None:
    """A graph output, in the order of axes it is stored in where that is a permutation of the source's."""
    if name in ctx.net.constants:
        raise UnsupportedError(f"the output {name!r} is constant; remove it from the source model")
    view = ctx.view(name)
    shape = view.shape
    order = _stored_order(view, ctx.net.whole)
    stored = ctx.arrange(view, order or ctx.natural(name))
    ctx.graph.outputs.append(Port(name=name, tensor=stored, shape=shape, perm=order or ctx.natural(name)))


def _stored_order(view: View, whole_net: bool) -> tuple[int, ...] | None:
    """The order in which a value's axes lie, if whole axes do."""
    found = views.groups(view)
    if found is None:
        return None
    split, parts = found
    place = {axis: [split.perm[p] for p in group] for axis, group in enumerate(parts)}
    whole = [axis for axis in place if place[axis]]
    if any(place[axis] != list(range(place[axis][0], place[axis][0] + len(place[axis]))) for axis in whole):
        return None
    singles = [axis for axis in place if not place[axis]]
    ordered = sorted(whole, key=lambda axis: place[axis][0])
    return (*singles, *ordered) if 0 in singles or (whole_net and view.shape) else None
