"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .importer import Importer, Refusal
from .reader import OperatorInfo
from .rescale import round_away

Array = npt.NDArray[Any]
LONGEST = 2**16  # rows or columns


def sizes(im: Importer, op: OperatorInfo) -> tuple[tuple[int, ...], tuple[int, int], bool, bool]:
    """(input shape, output height and width, align_corners, half_pixel_centers)."""
    x = im.shape(op.inputs[0])
    wanted = im.value(op.inputs[1]).reshape(-1)
    if len(x) != 4 or wanted.size != 2 or min(x) < 1 or (wanted < 1).any() or (wanted > LONGEST).any():
        raise Refusal(f"input {x}, size {wanted.tolist()}")
    if im.info(op.inputs[0]).dtype != im.info(op.outputs[0]).dtype:
        raise Refusal("it changes the type")
    if max(x) > LONGEST:
        raise Refusal(f"input {x}")
    return x, (int(wanted[0]), int(wanted[1])), bool(op.option("AlignCorners")), bool(op.option("HalfPixelCenters"))


def resize_nearest_neighbor(im: Importer, op: OperatorInfo) -> None:
    """The positions come from float32 arithmetic at import (T22); running only copies."""
    x, (h, w), corners, half = sizes(im, op)

    def positions(size: int, wanted: int) -> Array:
        f32 = np.float32
        scale = f32(size - 1) / f32(wanted - 1) if corners and wanted > 1 else f32(size) / f32(wanted)
        at = (np.arange(wanted).astype(f32) + f32(0.5 if half else 0)) * scale
        whole = round_away(at) if corners else np.floor(at)
        return np.clip(whole.astype(np.int64), 0, size - 1).astype(np.int32)

    out = im.output(op, shape=(x[0], h, w, x[3]))
    names = [im.constant(f"{out}/rows", positions(x[1], h)), im.constant(f"{out}/cols", positions(x[2], w))]
    im.emit("resize_nearest", [im.x(op.inputs[0]), *names], out)


def resize_bilinear(im: Importer, op: OperatorInfo) -> None:
    """(T22): positions and weights in 1/1024. LiteRT resizes uint8 in float32, so that type is refused."""
    x, (h, w), corners, half = sizes(im, op)
    if im.info(op.inputs[0]).dtype == "uint8":
        raise Refusal("LiteRT computes RESIZE_BILINEAR of uint8 in float")

    def lines(size: int, wanted: int) -> Array:
        scale = (1024 * size + wanted // 2) // wanted
        if corners and wanted > 1:
            scale = (1024 * (size - 1) + (wanted - 1) // 2) // (wanted - 1)
        i = np.arange(wanted, dtype=np.int64)
        at = i * scale + (scale // 2 - 512) if half else i * scale
        first = np.maximum(np.sign(at) * (np.abs(at) // 1024), 0)
        up = at + 1023
        second = np.minimum(np.sign(up) * (np.abs(up) // 1024), size - 1)
        first = np.minimum(first, size - 1)
        return np.stack([first, second, at - 1024 * first], axis=1).astype(np.int32)

    out = im.output(op, shape=(x[0], h, w, x[3]))
    names = [im.constant(f"{out}/rows", lines(x[1], h)), im.constant(f"{out}/cols", lines(x[2], w))]
    im.emit("tfl_resize_bilinear", [im.x(op.inputs[0]), *names], out)
