"""One-shot pruning: patterns hold, second order beats magnitude, removed filters leave a smaller network that computes what zeros would."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.helper as h
import pytest
import shared
from intq import RecipeError, Session
from intq.converter import convert, pipeline, recipe
from intq.converter.onnx.emit import run, to_onnx
from intq.converter.prune import Prune, ratios, remove_filters
from intq.converter.prune.filters import gammas_of
from intq.converter.prune.surgeon import keep, surgeon
from intq.converter.prune.weights import kernel_order
from onnx_cases import build
from onnxruntime import InferenceSession

Array = np.ndarray[Any, Any]
PATTERNS = ("element", "1x4", "4x2", "2:4", "1:4")


def correlated(k: int, seed: int = 0) -> Array:
    x = np.random.default_rng(seed).normal(size=(400, k)) @ (np.eye(k) + 0.9 * np.eye(k, k=1))
    return np.asarray(x.T @ x / 400 + 0.01 * np.eye(k))


def follows(stays: Array, pattern: str) -> bool:
    if ":" in pattern:
        some, of = map(int, pattern.split(":"))
        return bool((stays.reshape(len(stays), -1, of).sum(axis=2) <= some).all())
    rows, columns = (1, 1) if pattern == "element" else map(int, pattern.split("x"))
    blocks = stays.reshape(len(stays) // rows, rows, -1, columns)
    return bool((blocks.all(axis=(1, 3)) == blocks.any(axis=(1, 3))).all())


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("large", [False, True])
def test_second_order_beats_magnitude_in_every_pattern(pattern: str, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr("intq.converter.prune.surgeon.SMALL", 0)
    w, hessian = np.random.default_rng(1).normal(size=(16, 48)), correlated(48)
    ratio = 0.75 if pattern == "1:4" else 0.5
    stays = keep(np.abs(w), pattern, ratio)
    found, chosen = surgeon(w, hessian, pattern, ratio)
    assert follows(stays, pattern)
    assert follows(chosen, pattern)
    assert not found[~chosen].any()
    assert stays.mean() == chosen.mean() == 1 - ratio
    errors = [np.einsum("ok,kl,ol->", w - v, hessian, w - v) for v in (found, w * stays)]
    assert errors[0] < 0.93 * errors[1]


def test_kernels_walk_channels_last() -> None:
    w = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    np.testing.assert_array_equal(w.reshape(2, -1)[:, kernel_order(w.shape)], w.transpose(0, 2, 3, 1).reshape(2, -1))


def small_network() -> Any:
    rng = np.random.default_rng(3)

    def rand(*shape: int) -> Array:
        return rng.normal(size=shape).astype(np.float32)

    nodes = [
        h.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="one", pads=[1, 1, 1, 1]),
        h.make_node("BatchNormalization", ["c1", "g", "b", "m", "v"], ["n1"], name="norm"),
        h.make_node("Relu", ["n1"], ["r1"]),
        h.make_node("Conv", ["r1", "w2"], ["c2"], name="depth", group=8, pads=[1, 1, 1, 1]),
        h.make_node("MaxPool", ["c2"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        h.make_node("Conv", ["p", "w3"], ["c3"], name="two"),
        h.make_node("Relu", ["c3"], ["r3"]),
        h.make_node("Flatten", ["r3"], ["f"]),
        h.make_node("Gemm", ["f", "w4", "b4"], ["y"], name="last"),
    ]
    constants = {
        "w1": rand(8, 3, 3, 3), "b1": rand(8), "g": rand(8), "b": rand(8), "m": rand(8), "v": np.abs(rand(8)) + 0.5, "w2": rand(8, 1, 3, 3),
        "w3": rand(12, 8, 1, 1), "w4": rand(12 * 16, 5), "b4": rand(5),
    }  # fmt: skip
    return build(nodes, {"x": ("N", 3, 8, 8)}, ["y"], 17, **constants)


X = np.random.default_rng(0).normal(size=(32, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("method", ["l1", "l2", "gamma", "apoz"])
def test_removed_filters_shrink_what_reads_them(method: str) -> None:
    """What is left computes what the whole network computes where the removed filters' readers do not read them."""
    proto = small_network()
    net, whole = (pipeline.prepare(proto, X)[0] for _ in range(2))
    before = {n.name: whole.constants[n.inputs[1]] for n in whole.nodes if len(n.inputs) > 1}
    gammas = gammas_of(pipeline.unfolded(proto, net))
    assert set(gammas) == {"one"}
    keep_ = () if method != "gamma" else ("two",)
    gone = remove_filters(net, Prune(method=method, ratio=0.5, keep=("last", *keep_)), gammas, {"x": X})
    assert gone == ({"one": 4} if method == "gamma" else {"one": 4, "two": 6})
    after = {n.name: net.constants[n.inputs[1]] for n in net.nodes if len(n.inputs) > 1}
    assert after["depth"].shape == (4, 1, 3, 3)
    assert after["two"].shape == (12 if method == "gamma" else 6, 4, 1, 1)
    assert after["last"].shape == (5, (12 if method == "gamma" else 6) * 16)
    left = {name: [i for i, f in enumerate(before[name]) if any(np.array_equal(f.reshape(-1)[: g.size], g.reshape(-1)) for g in after[name])]
            for name in ("one",)}  # fmt: skip
    two = next(n for n in whole.nodes if n.name == "two")
    cut = before["two"].copy()
    cut[:, [i for i in range(8) if i not in left["one"]]] = 0
    whole.constants[two.inputs[1]] = cut
    if method == "gamma":
        np.testing.assert_allclose(run(to_onnx(net), {"x": X})["y"], run(to_onnx(whole), {"x": X})["y"], atol=1e-4)
        assert set(left["one"]) == set(np.argsort(-np.abs(gammas["one"]))[:4])
    converted = convert(proto, calibration=X, recipe={"prune": {"method": method, "keep": ["last", *keep_]}})
    shapes = {converted.graph.constants[n.inputs[1]].shape for n in converted.graph.nodes if n.op == "conv2d"}
    assert (4, 3, 3, 3) in shapes
    assert Session(converted).run(X).shape == (32, 5)


@pytest.mark.parametrize("pattern", ["element", "1x4", "2:4"])
def test_recipe_prunes_in_the_order_of_kernels(pattern: str) -> None:
    rng = np.random.default_rng(2)
    nodes = [h.make_node("Conv", ["x", "w"], ["y"], name="c", pads=[1, 1, 1, 1])]
    proto = build(nodes, {"x": ("N", 8, 6, 6)}, ["y"], 17, w=rng.normal(size=(16, 8, 3, 3)).astype(np.float32))
    x = rng.normal(size=(16, 8, 6, 6)).astype(np.float32)
    for base in ("fast", "best"):
        model = convert(proto, calibration=x, recipe={"base": base, "prune": {"pattern": pattern, "keep": []}})
        w = next(a for a in model.graph.constants.values() if a.ndim == 4).reshape(16, -1)
        assert (w == 0).mean() >= 0.5
        assert follows(w != 0, pattern if ":" in pattern else "element")
        assert recipe.load(model.recipe).prune is not None


def test_ratios_by_layer_and_bad_settings() -> None:
    net, _ = pipeline.prepare(small_network(), X)
    assert ratios(net, Prune()) == {"two": 0.5}
    assert ratios(net, Prune(keep=(), layers={"t*": 0.8, "first": 0})) == {"two": 0.8, "last": 0.5}
    for bad in ({"method": "lottery"}, {"pattern": "4by4"}, {"pattern": "4:2"}, {"ratio": 1.0}, {"depth": 3}, {"spread": "even"},
                {"method": "l1", "pattern": "1x4"}, {"pattern": "2:4", "spread": "sensitivity", "ratio": 0.6}):  # fmt: skip
        with pytest.raises(RecipeError):
            recipe.load({"prune": bad})
    with pytest.raises(RecipeError, match="prune"):
        recipe.load({"base": "zero_shot", "prune": {"method": "second_order"}})


def test_found_ratios_are_stored_and_add_up() -> None:
    model = convert(small_network(), calibration=X, recipe={"base": "fast", "prune": {"spread": "sensitivity", "keep": []}})
    stored = recipe.load(model.recipe).prune
    assert stored is not None
    assert stored.spread == "uniform"
    weights = [model.graph.constants[n.inputs[1]] for n in model.graph.nodes if n.op in ("conv2d", "dense")]
    assert sum(np.count_nonzero(w) for w in weights) <= 0.5 * sum(w.size for w in weights) + 3
    assert set(stored.layers) == {"one", "two", "last"}


def test_sensitivity_leaves_layers_whole() -> None:
    settings = {"pattern": "2:4", "spread": "sensitivity", "ratio": 0.2, "keep": []}
    model = convert(small_network(), calibration=X, recipe={"base": "fast", "prune": settings})
    stored = recipe.load(model.recipe).prune
    assert stored is not None
    assert set(stored.layers.values()) == {0.0, 0.5}
    for node in [n for n in model.graph.nodes if n.op in ("conv2d", "dense")]:
        zeros = float((model.graph.constants[node.inputs[1]] == 0).mean())
        assert zeros >= 0.48 if stored.layers[node.name] else zeros < 0.2


@pytest.mark.parametrize("kind", ["int8", "int4", "kmeans4", "log2"])
def test_zeros_of_a_pruned_source_stay(kind: str) -> None:
    rng = np.random.default_rng(2)
    w = np.where(rng.random((16, 8, 3, 3)) < 0.8, 0, rng.normal(size=(16, 8, 3, 3))).astype(np.float32)
    proto = build([h.make_node("Conv", ["x", "w"], ["y"], name="c", pads=[1, 1, 1, 1])], {"x": ("N", 8, 6, 6)}, ["y"], 17, w=w)
    x = rng.normal(size=(16, 8, 6, 6)).astype(np.float32)
    for base in ("fast", "best"):
        model = convert(proto, calibration=x, recipe={"base": base, "weights": kind})
        stored = next(a for a in model.graph.constants.values() if a.ndim == 4)
        assert not stored[w.transpose(0, 2, 3, 1) == 0].any()


CUTS = [("resnet8", {"spread": "sensitivity"}), ("resnet20", {"spread": "sensitivity"}), ("resnet8", {"pattern": "2:4"})]


@pytest.mark.full
@pytest.mark.parametrize(("name", "cut"), CUTS)
def test_half_of_the_weights_cost_at_most_a_point(name: str, cut: dict[str, Any]) -> None:
    raw = name == "resnet8"
    x, labels = shared.cifar_raw() if raw else shared.cifar_normalized()
    calibration = (shared.cifar_raw("calib") if raw else shared.cifar_normalized("calib"))[0]
    source = shared.model(f"{name}_cifar10.onnx")
    model = convert(source, calibration=calibration, recipe={"base": "best", "samples": 512, "prune": cut})
    runner = InferenceSession(str(source))
    feed = runner.get_inputs()[0].name
    want = np.concatenate([runner.run(None, {feed: x[i : i + 500]})[0] for i in range(0, len(x), 500)]).argmax(axis=1)
    got = Session(model, batch=8).run(x).argmax(axis=1)
    b, c = int(((want == labels) & (got != labels)).sum()), int(((want != labels) & (got == labels)).sum())
    assert b - c <= len(x) / 100 + 1.64 * (b + c) ** 0.5, (b, c)
