"""PyTorch modules to ONNX by `torch.onnx.export`, of which there are two, with the module's path as the name of each layer."""

from __future__ import annotations

import ast
import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import onnx

from ..errors import InputError, UnsupportedError
from .onnx.load import first_line

OPSET, LATER = 17, 18  # of the two exporters
LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "PRelu")


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
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # attention as products and softmax, which ONNX has
    try:
        with warnings.catch_warnings(), torch.no_grad(), silent():
            warnings.simplefilter("ignore")
            results = module(*inputs)
            count = len(results) if isinstance(results, (tuple, list)) else 1
            outputs = ["output"] if count == 1 else [f"output_{i}" for i in range(count)]
            try:
                return traced(module, inputs, names, outputs)
            except Exception as error:
                try:
                    return captured(module, inputs, names, outputs)
                except Exception:  # the first exporter's reason is the plainer one
                    raise error from None
    except Exception as error:  # the exporters and the module itself raise anything
        raise UnsupportedError(f"torch.onnx.export failed: {first_line(error)}") from error
    finally:
        module.train(training)
        torch.backends.mha.set_fastpath_enabled(fast)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Nothing on standard output: the exporter prints what it cannot export there, also from C++."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def traced(module: Any, inputs: tuple[Any, ...], names: list[str], outputs: list[str]) -> onnx.ModelProto:
    """By tracing: fast, and the layers are named by their modules."""
    import torch

    buffer = io.BytesIO()
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
    model = onnx.load_model_from_string(buffer.getvalue())
    name_layers(model)
    return model


def captured(module: Any, inputs: tuple[Any, ...], names: list[str], outputs: list[str]) -> onnx.ModelProto:
    """By `torch.export`, which knows operators that tracing does not and needs the package onnxscript."""
    import torch

    two = tuple(torch.cat([x, x]) for x in inputs)  # a batch of one would be taken for a constant
    free = tuple({0: torch.export.Dim("N")} for _ in two)
    program = torch.onnx.export(
        module, two, dynamo=True, opset_version=LATER, input_names=names, output_names=outputs, dynamic_shapes=free, verbose=False
    )
    assert program is not None
    model = program.model_proto
    name_scopes(model)
    return model


def name_scopes(model: onnx.ModelProto) -> None:
    """The exporter notes the modules around a node: `['', 'a.conv', 'conv2d_3']`. The layer is the innermost one; operators as in `name_layers`."""
    taken: set[str] = set()
    for node in model.graph.node:
        noted = {entry.key: entry.value for entry in node.metadata_props}.get("pkg.torch.onnx.name_scopes", "[]")
        scopes = [scope for scope in ast.literal_eval(noted) if scope]
        if not scopes:
            continue
        layer = scopes[-2] if len(scopes) > 1 and node.op_type in LAYERS and scopes[-2] not in taken else ".".join(scopes[-2:])
        if layer not in taken:
            node.name = layer
            taken.add(layer)


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
        layer = path if node.op_type in LAYERS else f"{path}.{parts[-1]}"
        if layer in taken:
            layer = f"{path}.{parts[-1]}"
        if layer not in taken:
            node.name = layer
            taken.add(layer)
