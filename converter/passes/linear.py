"""Gemm, and MatMul with a constant right side and the Add after it, become `Linear`: x[..., K], weight[N, K], bias[N]."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array, Float, Node


def matmul_to_linear(net: Float) -> None:
    uses = net.consumers()
    for node in list(net.nodes):
        if node.op == "Gemm":
            _gemm(net, node)
        elif node.op == "MatMul":
            _matmul(net, node, uses)


def _gemm(net: Float, node: Node) -> None:
    """alpha * A @ B + beta * C with A computed (and not transposed), B and C constant."""
    names = [*node.inputs, ""][:3]
    if names[1] not in net.constants or names[0] in net.constants or (names[2] and names[2] not in net.constants) or node.attrs.get("transA"):
        return
    weight = net.constants[names[1]]
    weight = weight if node.attrs.get("transB") else weight.T
    weight = weight * np.asarray(node.attrs.get("alpha", 1.0), weight.dtype)
    bias = np.zeros(len(weight), weight.dtype)
    if names[2]:
        given = net.constants[names[2]]
        if given.ndim > 1 and given.shape[0] != 1:
            return
        bias = bias + given.reshape(-1) * np.asarray(node.attrs.get("beta", 1.0), weight.dtype)
    _become_linear(net, node, names[0], weight, bias, names[1], bool(node.attrs.get("transB")))


def _matmul(net: Float, node: Node, uses: dict[str, list[Node]]) -> None:
    x, right = node.inputs
    if right not in net.constants or x in net.constants or net.constants[right].ndim != 2 or len(net.shape(x)) < 2:
        return
    weight = net.constants[right].T
    bias = np.zeros(len(weight), weight.dtype)
    if net.single_use(node.output, uses) and node.output not in net.pinned:
        add = uses[node.output][0]
        others = [name for name in add.inputs if name != node.output]
        if add.op == "Add" and len(others) == 1 and others[0] in net.constants:
            given = net.constants[others[0]]
            if given.size in (1, len(weight)) and given.size == (given.shape[-1] if given.ndim else 1) and given.ndim <= len(net.shape(node.output)):
                bias = bias + given.reshape(-1)
                node.outputs = add.outputs
                net.nodes.remove(add)
    _become_linear(net, node, x, weight, bias, right, False)


def _become_linear(net: Float, node: Node, x: str, weight: Array, bias: Array, source: str, transposed: bool) -> None:
    alpha = node.attrs.get("alpha", 1.0)
    node.op, node.attrs = "Linear", {}
    node.inputs = [
        x,
        net.constant(f"{node.name}/weight", np.ascontiguousarray(weight, np.float32)),
        net.constant(f"{node.name}/bias", np.ascontiguousarray(bias, np.float32)),
    ]
    known = net.quantized.get(source)
    if known is not None and alpha > 0:
        turned = known if transposed else replace(known, q=known.q.T, axis=1 - known.axis)
        net.quantized[node.inputs[1]] = replace(turned, scale=turned.scale * alpha)
