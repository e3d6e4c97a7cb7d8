"""Finds sign activations, whatever nodes a framework exports for them, and the layers with +-alpha weights behind them."""

from __future__ import annotations

import numpy as np

from ..ir import Array, Float, Node
from ..onnx.single import evaluate
from .expand import sign_nodes

PROBES = np.array([-1e18, -7.25, -1.0, -0.5, -1e-3, -1e-30, 0.0, 1e-30, 1e-3, 0.5, 1.0, 7.25, 1e18], np.float32)
CLOSE = 1e-4  # relative: weights of one channel count as +-alpha up to this (a batch norm was folded in float32)


def sign_at_zero(net: Float, node: Node) -> int:
    """What a node that computes +1 for x > 0 and -1 for x < 0 says at 0: +1 or -1; 0 for any other node. ONNX Sign says 0 there, intq +1."""
    if node.op not in ("Unary", "Sign") or node.clamp is not None or len(net.activations(node)) != 1:
        return 0
    try:
        y = evaluate(net, node, PROBES)
    except Exception:  # a body that onnxruntime cannot run on its own is no sign
        return 0
    at_zero = -1 if y.shape == PROBES.shape and y[PROBES == 0][0] < -0.5 else 1
    wanted = np.where(PROBES == 0, at_zero, np.sign(PROBES))
    same = y.shape == PROBES.shape and bool(np.all((np.abs(y - wanted) <= CLOSE) | ((PROBES == 0) & (y == 0))))
    return at_zero if same else 0


def alpha(weight: Array) -> Array | None:
    """alpha[O] >= 0 where every weight of a channel is +-alpha, else None."""
    size = np.abs(weight.astype(np.float64).reshape(len(weight), -1))
    top = size.max(axis=1)
    return top if bool(np.all(top[:, None] - size <= CLOSE * top[:, None])) else None


def pad_of(net: Float, node: Node) -> tuple[float, list[int]] | None:
    """Value (+1 or -1) and image pads of a Pad that a binary convolution can take over."""
    if node.op != "Pad" or node.attrs.get("mode", "constant") != "constant" or len(node.inputs) < 3 or (len(node.inputs) > 3 and node.inputs[3]):
        return None
    if any(name not in net.constants for name in node.inputs[1:3]):
        return None
    value = float(net.constants[node.inputs[2]].reshape(-1)[0])
    pads = [int(p) for p in net.constants[node.inputs[1]].reshape(-1)]
    if value not in (1.0, -1.0) or len(pads) != 8 or min(pads) < 0 or any(pads[:2]) or any(pads[4:6]):
        return None
    return value, pads[2:4] + pads[6:8]


def is_layer(net: Float, node: Node, x: str) -> bool:
    """Whether a node is a binary product of `x`."""
    names = [*node.inputs, ""]
    if node.op not in ("Conv", "Linear") or names[0] != x or names[1] not in net.constants or (names[2] and names[2] not in net.constants):
        return False
    rank = len(net.shape(x))
    fits = rank == 4 and node.attrs.get("group", 1) == 1 if node.op == "Conv" else rank >= 2
    return fits and alpha(net.constants[names[1]]) is not None


def recognise(net: Float) -> bool:
    """Rewrite in place; returns whether anything was found."""
    found = False
    for node in list(net.nodes):
        if node.op in ("Unary", "Sign") and node.output not in net.outputs and (at_zero := sign_at_zero(net, node)):
            if _rewrite(net, node, at_zero):
                found = True
                continue
            net.levels[node.output] = (1.0, 0)
            if at_zero > 0:  # a table, then: at 0, too, what all signs say
                x = net.activations(node)[0]
                node.op, node.inputs, node.body = "Unary", [x], sign_nodes(node, x, node.output, net.constants)
    if found:
        _merge_affine(net)
        _merge_sign(net)
    return found


def _rewrite(net: Float, sign: Node, at_zero: int) -> bool:
    """The sign and all its readers, if every one is a binary layer. Where 0 has the sign -1, x > 0 is not -x >= 0: the layers read that negated."""
    uses = net.consumers()
    plan: list[tuple[Node, Node | None]] = []
    for reader in uses.get(sign.output, []):
        if is_layer(net, reader, sign.output):
            plan.append((reader, None))
            continue
        after = uses.get(reader.output, [])
        if pad_of(net, reader) is None or reader.output in net.outputs or not after:
            return False
        for layer in after:
            if layer.op != "Conv" or any(layer.attrs.get("pads", [])) or not is_layer(net, layer, reader.output):
                return False
            plan.append((layer, reader))
    rank = len(net.shape(sign.output))
    if not plan or (rank > 2 and len({layer.op for layer, _ in plan}) > 1):  # channels come last for linear layers (tokens), else second
        return False
    axis = rank - 1 if plan[0][0].op == "Linear" else 1
    for layer, pad in plan:
        given = pad_of(net, pad) if pad is not None else None
        value, pads = given or (0, layer.attrs.get("pads", []))
        layer.attrs["pad_value"] = at_zero * value
        if at_zero < 0:
            layer.inputs[1] = net.constant(f"{layer.inputs[1]}/negated", -net.constants[layer.inputs[1]])
        if len(layer.inputs) < 3 or not layer.inputs[2]:
            layer.inputs = [*layer.inputs[:2], net.constant(f"{layer.name}/bias", np.zeros(len(net.constants[layer.inputs[1]]), np.float32))]
        layer.inputs[0] = sign.output
        if layer.op == "Conv":
            layer.attrs["pads"] = list(pads)
            layer.attrs.setdefault("dilations", [1, 1])
            layer.attrs.setdefault("strides", [1, 1])
        layer.op = "Binary" + layer.op
    sign.op, sign.inputs, sign.attrs, sign.body = "BinarySign", net.activations(sign), {"axis": axis}, []
    if at_zero < 0:
        channels = net.shape(sign.output)[sign.attrs["axis"]]
        minus, none = np.full(channels, -1, np.float32), np.zeros(channels, np.float32)
        sign.inputs += [net.constant(f"{sign.name}/turned", minus), net.constant(f"{sign.name}/unmoved", none)]
    net.remove_dead()
    return True


def _merge_affine(net: Float) -> None:
    """A batch norm right before a sign is part of its threshold."""
    for node in list(net.nodes):
        if node.op != "BinarySign":
            continue
        before = net.producers().get(node.inputs[0])
        if before is not None and before.op == "Affine" and before.attrs["axis"] == node.attrs["axis"] and _keeps_sign(before):
            factor, names = -1.0 if len(node.inputs) > 1 else 1.0, list(before.inputs)
            node.inputs = names if factor > 0 else [names[0], *(net.constant(f"{n}/negated", -net.constants[n]) for n in names[1:])]
    net.remove_dead()


def _merge_sign(net: Float) -> None:
    """A binary layer that only a sign reads gives bits."""
    for node in list(net.nodes):
        if node.op != "BinarySign" or not (len(node.inputs) == 1 or _negates(net, node)):
            continue
        before = net.producers().get(node.inputs[0])
        if before is None or before.op not in ("BinaryConv", "BinaryLinear") or before.attrs.get("sign") or not _keeps_sign(before):
            continue
        if net.single_use(before.output, net.consumers()):
            if len(node.inputs) > 1:
                before.inputs[1:3] = [net.constant(f"{name}/negated", -net.constants[name]) for name in before.inputs[1:3]]
            before.attrs["sign"], before.outputs, before.clamp = True, node.outputs, None
            net.nodes.remove(node)


def _negates(net: Float, node: Node) -> bool:
    scale, shift = (net.constants[name] for name in node.inputs[1:])
    return bool(np.all(scale == -1) and not np.any(shift))


def _keeps_sign(node: Node) -> bool:
    """Whether the fused activation leaves the sign as it is, whatever it is at 0 (hard tanh does)."""
    return node.clamp is None or node.clamp[0] < 0 < node.clamp[1]
