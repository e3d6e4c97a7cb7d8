"""Pooling along several of three image axes, one axis after the other."""

from __future__ import annotations

from .decompose import Builder, rule


@rule("MaxPool", "AveragePool")
def one_axis_at_a_time(b: Builder) -> bool:
    """A maximum over a box is one over each axis in turn, and so is the mean: the elements of a window that lie inside the image form a box."""
    node, rank = b.node, len(b.shape) - 2
    attrs, target = node.attrs, b.net.shape(node.output)
    if rank != 3 or len(node.outputs) > 1 or attrs.get("ceil_mode") or attrs.get("auto_pad", "NOTSET") != "NOTSET" or not b.computed(b.x):
        return False
    kernel, stride, pads = list(attrs["kernel_shape"]), list(attrs.get("strides") or [1] * 3), list(attrs.get("pads") or [0] * 6)
    busy = [a for a in range(3) if kernel[a] != 1 or stride[a] != 1 or pads[a] or pads[3 + a]]
    if len(busy) < 2 or any(d != 1 for d in attrs.get("dilations") or []):
        return False
    x, shape = b.x, list(b.shape)
    for axis in busy:
        shape[2 + axis] = target[2 + axis]
        one = {"kernel_shape": kernel, "strides": stride}
        fields: dict[str, object] = {key: [v if a == axis else 1 for a, v in enumerate(values)] for key, values in one.items()}
        fields["pads"] = [v if a % 3 == axis else 0 for a, v in enumerate(pads)]
        if node.op == "AveragePool":
            fields["count_include_pad"] = int(attrs.get("count_include_pad", 0))
        x = b.add(node.op, [x], tuple(shape), **fields)
    return b.done(x)
