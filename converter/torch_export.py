"""PyTorch modules to ONNX by `torch.onnx.export`, with the module's path as the name of each layer."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import Any

import onnx

from ..errors import InputError, UnsupportedError
from .onnx.load import first_line

OPSET = 17


def export(module: Any, example_inputs: Any) -> onnx.ModelProto:
    """The module in evaluation mode as an ONNX model with a free batch; its training flag is put back.

    `example_inputs`: a tensor (or array), or a tuple of them, each with its batch axis. Inputs are named `input` or
    `input_0`, `input_1`..., outputs likewise.
    """
    import torch

    if example_inputs is None:
        raise InputError("a PyTorch module needs example_inputs=: a tensor, or a tuple of them, of the shape it takes")
    given = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
    inputs = tuple(x if isinstance(x, torch.Tensor) else torch.as_tensor(x) for x in given)
    inputs = tuple(x[:1].float() if x.is_floating_point() or x.dtype == torch.uint8 else x[:1] for x in inputs)
    names = ["input"] if len(inputs) == 1 else [f"input_{i}" for i in range(len(inputs))]
    training = module.training
    module.eval()
    buffer = io.BytesIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # attention as products and softmax, which ONNX has
    try:
        with warnings.catch_warnings(), torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):  # it prints what it cannot export
            warnings.simplefilter("ignore")
            results = module(*inputs)
            count = len(results) if isinstance(results, (tuple, list)) else 1
            outputs = ["output"] if count == 1 else [f"output_{i}" for i in range(count)]
            torch.onnx.export(
                module,
                inputs,
                buffer,
                dynamo=False,
                opset_version=OPSET,
                input_names=names,
                output_names=outputs,
                dynamic_axes={name: {0: "N"} for name in [*names, *outputs]},
            )
    except Exception as error:  # the exporter and the module itself raise anything
        raise UnsupportedError(f"torch.onnx.export failed: {first_line(error)}") from error
    finally:
        module.train(training)
        torch.backends.mha.set_fastpath_enabled(fast)
    model = onnx.load_model_from_string(buffer.getvalue())
    name_layers(model)
    return model


def name_layers(model: onnx.ModelProto) -> None:
    """The exporter calls a node `/layer1/layer1.0/conv1/Conv`: its layer is `layer1.0.conv1`; the operator is kept where no module has it."""
    taken: set[str] = set()
    for node in model.graph.node:
        parts = [part for part in node.name.split("/") if part]
        if len(parts) < 2:
            continue
        path = ""
        for part in parts[:-1]:
            path = part if part.startswith(f"{path}.") or not path else f"{path}.{part}"
        layer = path if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "PRelu") else f"{path}.{parts[-1]}"
        if layer in taken:
            layer = f"{path}.{parts[-1]}"
        if layer not in taken:
            node.name = layer
            taken.add(layer)
