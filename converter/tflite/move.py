"""Data movement: RESHAPE to BATCH_TO_SPACE_ND. Scales pass through; the bytes of the file move as they are."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import numpy.typing as npt

from .importer import Importer, Refusal
from .reader import OperatorInfo
from .rescale import round_away

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


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
    if values.shape != (len(shape), 2) or (values < 0).any() or (values > 2**24).any():
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
    shape = like.shape[:axis] + (len(index),) + like.shape[axis + 1 :]
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
    edge = 1 if op.option("Mode") == 0 else 0  # REFLECT leaves the border element out, SYMMETRIC repeats it
    if any(max(p) > d - edge for d, p in zip(shape, pairs, strict=True)):
        raise Refusal(f"paddings {pairs} of {shape}")
    mode: Any = "reflect" if edge else "symmetric"
    take_axes(im, op, {a: np.pad(np.arange(d), p, mode=mode) for a, (d, p) in enumerate(zip(shape, pairs, strict=True)) if any(p)})


def tile(im: Importer, op: OperatorInfo) -> None:
    shape, times = im.shape(op.inputs[0]), ints(im, op.inputs[1])
    if len(times) != len(shape) or min(times, default=1) < 1 or max(times, default=1) > 2**24:
        raise Refusal(f"multiples {times} of {shape}")
    if int(np.prod([t * d for t, d in zip(times, shape, strict=True)], dtype=object)) != im.info(op.outputs[0]).size:
        raise Refusal(f"multiples {times} of {shape} do not make {im.info(op.outputs[0]).shape}")
    take_axes(im, op, {a: np.tile(np.arange(d), t) for a, (d, t) in enumerate(zip(shape, times, strict=True)) if t > 1})


def broadcast_to(im: Importer, op: OperatorInfo) -> None:
    x, target = op.inputs[0], tuple(ints(im, op.inputs[1]))
    same_type(im, x, op.outputs[0])
    shape = im.shape(x)
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


# ----- joining and cutting -----


def concatenation(im: Importer, op: OperatorInfo) -> None:
    """uint8 inputs of other scales are rescaled in float32 by LiteRT, value by value: a table (T24)."""
    y = op.outputs[0]
    shapes = [im.shape(i) for i in op.inputs]
    if not shapes or op.option("FusedActivationFunction"):
        raise Refusal("it has no inputs, or an activation")
    rank = len(shapes[0])
    axis = op.option("Axis") + (rank if op.option("Axis") < 0 else 0)
    if not 0 <= axis < rank or any(s[:axis] + s[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :] for s in shapes):
        raise Refusal(f"axis {axis} of {shapes}")
    parts = []
    for n, i in enumerate(op.inputs):
        same_type(im, i, y)
        part = im.x(i)
        same = not im.quantized(i) or (im.scale(i) == im.scale(y) and im.zero_point(i) == im.zero_point(y))
        if not same:
            if im.info(i).dtype != "uint8":
                raise Refusal(f"input {n} has another scale than the output")
            part = rescaled(im, i, y, im.add(y, f"/part{n}", im.shape(i)))
        parts.append(part)
    shape = shapes[0][:axis] + (sum(s[axis] for s in shapes),) + shapes[0][axis + 1 :]
    im.emit("concat", parts, im.output(op, shape=shape), axis=axis)


def rescaled(im: Importer, x: int, y: int, out: str) -> str:
    scale = np.float32(im.scale(x)) * (np.float32(1) / np.float32(im.scale(y)))
    zx, zy = im.zero_point(x) + 128, im.zero_point(y) + 128
    bias = np.float32(-zx) * scale
    im.tabulate(x, y, lambda v: round_away(v.astype(np.float32) * scale + bias).astype(np.int64) + zy, out)
    return out


def cut(im: Importer, op: OperatorInfo, k: int, begin: list[int], step: list[int], shape: Shape, final: Shape) -> None:
    """Output k as a strided box of the data operand."""
    x = op.inputs[1] if op.name == "SPLIT" else op.inputs[0]
    same_type(im, x, op.outputs[k])
    if 0 in shape:
        raise Refusal("an output is empty")
    out = im.output(op, k, shape=final)
    box = out if final == shape else im.add(op.outputs[k], "/box", shape)
    im.emit("slice", [im.x(x)], box, begin=tuple(begin), step=tuple(step))
    if box != out:
        im.emit("reshape", [box], out)


def split_sizes(im: Importer, op: OperatorInfo, x: int, axis: int, sizes: list[int]) -> None:
    shape = im.shape(x)
    if not -len(shape) <= axis < len(shape):
        raise Refusal(f"axis {axis} of {shape}")
    axis %= len(shape)
    if sum(sizes) != shape[axis] or len(sizes) != len(op.outputs) or min(sizes, default=1) < 1:
        raise Refusal(f"sizes {sizes} along axis {axis} of {shape}")
    at = 0
    for k, size in enumerate(sizes):
        begin = [0] * len(shape)
        begin[axis] = at
        part = shape[:axis] + (size,) + shape[axis + 1 :]
        cut(im, op, k, begin, [1] * len(shape), part, part)
        at += size


def split(im: Importer, op: OperatorInfo) -> None:
    axis, n = ints(im, op.inputs[0])[0], len(op.outputs)
    shape = im.shape(op.inputs[1])
    if not -len(shape) <= axis < len(shape) or n < 1 or shape[axis] % n:
        raise Refusal(f"axis {axis} of {shape} in {n}")
    split_sizes(im, op, op.inputs[1], axis, [shape[axis] // n] * n)


def split_v(im: Importer, op: OperatorInfo) -> None:
    sizes, axis = ints(im, op.inputs[1]), ints(im, op.inputs[2])[0]
    shape = im.shape(op.inputs[0])
    if sizes.count(-1) == 1 and -len(shape) <= axis < len(shape):
        sizes[sizes.index(-1)] = shape[axis] - (sum(sizes) + 1)
    split_sizes(im, op, op.inputs[0], axis, sizes)


def pack(im: Importer, op: OperatorInfo) -> None:
    shapes = {im.shape(i) for i in op.inputs}
    if len(shapes) != 1:
        raise Refusal(f"shapes {shapes}")
    shape = shapes.pop()
    axis = op.option("Axis") + (len(shape) + 1 if op.option("Axis") < 0 else 0)
    if not 0 <= axis <= len(shape):
        raise Refusal(f"axis {axis} of {shape}")
    wide = shape[:axis] + (1,) + shape[axis:]
    for i in op.inputs:
        same_type(im, i, op.outputs[0])
    parts = [im.reshape(im.x(i), wide, f"{op.name}/{op.index}/{n}") for n, i in enumerate(op.inputs)]
    im.emit("concat", parts, im.output(op, shape=shape[:axis] + (len(parts),) + shape[axis:]), axis=axis)


def unpack(im: Importer, op: OperatorInfo) -> None:
    shape = im.shape(op.inputs[0])
    axis = op.option("Axis") + (len(shape) if op.option("Axis") < 0 else 0)
    if not 0 <= axis < len(shape) or shape[axis] != len(op.outputs):
        raise Refusal(f"axis {axis} of {shape}")
    for k in range(shape[axis]):
        begin = [0] * len(shape)
        begin[axis] = k
        box = shape[:axis] + (1,) + shape[axis + 1 :]
        cut(im, op, k, begin, [1] * len(shape), box, shape[:axis] + shape[axis + 1 :])


def slice(im: Importer, op: OperatorInfo) -> None:
    shape, begin, size = im.shape(op.inputs[0]), ints(im, op.inputs[1]), ints(im, op.inputs[2])
    if len(begin) != len(shape) or len(size) != len(shape):
        raise Refusal(f"begin {begin}, size {size} of {shape}")
    sizes = tuple(d - b if s == -1 else s for d, b, s in zip(shape, begin, size, strict=True))
    if any(b < 0 or s < 0 or b + s > d for b, s, d in zip(begin, sizes, shape, strict=True)):
        raise Refusal(f"begin {begin}, size {size} of {shape}")
    cut(im, op, 0, begin, [1] * len(shape), sizes, sizes)


def strided_index(op: OperatorInfo, shape: Shape, begin: Any, end: Any, strides: Any) -> tuple[list[int], list[int], Shape, Shape]:
    """(begin, step, box shape, final shape) of STRIDED_SLICE with all its masks."""
    masks = {m: op.option(f"{m}Mask") for m in ("Begin", "End", "Ellipsis", "NewAxis", "ShrinkAxis")}
    begin, end, strides = ([int(v) for v in a.reshape(-1)] for a in (begin, end, strides))
    n = len(begin)
    if len(end) != n or len(strides) != n or 0 in strides:
        raise Refusal(f"begin {begin}, end {end}, strides {strides} of {shape}")
    has = lambda m, i: bool(masks[m] >> i & 1)  # noqa: E731
    spread = len(shape) - sum(1 for i in range(n) if not has("NewAxis", i) and not has("Ellipsis", i))
    starts: list[int] = []
    steps: list[int] = []
    box: list[int] = []
    final: list[int] = []

    def whole() -> None:
        d = shape[len(starts)]
        starts.append(0)
        steps.append(1)
        box.append(d)
        final.append(d)

    for i in range(n):
        if has("Ellipsis", i):
            for _ in range(max(spread, 0)):
                whole()
            spread = 0
            continue
        if has("NewAxis", i):
            final.append(1)
            continue
        if len(starts) >= len(shape):
            raise Refusal(f"more positions than axes of {shape}")
        d = shape[len(starts)]
        if has("ShrinkAxis", i):
            at = begin[i] + (d if begin[i] < 0 else 0)
            if not 0 <= at < d:
                raise Refusal(f"position {begin[i]} of {d}")
            starts.append(at)
            steps.append(1)
            box.append(1)
            continue
        stop = end[i] + begin[i] if op.option("Offset", False) else end[i]
        first, last, step = builtins.slice(None if has("Begin", i) else begin[i], None if has("End", i) else stop, strides[i]).indices(d)
        starts.append(first)
        steps.append(step)
        box.append(len(range(first, last, step)))
        final.append(box[-1])
    while len(starts) < len(shape):
        whole()
    return starts, steps, tuple(box), tuple(final)


def strided_slice(im: Importer, op: OperatorInfo) -> None:
    shape = im.shape(op.inputs[0])
    begin, step, box, final = strided_index(op, shape, *(im.value(i) for i in op.inputs[1:4]))
    cut(im, op, 0, begin, step, box, final)


# ----- blocks -----


def rearranged(im: Importer, op: OperatorInfo, source: str, parts: Shape, perm: tuple[int, ...], final: Shape) -> None:
    """Split axes into `parts`, permute, join to `final`."""
    y = op.outputs[0]
    same_type(im, op.inputs[0], y)
    out = im.output(op, shape=final)
    cut_up = im.reshape(source, parts, f"{out}/parts")
    mixed = im.emit("transpose", [cut_up], im.add(y, "/mixed", tuple(parts[p] for p in perm)), perm=perm)
    im.emit("reshape", [mixed], out)


def depth_to_space(im: Importer, op: OperatorInfo) -> None:
    x, b = im.shape(op.inputs[0]), op.option("BlockSize")
    if len(x) != 4 or b < 1 or x[3] % (b * b):
        raise Refusal(f"block {b} of {x}")
    n, h, w, c = x
    rearranged(im, op, im.x(op.inputs[0]), (n, h, w, b, b, c // b // b), (0, 1, 3, 2, 4, 5), (n, h * b, w * b, c // b // b))


def space_to_depth(im: Importer, op: OperatorInfo) -> None:
    x, b = im.shape(op.inputs[0]), op.option("BlockSize")
    if len(x) != 4 or b < 1 or x[1] % b or x[2] % b:
        raise Refusal(f"block {b} of {x}")
    n, h, w, c = x
    rearranged(im, op, im.x(op.inputs[0]), (n, h // b, b, w // b, b, c), (0, 1, 3, 2, 4, 5), (n, h // b, w // b, c * b * b))


def blocks_of(im: Importer, op: OperatorInfo) -> tuple[Shape, list[int], list[tuple[int, int]]]:
    """(input shape with two spatial axes, two block sizes, two pairs of crops or pads); 3-dimensional input gets a width of 1."""
    x, block = im.shape(op.inputs[0]), ints(im, op.inputs[1])
    pairs = im.value(op.inputs[2])
    if len(x) not in (3, 4) or len(block) != len(x) - 2 or pairs.shape != (len(block), 2) or min(block) < 1 or (pairs < 0).any() or (pairs > 2**20).any():
        raise Refusal(f"blocks {block}, {pairs.tolist()} of {x}")
    both = [(int(a), int(b)) for a, b in pairs]
    if len(x) == 3:
        return (x[0], x[1], 1, x[2]), [*block, 1], [*both, (0, 0)]
    return x, block, both


def space_to_batch_nd(im: Importer, op: OperatorInfo) -> None:
    (n, h, w, c), (bh, bw), (ph, pw) = blocks_of(im, op)
    source = im.reshape(im.x(op.inputs[0]), (n, h, w, c), f"{op.name}/{op.index}/in")
    if any((*ph, *pw)):
        padded_shape = (n, h + sum(ph), w + sum(pw), c)
        target = im.add(op.outputs[0], "/padded", padded_shape)
        value = im.zero_point(op.outputs[0])
        source = im.emit("pad", [source], target, before=(0, ph[0], pw[0], 0), after=(0, ph[1], pw[1], 0), value=value)
        _, h, w, _ = padded_shape
    if h % bh or w % bw:
        raise Refusal(f"blocks {bh} x {bw} of {h} x {w}")
    final = (n * bh * bw, h // bh, w // bw, c)
    rearranged(im, op, source, (n, h // bh, bh, w // bw, bw, c), (2, 4, 0, 1, 3, 5), shaped(im, op, final))


def shaped(im: Importer, op: OperatorInfo, final: Shape) -> Shape:
    """`final` without the width that a 3-dimensional input was given."""
    return final[:2] + final[3:] if len(im.shape(op.inputs[0])) == 3 else final


def batch_to_space_nd(im: Importer, op: OperatorInfo) -> None:
    (n, h, w, c), (bh, bw), (ch, cw) = blocks_of(im, op)
    if n % (bh * bw):
        raise Refusal(f"blocks {bh} x {bw} of a batch of {n}")
    y = op.outputs[0]
    same_type(im, op.inputs[0], y)
    m = n // (bh * bw)
    full, final = (m, h * bh, w * bw, c), (m, h * bh - sum(ch), w * bw - sum(cw), c)
    if min(final[1:3]) < 1:
        raise Refusal(f"crops {ch} and {cw} leave nothing")
    parts = im.reshape(im.x(op.inputs[0]), (bh, bw, m, h, w, c), f"{op.name}/{op.index}/parts")
    mixed = im.emit("transpose", [parts], im.add(y, "/mixed", (m, h, bh, w, bw, c)), perm=(2, 3, 0, 4, 1, 5))
    out = im.output(op, shape=shaped(im, op, final))
    if final == full:
        im.emit("reshape", [mixed], out)
        return
    whole = im.emit("reshape", [mixed], im.add(y, "/whole", full))
    box = im.emit("slice", [whole], out if im.graph.of(out).shape == final else im.add(y, "/box", final), begin=(0, ch[0], cw[0], 0), step=(1, 1, 1, 1))
    if box != out:
        im.emit("reshape", [box], out)
