"""Random models of recurrent operators with state, of state variables, and of operators that only move data."""

from __future__ import annotations

from typing import Any

import numpy as np
from tflite_builder import OpSpec, TensorSpec, build
from tflite_cases import Case, Rng, T, data, like, one, pick, scale, shape, zero_point

CALLS = 3  # consecutive calls of a model with state


def calls(inputs: list[Any], rng: Rng) -> list[Any]:
    """Fresh inputs for every call, stacked."""
    return [np.stack([x, *(data(rng, x.shape, str(x.dtype)) for _ in range(CALLS - 1))]) for x in inputs]


def recurrent(rng: Rng) -> Case:
    return pick(rng, svdf, lstm, lstm, variables)(rng)


def svdf(rng: Rng) -> Case:
    batch, n, rank, units, memory = (
        int(rng.integers(1, 3)),
        int(rng.integers(1, 30)),
        int(pick(rng, 1, 2, 3)),
        int(rng.integers(1, 9)),
        int(rng.integers(1, 12)),
    )
    filters = units * rank
    x = like(rng, "int8", (batch, n))
    f = T((filters, n), "int8", scale=scale(rng, -9, -5), data=data(rng, (filters, n)))
    t = T((filters, memory), "int16", scale=scale(rng, -17, -13), data=data(rng, (filters, memory), "int16") // 16)
    state = T((batch, filters * memory), "int16", scale=float(np.float32(x.scale * f.scale * n * 0.2)), variable=True)
    bias = T((units,), "int32", scale=state.scale * t.scale, data=rng.integers(-100000, 100000, units).astype(np.int32))
    y = like(rng, "int8", (batch, units), float(np.float32(state.scale * t.scale * 2000 * 4000 * memory / 60)))
    op = OpSpec("SVDF", [0, 1, 2, 3, 4], [5], "SVDFOptions", {"Rank": rank, "FusedActivationFunction": 1}, version=4)
    model, inputs = one(op, [x, f, t, bias, state, y], [0], [5], rng)
    return model, calls(inputs, rng)


def lstm(rng: Rng) -> Case:
    """Every combination of coupled gates, peephole, layer normalization and projection."""
    steps, batch, n, cells = int(rng.integers(1, 5)), int(rng.integers(1, 3)), int(rng.integers(1, 12)), int(rng.integers(1, 12))
    cifg, peephole, norm, project = (bool(rng.integers(3) == 0) for _ in range(4))
    outputs = int(rng.integers(1, 9)) if project else cells
    if peephole:
        outputs = min(outputs, cells)  # LiteRT would read past the end of its weights
    major = bool(rng.integers(2))
    tensors: list[TensorSpec] = []

    def put(spec: TensorSpec) -> int:
        tensors.append(spec)
        return len(tensors) - 1

    x = put(like(rng, "int8", (steps, batch, n) if major else (batch, steps, n), scale(rng, -7, -4)))
    h_scale = float(np.float32(1 / 128)) if not project else scale(rng, -7, -5)
    zh = zero_point(rng)
    w = lambda rows, cols: put(T((rows, cols), "int8", scale=scale(rng, -9, -6), data=np.maximum(data(rng, (rows, cols)), -127)))  # noqa: E731
    v16 = lambda: put(T((cells,), "int16", scale=scale(rng, -16, -13), data=data(rng, (cells,), "int16")))  # noqa: E731
    v32 = lambda: put(T((cells,), "int32", scale=2.0**-20, data=rng.integers(-20000, 20000, cells).astype(np.int32)))  # noqa: E731
    ins = [x, *([-1] if cifg else [w(cells, n)]), *(w(cells, n) for _ in range(3))]
    ins += [*([-1] if cifg else [w(cells, outputs)]), *(w(cells, outputs) for _ in range(3))]
    ins += [v16() if peephole and not cifg else -1, v16() if peephole else -1, v16() if peephole else -1]
    ins += [-1 if cifg else v32(), v32(), v32(), v32()]
    ins += (
        [w(outputs, cells), put(T((outputs,), "int32", scale=2.0**-16, data=rng.integers(-3000, 3000, outputs).astype(np.int32)))]
        if project
        else [-1, -1]
    )
    ins.append(put(T((batch, outputs), "int8", scale=h_scale, zero_point=zh, variable=True)))
    ins.append(put(T((batch, cells), "int16", scale=2.0 ** -int(rng.integers(9, 16)), variable=True)))
    ins += [v16() if norm and not cifg else -1, *(v16() if norm else -1 for _ in range(3))]
    middle = [put(T((0,), "int16", scale=scale(rng, -13, -10))) for _ in range(4)]
    hidden = put(like(rng, "int8", (0,), h_scale if not project else scale(rng, -8, -6), zh if not project else None))
    y = put(T((steps, batch, outputs) if major else (batch, steps, outputs), "int8", scale=h_scale, zero_point=zh))
    fields = {
        "FusedActivationFunction": 4,
        "CellClip": float(pick(rng, 0.0, 0.0, 0.5)),
        "ProjClip": float(pick(rng, 0.0, 0.0, 0.3)),
        "TimeMajor": major,
    }
    op = OpSpec("UNIDIRECTIONAL_SEQUENCE_LSTM", ins, [y], "UnidirectionalSequenceLSTMOptions", fields, [*middle, hidden], version=3)
    model, inputs = one(op, tensors, [x], [y], rng)
    return model, calls(inputs, rng)


def variables(rng: Rng) -> Case:
    """A delay line: assign, read what was there, add it up."""
    dims = (1, *shape(rng, 2, 6))
    x = like(rng, "int8", dims)
    y = like(rng, "int8", dims, x.scale * 2)
    handle, held = T((), "resource"), T(dims, "int8", scale=x.scale, zero_point=x.zero_point)
    name = {"Container": "", "SharedName": "held"}
    ops = [
        OpSpec("VAR_HANDLE", [], [1], "VarHandleOptions", name),
        OpSpec("READ_VARIABLE", [1], [2], "ReadVariableOptions"),
        OpSpec("ADD", [0, 2], [3], "AddOptions", {"FusedActivationFunction": 0}, version=2),
        OpSpec("ASSIGN_VARIABLE", [1, 0], [], "AssignVariableOptions"),
    ]
    model = build([x, handle, held, y], ops, [0], [3], start=(1, T(dims, "int8", scale=x.scale, zero_point=x.zero_point,
                  data=np.full(dims, x.zero_point, np.int8)), name))  # fmt: skip
    return model, calls([data(rng, dims)], rng)


# ----- data movement -----


def movement(rng: Rng) -> Case:
    return pick(rng, reshaping, padding, joining, cutting, striding, taking, blocks, casting)(rng)


def const(values: Any, dtype: str = "int32") -> TensorSpec:
    a = np.asarray(values, dtype)
    return T(a.shape, dtype, data=a)


def same(x: TensorSpec, dims: tuple[int, ...]) -> TensorSpec:
    return T(dims, x.dtype, scale=x.scale, zero_point=x.zero_point)


def activation(rng: Rng, dims: tuple[int, ...], *dtypes: str) -> TensorSpec:
    return like(rng, str(pick(rng, *(dtypes or ("int8", "int8", "uint8", "int16")))), dims)


def reshaping(rng: Rng) -> Case:
    x = activation(rng, shape(rng, int(rng.integers(1, 5)), 5))
    kind = int(rng.integers(4))
    if kind == 0:
        dims = tuple(int(v) for v in rng.permutation([*x.shape, 1]))
        return one(OpSpec("RESHAPE", [0, 1], [2], "ReshapeOptions"), [x, const(dims), same(x, dims)], [0], [2], rng)
    if kind == 1:
        perm = rng.permutation(len(x.shape)).astype(np.int32)
        dims = tuple(x.shape[p] for p in perm)
        return one(OpSpec("TRANSPOSE", [0, 1], [2], "TransposeOptions", version=4), [x, const(perm), same(x, dims)], [0], [2], rng)
    if kind == 2:
        axis = int(rng.integers(len(x.shape) + 1))
        dims = (*x.shape[:axis], 1, *x.shape[axis:])
        return one(OpSpec("EXPAND_DIMS", [0, 1], [2], "ExpandDimsOptions"), [x, const(axis), same(x, dims)], [0], [2], rng)
    axis = int(rng.integers(len(x.shape)))
    x.shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    op = OpSpec("SQUEEZE", [0], [1], "SqueezeOptions", {"SqueezeDims": [axis]}, version=2)
    return one(op, [x, same(x, x.shape[:axis] + x.shape[axis + 1 :])], [0], [1], rng)


def padding(rng: Rng) -> Case:
    rank = int(rng.integers(1, 5))
    name = pick(rng, "PAD", "PADV2", "MIRROR_PAD")
    x = activation(rng, shape(rng, rank, 6), *(("int8", "uint8") if name != "PAD" else ()))
    mode = int(rng.integers(2))
    most = [d - (mode == 0) if name == "MIRROR_PAD" else 3 for d in x.shape]
    pairs = np.array([[rng.integers(m + 1), rng.integers(m + 1)] for m in most], np.int32)
    y = same(x, tuple(d + int(a) + int(b) for d, (a, b) in zip(x.shape, pairs, strict=True)))
    if name == "PADV2":
        fill = T((1,), x.dtype, scale=x.scale, zero_point=x.zero_point, data=data(rng, (1,), x.dtype))
        return one(OpSpec(name, [0, 1, 2], [3], "PadV2Options", version=2), [x, const(pairs), fill, y], [0], [3], rng)
    options, fields = ("MirrorPadOptions", {"Mode": mode}) if name == "MIRROR_PAD" else ("PadOptions", {})
    return one(OpSpec(name, [0, 1], [2], options, fields, version=2), [x, const(pairs), y], [0], [2], rng)


def joining(rng: Rng) -> Case:
    rank, count = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    dims = shape(rng, rank, 5)
    axis = int(rng.integers(rank))
    dtype = str(pick(rng, "int8", "uint8", "int16"))
    y = like(rng, dtype, dims)
    if rng.integers(2):
        parts = [same(y, (*dims[:axis], int(rng.integers(1, 5)), *dims[axis + 1 :])) for _ in range(count)]
        if dtype == "uint8":
            for part in parts:
                part.scale, part.zero_point = scale(rng), zero_point(rng, "uint8")
        y.shape = (*dims[:axis], sum(p.shape[axis] for p in parts), *dims[axis + 1 :])
        op = OpSpec(
            "CONCATENATION", list(range(count)), [count], "ConcatenationOptions", {"Axis": axis - (rank if rng.integers(2) else 0)}, version=3
        )
    else:
        parts = [same(y, dims) for _ in range(count)]
        y.shape = (*dims[:axis], count, *dims[axis:])
        op = OpSpec("PACK", list(range(count)), [count], "PackOptions", {"Axis": axis, "ValuesCount": count}, version=2)
    return one(op, [*parts, y], list(range(count)), [count], rng)


def cutting(rng: Rng) -> Case:
    rank = int(rng.integers(1, 5))
    axis, count = int(rng.integers(rank)), int(rng.integers(1, 5))
    dims = list(shape(rng, rank, 5))
    kind = pick(rng, "SPLIT", "SPLIT_V", "UNPACK", "SLICE")
    x = activation(rng, tuple(dims), *(("int8",) if kind == "UNPACK" else ()))
    if kind == "SLICE":
        begin = [int(rng.integers(d)) for d in dims]
        size = [int(rng.integers(1, d - b + 1)) for d, b in zip(dims, begin, strict=True)]
        asked = [-1 if b + s == d and rng.integers(2) else s for d, b, s in zip(dims, begin, size, strict=True)]
        op = OpSpec("SLICE", [0, 1, 2], [3], "SliceOptions", version=3)
        return one(op, [x, const(begin), const(asked), same(x, tuple(size))], [0], [3], rng)
    if kind == "UNPACK":
        dims[axis] = count
        x.shape = tuple(dims)
        outs = [same(x, x.shape[:axis] + x.shape[axis + 1 :]) for _ in range(count)]
        op = OpSpec("UNPACK", [0], list(range(1, count + 1)), "UnpackOptions", {"Num": count, "Axis": axis}, version=2)
        return one(op, [x, *outs], [0], op.outputs, rng)
    sizes = [int(rng.integers(1, 4))] * count if kind == "SPLIT" else [int(v) for v in rng.integers(1, 4, count)]
    dims[axis] = sum(sizes)
    x.shape = tuple(dims)
    outs = [same(x, (*x.shape[:axis], s, *x.shape[axis + 1 :])) for s in sizes]
    if kind == "SPLIT":
        op = OpSpec("SPLIT", [1, 0], list(range(2, 2 + count)), "SplitOptions", {"NumSplits": count}, version=4)
        return one(op, [x, const(axis), *outs], [0], op.outputs, rng)
    op = OpSpec("SPLIT_V", [0, 1, 2], list(range(3, 3 + count)), "SplitVOptions", {"NumSplits": count}, version=2)
    return one(op, [x, const(sizes), const(axis), *outs], [0], op.outputs, rng)


def striding(rng: Rng) -> Case:
    """STRIDED_SLICE; the shape comes from NumPy's own slicing."""
    rank = int(rng.integers(1, 5))
    x = activation(rng, shape(rng, rank, 7), "int8", "uint8", "int16")
    begin, end, step = (np.zeros(rank, np.int32) for _ in range(3))
    masks = dict.fromkeys(("BeginMask", "EndMask", "ShrinkAxisMask"), 0)
    index: list[Any] = []
    for i, d in enumerate(x.shape):
        step[i] = pick(rng, 1, 1, 2, 3, -1, -2)
        begin[i], end[i] = rng.integers(-d, d), rng.integers(-d - 1, d + 1)
        if rng.integers(5) == 0:
            masks["ShrinkAxisMask"] |= 1 << i
            step[i], end[i] = 1, begin[i] + 1
            index.append(int(begin[i]))
            continue
        first, last = (bool(rng.integers(2)) for _ in range(2))
        masks["BeginMask"] |= first << i
        masks["EndMask"] |= last << i
        chosen = slice(None if first else int(begin[i]), None if last else int(end[i]), int(step[i]))
        if len(range(*chosen.indices(d))) == 0:
            masks["BeginMask"], masks["EndMask"] = masks["BeginMask"] | 1 << i, masks["EndMask"] | 1 << i
            chosen = slice(None, None, int(step[i]))
        index.append(chosen)
    dims = np.zeros(x.shape)[tuple(index)].shape
    op = OpSpec("STRIDED_SLICE", [0, 1, 2, 3], [4], "StridedSliceOptions", masks, version=4)
    return one(op, [x, const(begin), const(end), const(step), same(x, dims)], [0], [4], rng)


def taking(rng: Rng) -> Case:
    rank = int(rng.integers(1, 5))
    kind = pick(rng, "GATHER", "GATHER", "TILE", "BROADCAST_TO")
    x = activation(rng, shape(rng, rank, 5), "int8", *(("uint8", "int16") if kind != "BROADCAST_TO" else ()))
    if kind == "TILE":
        times = [int(v) for v in rng.integers(1, 4, rank)]
        dims = tuple(d * t for d, t in zip(x.shape, times, strict=True))
        return one(OpSpec("TILE", [0, 1], [2], "TileOptions", version=3), [x, const(times), same(x, dims)], [0], [2], rng)
    if kind == "BROADCAST_TO":
        dims = (*shape(rng, 1, 3), *x.shape)
        x.shape = tuple(1 if rng.integers(3) == 0 else d for d in x.shape)
        return one(OpSpec("BROADCAST_TO", [0, 1], [2], "BroadcastToOptions", version=3), [x, const(dims), same(x, dims)], [0], [2], rng)
    axis = int(rng.integers(rank))
    where = shape(rng, int(rng.integers(1, 3)), 5)
    positions = rng.integers(0, x.shape[axis], where).astype(np.int32)
    y = same(x, x.shape[:axis] + where + x.shape[axis + 1 :])
    op = OpSpec("GATHER", [0, 1], [2], "GatherOptions", {"Axis": axis}, version=4)
    if rng.integers(2):
        return one(op, [x, const(positions), y], [0], [2], rng)
    model = build([x, T(where, "int32"), y], [op], [0, 1], [2])
    return model, [data(rng, x.shape, x.dtype), positions]


def blocks(rng: Rng) -> Case:
    kind = pick(rng, "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
    n, h, w, c = shape(rng, 4, 4)
    b = int(rng.integers(1, 4))
    if kind == "DEPTH_TO_SPACE":
        x = activation(rng, (n, h, w, c * b * b), "int8", "uint8")
        return one(OpSpec(kind, [0], [1], "DepthToSpaceOptions", {"BlockSize": b}), [x, same(x, (n, h * b, w * b, c))], [0], [1], rng)
    if kind == "SPACE_TO_DEPTH":
        x = activation(rng, (n, h * b, w * b, c), "int8", "uint8")
        return one(OpSpec(kind, [0], [1], "SpaceToDepthOptions", {"BlockSize": b}), [x, same(x, (n, h, w, c * b * b))], [0], [1], rng)
    bh, bw = b, int(rng.integers(1, 4))
    if kind == "SPACE_TO_BATCH_ND":
        top, left = int(rng.integers(3)), int(rng.integers(3))
        pads = np.array([[top, -(h + top) % bh], [left, -(w + left) % bw]], np.int32)
        x = activation(rng, (n, h, w, c), "int8", "uint8")
        y = same(x, (n * bh * bw, (h + int(pads[0].sum())) // bh, (w + int(pads[1].sum())) // bw, c))
        return one(OpSpec(kind, [0, 1, 2], [3], "SpaceToBatchNDOptions", version=3), [x, const([bh, bw]), const(pads), y], [0], [3], rng)
    crops = np.array([[rng.integers(bh), 0], [0, rng.integers(bw)]], np.int32)
    x = activation(rng, (n * bh * bw, h, w, c), "int8", "uint8")
    y = same(x, (n, h * bh - int(crops[0].sum()), w * bw - int(crops[1].sum()), c))
    return one(OpSpec(kind, [0, 1, 2], [3], "BatchToSpaceNDOptions", version=3), [x, const([bh, bw]), const(crops), y], [0], [3], rng)


def casting(rng: Rng) -> Case:
    source, target = pick(rng, ("int8", "int32"), ("uint8", "int32"), ("int32", "int8"), ("int32", "uint8"), ("int8", "int16"), ("int16", "int8"))
    codes = {"int32": 2, "uint8": 3, "int16": 7, "int8": 9}
    dims = shape(rng, 2, 6)
    fields = {"InDataType": codes[source], "OutDataType": codes[target]}
    return one(OpSpec("CAST", [0], [1], "CastOptions", fields, version=5), [T(dims, source), T(dims, target)], [0], [1], rng)
