"""Weight methods: each beats the baseline on the error that it minimizes, and rewrites leave the float function alone."""

from __future__ import annotations

from dataclasses import replace

import intq
import numpy as np
import onnx.helper as h
import pytest
from intq.converter import bn_statistics, convert, lockstep, pipeline, recipe
from intq.converter.kept import Picker
from intq.converter.lockstep import walk
from intq.converter.onnx.emit import run, to_onnx
from intq.converter.passes.steps import STEPS
from intq.converter.rounding import ROUNDINGS
from intq.converter.rounding.base import DAMPING, Moments, loss, moments
from intq.converter.rounding.bias import analytic
from intq.converter.rounding.gptq import gptq
from intq.converter.rounding.ridge import steadied
from intq.converter.rounding.scales import SCALES, gauss_clip, laplace_clip
from intq.converter.weights import average_bits, group_multipliers, quantize
from onnx_cases import build

RNG = np.random.default_rng(8)


def rand(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


X = (rand(24, 3, 8, 8) @ (np.eye(8) + 0.9 * np.eye(8, k=1)).astype(np.float32)).astype(np.float32)  # neighbours correlate, as in images


def network():
    nodes = [
        h.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="one", pads=[1, 1, 1, 1]),
        h.make_node("Relu", ["c1"], ["r1"]),
        h.make_node("Conv", ["r1", "w2"], ["c2"], name="depth", group=8, pads=[1, 1, 1, 1]),
        h.make_node("Relu", ["c2"], ["r2"]),
        h.make_node("Conv", ["r2", "w3"], ["c3"], name="point"),
        h.make_node("GlobalAveragePool", ["c3"], ["g"]),
        h.make_node("Flatten", ["g"], ["f"]),
        h.make_node("Gemm", ["f", "w4", "b4"], ["y"], name="last"),
    ]
    spread = np.exp(1.5 * RNG.normal(size=(8, 1, 1, 1))).astype(np.float32)
    constants = {"w1": rand(8, 3, 3, 3) * spread, "b1": rand(8), "w2": rand(8, 1, 3, 3), "w3": rand(12, 8, 1, 1), "w4": rand(12, 5), "b4": rand(5)}
    return build(nodes, {"x": ("N", 3, 8, 8)}, ["y"], 17, **constants)


PROTO = network()


def test_second_order_roundings_beat_nearest_on_every_layer() -> None:
    net, _ = pipeline.prepare(PROTO, X)
    params = pipeline.convert_onnx(PROTO, X, recipe.load("fast")).params
    seen = []

    def visit(site):
        found = moments(site)
        groups = found.groups
        weight = site.weight.reshape(groups, len(site.weight) // groups, -1)
        scale = np.abs(weight).max(axis=2, keepdims=True) / 7 + np.zeros_like(weight)
        errors = {name: loss(scale * method(weight, scale, 4, found) - weight, found.damped()).sum() for name, method in ROUNDINGS.items()}
        seen.append(site.node.name)
        for name in ("gptq", "gptq_cd", "adaround"):
            assert errors[name] <= errors["nearest"] * 1.001, (site.node.name, errors)
        if site.node.name == "one":
            assert errors["gptq_cd"] < 0.9 * errors["nearest"], (site.node.name, errors)
        return quantize(site.weight, site.bias, site.x, site.y, recipe.load("fast").layer("", 0, 1), groups)

    walk(net, params, {"x": X}, visit)
    assert seen == ["one", "depth", "point", "last"]


def test_moments_equal_the_covariance_of_unfolded_inputs() -> None:
    net, _ = pipeline.prepare(PROTO, X)
    params = pipeline.convert_onnx(PROTO, X, recipe.load("fast")).params

    def visit(site):
        if site.node.name == "one":
            padded = np.pad(site.quantized.array(), ((0, 0), (0, 0), (1, 1), (1, 1)))
            columns = np.stack([padded[n, :, i : i + 3, j : j + 3].reshape(-1) for n in range(len(X)) for i in range(8) for j in range(8)])
            np.testing.assert_allclose(moments(site).hessian[0], np.cov(columns.T, bias=True), rtol=2e-3, atol=2e-4)
        return quantize(site.weight, site.bias, site.x, site.y, recipe.load("fast").layer("", 0, 1), site.node.attrs.get("group", 1))

    walk(net, params, {"x": X}, visit)


def test_the_ridge_grows_where_few_positions_meet_many_weights() -> None:
    """Rounding by moments of few inputs is better on others with the ridge that is chosen."""
    k, mix = 96, RNG.normal(size=(96, 96))
    weight = RNG.normal(size=(1, 40, k))
    scale = np.abs(weight).max(axis=2, keepdims=True) / 7 * np.ones_like(weight)

    def drawn(count: int) -> Moments:
        x = RNG.normal(size=(count, k)) @ mix
        h = (x.T @ x / count)[None]
        return Moments(h, h, 1)

    chosen = {}
    for count in (64, 20_000):
        halves = drawn(count // 2), drawn(count // 2)
        both = (halves[0].hessian + halves[1].hessian) / 2
        whole = Moments(both, both, 1, halves=halves)
        chosen[count] = found = steadied(weight, scale, 4, whole)
        assert found.halves is None
        if count == 64:
            fresh = drawn(20_000).hessian
            errors = [loss(scale * gptq(weight, scale, 4, m) - weight, fresh).sum() for m in (whole, found)]
            assert errors[1] < 0.8 * errors[0]
    assert chosen[64].ridge > 4 * chosen[20_000].ridge
    assert steadied(weight, scale, 4, drawn(64)).ridge == DAMPING  # one sample: no halves
    grouped = [Moments(np.repeat(m.hessian, 20, axis=0), np.repeat(m.cross, 20, axis=0), 20) for m in (whole, *halves)]
    many = steadied(np.repeat(weight, 20, axis=0), np.repeat(scale, 20, axis=0), 4, replace(grouped[0], halves=(grouped[1], grouped[2])))
    assert (many.groups, many.ridge) == (20, chosen[20_000].ridge)


def test_ranges_of_weights() -> None:
    weight = np.concatenate([RNG.laplace(size=(4, 4000)), np.zeros((1, 4000))])

    def error(name: str) -> np.ndarray:
        scale = SCALES[name](weight, 4, None)
        assert scale[-1] == 0
        s = np.maximum(scale, 1e-30)[:, None]
        return ((weight - s * np.clip(np.rint(weight / s), -7, 7)) ** 2).sum(axis=1)[:4]

    best = error("omse")
    assert (best < 0.6 * error("max")).all()
    assert (error("aciq") < 1.15 * best).all()
    assert (error("percentile") < error("max")).all()


@pytest.mark.parametrize(("clip", "draw"), [(laplace_clip, RNG.laplace), (gauss_clip, RNG.normal)])
def test_analytic_clipping_is_where_the_measured_error_is_least(clip, draw) -> None:
    values, alphas = draw(size=200_000), np.linspace(1, 8, 141)

    def error(alpha: float) -> float:  # 2^4 levels over [-alpha, alpha], as the derivation has them
        step = 2 * alpha / 16
        return float(((values - np.clip((np.floor(values / step) + 0.5) * step, -alpha + step / 2, alpha - step / 2)) ** 2).mean())

    assert abs(clip(4) - alphas[np.argmin([error(a) for a in alphas])]) < 0.35


def test_bias_correction_restores_the_means() -> None:
    want = run(to_onnx(pipeline.prepare(PROTO, X)[0]), {"x": X})["y"].mean(axis=0)

    def shift(**settings: object) -> float:
        model = convert(PROTO, calibration=X, recipe={"base": "fast", "weights": "int4", **settings})
        return float(np.abs(intq.Session(model).run(X).mean(axis=0) - want).max())

    assert shift(bias_correction="empirical") < 0.4 * shift()


def test_analytic_bias_correction_is_exact_for_a_known_mean() -> None:
    weight, rounded, bias, x = rand(4, 3, 1, 1), rand(4, 3, 1, 1), rand(4), rand(3)
    corrected = analytic(weight, rounded, bias, x)
    np.testing.assert_allclose(rounded[:, :, 0, 0] @ x + corrected, weight[:, :, 0, 0] @ x + bias, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("limits", [(0.0, np.inf), (0.0, 6.0), (-np.inf, 1.0)])
def test_moments_of_a_clipped_normal(limits: tuple[float, float]) -> None:
    mean, deviation = np.array([-1.0, 0.0, 2.5]), np.array([1.0, 3.0, 0.5])
    drawn = np.clip(RNG.normal(mean, deviation, (400_000, 3)), *limits)
    got = bn_statistics.clipped_normal(mean, deviation, *limits)
    np.testing.assert_allclose(got[0], drawn.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(got[1], drawn.std(axis=0), atol=0.02)


@pytest.mark.parametrize("name", STEPS)
def test_rewrites_keep_the_float_function_and_narrow_the_weights(name: str) -> None:
    net, _ = pipeline.prepare(PROTO, X)
    want = run(to_onnx(net), {"x": X})["y"]
    before = {node.name: net.constants[node.inputs[1]].copy() for node in net.nodes if len(node.inputs) > 1}
    STEPS[name](net)
    np.testing.assert_allclose(run(to_onnx(net), {"x": X})["y"], want, rtol=1e-4, atol=1e-4)
    after = {node.name: net.constants[node.inputs[1]] for node in net.nodes if len(node.inputs) > 1}
    if name == "equalize":  # ranges of the channels between two layers agree
        r1, r2 = np.abs(after["one"]).max(axis=(1, 2, 3)), np.abs(after["depth"]).max(axis=(1, 2, 3))
        np.testing.assert_allclose(r1, r2, rtol=1e-2)
    model = convert(PROTO, calibration=X, recipe={"base": "balanced", "steps": [name]})
    assert list(model.recipe["steps"]) == [name]
    assert before.keys() == after.keys()


def test_splitting_narrows_a_layer_with_an_outlier() -> None:
    w1, w2 = rand(8, 3, 3, 3), rand(8, 8, 3, 3)
    w2[3, 2] *= 20
    nodes = [h.make_node("Conv", ["x", "w1"], ["c"], name="a"), h.make_node("Relu", ["c"], ["r"]), h.make_node("Conv", ["r", "w2"], ["y"], name="b")]
    net, _ = pipeline.prepare(build(nodes, {"x": ("N", 3, 8, 8)}, ["y"], 17, w1=w1, w2=w2), X)
    want = run(to_onnx(net), {"x": X})["y"]
    STEPS["split_outliers"](net)
    np.testing.assert_allclose(run(to_onnx(net), {"x": X})["y"], want, rtol=1e-3, atol=1e-3)
    assert np.abs(net.constants[net.nodes[1].inputs[1]]).max() == pytest.approx(np.abs(w2).max() / 2)


def test_group_scales_stay_int8_and_are_finer() -> None:
    weight = rand(6, 64, 1, 1).astype(np.float64) * np.repeat([0.1, 1.0], 32)[None, :, None, None]
    x, y = pipeline.convert_onnx(PROTO, X, recipe.load("fast")).params["x"], pipeline.convert_onnx(PROTO, X, recipe.load("fast")).params["y"]
    errors = {}
    for granularity in ("tensor", "channel", "group"):
        choice = recipe.load({"base": "fast", "weights": "int4", "granularity": granularity}).layer("", 0, 1)
        found = quantize(weight, np.zeros(6), x, y, choice)
        assert np.abs(found.q.astype(int)).max() <= 127
        assert found.bits == 4
        errors[granularity] = float(((found.q * found.scale[:, None, None, None] - weight) ** 2).sum())
    assert errors["group"] < 0.8 * errors["channel"]
    assert errors["channel"] < errors["tensor"]
    base, multipliers = group_multipliers(weight, np.abs(weight).max(axis=(1, 2, 3)) / 7, 4, 32)
    assert (multipliers == np.rint(multipliers)).all()
    assert (multipliers * 7 <= 127).all()
    assert (base > 0).all()


@pytest.mark.parametrize("bits", [4, 2])
def test_low_bit_weights_lie_on_their_grid(bits: int) -> None:
    conversion = pipeline.convert_onnx(PROTO, X, recipe.load({"base": "best", "weights": f"int{bits}", "keep_int8": ["first", "last"]}))
    for name, weight in conversion.weights.items():
        assert weight.bits == (8 if name in ("one", "last") else bits)
        assert np.abs(weight.q).max() <= 2 ** (weight.bits - 1) - 1
    sizes = {"one": 216, "depth": 72, "point": 96, "last": 60}
    want = sum(size * (8 if name in ("one", "last") else bits) for name, size in sizes.items()) / sum(sizes.values())
    assert average_bits(conversion.net, conversion.weights) == pytest.approx(want)


def test_four_bit_activations_use_sixteen_levels() -> None:
    conversion = pipeline.convert_onnx(PROTO, X, recipe.load({"base": "balanced", "activations": "int4"}))
    assert {name: conversion.params[name].bits for name in ("x", "r1", "r2", "y")} == {"x": 0, "r1": 4, "r2": 4, "y": 0}
    node = next(n for n in conversion.graph.nodes if n.name == "one")
    assert node.attrs.hi - node.attrs.lo <= 15
    intq.Model(conversion.graph)


def test_samples_are_spread_over_the_whole_stream() -> None:
    picker = Picker(6)
    for start in range(0, 1000, 7):
        picker.add({"x": np.full((min(7, 1000 - start), 3, 8, 8), 1.0, np.float32) * np.arange(start, min(start + 7, 1000))[:, None, None, None]})
    chosen = picker.samples()["x"][:, 0, 0, 0]
    assert len(chosen) == 6
    assert chosen[0] == 0
    assert chosen[-1] > 800
    assert (np.diff(chosen) > 80).all()


def test_memory_bounds_the_samples_of_wide_layers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The integers that reach the last layer are the same however few samples fit in front of it."""
    params = pipeline.convert_onnx(PROTO, X, recipe.load("fast")).params
    net, _ = pipeline.prepare(PROTO, X)

    def last(memory: int) -> tuple[list[int], np.ndarray]:
        counts, seen = [], []

        def visit(site):
            counts.append(site.real.count)
            seen.append(site.quantized.array())
            return quantize(site.weight, site.bias, site.x, site.y, recipe.load("fast").layer("", 0, 1), site.node.attrs.get("group", 1))

        monkeypatch.setattr(lockstep, "MEMORY", memory)
        walk(net, params, {"x": X}, visit)
        return counts, seen[-1]

    (many, want), (few, got) = last(1 << 30), last(16_000)
    assert many == [24, 24, 24, 24]
    assert few[0] < 12
    assert few[-1] == 24
    np.testing.assert_array_equal(got, want)
