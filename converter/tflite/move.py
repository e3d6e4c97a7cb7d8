"""Data movement: RESHAPE to BATCH_TO_SPACE_ND. Scales pass through; the bytes of the file move as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .importer import Importer, Refusal
from .reader import OperatorInfo

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
LONGEST = 2**20  # positions along one axis that a list of them may name


def ints(im: Importer, index: int) -> list[int]:
    """The numbers of a known operand."""
    return [int(v) for v in im.value(index).reshape(-1)]


def same_type(im: Importer, x: int, y: int) -> None:
    if im.info(x).dtype != im.info(y).dtype:
        raise Refusal(f"it turns {im.info(x).dtype} into {im.info(y).dtype}")


def view(im: Importer, op: OperatorInfo) -> None:
    """Any operator that only renames the shape, which the output tensor of the file states."""
    x, y = op.inputs[0], op.outputs[0]
    same_type(im, x, y)
    if int(np.prod(im.shape(x), dtype=object)) != im.info(y).size:
        raise Refusal(f"{im.shape(x)} does not become {im.info(y).shape}")
    im.emit("reshape", [im.x(x)], im.output(op))


def reshape(im: Importer, op: OperatorInfo) -> None:
    view(im, op)


def squeezed(op: OperatorInfo, shape: Shape) -> Shape:
    n = op.options.SqueezeDimsLength() if op.options is not None else 0
    if n > len(shape):
        raise Refusal("more axes are squeezed than there are")
    axes = {int(a) % len(shape) for a in op.options.SqueezeDimsAsNumpy()} if n else {i for i, d in enumerate(shape) if d == 1}
    if any(shape[a] != 1 for a in axes):
        raise Refusal(f"it squeezes {sorted(axes)} of {shape}")
    return tuple(d for i, d in enumerate(shape) if i not in axes)


def squeeze(im: Importer, op: OperatorInfo) -> None:
    if squeezed(op, im.shape(op.inputs[0])) != im.info(op.outputs[0]).shape:
        raise Refusal(f"{im.shape(op.inputs[0])} does not become {im.info(op.outputs[0]).shape}")
    view(im, op)


def expand_dims(im: Importer, op: OperatorInfo) -> None:
    view(im, op)


def transpose(im: Importer, op: OperatorInfo) -> None:
    x = op.inputs[0]
    same_type(im, x, op.outputs[0])
    shape, perm = im.shape(x), ints(im, op.inputs[1])
    perm = [p + len(shape) if p < 0 else p for p in perm]
    if sorted(perm) != list(range(len(shape))):
        raise Refusal(f"perm {perm} of {shape}")
    im.emit("transpose", [im.x(x)], im.output(op, shape=tuple(shape[p] for p in perm)), perm=tuple(perm))


def pads_of(im: Importer, op: OperatorInfo) -> list[tuple[int, int]]:
    shape = im.shape(op.inputs[0])
    values = im.value(op.inputs[1])
    if values.shape != (len(shape), 2) or (values < 0).any() or (values > LONGEST).any():
        raise Refusal(f"paddings {values.shape} of {shape}")
    return [(int(a), int(b)) for a, b in values]


def padded(im: Importer, op: OperatorInfo, value: int) -> None:
    x = op.inputs[0]
    same_type(im, x, op.outputs[0])
    pairs = pads_of(im, op)
    shape = tuple(d + a + b for d, (a, b) in zip(im.shape(x), pairs, strict=True))
    before, after = tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
    im.emit("pad", [im.x(x)], im.output(op, shape=shape), before=before, after=after, value=value)


def pad(im: Importer, op: OperatorInfo) -> None:
    """With the zero point of the output, as the kernel takes it."""
    padded(im, op, im.zero_point(op.outputs[0]))


def padv2(im: Importer, op: OperatorInfo) -> None:
    if not im.has(op, 2):
        pad(im, op)
        return
    value = im.value(op.inputs[2]).reshape(-1)
    if value.size != 1:
        raise Refusal("the padding value is no single number")
    padded(im, op, int(value[0]) - im.offset(op.outputs[0]))


def taken(im: Importer, source: str, axis: int, index: Array, wish: str, out: str | None = None) -> str:
    """Positions `index` along one axis."""
    like = im.graph.of(source)
    shape = (*like.shape[:axis], len(index), *like.shape[axis + 1 :])
    scale = like.scale if isinstance(like.scale, float) else 1.0
    target = out or im.plain(wish, shape, like.dtype, scale, like.zero_point)
    name = im.constant(f"{target}/index", index.astype(np.int32))
    return im.emit("gather", [source, name], target, axis=axis)


def take_axes(im: Importer, op: OperatorInfo, indices: dict[int, Array]) -> None:
    """The output as positions along several axes of input 0, one node per axis."""
    x = op.inputs[0]
    same_type(im, x, op.outputs[0])
    shape = tuple(len(indices[a]) if a in indices else d for a, d in enumerate(im.shape(x)))
    if int(np.prod(shape, dtype=object)) != im.info(op.outputs[0]).size:
        raise Refusal(f"{im.shape(x)} does not become {im.info(op.outputs[0]).shape}")
    source = im.x(x)
    out = im.output(op)
    todo = [(a, i) for a, i in indices.items() if len(i) != im.shape(x)[a] or (i != np.arange(len(i))).any()]
    final_shape = im.graph.of(out).shape
    if not todo or final_shape != shape:
        for a, i in todo:
            source = taken(im, source, a, i, f"{out}/axis{a}")
        im.emit("reshape", [source], out)
        return
    for n, (a, i) in enumerate(todo):
        source = taken(im, source, a, i, f"{out}/axis{a}", out if n == len(todo) - 1 else None)


def mirror_pad(im: Importer, op: OperatorInfo) -> None:
    shape, pairs = im.shape(op.inputs[0]), pads_of(im, op)
    short(shape)
    edge = 1 if op.option("Mode") == 0 else 0  # REFLECT leaves the border element out, SYMMETRIC repeats it
    if any(max(p) > d - edge for d, p in zip(shape, pairs, strict=True)):
        raise Refusal(f"paddings {pairs} of {shape}")
    mode: Any = "reflect" if edge else "symmetric"
    take_axes(im, op, {a: np.pad(np.arange(d), p, mode=mode) for a, (d, p) in enumerate(zip(shape, pairs, strict=True)) if any(p)})


def tile(im: Importer, op: OperatorInfo) -> None:
    shape, times = im.shape(op.inputs[0]), ints(im, op.inputs[1])
    if len(times) != len(shape) or min(times, default=1) < 1 or max(times, default=1) > LONGEST:
        raise Refusal(f"multiples {times} of {shape}")
    if int(np.prod([t * d for t, d in zip(times, shape, strict=True)], dtype=object)) != im.info(op.outputs[0]).size:
        raise Refusal(f"multiples {times} of {shape} do not make {im.info(op.outputs[0]).shape}")
    short(im.info(op.outputs[0]).shape)
    take_axes(im, op, {a: np.tile(np.arange(d), t) for a, (d, t) in enumerate(zip(shape, times, strict=True)) if t > 1})


def short(shape: Shape) -> None:
    if max(shape, default=0) > LONGEST:
        raise Refusal(f"an axis of {shape} is too long")


def broadcast_to(im: Importer, op: OperatorInfo) -> None:
    x, target = op.inputs[0], tuple(ints(im, op.inputs[1]))
    same_type(im, x, op.outputs[0])
    shape = im.shape(x)
    short(target)
    if target != im.info(op.outputs[0]).shape:
        raise Refusal(f"{target} is not the output's {im.info(op.outputs[0]).shape}")
    wide = (1,) * (len(target) - len(shape)) + tuple(shape)
    if len(wide) != len(target) or any(d not in (1, t) for d, t in zip(wide, target, strict=True)):
        raise Refusal(f"{shape} to {target}")
    source = im.reshape(im.x(x), wide, f"{op.name}/{op.index}")
    out = im.output(op)
    todo = [a for a, (d, t) in enumerate(zip(wide, target, strict=True)) if d != t]
    if not todo:
        im.emit("reshape", [source], out)
    for n, a in enumerate(todo):
        source = taken(im, source, a, np.zeros(target[a], np.int64), f"{out}/axis{a}", out if n == len(todo) - 1 else None)


def gather(im: Importer, op: OperatorInfo) -> None:
    x, index = op.inputs[0], op.inputs[1]
    same_type(im, x, op.outputs[0])
    shape, batch = im.shape(x), op.option("BatchDims")
    axis = op.option("Axis") + (len(shape) if op.option("Axis") < 0 else 0)
    if not 0 <= axis < len(shape) or not 0 <= batch <= axis or im.dtype(index) != "int32":
        raise Refusal(f"axis {axis}, batch_dims {batch} of {shape}")
    result = shape[:axis] + im.shape(index)[batch:] + shape[axis + 1 :]
    if im.known(index) and batch == 0:
        positions = im.value(index)
        if ((positions < 0) | (positions >= shape[axis])).any():
            raise Refusal(f"an index is outside of {shape[axis]} positions")
        flat = positions.reshape(-1).astype(np.int64)
        out = im.output(op, shape=result)
        direct = positions.ndim == 1
        last = taken(im, im.x(x), axis, flat, f"{out}/flat", out if direct else None)
        if not direct:
            im.emit("reshape", [last], out)
        return
    im.emit("tfl_gather", [im.x(x), im.x(index)], im.output(op, shape=result), axis=axis, batch_dims=batch)
