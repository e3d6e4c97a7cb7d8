"""The float function of one node, for tables: onnxruntime computes it, so that a table never disagrees with the source's operator."""

from __future__ import annotations

import onnx.helper as helper
import onnx.numpy_helper

from ..ir import Array, Float, Node
from .composite import EXPANSIONS
from .emit import proto_of, run

X = "x"


def evaluate(net: Float, node: Node, x: Array) -> Array:
    """The node's first output for `x` (float32, any shape) in place of its first computed input; the other inputs are its constants."""
    constants: dict[str, Array] = {}
    nodes = EXPANSIONS[node.op](net, node, node.output, constants) if node.op in EXPANSIONS else [node]
    source = net.activations(node)[0]
    renamed = [Node(n.name, n.op, [X if name == source else name for name in n.inputs], n.outputs, n.attrs, n.domain) for n in nodes]
    used = {name for inner in renamed for name in inner.inputs}
    constants.update({name: array for name, array in net.constants.items() if name in used})
    float32 = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        [proto_of(inner, inner.outputs) for inner in renamed],
        "table",
        [helper.make_tensor_value_info(X, float32, list(x.shape))],
        [helper.make_tensor_value_info(node.output, float32, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    domains = {inner.domain for inner in renamed} - {""}
    imports = [helper.make_opsetid("", net.opset)] + [helper.make_opsetid(domain, 1) for domain in sorted(domains)]
    return run(helper.make_model(graph, opset_imports=imports, ir_version=10), {X: x})[node.output]
