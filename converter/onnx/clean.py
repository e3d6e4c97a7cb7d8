"""Folds constants and shape arithmetic, drops what does nothing, and infers every shape; all of it by onnx, onnx_ir and onnxscript."""

from __future__ import annotations

import logging
import warnings

import onnx
import onnx.helper
import onnx.shape_inference
import onnx_ir
import onnx_ir.passes.common as passes
from onnxscript import optimizer

from .ceil import settle_ceil
from .parts import split_constants

# Folding these would turn stored integer weights of an already quantized model into floats.
KEEP = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
LIMIT = 1 << 28  # elements; a folded constant is never larger than a weight that the source could have stored


def clean(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Returns an equivalent model in topological order, without Constant or Identity nodes, functions, or shape arithmetic.

    The shapes of the inputs must be fixed (`load.fix_shapes`); layer and tensor names are kept.
    """
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    outputs = [entry.name for entry in proto.graph.output]
    settle_ceil(proto)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = onnx_ir.serde.deserialize_model(proto)
        passes.InlinePass()(model)
        for _ in range(2):  # the second round folds what the shapes found in the first one made constant
            optimizer.fold_constants(
                model,
                onnx_shape_inference=True,
                input_size_limit=LIMIT,
                output_size_limit=LIMIT,
                should_fold=lambda node: node.op_type not in KEEP,
            )
            passes.IdentityEliminationPass()(model)
            split_constants(model)
            optimizer.remove_unused_nodes(model)
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
        passes.RemoveInitializersFromInputsPass()(model)
        passes.TopologicalSortPass()(model)
        result = onnx_ir.serde.serialize_model(model)
    for entry, name in zip(result.graph.output, outputs, strict=True):
        if entry.name != name:  # two outputs that are one value: each keeps its name
            result.graph.node.append(onnx.helper.make_node("Identity", [entry.name], [name], name=name))
            entry.name = name
    settle_ceil(result)  # again: folding may have found shapes
    del result.graph.value_info[:]  # drop what was inferred on the way: it may predate a folding
    return onnx.shape_inference.infer_shapes(result, data_prop=True)
