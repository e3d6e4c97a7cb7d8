"""The composites of the float network in plain ONNX: one function per composite, `fn(net, node, output, constants) -> nodes`.

- `Linear`: x[..., K], weight[N, K], bias[N]
- `Affine`: x * scale + shift, one scale and shift per channel of axis `axis`
- `Unary`: a function of one number applied to every element; the nodes that compute it are the body
- `Standardize`: x less its mean, over the root of its variance and `epsilon`, along `axes`
- `Requantize`: its input at another scale
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..ir import Array, Float, Node

Expansion = Callable[[Float, Node, str, dict[str, Array]], list[Node]]


def turned(output: str) -> str:
    """The name of the transposed weight of a `Linear` that is no Gemm."""
    return f"{output}#weight"


def linear(net: Float, node: Node, output: str, constants: dict[str, Array]) -> list[Node]:
    x, weight, bias = node.inputs
    if len(net.shape(x)) == 2:
        return [Node(node.name, "Gemm", [x, weight, bias], [output], {"transB": 1})]
    transposed, product = turned(output), f"{node.output}#product"
    constants[transposed] = np.ascontiguousarray(net.constants[weight].T)
    return [Node(node.name, "MatMul", [x, transposed], [product]), Node(f"{node.name}/bias", "Add", [product, bias], [output])]


def affine(net: Float, node: Node, output: str, constants: dict[str, Array]) -> list[Node]:
    x, scale, shift = node.inputs
    shape = np.ones(len(net.shape(x)), int)
    shape[node.attrs["axis"]] = -1
    names = [f"{node.output}#scale", f"{node.output}#shift"]
    for name, source in zip(names, (scale, shift), strict=True):
        constants[name] = net.constants[source].reshape(shape)
    product = f"{node.output}#product"
    return [Node(node.name, "Mul", [x, names[0]], [product]), Node(f"{node.name}/shift", "Add", [product, names[1]], [output])]


def unary(net: Float, node: Node, output: str, constants: dict[str, Array]) -> list[Node]:
    """The body with its inner names made unique to this node, so that two tables may share source nodes."""
    inside = {name: f"{node.output}/{name}" for inner in node.body for name in inner.outputs if name}
    inside[node.body[-1].output] = output
    return [
        Node(
            f"{node.output}/{inner.name}",
            inner.op,
            [inside.get(name, name) for name in inner.inputs],
            [inside.get(name, name) for name in inner.outputs],
            inner.attrs,
            inner.domain,
        )
        for inner in node.body
    ]


def standardize(net: Float, node: Node, output: str, constants: dict[str, Array]) -> list[Node]:
    x, axes = node.inputs[0], f"{output}#axes"
    constants[f"{output}#epsilon"] = np.array(node.attrs["epsilon"], np.float32)
    if net.opset >= 18:  # the axes of a mean are an input from then on
        constants[axes] = np.array(node.attrs["axes"], np.int64)
    more, attrs = ([axes], {}) if net.opset >= 18 else ([], {"axes": list(node.attrs["axes"])})
    steps: tuple[tuple[str, list[str], str, Mapping[str, object]], ...] = (
        ("ReduceMean", [x, *more], "mean", attrs), ("Sub", [x, f"{output}#mean"], "centred", {}),
        ("Mul", [f"{output}#centred"] * 2, "square", {}), ("ReduceMean", [f"{output}#square", *more], "variance", attrs),
        ("Add", [f"{output}#variance", f"{output}#epsilon"], "sum", {}), ("Sqrt", [f"{output}#sum"], "deviation", {}),
    )  # fmt: skip
    nodes = [Node(f"{node.name}/{name}", op, inputs, [f"{output}#{name}"], dict(given)) for op, inputs, name, given in steps]
    return [*nodes, Node(node.name, "Div", [f"{output}#centred", f"{output}#deviation"], [output])]


def requantize(net: Float, node: Node, output: str, constants: dict[str, Array]) -> list[Node]:
    """The same value at another scale: nothing, in float."""
    return [Node(node.name, "Identity", node.inputs, [output])]


EXPANSIONS: dict[str, Expansion] = {"Linear": linear, "Affine": affine, "Unary": unary, "Requantize": requantize, "Standardize": standardize}
