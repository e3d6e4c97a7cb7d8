"""Memory of a conversion does not depend on how many calibration images there are."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import onnx.helper as h
import pytest
from intq.converter import convert, lockstep
from onnx_cases import build

SIDE = 48


def network():
    rng = np.random.default_rng(0)
    weights = {f"w{i}": 0.3 * rng.normal(size=(12, 3 if i == 0 else 12, 3, 3)).astype(np.float32) for i in range(3)}
    nodes = [h.make_node("Conv", [f"c{i}" if i else "x", f"w{i}"], [f"c{i + 1}"], pads=[1, 1, 1, 1]) for i in range(3)]
    return build([*nodes, h.make_node("GlobalAveragePool", ["c3"], ["y"])], {"x": ("N", 3, SIDE, SIDE)}, ["y"], 17, **weights)


def images(count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(1)
    for _ in range(count):
        yield rng.normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)


@pytest.mark.parametrize("recipe", ["fast", "balanced", "best"])
def test_peak_is_the_same_for_eight_times_as_many_images(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep, "MEMORY", 1 << 20)
    proto = network()

    def peak(count: int) -> int:
        tracemalloc.start()
        convert(proto, calibration=images(count), recipe={"base": recipe, "samples": 8})
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(16)  # libraries that load late
    assert peak(128) < 1.05 * peak(16) + 500_000  # the 112 images more are 3.1 MB
