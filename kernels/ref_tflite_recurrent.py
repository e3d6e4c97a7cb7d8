"""SVDF and LSTM layers of imported models, normative, in NumPy int64. They return their outputs and the next values of their state.

Same rules as ref.py. Numbers in parentheses are sections of SPEC_tflite.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import ref_tflite_fixed as fixed

Array = npt.NDArray[Any]
INT16 = (-32768, 32767)


def tfl_svdf(
    x: Array, state: Array, feature: Array, time: Array, bias: Array, *, x_zero_point: int, y_zero_point: int, rank: int, m1: int, s1: int,
    m2: int, s2: int,
) -> tuple[Array, Array]:  # fmt: skip
    """(T26): x[B,I] int8, state[B,F*M] int16, feature[F,I] int8, time[F,M] int16, bias[F/rank] -> y[B,F/rank] int8, next state."""
    filters, memory = time.shape
    new = np.clip(fixed.scale31((x.astype(np.int64) - x_zero_point) @ feature.astype(np.int64).T, m1, s1), *INT16)
    history = state.astype(np.int64).reshape(-1, filters, memory)
    history = np.concatenate([history[:, :, 1:], new[:, :, None]], axis=2)
    acc = fixed.wrap32((history * time.astype(np.int64)).sum(axis=2))
    total = acc.reshape(-1, filters // rank, rank).sum(axis=2) + bias
    y = np.clip(fixed.scale31(total, m2, s2) + y_zero_point, -128, 127).astype(np.int8)
    return y, history.reshape(state.shape).astype(np.int16)


def gate(x: Array, h: Array, cell: Array, k: int, c: dict[str, Array], layer_norm: bool, peephole: bool) -> Array:
    """(T27): one gate before its activation, int64 within 16 bits. `c` holds the constants by name, their axis 0 is the gate."""
    p = [int(v) for v in c["scales"][k]]
    g = np.clip(fixed.scale31(x @ c["w"][k].T + c["w_bias"][k], p[0], p[1]), *INT16)
    g = np.clip(g + fixed.scale31(h @ c["r"][k].T + c["r_bias"][k], p[2], p[3]), *INT16)
    if peephole:
        g = np.clip(g + fixed.scale31(c["peephole"][k] * cell, p[4], p[5]), *INT16)
    return normalized(g, c["norm"][k], c["norm_bias"][k], p) if layer_norm else g


def normalized(g: Array, weight: Array, bias: Array, p: list[int]) -> Array:
    """(T28): layer normalization with 2^10 steps per unit; divisions truncate."""
    n = g.shape[1]
    quotient = lambda a, b: np.sign(a) * (np.abs(a) // b)  # noqa: E731
    mean = fixed.wrap32(quotient(g.sum(axis=1) * 1024, n))
    spread = (g * g).sum(axis=1) * ((1 << 20) // n) - mean * mean
    variance = fixed.wrap32(quotient(spread, 1 << 20))
    variance = np.where(variance < 1, p[8], variance)
    pairs = [fixed.inverse_sqrt(int(v)) for v in variance]
    rows = []
    for row, m, (multiplier, right) in zip(g, mean, pairs, strict=True):
        rescaled = fixed.scale31(fixed.wrap32(1024 * row - m), multiplier, -right)
        v = fixed.wrap32(fixed.wrap32(rescaled * weight) + bias)
        v = fixed.wrap32(quotient(np.where(v > 0, v + 512, v - 512), 1024))
        rows.append(np.clip(fixed.scale31(v, p[6], p[7] + 12), *INT16))
    return np.stack(rows)


def tfl_lstm(
    x: Array, h: Array, cell: Array, w: Array, w_bias: Array, r: Array, r_bias: Array, scales: Array, peephole: Array, norm: Array,
    norm_bias: Array, projection: Array, projection_bias: Array, sigmoid: Array, tanh3: Array, tanh_cell: Array, *, time_major: bool, cifg: bool,
    use_peephole: bool, use_norm: bool, use_projection: bool, cell_shift: int, cell_clip: int, output_clip: int, hidden_multiplier: int,
    hidden_shift: int, hidden_zero_point: int, projection_multiplier: int, projection_shift: int, y_zero_point: int,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """(T27): UNIDIRECTIONAL_SEQUENCE_LSTM with 8-bit gates and a 16-bit cell. Gates in the order input, forget, cell, output.

    x[T,B,I] or [B,T,I] int8, h[B,O] int8, cell[B,C] int16, w[4,C,I], r[4,C,O] int8, biases[4,C] int32, scales[4,9], peephole[4,B,C], norm[4,C]
    int16, norm_bias[4,C], projection[O,C] int8, tables over all 16-bit values. -> y like x with O, next h, next cell.
    """
    names = ("w", "w_bias", "r", "r_bias", "scales", "peephole", "norm", "norm_bias")
    arrays = (w, w_bias, r, r_bias, scales, peephole, norm, norm_bias)
    c = {name: a.astype(np.int64) for name, a in zip(names, arrays, strict=True)}
    look = lambda table, v: table.astype(np.int64)[v & 0xFFFF]  # noqa: E731
    state, hidden = cell.astype(np.int64), h.astype(np.int64)
    steps = []
    for t in range(x.shape[0 if time_major else 1]):
        now = (x[t] if time_major else x[:, t]).astype(np.int64)
        forget = look(sigmoid, gate(now, hidden, state, 1, c, use_norm, use_peephole))
        update = look(tanh3, gate(now, hidden, state, 2, c, use_norm, False))
        enter = 32767 - forget if cifg else look(sigmoid, gate(now, hidden, state, 0, c, use_norm, use_peephole))
        kept = to16(fixed.shift_right(forget * state, 15))
        state = np.clip(kept + to16(fixed.shift_right(enter * update, 30 + cell_shift)), *INT16)
        if cell_clip:
            state = np.clip(state, -cell_clip, cell_clip)
        leave = look(sigmoid, gate(now, hidden, state, 3, c, use_norm, use_peephole))
        shown = fixed.scale31(leave * look(tanh_cell, state), hidden_multiplier, hidden_shift)
        if use_projection:
            inner = np.clip(shown - hidden_zero_point, -128, 127)
            acc = inner @ projection.astype(np.int64).T + projection_bias
            hidden = np.clip(fixed.scale31(acc, projection_multiplier, projection_shift) + y_zero_point, -128, 127)
            if output_clip:
                hidden = np.clip(hidden, -output_clip, output_clip)
        else:
            hidden = np.clip(shown + hidden_zero_point, -128, 127)
        steps.append(hidden)
    y = np.stack(steps, axis=0 if time_major else 1).astype(np.int8)
    return y, hidden.astype(np.int8), state.astype(np.int16)


def to16(v: Array) -> Array:
    """Modulo 2^16, as a 16-bit register keeps it."""
    return ((v + 32768) & 0xFFFF) - 32768
