"""Networks of the literature convert completely, and end to end are no more than 1 dB below onnxruntime's QDQ of the same network and data."""

from __future__ import annotations

from pathlib import Path

import intq
import numpy as np
import pytest
from intq.bench import zoo
from intq.converter import convert
from peer import quantize_qdq, run, sqnr

torch = pytest.importorskip("torch")
SMALL = {"U-Net": (3, 32, 32), "YOLO body": (3, 64, 64), "EfficientNet-Lite0": (3, 48, 48), "1-D CNN": (3, 96)}
INTEGER = {
    *("conv2d", "dwconv2d", "dense", "add", "mul", "avg_pool", "max_pool", "mean"),
    *("concat", "pad", "slice", "reshape", "transpose", "gather", "lut8"),
}


def textures(count: int, shape: tuple[int, ...]) -> np.ndarray:
    """Sums of random waves: smooth, with edges, different from sample to sample."""
    rng = np.random.default_rng(9)
    axes = np.meshgrid(*[np.linspace(0, 1, n) for n in shape[1:]], indexing="ij")
    images = np.zeros((count, *shape), np.float32)
    for image in images:
        for channel in image:
            for _ in range(4):
                wave = sum(rng.normal(0, 12) * axis for axis in axes)
                channel += rng.normal() * np.sign(np.sin(wave + rng.uniform(0, 6))) ** rng.integers(1, 3) * np.cos(wave / 2)
    return images


@pytest.mark.parametrize("name", SMALL)
def test_small(name: str, tmp_path: Path) -> None:
    from intq.converter.torch_export import export

    x = textures(96, SMALL[name])
    module = zoo.build(name, x[:32])
    proto = export(module, x[:1])
    model = convert(proto, calibration=x[:32])
    assert {node.op for node in model.graph.nodes} <= INTEGER
    real = run(proto, {"input": x[32:]})
    peer = run(quantize_qdq(proto, {"input": x[:32]}, tmp_path), {"input": x[32:]})
    result = intq.Session(model, batch=8).run(x[32:])
    integer = list(result.values()) if isinstance(result, dict) else [result]
    for a, b, c in zip(real, integer, peer, strict=True):
        assert sqnr(a, b) >= sqnr(a, c) - 1


@pytest.mark.full
@pytest.mark.shared
@pytest.mark.parametrize("name", ["SqueezeNet 1.1", "MobileNet V3", "ShuffleNet V1", "GhostNet"])
def test_large(name: str) -> None:
    pytest.importorskip("pytorchcv")
    import shared

    row = zoo.measure(name, shared.root() / "data" / "imagenet_500", layers=0, peer=None)
    assert row.sqnr >= row.peer - 1
