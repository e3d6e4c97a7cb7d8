"""Conversion without data, from what batch normalization says."""

from __future__ import annotations

import warnings

import intq
import numpy as np
import onnx
import onnx.helper as h
import pytest
import shared
from intq.converter import convert, pipeline, recipe, zeroshot
from intq.converter.ir import INF
from intq.errors import InputError
from onnx_cases import build
from test_ptq_weights import PROTO, X, rand

RNG = np.random.default_rng(4)


def normalized() -> onnx.ModelProto:
    """Convolution, batch normalization, ReLU6, average, linear layer."""
    nodes = [
        h.make_node("Conv", ["x", "w1"], ["c1"], name="one", pads=[1, 1, 1, 1]),
        h.make_node("BatchNormalization", ["c1", "gamma", "beta", "mean", "var"], ["n1"]),
        h.make_node("Clip", ["n1", "zero", "six"], ["r1"]),
        h.make_node("GlobalAveragePool", ["r1"], ["g"]),
        h.make_node("Flatten", ["g"], ["f"]),
        h.make_node("Gemm", ["f", "w2"], ["y"], name="last"),
    ]
    constants = {"gamma": np.full(8, 2, np.float32), "beta": np.ones(8, np.float32), "mean": np.zeros(8, np.float32), "var": np.ones(8, np.float32)}
    constants.update(w1=rand(8, 3, 3, 3), w2=rand(8, 5), zero=np.float32(0), six=np.float32(6))
    return build(nodes, {"x": ("N", 3, 8, 8)}, ["y"], 17, **constants)


def test_noise_through_batch_norm_has_its_statistics() -> None:
    x, gamma, beta = 3 + 5 * RNG.normal(size=(4, 3, 9, 9)), np.array([1.0, -2.0, 0.5]), np.array([0.0, 1.0, -4.0])
    y = zeroshot.renormalized(x, gamma, beta)
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), beta, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=(0, 2, 3)), np.abs(gamma), rtol=1e-5)


def test_zero_shot_needs_no_data_and_the_others_do() -> None:
    model = convert(PROTO, recipe={"base": "zero_shot", "input_range": [-3, 3]})
    assert np.isfinite(intq.Session(model).run(X)).all()
    with pytest.raises(InputError, match="calibration data is needed"):
        convert(PROTO)


def test_images_have_the_usual_intervals() -> None:
    assert zeroshot.pixels(120.0, 65.0) == (0.0, 255.0)
    assert zeroshot.pixels(0.45, 0.25) == (0.0, 1.0)
    assert zeroshot.pixels(0.0, 0.5) == (-1.0, 1.0)
    assert zeroshot.pixels(0.0, 1.1) == zeroshot.pixels(-40.0, 9.0) == (-INF, INF)


def test_ranges_of_noise_are_widened_but_not_beyond_what_a_clamp_or_an_average_gives() -> None:
    proto = normalized()
    net, _ = pipeline.prepare(proto, None, folded=False)
    loose = zeroshot.behind(net)
    assert loose == {"g", "f", "y"}
    assert zeroshot.behind(pipeline.prepare(PROTO, None, folded=False)[0]) == set()
    folded, _ = pipeline.prepare(proto, None)
    found = {node.output: (-1.0, 3.0) for node in folded.nodes}
    wide = zeroshot.widened(net, folded.nodes, found)
    for node in folded.nodes:
        low, high = wide[node.output]
        least, most = node.clamp or (-INF, INF)
        factor = zeroshot.BEHIND if node.output in loose else zeroshot.MARGIN
        if node.op not in zeroshot.AVERAGES:
            assert (low, high) == (max(1 - 2 * factor, least), min(1 + 2 * factor, most))
        else:
            before = wide[node.inputs[0]]
            assert before[0] <= low < high <= before[1]


def test_only_ranges_of_eight_bits_are_widened() -> None:
    def ranges(bits: str) -> dict[str, tuple[float, float]]:
        return pipeline.convert_onnx(PROTO, None, recipe.load({"base": "zero_shot", "input_range": [-3, 3], "activations": bits})).ranges

    wide, narrow = ranges("int8"), ranges("int4")
    assert wide.keys() == narrow.keys()
    assert any(wide[name][1] - wide[name][0] > 1.3 * (narrow[name][1] - narrow[name][0]) for name in wide)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "images"), [("resnet8_cifar10.onnx", shared.cifar_raw), ("resnet20_cifar10.onnx", shared.cifar_normalized)])
def test_zero_shot_keeps_the_accuracy(name: str, images) -> None:  # type: ignore[no-untyped-def]
    from test_convert_models import run

    source, (inputs, labels) = shared.model(name), images()
    net, _ = pipeline.prepare(source, None, folded=False)
    found = zeroshot.input_moments(net, net.inputs[0])
    assert found is not None
    assert np.abs(found[0] - inputs.mean(axis=(0, 2, 3))).max() < 0.3 * inputs.std()
    assert 0.5 < found[1] / inputs.std() < 2
    real = run(source, {"input": inputs})[0].argmax(axis=1)
    classes = intq.Session(convert(source, recipe="zero_shot"), batch=8).run(inputs).argmax(axis=1)
    assert (real == labels).mean() - (classes == labels).mean() <= 0.01
    assert (real == classes).mean() >= 0.96


def test_an_input_of_unknown_scale_is_warned_of_and_taken_to_be_a_usual_image() -> None:
    with pytest.warns(UserWarning, match=r"what its input 'x' holds; -2\.64 to 2\.64 is assumed: give input_range"):
        conversion = pipeline.convert_onnx(PROTO, None, recipe.load("zero_shot"))
    assert conversion.ranges["x"] == pytest.approx((-2.64, 2.64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.convert_onnx(PROTO, None, recipe.load({"base": "zero_shot", "input_range": [-1, 1]}))
        pipeline.convert_onnx(normalized(), None, recipe.load("zero_shot"))


@pytest.mark.parametrize("batch", ["N", 1, 3])
def test_a_network_without_batch_norm_that_is_rewritten_needs_no_data_either(batch: int | str) -> None:
    nodes = [
        h.make_node("LayerNormalization", ["x", "scale", "shift"], ["n"], axis=-1),
        h.make_node("MatMul", ["n", "w"], ["m"]),
        h.make_node("Relu", ["m"], ["y"]),
    ]
    proto = build(nodes, {"x": (batch, 5, 6)}, ["y"], 17, scale=rand(6), shift=rand(6), w=rand(6, 4))
    conversion = pipeline.convert_onnx(proto, None, recipe.load({"base": "zero_shot", "input_range": [-2, 2]}))
    x = RNG.normal(size=(6, 5, 6)).clip(-2, 2).astype(np.float32)
    count = 6 if batch == "N" else int(batch)
    given = x[:count]
    real = pipeline.FloatRunner(conversion.net, ["y"]).run({"x": given})["y"]
    found = intq.Session(intq.Model(conversion.graph), batch=count if batch == "N" else 1).run(given)
    assert np.abs(found - real).max() < 0.1 * np.abs(real).max()
    assert len({float(v) for v in zeroshot.inputs(conversion.net, (-2, 2))["x"].reshape(-1)}) > 30 * 30 - 100  # several samples, whatever the batch


