"""SVDF and LSTM layers of imported models, with their state (kernels/SPEC_tflite.md, T26 to T28)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..graph import Array
from .base import MAX_DIM, Op, View
from .tfl_elementwise import scale_ok

if TYPE_CHECKING:
    from ..build import Builder


class TflSvdf(Op, kw_only=True):
    """x[B,I] int8, state[B,F*M] int16, feature[F,I] int8, time[F,M] int16, bias[F/rank] int32 -> y[B,F/rank] int8, next state."""

    op: ClassVar[str] = "tfl_svdf"
    rank: int
    m1: int
    s1: int
    m2: int
    s2: int

    def arity(self, v: View) -> None:
        v.count(5, 2)

    def shape(self, v: View) -> tuple[int, ...]:
        x, f, t = v.x(0).shape, v.x(2).shape, v.x(3).shape
        v.within("rank", self.rank, 1, MAX_DIM)
        v.need(len(x) == len(f) == len(t) == 2 and f[0] == t[0] and f[1] == x[1] and f[0] % self.rank == 0, "shapes do not fit")
        v.need(v.x(1).shape == (x[0], f[0] * t[1]) == v.y(1).shape, "the state must have filters * memory elements per sample")
        return x[0], f[0] // self.rank

    def check(self, v: View) -> None:
        for t, dtype in ((v.x(0), "int8"), (v.x(1), "int16"), (v.y(0), "int8"), (v.y(1), "int16")):
            v.dtype(t, dtype)
        f, taps = v.constant(2, "int8", v.x(2).shape), v.constant(3, "int16", v.x(3).shape)
        bias = v.constant(4, "int32", (v.y().shape[1],))
        scale_ok(v, "1", self.m1, self.s1)
        scale_ok(v, "2", self.m2, self.s2)
        reach = np.abs(f.astype(np.int64)).sum(axis=1).max() * 255
        v.need(reach < 2 ** (31 - max(self.s1, 0)), "a product with the feature weights may leave int32")
        total = (np.abs(taps.astype(np.int64)).sum(axis=1) * 32768).reshape(-1, self.rank).sum(axis=1) + np.abs(bias.astype(np.int64))
        v.need(bool((total < 2**40).all()), "the time weights and the bias are too large")

    def macs(self, v: View) -> int:
        return v.x(0).shape[0] * (v.x(2).size + v.x(3).size)

    def batchable(self, v: View) -> bool:
        return False

    def kwargs(self, v: View) -> dict[str, Any]:
        return {**super().kwargs(v), "x_zero_point": v.x().zero_point, "y_zero_point": v.y().zero_point}

    def lower(self, v: View, b: Builder) -> None:
        filters, inputs = v.x(2).shape
        p = b.new("intq_tfl_svdf", batch=v.x().shape[0], inputs=inputs, filters=filters, memory=v.x(3).shape[1], rank=self.rank, m1=self.m1,
                  s1=self.s1, m2=self.m2, s2=self.s2, x_zero_point=v.x().zero_point, y_zero_point=v.y().zero_point,
                  feature=b.constant(v.array(2), "int8_t *"), time=b.constant(v.array(3), "int16_t *"),
                  bias=b.constant(v.array(4), "int32_t *"))  # fmt: skip
        b.step(v, b.row("tfl_svdf", "s8"), p, v.x().shape[0], reads=list(v.node.inputs[:2]))


class TflLstm(Op, kw_only=True):
    """x, h[B,O] int8, cell[B,C] int16, thirteen constants (ref_tflite_recurrent.py names them) -> y, next h, next cell."""

    op: ClassVar[str] = "tfl_lstm"
    time_major: bool
    cifg: bool
    use_peephole: bool
    use_norm: bool
    use_projection: bool
    cell_shift: int
    cell_clip: int
    output_clip: int
    hidden_multiplier: int
    hidden_shift: int
    hidden_zero_point: int
    projection_multiplier: int
    projection_shift: int
    y_zero: int

    def arity(self, v: View) -> None:
        v.count(16, 3)

    def sizes(self, v: View) -> tuple[int, int, int, int, int]:
        """(steps, batch, inputs, cells, outputs)."""
        x = v.x(0).shape
        v.need(len(x) == 3 and len(v.x(1).shape) == 2 == len(v.x(2).shape), "the input must have 3 dimensions, the states 2")
        steps, batch = (x[0], x[1]) if self.time_major else (x[1], x[0])
        return steps, batch, x[2], v.x(2).shape[1], v.x(1).shape[1]

    def shape(self, v: View) -> tuple[int, ...]:
        steps, batch, _, cells, outputs = self.sizes(v)
        v.need(v.x(1).shape == (batch, outputs) == v.y(1).shape and v.x(2).shape == (batch, cells) == v.y(2).shape, "the states do not fit")
        v.need(self.use_projection or cells == outputs, "without a projection there are as many outputs as cells")
        return (steps, batch, outputs) if self.time_major else (batch, steps, outputs)

    def constants(self, v: View) -> dict[str, Array]:
        _, batch, n, c, o = self.sizes(v)
        layout = (
            ("w", "int8", (4, c, n)), ("w_bias", "int32", (4, c)), ("r", "int8", (4, c, o)), ("r_bias", "int32", (4, c)), ("scales", "int32", (4, 9)),
            ("peephole", "int16", (4, batch, c)), ("norm", "int16", (4, c)), ("norm_bias", "int32", (4, c)), ("projection", "int8", (o, c)),
            ("projection_bias", "int32", (o,)), ("sigmoid", "int16", (65536,)), ("tanh3", "int16", (65536,)), ("tanh_cell", "int16", (65536,)),
        )  # fmt: skip
        return {name: v.constant(3 + i, dtype, shape) for i, (name, dtype, shape) in enumerate(layout)}

    def check(self, v: View) -> None:
        for t, dtype in ((v.x(0), "int8"), (v.x(1), "int8"), (v.x(2), "int16"), (v.y(0), "int8"), (v.y(1), "int8"), (v.y(2), "int16")):
            v.dtype(t, dtype)
        c = self.constants(v)
        for row in c["scales"].tolist():
            for k in (0, 2, 4, 6):
                scale_ok(v, "of a gate", row[k], row[k + 1] + (12 if k == 6 else 0))
            v.within("variance guard", row[8], 1, 2**30)
        scale_ok(v, "of the hidden state", self.hidden_multiplier, self.hidden_shift)
        scale_ok(v, "of the projection", self.projection_multiplier, self.projection_shift)
        v.within("cell_shift", self.cell_shift, -15, -9)
        v.within("cell_clip", self.cell_clip, 0, 32767)
        v.within("output_clip", self.output_clip, 0, 127)
        v.within("zero points", (self.hidden_zero_point, self.y_zero), -128, 127)
        v.need(bool((c["sigmoid"] >= 0).all()), "the table of the logistic function is negative somewhere")
        v.within("cells", v.x(2).shape[1], 1, 2**15)
        for weights, bias in (("w", "w_bias"), ("r", "r_bias"), ("projection", "projection_bias")):
            reach = np.abs(c[weights].astype(np.int64)).sum(axis=-1) * 128 + np.abs(c[bias].astype(np.int64))
            v.need(bool((reach < 2**31).all()), f"a product with {weights} may leave int32")

    def macs(self, v: View) -> int:
        steps, batch, n, c, o = self.sizes(v)
        return steps * batch * c * (4 * n + 4 * o + (o if self.use_projection else 0))

    def batchable(self, v: View) -> bool:
        return False

    def kwargs(self, v: View) -> dict[str, Any]:
        found = super().kwargs(v)
        found["y_zero_point"] = found.pop("y_zero")
        return found

    def lower(self, v: View, b: Builder) -> None:
        steps, batch, n, c, o = self.sizes(v)
        names = ("time_major", "cifg", "use_peephole", "use_norm", "use_projection", "cell_shift", "cell_clip", "output_clip", "hidden_multiplier",
                 "hidden_shift", "hidden_zero_point", "projection_multiplier", "projection_shift")  # fmt: skip
        fields = {name: int(getattr(self, name)) for name in names}
        pointers = {name: b.constant(a, f"{a.dtype}_t *") for name, a in self.constants(v).items()}
        p = b.new("intq_tfl_lstm", steps=steps, batch=batch, inputs=n, cells=c, outputs=o, y_zero_point=self.y_zero, **fields, **pointers)
        b.scratch_bytes = max(b.scratch_bytes, 16 * c + 64)
        b.step(v, b.row("tfl_lstm", "s8"), p, batch, reads=list(v.node.inputs[:3]))
