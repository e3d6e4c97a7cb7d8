"""Channels brought to one level: the float network stays the same function, and the integers lose less."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper as helper
import pytest
from intq import Session
from intq.converter import convert
from intq.converter.channels import restore, strained, to_text
from intq.converter.channels.slots import Slots
from intq.converter.compare import compare
from intq.converter.data import Replay
from intq.converter.onnx.emit import run, to_onnx
from intq.converter.pipeline import prepare
from intq.errors import InputError

RNG = np.random.default_rng(0)


def model(nodes: list[Any], weights: dict[str, Any], channels: int = 4, outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", 1, ["N", channels, 8, 8])
    ends = [helper.make_tensor_value_info(name, 1, None) for name in outputs]
    given = [onnx.numpy_helper.from_array(np.asarray(w), name) for name, w in weights.items()]
    graph = helper.make_graph(nodes, "g", [x], ends, given)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def w(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def node(op: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), [output], **attributes)


def conv(inputs: str, output: str, **attributes: Any) -> Any:
    return node("Conv", inputs, output, **attributes)


ENDS = {"w9": w(3, 8, 1, 1)}
BODIES: dict[str, tuple[list[Any], dict[str, Any], bool]] = {
    "relu and depthwise": ([node("Relu", "a", "r"), conv("r w2", "b", group=8, pads=[1, 1, 1, 1])], {"w2": w(8, 1, 3, 3)}, True),
    "residual": ([conv("a w2", "c"), node("Add", "a c", "s"), node("Relu", "s", "b")], {"w2": w(8, 8, 1, 1)}, True),
    "pools and concat": (
        [
            node("MaxPool", "a", "m", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("AveragePool", "a", "v", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("Concat", "m v", "c", axis=1),
            conv("c w2", "b"),
        ],
        {"w2": w(8, 16, 1, 1)},
        True,
    ),
    "squeeze and excite": (
        [node("GlobalAveragePool", "a", "p"), conv("p w2", "q"), node("Sigmoid", "q", "g"), node("Mul", "a g", "b")],
        {"w2": w(8, 8, 1, 1)},
        True,
    ),
    "channel shuffle": (
        [
            node("Reshape", "a s1", "t"),
            node("Transpose", "t", "u", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "u s2", "v"),
            conv("v w2", "b", group=4),
        ],
        {"s1": np.array([0, 2, 4, 8, 8]), "s2": np.array([0, 8, 8, 8]), "w2": w(8, 2, 1, 1)},
        True,
    ),
    "leaky": ([node("LeakyRelu", "a", "l", alpha=0.2), conv("l w2", "b")], {"w2": w(8, 8, 1, 1)}, True),
    "tanh": ([node("Tanh", "a", "b")], {}, True),
    "silu and its gate": (
        [
            *(node("Sigmoid", "a", "d"), node("Mul", "a d", "e"), node("GlobalAveragePool", "e", "p"), conv("p w2", "q")),
            *(node("Sigmoid", "q", "g"), node("Mul", "g e", "b")),
        ],
        {"w2": w(8, 8, 1, 1)},
        True,
    ),
    "gate of two": (
        [
            *(node("GlobalAveragePool", "a", "p"), node("Sigmoid", "p", "g"), node("Mul", "a g", "m"), conv("a w2", "c"), node("Mul", "c g", "n")),
            node("Add", "m n", "b"),
        ],
        {"w2": w(8, 8, 1, 1)},
        True,
    ),
    "six": ([node("Clip", "a lo hi", "b")], {"lo": np.float32(0), "hi": np.float32(6)}, False),
}


def network(name: str) -> onnx.ModelProto:
    body, weights, _ = BODIES[name]
    return model([conv("x w1 b1", "a"), *body, conv("b w9", "y")], {"w1": w(8, 4, 1, 1), "b1": w(8), **weights, **ENDS})


@pytest.mark.parametrize("name", BODIES)
def test_any_scales_leave_the_function(name: str) -> None:
    x = w(1, 4, 8, 8)
    net, _ = prepare(network(name), x)
    before = run(to_onnx(net), {"x": x})["y"]
    slots = Slots(net)
    makers = [n.output for n in net.nodes if n.op == "Conv" and n.inputs[0] == "x"]
    assert bool(np.all(slots.of[makers[0]])) is BODIES[name][2]
    assert not slots.of["x"].any()
    assert not slots.of["y"].any()
    scale = np.concatenate([[1.0], np.exp(RNG.normal(size=slots.count - 1))])
    divided = restore(net, to_text(scale, slots))
    after = run(to_onnx(net, ["y", *makers]), {"x": x})
    np.testing.assert_allclose(after["y"], before, rtol=1e-3, atol=1e-3 * np.abs(before).max())
    if BODIES[name][2]:
        assert np.ptp(divided[makers[0]]) > 0


def test_flattened_image() -> None:
    """Each channel of the image is read by many columns of the linear layer."""
    proto = model([conv("x w1", "a"), node("Flatten", "a", "f"), node("Gemm", "f w2", "y", transB=1)], {"w1": w(4, 4, 1, 1), "w2": w(5, 256)})
    x = w(1, 4, 8, 8)
    net, _ = prepare(proto, x)
    before, slots = run(to_onnx(net), {"x": x})["y"], Slots(net)
    restore(net, to_text(np.concatenate([[1.0], 2.0 ** RNG.integers(-3, 4, slots.count - 1)]), slots))
    np.testing.assert_allclose(run(to_onnx(net), {"x": x})["y"], before, rtol=1e-4, atol=1e-4)
    assert slots.of["a"].shape == (1, 4, 1, 1)


def uneven() -> tuple[onnx.ModelProto, Any]:
    """Two of eight channels reach a hundred times farther than the others."""
    wide = w(8, 4, 1, 1) * np.array([100, 100, 1, 1, 1, 1, 1, 1], np.float32).reshape(-1, 1, 1, 1)
    narrow = w(8, 8, 3, 3) / np.array([100, 100, 1, 1, 1, 1, 1, 1], np.float32).reshape(1, -1, 1, 1)
    nodes = [conv("x w1", "a"), node("Relu", "a", "r"), conv("r w2", "y", pads=[1, 1, 1, 1])]
    return model(nodes, {"w1": wide, "w2": narrow}), w(64, 4, 8, 8)


def test_uneven_channels() -> None:
    proto, x = uneven()
    level, plain = (convert(proto, calibration=x, recipe={"base": "balanced", "level_channels": flag}) for flag in (True, False))
    better, worse = (compare(proto, m, x) for m in (level, plain))
    assert better.outputs["y"] > worse.outputs["y"] + 10
    assert "channel_scales" in level.recipe
    assert "channel_scales" not in plain.recipe
    assert min(row.isolated for row in better.layers) > 28


def chain(seed: int = 2) -> tuple[onnx.ModelProto, Any]:
    """Two sums, of which only the second has a channel that reaches a hundred times farther than the others."""
    rng = np.random.default_rng(seed)

    def v(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32)

    wide, narrow = v(8, 8, 1, 1), v(3, 8, 1, 1)
    wide[1] *= 100
    narrow[:, 1] /= 100
    nodes = [conv("x w1", "a"), conv("a w2", "c"), node("Add", "a c", "s"), conv("s w3", "d"), node("Add", "s d", "t"), conv("t w9", "y")]
    return model(nodes, {"w1": v(8, 4, 1, 1), "w2": v(8, 8, 1, 1), "w3": wide, "w9": narrow}), v(64, 4, 8, 8)


def test_sums_of_a_chain_part() -> None:
    proto, x = chain()
    level = convert(proto, calibration=x)
    places, letters = level.recipe["channel_scales"].split("!")
    assert "4" in places.split()
    rows = compare(proto, level, x).layers
    assert min(row.isolated for row in rows) > 25
    assert {row.layer for row in rows} >= {node.name for node in prepare(proto, x)[0].nodes}
    assert convert(proto, calibration=x, recipe=level.recipe).to_bytes() == level.to_bytes()
    together = convert(proto, calibration=x, recipe={"base": "balanced", "level_channels": False})
    assert min(row.isolated for row in compare(proto, together, x).layers) < 15
    for wrong in (f"0!{letters}", f"99!{letters}", f"x!{letters}"):
        with pytest.raises(InputError, match=r"do not belong together|positions of nodes"):
            convert(proto, calibration=x, recipe={"base": "balanced", "channel_scales": wrong})


def test_even_channels_stay() -> None:
    proto = model([conv("x w1", "a"), node("Relu", "a", "r"), conv("r w2", "y")], {"w1": np.ones((8, 4, 1, 1), np.float32), "w2": w(3, 8, 1, 1)})
    assert "channel_scales" not in convert(proto, calibration=w(32, 4, 8, 8)).recipe


def test_a_recipe_repeats_its_scales() -> None:
    proto, x = uneven()
    first = convert(proto, calibration=x)
    again = convert(proto, calibration=x, recipe=first.recipe)
    assert again.to_bytes() == first.to_bytes()
    assert convert(proto, calibration=iter([x[:8], x[8:]])).to_bytes() == convert(proto, calibration=[x[:8], x[8:]]).to_bytes()


def test_scales_of_another_network() -> None:
    proto, x = uneven()
    with pytest.raises(InputError, match="do not belong together"):
        convert(proto, calibration=x, recipe={"base": "balanced", "channel_scales": "NNN"})


def test_inputs_whose_squares_leave_float32() -> None:
    """The same network and data in other units: the same integers, without a warning."""
    folder = Path(__file__).resolve().parents[1] / "examples"
    data = np.load(folder / "digits.npz")["calibration"][:32].astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = convert(str(folder / "digits.onnx"), calibration=data * np.float32(2.0**90), recipe="balanced")
    assert np.isfinite(Session(model).run(data * np.float32(2.0**90))).all()


def test_what_a_rough_node_reads_is_strained() -> None:
    proto, x = chain()
    net, _ = prepare(proto, x)
    found = strained(net, Replay(x, net.inputs))
    assert "t" in found, "most of the noise of y"
    assert not found & {"x", "a", "c"}
