"""Weights tuned after pruning: gradients equal differences of the loss, zeros stay, outputs come nearer to the float network's."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.helper as h
import pytest
from intq import RecipeError, Session
from intq.converter import convert, pipeline, recipe
from intq.converter.gradient import RULES, Tape
from intq.converter.onnx.emit import run, to_onnx
from intq.converter.prune.tune import Task, ends_of, tuned
from onnx_cases import build
from test_prune import X, follows, small_network

Array = np.ndarray[Any, Any]


def every_rule() -> Any:
    """A network in which each operator with a rule stands."""
    rng = np.random.default_rng(5)

    def rand(*shape: int) -> Array:
        return rng.normal(size=shape).astype(np.float32)

    nodes = [
        h.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="one", pads=[0, 0, 1, 1], strides=[2, 2]),
        h.make_node("Relu", ["c1"], ["r1"]),
        h.make_node("Conv", ["r1", "w2"], ["c2"], name="groups", group=4, pads=[2, 2, 2, 2], dilations=[2, 2]),
        h.make_node("Add", ["c2", "r1"], ["s"], name="sum"),
        h.make_node("MaxPool", ["s"], ["p1"], name="most", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        h.make_node("AveragePool", ["s"], ["p2"], name="average", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        h.make_node("Concat", ["p1", "p2"], ["k"], name="both", axis=1),
        h.make_node("GlobalAveragePool", ["k"], ["g"], name="gate"),
        h.make_node("Mul", ["k", "g"], ["m"], name="times"),
        h.make_node("ReduceMean", ["m"], ["a"], name="mean", axes=[3], keepdims=0),
        h.make_node("Flatten", ["a"], ["f"], name="flat"),
        h.make_node("Gemm", ["f", "w3", "b3"], ["l"], name="last"),
        h.make_node("Softmax", ["l"], ["y"], name="shares", axis=1),
    ]
    constants = {"w1": rand(8, 3, 3, 3), "b1": rand(8), "w2": rand(8, 2, 3, 3), "w3": rand(16 * 2, 5), "b3": rand(5)}
    return build(nodes, {"x": ("N", 3, 8, 8)}, ["y"], 17, **constants)


def test_gradients_are_those_of_the_network() -> None:
    net, _ = pipeline.prepare(every_rule(), X)
    assert {node.op for node in net.nodes} >= set(RULES) - {"Reshape", "Squeeze", "Unsqueeze"}
    ends = ends_of(net)
    assert ends != net.outputs
    constants = {name: array.astype(np.float32) for name, array in net.constants.items()}
    feeds = dict.fromkeys(net.inputs, X[:4])
    tape = Tape(net, ends, feeds, constants)
    np.testing.assert_allclose(tape.values[ends[0]], run(to_onnx(net, ends), feeds)[ends[0]], rtol=1e-4, atol=1e-4)
    rng = np.random.default_rng(0)
    weight = rng.normal(size=tape.values[ends[0]].shape).astype(np.float32)
    slopes = tape.gradients({ends[0]: weight})
    weighted = [name for node in net.nodes if node.op in ("Conv", "Linear") for name in node.inputs[1:] if name]
    for name in [*weighted, *net.inputs]:
        way = rng.normal(size=slopes[name].shape).astype(np.float32)
        losses = []
        for step in (1e-3, -1e-3):
            moved = {name: (feeds if name in feeds else constants)[name] + np.float32(step) * way}
            end = Tape(net, ends, {**feeds, **moved} if name in feeds else feeds, {**constants, **moved}).values[ends[0]]
            losses.append(float((end.astype(np.float64) * weight).sum()))
        assert (losses[0] - losses[1]) / 2e-3 == pytest.approx(float((slopes[name] * way).sum()), rel=0.05, abs=0.05), name


def test_zeros_stay_and_outputs_come_nearer() -> None:
    net, _ = pipeline.prepare(small_network(), X)
    x = np.random.default_rng(4).normal(size=(128, 3, 8, 8)).astype(np.float32)
    pruned = {}
    for node in (n for n in net.nodes if n.name in ("one", "two", "last")):
        weight = net.constants[node.inputs[1]]
        pruned[node.inputs[1]] = np.where(np.abs(weight) < np.median(np.abs(weight)), 0, weight)
    found = tuned(net, pruned, {"x": x}, 20)
    for name, weight in pruned.items():
        assert not found[name][weight == 0].any()
        assert (found[name] != weight).any()
    task, all_ = Task(net, pruned, {"x": x}), np.arange(128)
    assert task.distance(found, all_) < 0.7 * task.distance(task.start, all_)


@pytest.mark.parametrize("base", ["fast", "best"])
def test_recipe_tunes_and_keeps_the_pattern(base: str) -> None:
    settings = {"pattern": "2:4", "keep": ["one", "last"], "tune": 2}
    model = convert(small_network(), calibration=X, recipe={"base": base, "prune": settings})
    stored = recipe.load(model.recipe).prune
    assert stored is not None
    assert (stored.tune, stored.pattern) == (2, "2:4")
    weight = next(a for a in model.graph.constants.values() if a.ndim == 4 and a.shape[0] == 12)
    assert follows(weight.reshape(12, -1) != 0, "2:4")
    assert Session(model).run(X).shape == (32, 5)


def test_what_cannot_be_tuned_is_named() -> None:
    nodes = [h.make_node("Conv", ["x", "w"], ["c"], name="c"), h.make_node("Sigmoid", ["c"], ["y"], name="s")]
    proto = build(nodes, {"x": ("N", 4, 4, 4)}, ["y"], 17, w=np.ones((4, 4, 1, 1), np.float32))
    with pytest.raises(RecipeError, match="no gradient through"):
        convert(proto, calibration=np.zeros((8, 4, 4, 4), np.float32), recipe={"prune": {"keep": [], "tune": 1}})
    with pytest.raises(RecipeError, match="tune"):
        recipe.load({"prune": {"method": "l1", "tune": 3}})
