"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM: their state tensors become state variables of the graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...graph import State
from ...kernels import ref_tflite_fixed as fixed
from ...ops import REGISTRY
from .importer import Importer, Refusal
from .reader import OperatorInfo
from .rescale import quantize_multiplier

Array = npt.NDArray[Any]
F32 = np.float32


def variable(im: Importer, index: int, wish: str) -> tuple[str, str]:
    """(state on entry, state on exit) for a variable tensor of the file."""
    if index < 0 or not im.info(index).variable or index in im.values:
        raise Refusal("a state tensor is absent, no variable, or shared with another operator")
    entry = im.x(index)
    leave = im.add(index, f"/{wish}")
    im.graph.states.append(State(read=entry, write=leave))
    return entry, leave


def svdf(im: Importer, op: OperatorInfo) -> None:
    """(T26)"""
    x, feature, time = (im.operand(op, k) for k in (0, 1, 2))
    state, rank = im.operand(op, 4), op.option("Rank")
    if im.info(x).dtype != "int8" or im.info(feature).dtype != "int8" or im.info(time).dtype != "int16" or im.info(state).dtype != "int16":
        raise Refusal("only 8-bit inputs with 16-bit time weights and state are supported")
    f, t = im.value(feature), im.value(time)
    shape = im.shape(x)
    if len(shape) != 2 or f.ndim != 2 or t.ndim != 2 or rank < 1 or f.shape[0] % rank or t.shape[0] != f.shape[0] or f.shape[1] != shape[1]:
        raise Refusal(f"input {shape}, weights {f.shape} and {t.shape}, rank {rank}")
    if im.info(state).shape != (shape[0], t.size):
        raise Refusal(f"state {im.info(state).shape}")
    out_scale, state_scale = F32(im.scale(op.outputs[0])), F32(im.scale(state))
    if out_scale <= 0 or state_scale <= 0:
        raise Refusal("a scale is zero")
    m1, s1 = quantize_multiplier(float(F32(im.scale(x)) * F32(im.scale(feature)) / state_scale))
    m2, s2 = quantize_multiplier(float(state_scale * F32(im.scale(time)) / out_scale))
    units = f.shape[0] // rank
    bias = im.value(op.inputs[3]).astype(np.int32).reshape(-1) if im.has(op, 3) else np.zeros(units, np.int32)
    if bias.size != units:
        raise Refusal(f"the bias has {bias.size} values for {units} units")
    entry, leave = variable(im, state, "next")
    out = im.output(op, shape=(shape[0], units))
    names = [im.constant(f"{out}/{n}", a) for n, a in (("feature", f), ("time", t), ("bias", bias))]
    im.graph.node(REGISTRY["tfl_svdf"](rank=rank, m1=m1, s1=s1, m2=m2, s2=s2), [im.x(x), entry, *names], [out, leave])


class Lstm:
    """The operands of one LSTM, by name, with the scales that its kernel derives in float32."""

    def __init__(self, im: Importer, op: OperatorInfo) -> None:
        self.im, self.op = im, op
        self.cifg = not im.has(op, 1)
        self.peephole = im.has(op, 11)
        self.projection = im.has(op, 16)
        self.norm = im.has(op, 21)
        self.h, self.cell = im.operand(op, 18), im.operand(op, 19)
        if len(op.intermediates) < 5 or self.h < 0 or self.cell < 0:
            raise Refusal("it lacks its state or intermediate tensors: only the 8-bit LSTM with a 16-bit cell is supported")
        x = im.shape(op.inputs[0])
        if len(x) != 3 or im.info(op.inputs[0]).dtype != "int8" or im.info(self.cell).dtype != "int16" or im.info(self.h).dtype != "int8":
            raise Refusal("only the 8-bit LSTM with a 16-bit cell is supported")
        self.time_major = bool(op.option("TimeMajor"))
        self.steps, self.batch = (x[0], x[1]) if self.time_major else (x[1], x[0])
        self.inputs, self.cells = x[2], im.info(self.cell).shape[-1]
        self.outputs = im.info(self.h).shape[-1]
        if im.info(self.h).shape != (self.batch, self.outputs) or im.info(self.cell).shape != (self.batch, self.cells):
            raise Refusal("its states do not fit its input")
        if not self.projection and self.outputs != self.cells:
            raise Refusal("it has as many outputs as cells without a projection")

    def scale(self, index: int) -> Any:
        return F32(self.im.scale(index))

    def matrix(self, k: int, rows: int, cols: int) -> Array:
        if not self.im.has(self.op, k):
            return np.zeros((rows, cols), np.int8)
        value = self.im.value(self.op.inputs[k])
        if value.shape != (rows, cols) or value.dtype != np.int8:
            raise Refusal(f"operand {k} is {value.dtype}{list(value.shape)}")
        return value

    def vector(self, k: int, dtype: Any) -> Array:
        if not self.im.has(self.op, k):
            return np.zeros(self.cells, dtype)
        value = self.im.value(self.op.inputs[k])
        if value.shape != (self.cells,) or value.dtype != dtype:
            raise Refusal(f"operand {k} is {value.dtype}{list(value.shape)}")
        return value

    def weight_scale(self, k: int) -> Any:
        return self.scale(self.op.inputs[k]) if self.im.has(self.op, k) else F32(1)

    def peepholes(self, v: Array) -> Array:
        """[batch, cells]: LiteRT walks the cells of a batch as if each sample had as many of them as outputs (T29)."""
        whole = np.broadcast_to(v, (self.batch, self.cells))
        if self.outputs >= self.cells or self.im.numerics != "litert":
            return whole.copy()
        together = self.batch if self.time_major else 1
        flat = np.arange(together * self.cells)
        seen = np.where(flat < together * self.outputs, v[flat % self.outputs], 0).reshape(together, self.cells)
        return np.ascontiguousarray(np.broadcast_to(seen, (self.batch, self.cells))).astype(np.int16)

    def gate_scales(self, gate: int, cell_log2: int) -> list[int]:
        """Multipliers and shifts of one gate: input, recurrent, peephole, normalization; and the guard of its variance."""
        im, op = self.im, self.op
        middle = self.scale(op.intermediates[gate]) if self.norm else F32(2.0**-12)
        if not middle > 0:
            raise Refusal("an intermediate scale is zero")
        from_input = float(self.weight_scale(1 + gate) * self.scale(op.inputs[0]) / middle)
        from_state = float(self.weight_scale(5 + gate) * self.scale(self.h) / middle)
        k = {0: 9, 1: 10, 3: 11}.get(gate, -1)
        peep = float(F32(2.0**cell_log2 * float(self.weight_scale(k)) / float(middle))) if self.peephole and k >= 0 else 1.0
        norm = self.weight_scale(20 + gate) if self.norm else F32(1)
        pairs = [quantize_multiplier(v) for v in (from_input, from_state, peep, float(norm))]
        del im
        return [v for pair in pairs for v in pair] + [max(1, int(F32(10000) * norm))]


def unidirectional_sequence_lstm(im: Importer, op: OperatorInfo) -> None:
    """(T27)"""
    lstm = Lstm(im, op)
    y = op.outputs[0]
    cell_scale = im.scale(lstm.cell)
    log2 = round(math.log2(cell_scale)) if cell_scale > 0 else 0
    if not cell_scale > 0 or abs(math.log2(cell_scale) - log2) > 1e-3 or not 0 <= 15 + log2 <= 6:
        raise Refusal(f"the scale {cell_scale} of the cell is no power of two from 2^-15 to 2^-9")
    zx, zh = im.zero_point(op.inputs[0]), im.zero_point(lstm.h)
    w = np.stack([lstm.matrix(1 + g, lstm.cells, lstm.inputs) for g in range(4)])
    r = np.stack([lstm.matrix(5 + g, lstm.cells, lstm.outputs) for g in range(4)])
    biases = np.stack([lstm.vector(12 + g, np.int32) for g in range(4)]).astype(np.int64)
    w_bias = -zx * w.astype(np.int64).sum(axis=2) + (0 if lstm.norm else biases)
    r_bias = -zh * r.astype(np.int64).sum(axis=2)
    none = np.zeros(lstm.cells, np.int16)
    peephole = np.stack([lstm.peepholes(v) for v in (lstm.vector(9, np.int16), lstm.vector(10, np.int16), none, lstm.vector(11, np.int16))])
    norm = np.stack([lstm.vector(20 + g, np.int16) for g in range(4)])
    scales = np.array([lstm.gate_scales(g, log2) for g in range(4)], np.int32)
    hidden = op.intermediates[4]
    hidden_scale, hidden_zero = lstm.scale(hidden), im.zero_point(hidden)
    if not hidden_scale > 0:
        raise Refusal("the scale of the hidden tensor is zero")
    hidden_m, hidden_s = quantize_multiplier(float(F32(2.0**-15 / float(hidden_scale) * 2.0**-15)))
    projection, projection_bias, proj = np.zeros((lstm.outputs, lstm.cells), np.int8), np.zeros(lstm.outputs, np.int64), (0, 0)
    if lstm.projection:
        projection = lstm.matrix(16, lstm.outputs, lstm.cells)
        projection_bias = hidden_zero * projection.astype(np.int64).sum(axis=1)
        if im.has(op, 17):
            projection_bias = projection_bias + im.value(op.inputs[17]).reshape(-1)
        proj = quantize_multiplier(float(lstm.weight_scale(16) * hidden_scale / lstm.scale(lstm.h)))
    clip = lambda value, scale, most: int(min(max(F32(value) / scale, F32(-most - 1)), F32(most))) if value > 0 else 0  # noqa: E731
    raw = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int64)
    tables = (fixed.logistic(raw, 3, 16), fixed.tanh(raw, 3, 16), fixed.tanh(raw, 15 + log2, 16))
    (h_in, h_out), (c_in, c_out) = variable(im, lstm.h, "next"), variable(im, lstm.cell, "next")
    dims = (lstm.steps, lstm.batch, lstm.outputs) if lstm.time_major else (lstm.batch, lstm.steps, lstm.outputs)
    out = im.output(op, shape=dims)
    arrays = (
        ("w", w), ("w_bias", w_bias.astype(np.int32)), ("r", r), ("r_bias", r_bias.astype(np.int32)), ("scales", scales), ("peephole", peephole),
        ("norm", norm), ("norm_bias", biases.astype(np.int32)), ("projection", projection), ("projection_bias", projection_bias.astype(np.int32)),
        ("sigmoid", tables[0].astype(np.int16)), ("tanh", tables[1].astype(np.int16)), ("tanh_cell", tables[2].astype(np.int16)),
    )  # fmt: skip
    attrs = REGISTRY["tfl_lstm"](
        time_major=lstm.time_major, cifg=lstm.cifg, use_peephole=lstm.peephole, use_norm=lstm.norm, use_projection=lstm.projection, cell_shift=log2,
        cell_clip=clip(op.option("CellClip", 0.0), F32(cell_scale), 32767), output_clip=clip(op.option("ProjClip", 0.0), lstm.scale(y), 127),
        hidden_multiplier=hidden_m, hidden_shift=hidden_s, hidden_zero_point=hidden_zero, projection_multiplier=proj[0], projection_shift=proj[1],
        y_zero=zh,
    )  # fmt: skip
    names = [im.constant(f"{out}/{n}", a) for n, a in arrays]
    im.graph.node(attrs, [im.x(op.inputs[0]), h_in, c_in, *names], [out, h_out, c_out])
