"""What 8-bit activations cost, layer by layer: the divergence of the outputs when the result of one layer alone is quantized.

It is what keeping 16 bits behind the layer would save, measured as the sensitivity to its weights is (`sensitivity.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx.helper as helper
import onnx.numpy_helper

from ..ir import Array, Float, Node
from ..onnx.emit import session, to_onnx
from ..quantize import QParam
from .loss import divergence

BLOCK = 16


def activation_losses(net: Float, nodes: list[Node], params: Mapping[str, QParam], feeds: Mapping[str, Array]) -> dict[str, float]:
    """By layer name. Every result passes a switch between itself and its quantized twin; one at a time is turned."""
    compiled = session(switched(net, [node.output for node in nodes], params), optimise=True)
    step, count = BLOCK if net.free_batch else 1, len(next(iter(feeds.values())))

    def outputs(turned: str | None) -> Array:
        gate = {} if turned is None else {f"{turned}/switch": np.array(True)}
        blocks = [{name: array[i : i + step] for name, array in feeds.items()} for i in range(0, count, step)]
        return np.concatenate([compiled.run(net.outputs[:1], {**block, **gate})[0] for block in blocks])

    loss = divergence(net, outputs(None))
    return {node.name: loss(outputs(node.output)) for node in nodes}


def switched(net: Float, names: list[str], params: Mapping[str, QParam]) -> onnx.ModelProto:
    """The network with an optional input NAME/switch for each value in `names`."""
    proto = to_onnx(net)
    nodes, chosen = [], set(names)
    for node in proto.graph.node:
        node.input[:] = [f"{name}/chosen" if name in chosen else name for name in node.input]
        nodes.append(node)
        for name in chosen.intersection(node.output):
            nodes += twin(name, params[name], proto.graph)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return proto


def twin(name: str, param: QParam, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Nodes from `name` to NAME/chosen."""
    numbers = {"inverse": 1 / param.scale, "scale": param.scale, "low": param.low - param.zero_point, "high": param.high - param.zero_point}
    for label, value in numbers.items():
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.float32), f"{name}/{label}"))
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(False), f"{name}/switch"))
    graph.input.append(helper.make_tensor_value_info(f"{name}/switch", onnx.TensorProto.BOOL, ()))
    return [
        helper.make_node("Mul", [name, f"{name}/inverse"], [f"{name}/steps"]),
        helper.make_node("Round", [f"{name}/steps"], [f"{name}/whole"]),
        helper.make_node("Clip", [f"{name}/whole", f"{name}/low", f"{name}/high"], [f"{name}/held"]),
        helper.make_node("Mul", [f"{name}/held", f"{name}/scale"], [f"{name}/quantized"]),
        helper.make_node("Where", [f"{name}/switch", f"{name}/quantized", name], [f"{name}/chosen"]),
    ]
