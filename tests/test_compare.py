"""Layer errors and the accuracy figures of a comparison."""

from __future__ import annotations

import intq
import numpy as np
import onnx.helper as h
import pytest
from intq.converter import convert
from intq.converter.compare import Noise, compare, task_accuracy
from intq.errors import InputError
from onnx_cases import build, rand


def network():
    nodes = [
        h.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], name="first"),
        h.make_node("Relu", ["c"], ["r"]),
        h.make_node("GlobalAveragePool", ["r"], ["p"], name="pool"),
        h.make_node("Flatten", ["p"], ["f"]),
        h.make_node("Gemm", ["f", "v"], ["y"], transB=1, name="last"),
    ]
    return build(nodes, {"x": ("N", 3, 8, 8)}, ["y"], 17, w=rand(6, 3, 3, 3), v=rand(4, 6))


def test_layers_are_reported_under_their_source_names() -> None:
    proto, x = network(), rand(64, 3, 8, 8)
    result = compare(proto, convert(proto, calibration=x), x, layers=40)
    assert [row.layer for row in result.layers] == ["first", "pool", "last"]
    assert all(row.isolated >= row.cumulative - 1 and row.isolated > 25 and row.clipped < 0.01 for row in result.layers)
    assert result.outputs["y"] > 25
    assert result.worst(1)[0].isolated == min(row.isolated for row in result.layers)


def test_accuracy_counts() -> None:
    found = task_accuracy(np.array([0, 1, 2, 3]), np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
    assert (found.b, found.c, found.same, found.float_accuracy, found.integer_accuracy) == (1, 1, 0.5, 0.75, 0.75)
    assert found.within(0)
    with pytest.raises(InputError, match="3 labels for 4 inputs"):
        task_accuracy(np.zeros(4), np.zeros(4), np.zeros(3))


def test_a_constant_scores_nothing() -> None:
    noise, signal = Noise(), rand(100, 5)
    for part in np.split(signal, 4):
        noise.add(part, np.ones_like(part))
    assert noise.sqnr() == pytest.approx(0, abs=0.3)


def test_another_models_source_is_refused() -> None:
    x = rand(16, 3, 8, 8)
    other = build([h.make_node("Conv", ["x", "w"], ["y"], name="other")], {"x": ("N", 3, 8, 8)}, ["y"], 17, w=rand(6, 3, 3, 3))
    model = convert(other, calibration=x)
    assert isinstance(model, intq.Model)
    with pytest.raises(InputError, match="not converted from this source"):
        compare(network(), model, x)
