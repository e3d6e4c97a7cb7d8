"""Several groups as one: the same bytes as the reference, on every instruction set, whatever the clock would take."""

from typing import Any

import numpy as np
import pytest
from intq import Model, Session, choose
from intq.graph import Graph, Port
from intq.kernel_api import isas, lib
from intq.kernels.fixed_point import requantize_params
from intq.ops import REGISTRY
from intq.ops.groups import join

NATIVE = pytest.mark.skipif(lib is None, reason="needs the compiled extension")


def network(rng: Any, image: tuple[int, int, int], n: int, groups: int, kernel: tuple[int, int], **geometry: Any) -> Model:
    """One grouped convolution of image [H, W, C] to n channels."""
    (h, w, c), g = image, Graph("groups")
    pads, stride, dilation = geometry.get("pads", (0, 0, 0, 0)), geometry.get("stride", (1, 1)), geometry.get("dilation", (1, 1))
    out = (
        1,
        (h + pads[0] + pads[2] - (kernel[0] - 1) * dilation[0] - 1) // stride[0] + 1,
        (w + pads[1] + pads[3] - (kernel[1] - 1) * dilation[1] - 1) // stride[1] + 1,
        n,
    )
    g.tensor("x", (1, *image), zero_point=int(rng.choice([-128, 127, 3])))
    weights = rng.integers(-128 if rng.random() < 0.5 else -127, 128, (n, *kernel, c // groups), dtype=np.int8)
    scale = 60 / (np.abs(weights.astype(np.int64)).reshape(n, -1).sum(axis=1) * 20.0 + 900) * 2 ** rng.uniform(-1, 1, n)
    multiplier, shift = requantize_params(scale, "q15")
    inputs = ["x", g.constant("w", weights), g.constant("bias", rng.integers(-9000, 9000, n).astype(np.int32)),
              g.constant("multiplier", multiplier), g.constant("shift", shift)]  # fmt: skip
    g.tensor("y", out, zero_point=-5)
    g.node(REGISTRY["conv2d"](groups=groups, lo=-100, **geometry), inputs, ["y"])
    g.inputs = [Port(name="x", tensor="x", shape=(1, *image), perm=(0, 1, 2, 3))]
    g.outputs = [Port(name="y", tensor="y", shape=out, perm=(0, 1, 2, 3))]
    return Model(g)


CASES = [  # image, channels, groups, kernel, the rest
    ((14, 14, 64), 64, 16, (3, 3), {"pads": (1, 1, 1, 1)}),
    ((15, 13, 64), 32, 8, (3, 3), {"pads": (1, 1, 1, 1), "stride": (2, 2)}),
    ((9, 9, 60), 120, 20, (1, 1), {}),
    ((8, 21, 24), 12, 12, (3, 5), {"pads": (2, 4, 2, 4), "dilation": (2, 2)}),
    ((7, 7, 6), 15, 3, (2, 3), {"pads": (0, 2, 1, 0), "stride": (1, 3)}),
    ((1, 1, 48), 48, 6, (1, 1), {}),
]


@NATIVE
@pytest.mark.parametrize("isa", [name for name, (usable, _) in isas().items() if usable])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[2]}x{case[0][2] // case[2]}-{case[1]}")
def test_groups_together_equal_the_reference(case: Any, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image, n, groups, kernel, geometry = case
    rng = np.random.default_rng(11)
    model = network(rng, image, n, groups, kernel, **geometry)
    x = rng.integers(-128, 128, (3, *image), dtype=np.int8)
    want = Session(model, backend="reference", batch=3).run_quantized(x)
    offered = next(iter(Session(model, isa=isa).choices.values()))
    counts = [j for j in range(2, groups + 1) if f"dense, {j} groups" in offered]
    assert counts
    for j in counts:
        monkeypatch.setattr(choose, "PREFER", [f"dense, {j} groups"])
        for batch, threads in ((1, 1), (3, 2)):
            session = Session(model, isa=isa, batch=batch, threads=threads)
            np.testing.assert_array_equal(session.run_quantized(x), want, err_msg=f"{j} groups, batch {batch}")


def test_joined_weights_are_the_old_ones_moved() -> None:
    w = np.arange(1, 1 + 8 * 1 * 2 * 3, dtype=np.int8).reshape(8, 1, 2, 3)
    joined = join(w, 4, 2)
    assert joined.shape == (8, 1, 2, 6)
    for o in range(8):  # outputs 0, 1 belong to group 0, the first of the first pair
        at = o // 2 % 2 * 3
        np.testing.assert_array_equal(joined[o, :, :, at : at + 3], w[o])
    assert np.count_nonzero(joined) == np.count_nonzero(w)
