"""ResNet-50 with seeded random weights, for speed only: He et al. 2016 (arXiv:1512.03385), stride in the 3x3 convolution ("v1.5").

Speed does not depend on the values of the weights, so none are downloaded. They are drawn so that activations keep a sane
range: He initialization (arXiv:1502.01852), and the last normalization of each block scaled down so that sixteen residual
additions do not explode.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # width, blocks, stride of the first block
EXPANSION = 4


class _Builder:
    """Collects nodes and initializers; every method returns the name of the tensor it made."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def const(self, name: str, values: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def op(self, kind: str, name: str, inputs: list[str], **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def conv_bn(self, x: str, name: str, shape: tuple[int, int, int], stride: int = 1, gain: float = 1.0) -> str:
        """Convolution [out, in, k, k] without bias, then batch normalization; shape is (out, in, k)."""
        out, inputs, k = shape
        w = self.random.standard_normal((out, inputs, k, k), dtype=np.float32) * np.float32(np.sqrt(2.0 / (inputs * k * k)))
        pads = [k // 2] * 4
        y = self.op("Conv", f"{name}.conv", [x, self.const(f"{name}.w", w)], kernel_shape=[k, k], strides=[stride] * 2, pads=pads)
        statistics = [
            self.const(f"{name}.gamma", gain * self.random.uniform(0.8, 1.2, out)),
            self.const(f"{name}.beta", self.random.normal(0, 0.1, out)),
            self.const(f"{name}.mean", self.random.normal(0, 0.1, out)),
            self.const(f"{name}.var", self.random.uniform(0.8, 1.2, out)),
        ]
        return self.op("BatchNormalization", f"{name}.bn", [y, *statistics], epsilon=1e-5)

    def bottleneck(self, x: str, name: str, inputs: int, width: int, stride: int) -> str:
        y = self.op("Relu", f"{name}.relu1", [self.conv_bn(x, f"{name}.1", (width, inputs, 1))])
        y = self.op("Relu", f"{name}.relu2", [self.conv_bn(y, f"{name}.2", (width, width, 3), stride)])
        y = self.conv_bn(y, f"{name}.3", (width * EXPANSION, width, 1), gain=0.3)
        if stride != 1 or inputs != width * EXPANSION:
            x = self.conv_bn(x, f"{name}.down", (width * EXPANSION, inputs, 1), stride)
        return self.op("Relu", f"{name}.out", [self.op("Add", f"{name}.add", [y, x])])


def build(seed: int = 50, classes: int = 1000) -> onnx.ModelProto:
    """Opset 17, `input` (N, 3, 224, 224) to `output` (N, classes) logits, BatchNormalization unfused, N free."""
    b = _Builder(seed)
    x = b.op("Relu", "stem.relu", [b.conv_bn("input", "stem", (64, 3, 7), 2)])
    x = b.op("MaxPool", "stem.pool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    inputs = 64
    for stage, (width, blocks, stride) in enumerate(STAGES):
        for block in range(blocks):
            x = b.bottleneck(x, f"s{stage}.{block}", inputs, width, stride if block == 0 else 1)
            inputs = width * EXPANSION
    x = b.op("Flatten", "flatten", [b.op("GlobalAveragePool", "average", [x])])
    w = b.const("dense.w", b.random.standard_normal((classes, inputs)) / np.sqrt(inputs))
    b.op("Gemm", "output", [x, w, b.const("dense.b", np.zeros(classes))], transB=1)
    graph = helper.make_graph(
        b.nodes,
        "resnet50",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 224, 224])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", classes])],
        b.weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="intq.bench")


def write(path: Path, seed: int = 50) -> Path:
    """Build the network into `path` unless it is there already; the file appears whole or not at all."""
    if not path.exists():
        partial = path.with_suffix(".partial")
        onnx.save(build(seed), str(partial))
        partial.replace(path)
    return path
