"""Every row of products of two activations equals the reference, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from elementwise_cases import Call
from intq.kernels import ref_tflite_nn as ref
from intq.kernels.table import Row, ffi
from intq.ops.tfl_matrix import BLOCK
from kernel_cases import usable, values

SHAPES = [  # batch of a, batch of b, rows, depth, columns
    ((1,), (1,), 1, 1, 1), ((2,), (2,), 5, 3, 17), ((1, 3), (1, 3), 197, 64, 197), ((2, 2), (2, 2), 13, 197, 64), ((3,), (1,), 7, 65, 33),
    ((1, 2), (4, 1), 8, 4, 16), ((2,), (2,), 1, 200, 130), ((1,), (1,), 6, 63, 48), ((1,), (1,), 3, 2, 65), ((2, 1, 2, 1), (1, 3, 1, 2), 4, 9, 31),
]  # fmt: skip
# multiplier, shift, and the zero points of a, b and y
SCALES = [(1518500250, -9, -128, 11, 3), (2**31 - 1, 0, 127, -128, -128), (2**30, 3, 0, 0, 0), (1, -31, 5, 127, 7), (0, -1, -1, 1, 127),
          (2**30 + 77, -1, 127, 127, 0)]  # fmt: skip


@pytest.mark.parametrize("row", usable("tfl_batch_matmul", "s8"), ids=lambda row: row.name)
@pytest.mark.parametrize("adjoint", [(0, 0), (0, 1), (1, 0), (1, 1)], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_matmul(row: Row, shape: tuple, adjoint: tuple[int, int]) -> None:
    rng = np.random.default_rng(len(str(shape)))
    (batch_a, batch_b, rows, depth, cols), (adj_a, adj_b) = shape, adjoint
    batch = np.broadcast_shapes(batch_a, batch_b)
    for i, (multiplier, shift, za, zb, zy) in enumerate(SCALES):
        kinds = ("random", "ends", "-128", "127")
        a = values(rng, kinds[i % 4], (*batch_a, *((depth, rows) if adj_a else (rows, depth))))
        b = values(rng, kinds[i * 3 % 4], (*batch_b, *((cols, depth) if adj_b else (depth, cols))))
        if shift > 0:  # a left shift wants small sums
            a, b = (np.clip(v, -3, 3) for v in (a, b))
        kw = {"a_zero_point": za, "b_zero_point": zb, "y_zero_point": zy, "multiplier": multiplier, "shift": shift}
        kw.update({"lo": (-128, -9)[i % 2], "hi": (127, 90)[i % 2]})
        p = ffi.new("intq_tfl_matmul *", {"rows": rows, "depth": depth, "cols": cols, "adj_a": adj_a, "adj_b": adj_b, "b_size": 1, **kw})
        for k in range(4):
            at = k - 4 + len(batch)
            p.batch[k] = batch[at] if at >= 0 else 1
            for strides, own, size in ((p.stride_a, batch_a, rows * depth), (p.stride_b, batch_b, depth * cols)):
                strides[k] = int(np.prod(own[at + 1 :])) * size if at >= 0 and own[at] > 1 else 0
        wanted = ref.tfl_batch_matmul(a, b, adj_a=bool(adj_a), adj_b=bool(adj_b), rounding="q31_double", **kw)
        call = Call(row, p, [a, b], wanted.shape, np.int8, int(np.prod(batch)) * rows, BLOCK * (-(-depth // 64) * 64))
        for splits in (1, 2, 7):
            call.y[...] = 0x55
            np.testing.assert_array_equal(call.run(splits), wanted)
