"""BatchNormalization at inference is `Affine`: scale = gamma / sqrt(var + eps), shift = beta - mean * scale (Ioffe and Szegedy 2015, alg. 2)."""

from __future__ import annotations

import numpy as np

from ..ir import Float


def batchnorm_to_affine(net: Float) -> None:
    for node in net.nodes:
        if node.op != "BatchNormalization" or node.attrs.get("training_mode") or any(name not in net.constants for name in node.inputs[1:]):
            continue
        gamma, beta, mean, var = (net.constants[name].astype(np.float64) for name in node.inputs[1:5])
        scale = gamma / np.sqrt(var + node.attrs.get("epsilon", 1e-5))
        node.inputs = [
            node.inputs[0],
            net.constant(f"{node.name}/scale", scale.astype(np.float32)),
            net.constant(f"{node.name}/shift", (beta - mean * scale).astype(np.float32)),
        ]
        node.outputs = node.outputs[:1]
        node.op, node.attrs = "Affine", {"axis": 1}
