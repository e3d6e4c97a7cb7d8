"""Every elementwise expression of one activation and numbers becomes one `Unary` node, hence one table of 256 entries.

HardSwish, GELU, Mish, SiLU and their kin need no rule of their own: whatever nodes a framework exports for them, the value
computed is a function of one tensor's element, and the largest such expression is taken.
"""

from __future__ import annotations

import numpy as np

from ..ir import Float, Node

_NAMES = """
Abs Acos Acosh Add And Asin Asinh Atan Atanh Cast Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual
HardSigmoid HardSwish LeakyRelu Less LessOrEqual Log Max Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Shrink
Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor
"""
ELEMENTWISE = frozenset(_NAMES.split())


def single_numbers(net: Float) -> None:
    """Constants that hold one number many times (`torch.ones_like`) become that number, where another input has the shape of the output."""
    for node in net.nodes:
        whole = any(net.shape(name) == net.shape(node.output) for name in net.activations(node))
        if node.op not in ELEMENTWISE or not whole:
            continue
        for place, name in enumerate(node.inputs):
            array = net.constants.get(name)
            if array is not None and array.size > 1 and name not in net.quantized and bool(np.all(array == array.flat[0])):
                node.inputs[place] = net.constant(f"{name}/number", array.flat[0])


def fuse_unary(net: Float) -> None:
    single_numbers(net)
    roots: dict[str, str] = {}  # value inside an expression -> the activation it is a function of
    made_by: dict[str, Node] = {}
    for node in net.nodes:
        root = _root(net, node, roots)
        if root is not None:
            roots[node.output], made_by[node.output] = root, node
    uses = net.consumers()
    nodes: list[Node] = []
    for node in net.nodes:
        if node.output not in roots:
            nodes.append(node)
            continue
        outside = any(other.output not in roots for other in uses.get(node.output, []))
        if outside or node.output in net.outputs or node.output in net.pinned:
            root = roots[node.output]
            body = _body(net, node, root, made_by)
            nodes.append(Node(node.name, "Unary", [root], [node.output], body=body))
    net.nodes = nodes


def _root(net: Float, node: Node, roots: dict[str, str]) -> str | None:
    """The one activation that the node's output is an elementwise function of, or None."""
    inputs = net.activations(node)
    if node.op not in ELEMENTWISE or node.domain not in ("", "com.microsoft") or len(node.outputs) != 1 or not inputs or node.clamp:
        return None
    shape = net.shape(node.output)
    if any(net.constants[name].size != 1 for name in node.inputs if name in net.constants):
        return None
    if any(net.shape(name) != shape for name in inputs):
        return None
    # a value whose scale the source fixes is rounded there: an expression starts anew behind it
    found = {name if name in net.pinned else roots.get(name, name) for name in inputs}
    root = found.pop()
    return root if not found and net.values[root].dtype.startswith("float") else None


def _body(net: Float, node: Node, root: str, made_by: dict[str, Node]) -> list[Node]:
    """The nodes between the root and the node's output, in order of execution."""
    order: list[Node] = []
    done: set[str] = set()

    def visit(current: Node) -> None:
        for name in current.inputs:
            if name != root and name in made_by and name not in done and name not in net.pinned:
                done.add(name)
                visit(made_by[name])
        order.append(current)

    visit(node)
    return order
