"""Operators that only rename axes: they are views, and cost nothing until a layout is needed."""

from __future__ import annotations

from ..ir import Node
from ..passes.tidy import training
from .context import Context, Refused, lowers


@lowers("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Requantize")
def reshape(ctx: Context, node: Node) -> None:
    if node.op == "Flatten" and node.attrs.get("axis", 1) == 0 and ctx.net.free_batch:
        raise Refused("it flattens the batch away", "use axis=1")
    ctx.result(node.output, ctx.view_for(node.inputs[0], node.output).reshape(ctx.shape(node.output)))


@lowers("Dropout")
def dropout(ctx: Context, node: Node) -> None:
    """Nothing at inference."""
    if training(ctx.net, node):
        raise Refused("it drops elements, or its mask is used", "export the model in inference mode")
    reshape(ctx, node)


@lowers("Transpose")
def transpose(ctx: Context, node: Node) -> None:
    rank = len(ctx.shape(node.inputs[0]))
    permute(ctx, node, tuple(node.attrs.get("perm", range(rank)[::-1])))


def permute(ctx: Context, node: Node, perm: tuple[int, ...]) -> None:
    if perm[0] != 0 and not ctx.net.whole:
        raise Refused(f"it moves axis 0 (the batch): perm {list(perm)}", "keep the batch in axis 0")
    view = ctx.view_for(node.inputs[0], node.output)
    ctx.result(node.output, ctx.turned(view, perm))


@lowers("DepthToSpace")
def depth_to_space(ctx: Context, node: Node) -> None:
    """ONNX: [N, b, b, C/b^2, H, W] (DCR) or [N, C/b^2, b, b, H, W] (CRD) -> [N, C/b^2, H*b, W*b]."""
    n, c, h, w = ctx.shape(node.inputs[0])
    b = node.attrs["blocksize"]
    dcr = node.attrs.get("mode", "DCR") == "DCR"
    split = (n, b, b, c // b**2, h, w) if dcr else (n, c // b**2, b, b, h, w)
    view = ctx.view_for(node.inputs[0], node.output).reshape(split)
    turned = ctx.turned(view, (0, 3, 4, 1, 5, 2) if dcr else (0, 1, 4, 2, 5, 3))
    ctx.result(node.output, turned.reshape(ctx.shape(node.output)))


@lowers("SpaceToDepth")
def space_to_depth(ctx: Context, node: Node) -> None:
    """ONNX: [N, C, H/b, b, W/b, b] -> [N, b, b, C, H/b, W/b] (DCR; CRD has C first) -> [N, C*b^2, H/b, W/b]."""
    n, c, h, w = ctx.shape(node.inputs[0])
    b = node.attrs["blocksize"]
    view = ctx.view_for(node.inputs[0], node.output).reshape((n, c, h // b, b, w // b, b))
    turned = ctx.turned(view, (0, 3, 5, 1, 2, 4) if node.attrs.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4))
    ctx.result(node.output, turned.reshape(ctx.shape(node.output)))
