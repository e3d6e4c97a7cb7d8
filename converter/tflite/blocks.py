"""DEPTH_TO_SPACE, SPACE_TO_DEPTH, SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: reshapes around a transpose."""

from __future__ import annotations

from .importer import Importer, Refusal
from .move import Shape, ints, same_type
from .reader import OperatorInfo


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
    if (
        len(x) not in (3, 4)
        or len(block) != len(x) - 2
        or pairs.shape != (len(block), 2)
        or min(block) < 1
        or (pairs < 0).any()
        or (pairs > 2**20).any()
    ):
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
    box = im.emit(
        "slice", [whole], out if im.graph.of(out).shape == final else im.add(y, "/box", final), begin=(0, ch[0], cw[0], 0), step=(1, 1, 1, 1)
    )
    if box != out:
        im.emit("reshape", [box], out)
