"""Conv of any number of image axes that comes down to two, and the free-standing Affine, as conv2d and dwconv2d."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Array, Node
from ..quantize import QWeight, quantize_bias
from .context import Context, Refused, lowers


def peaks(ctx: Context, node: Node, weight: QWeight, bias: Array) -> Array:
    """Largest |bias + sum w * (x - zero point)| per output channel, over every int8 input."""
    zero_point = ctx.param(node.inputs[0]).zero_point
    w = weight.q.reshape(len(weight.q), -1).astype(np.int64) - weight.zero_point
    up, down = np.maximum(w, 0).sum(axis=1), np.minimum(w, 0).sum(axis=1)
    below, above = -128 - zero_point, 127 - zero_point
    return np.asarray(np.maximum(np.abs(bias + up * above + down * below), np.abs(bias + up * below + down * above)))


def layer_constants(ctx: Context, node: Node, weight: QWeight, stored: Array) -> tuple[list[str], str]:
    """Stores the weights (already in storage layout), bias, multiplier and shift; returns their names and the rounding."""
    x, y = ctx.param(node.inputs[0]), ctx.param(node.output)
    bias = quantize_bias(weight.bias, x.scale, weight.scale)
    scale = tuple(float(s) for s in weight.scale)
    names = [ctx.put(f"{node.name}/weight", stored, scale, weight.zero_point), ctx.put(f"{node.name}/bias", bias)]
    most = peaks(ctx, node, weight, bias.astype(np.int64))
    multiplier, shift, rounding = ctx.requantizer(node.name, x.scale * weight.scale / y.scale, most, node.output)
    return [*names, multiplier, shift], rounding


@dataclass
class Window:
    """A convolution along image axes: one entry per axis. `order` stores the input, `image` is its stored shape without channels."""

    order: tuple[int, ...]
    image: list[int]
    target: list[int]
    q: Array  # weight[O, C/group, *kernel]
    stride: list[int]
    dilation: list[int]
    begin: list[int]
    end: list[int]
    groups: int

    def add_axis(self) -> None:
        """A sequence is an image of one row."""
        self.image.insert(0, 1)
        self.target.insert(0, 1)
        self.q = self.q[:, :, None]
        for values, fill in ((self.stride, 1), (self.dilation, 1), (self.begin, 0), (self.end, 0)):
            values.insert(0, fill)

    def fold_axis(self, axis: int) -> None:
        """An axis of which only one position is computed becomes channels: the positions of the input, each with its slice of the kernel."""
        size = self.image[axis]
        if size > 1 and self.groups > 1:
            raise Refused("it has groups and works along three image axes", "split it into two-dimensional convolutions")
        kernel = np.moveaxis(self.q, 2 + axis, 1)  # [O, K, C, ...]
        picked = np.zeros((len(kernel), size, *kernel.shape[2:]), np.int8)
        for position in range(size):
            tap, rest = divmod(position + self.begin[axis], self.dilation[axis])
            if rest == 0 and tap < kernel.shape[1]:
                picked[:, position] = kernel[:, tap]
        self.q = picked.reshape(len(kernel), size * kernel.shape[2], *kernel.shape[3:])
        image_axes = [a for i, a in enumerate(self.order[1:-1]) if i != axis]
        self.order = (0, *image_axes, self.order[1 + axis], 1)
        for values in (self.image, self.target, self.stride, self.dilation, self.begin, self.end):
            del values[axis]

    def merge_axes(self, axis: int) -> None:
        """Two neighbouring axes along which nothing is mixed are one."""
        self.image[axis + 1] *= self.image[axis]
        self.target[axis + 1] *= self.target[axis]
        self.q = self.q.squeeze(2 + axis)
        for values in (self.image, self.target, self.stride, self.dilation, self.begin, self.end):
            del values[axis]


def window(ctx: Context, node: Node, q: Array) -> Window:
    shape, out = ctx.shape(node.inputs[0]), ctx.shape(node.output)
    rank = len(shape) - 2
    pads = list(node.attrs.get("pads", [0] * 2 * rank))
    if rank not in (1, 2, 3) or min(pads, default=0) < 0:
        raise Refused(f"it has {rank} image axes and pads {pads}", "convolutions need one or two image axes and pads >= 0")
    found = Window(
        order=ctx.natural(node.inputs[0]),
        image=list(shape[2:]),
        target=list(out[2:]),
        q=q,
        stride=list(node.attrs.get("strides", [1] * rank)),
        dilation=list(node.attrs.get("dilations", [1] * rank)),
        begin=pads[:rank],
        end=pads[rank:],
        groups=node.attrs.get("group", 1),
    )
    if rank == 1:
        found.add_axis()
    elif rank == 3:
        still = [found.q.shape[2 + a] == found.stride[a] == 1 and not found.begin[a] and not found.end[a] for a in range(3)]
        if 1 in found.target:
            found.fold_axis(found.target.index(1))
        elif still[0] and still[1]:
            found.merge_axes(0)
        elif still[1] and still[2]:
            found.merge_axes(1)
        else:
            raise Refused("it works along three image axes", "split it into two-dimensional convolutions")
    return found


@lowers("Conv")
def conv(ctx: Context, node: Node) -> None:
    """x[N,C,*image], weight[O,C/group,*kernel] along one or two image axes, or three that come down to two."""
    x = node.inputs[0]
    if ctx.is_constant(x) or not ctx.is_constant(node.inputs[1]):
        raise Refused("its weights are computed at run time", "only convolutions with constant weights run in integers")
    weight = ctx.weight(node)
    w = window(ctx, node, weight.q)
    channels = ctx.shape(x)[1] * (int(np.prod(ctx.shape(x)[2:])) // int(np.prod(w.image)))
    batch = ctx.shape(x)[0]
    tensor = ctx.stored(x, w.order, (batch, *w.image, channels))
    result = ctx.produce(node.output, (batch, *w.target, len(w.q)))
    fields: dict[str, Any] = {"stride": tuple(w.stride), "dilation": tuple(w.dilation), "pads": (*w.begin, *w.end), **ctx.limits(node)}
    if w.groups == channels and w.groups > 1:
        names, rounding = layer_constants(ctx, node, weight, w.q[:, 0].transpose(1, 2, 0))
        ctx.emit("dwconv2d", [tensor, *names], result, rounding=rounding, **fields)
    else:
        names, rounding = layer_constants(ctx, node, weight, w.q.transpose(0, 2, 3, 1))
        ctx.emit("conv2d", [tensor, *names], result, groups=w.groups, rounding=rounding, **fields)
    ctx.place(node.output, result)


@lowers("Affine")
def affine(ctx: Context, node: Node) -> None:
    """scale * x + shift per channel: a depthwise convolution of one element."""
    x, axis = node.inputs[0], node.attrs["axis"]
    shape = ctx.shape(x)
    order = (*(a for a in range(len(shape)) if a != axis), axis)
    channels, rest = shape[axis], int(np.prod(shape)) // shape[axis]
    tensor = ctx.stored(x, order, (1, 1, rest, channels))
    result = ctx.produce(node.output, (1, 1, rest, channels))
    weight = ctx.weight(node)
    names, rounding = layer_constants(ctx, node, weight, weight.q.reshape(1, 1, channels))
    fields: dict[str, Any] = {"stride": (1, 1), "dilation": (1, 1), "pads": (0, 0, 0, 0)}
    ctx.emit("dwconv2d", [tensor, *names], result, rounding=rounding, **fields, **ctx.limits(node))
    ctx.place(node.output, result, order)
