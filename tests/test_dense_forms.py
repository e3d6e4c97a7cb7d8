"""Several neighbouring pixels as one: the same bytes as the reference, on every instruction set, whatever the clock would take."""

from typing import Any

import numpy as np
import pytest
from intq import Model, Session, choose
from intq.graph import Graph, Port
from intq.kernel_api import isas, lib
from intq.kernels.fixed_point import requantize_params
from intq.ops import REGISTRY
from intq.ops.dense import widen

NATIVE = pytest.mark.skipif(lib is None, reason="needs the compiled extension")


def network(rng: Any, image: tuple[int, int, int], n: int, kernel: tuple[int, int], stride: tuple[int, int], pads: Any, residual: bool) -> Model:
    """A convolution of image [H, W, C] to n channels, and the addition of a second input where `residual` is set."""
    (h, w, c), g = image, Graph("pixels")
    out = (1, (h + pads[0] + pads[2] - kernel[0]) // stride[0] + 1, (w + pads[1] + pads[3] - kernel[1]) // stride[1] + 1, n)
    g.tensor("x", (1, *image), zero_point=int(rng.choice([-128, 127, 3])))
    weights = rng.integers(-128 if rng.random() < 0.3 else -127, 128, (n, *kernel, c), dtype=np.int8)
    scale = 60 / (np.abs(weights.astype(np.int64)).reshape(n, -1).sum(axis=1) * 20.0 + 900) * 2 ** rng.uniform(-1, 1, n)
    multiplier, shift = requantize_params(scale, "q15")
    inputs = ["x", g.constant("w", weights), g.constant("bias", rng.integers(-9000, 9000, n).astype(np.int32)),
              g.constant("multiplier", multiplier), g.constant("shift", shift)]  # fmt: skip
    g.tensor("y", out, zero_point=-5)
    g.node(REGISTRY["conv2d"](stride=stride, pads=pads, lo=-100), inputs, ["y"])
    ports = {"x": (1, *image)}
    if residual:
        g.tensor("other", out, zero_point=9)
        g.tensor("z", out, zero_point=1)
        g.node(REGISTRY["add"](m1=12000, m2=9000, shift=14), ["y", "other"], ["z"])
        ports["other"] = out
    g.inputs = [Port(name=name, tensor=name, shape=shape, perm=(0, 1, 2, 3)) for name, shape in ports.items()]
    g.outputs = [Port(name="z" if residual else "y", tensor="z" if residual else "y", shape=out, perm=(0, 1, 2, 3))]
    return Model(g)


CASES = [  # image, channels, kernel, stride, pads
    ((32, 32, 3), 16, (3, 3), (1, 1), (1, 1, 1, 1)),
    ((32, 32, 16), 16, (3, 3), (1, 1), (1, 1, 1, 1)),
    ((48, 48, 3), 8, (3, 3), (2, 2), (0, 0, 1, 1)),
    ((22, 31, 3), 32, (7, 7), (2, 2), (3, 3, 3, 3)),
    ((9, 16, 1), 5, (3, 5), (1, 1), (0, 2, 1, 2)),
    ((16, 16, 16), 32, (1, 1), (2, 2), (0, 0, 0, 0)),
    ((13, 24, 4), 13, (2, 3), (3, 1), (0, 0, 0, 2)),
    ((6, 8, 2), 3, (1, 1), (1, 2), (0, 0, 0, 0)),
]


@NATIVE
@pytest.mark.parametrize("isa", [name for name, (usable, _) in isas().items() if usable])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0][1]}x{case[0][2]}-{case[1]}")
def test_pixels_together_equal_the_reference(case: Any, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intq.ops.dense.MOST_WORK", 9.0)
    rng, offered = np.random.default_rng(7), set()
    for residual in (False, True):
        model = network(rng, *case, residual)
        x = {p.name: rng.integers(-128, 128, (3, *p.shape[1:]), dtype=np.int8) for p in model.graph.inputs}
        given = x if residual else x["x"]
        want = Session(model, backend="reference", batch=3).run_quantized(given)
        for pixels in (2, 4, 8):
            monkeypatch.setattr(choose, "PREFER", [f"{pixels} pixels"])
            for batch, threads in ((1, 1), (3, 2)):
                session = Session(model, isa=isa, batch=batch, threads=threads)
                np.testing.assert_array_equal(session.run_quantized(given), want, err_msg=f"{pixels} pixels, batch {batch}")
        monkeypatch.setattr(choose, "PREFER", [])
        offered.update(text for text in Session(model, isa=isa).choices.values() if "2 pixels" in text)
    assert offered


def test_wide_weights_are_the_old_ones_moved() -> None:
    w = np.arange(1, 1 + 2 * 1 * 3 * 2, dtype=np.int8).reshape(2, 1, 3, 2)
    wide = widen(w, 2, 2)
    assert wide.shape == (4, 1, 5, 2)
    np.testing.assert_array_equal(wide[:2, :, :3], w)
    np.testing.assert_array_equal(wide[2:, :, 2:], w)
    assert np.count_nonzero(wide) == 2 * np.count_nonzero(w)
