"""Real networks, end to end: accuracy against float, SQNR against onnxruntime's QDQ, and the same bytes on every backend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import intq
import numpy as np
import pytest
import shared
from intq.converter import convert
from peer import quantize_qdq, run, sqnr


@dataclass
class Case:
    """Calibration and test inputs, labels if there are any, and the limits: points lost, share of inputs with the class of float."""

    calibration: np.ndarray
    inputs: np.ndarray
    labels: np.ndarray | None
    points: float = 100.0
    same: float = 0.0


def load(name: str) -> Case:
    if name == "resnet8_cifar10":
        return Case(shared.cifar_raw("calib")[0], *shared.cifar_raw(), points=0.5, same=0.95)
    if name == "resnet20_cifar10":
        return Case(shared.cifar_normalized("calib")[0], *shared.cifar_normalized(), points=0.5, same=0.95)
    if name == "kws_dscnn":
        return Case(shared.kws("calib")[0], *shared.kws(), points=1.0, same=0.90)
    if name == "ad_autoencoder":
        return Case(shared.toycar()[::2], shared.toycar(), None)
    if name == "vww_mobilenetv1_025_96":
        return Case(shared.nchw(shared.imagenet(96, True)[0], 0, 255), shared.nchw(shared.imagenet(96)[0], 0, 255), None, same=0.95)
    pixels, labels = shared.imagenet(224)
    calibration = shared.nchw(shared.imagenet(224, True)[0], 127, 127.5)
    return Case(calibration, shared.nchw(pixels, 127, 127.5), labels + 1, points=1.0, same=0.95)


NAMES = ["resnet8_cifar10", "resnet20_cifar10", "kws_dscnn", "ad_autoencoder", "vww_mobilenetv1_025_96"]


def check_accuracy(case: Case, real: np.ndarray, integer: np.ndarray) -> None:
    """`b - c <= L*N/100 + 1.64*sqrt(b + c)`: b inputs that only float gets right, c that only the integers do."""
    want, got = real.argmax(axis=1), integer.argmax(axis=1)
    assert (want == got).mean() >= case.same
    if case.labels is not None:
        b, c = int(((want == case.labels) & (got != case.labels)).sum()), int(((want != case.labels) & (got == case.labels)).sum())
        assert b - c <= case.points * len(want) / 100 + 1.64 * math.sqrt(b + c)


@pytest.mark.shared
@pytest.mark.parametrize("name", [*NAMES, pytest.param("mobilenet_v2_1.0_224", marks=pytest.mark.full)])
def test_min_max_calibration_alone(name: str, tmp_path: Path) -> None:
    source, case = shared.model(f"{name}.onnx"), load(name)
    model = convert(source, calibration=case.calibration, recipe="fast")
    real, integer = run(source, {"input": case.inputs})[0], intq.Session(model, batch=8).run(case.inputs)
    assert integer.shape == real.shape
    assert integer.dtype == np.float32
    check_accuracy(case, real, integer)
    peer = run(quantize_qdq(source, {"input": case.calibration}, tmp_path), {"input": case.inputs})[0]
    assert sqnr(real, integer) >= sqnr(real, peer) - 0.5


@pytest.mark.shared
@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_from_every_backend(name: str) -> None:
    case = load(name)
    model = convert(shared.model(f"{name}.onnx"), calibration=case.calibration[:16], recipe="fast")
    x = case.inputs[:3]
    want = intq.Session(model, backend="reference").run(x)
    for options in ({}, {"threads": 2, "batch": 2}, {"backend": "numba"}):
        np.testing.assert_array_equal(intq.Session(model, **options).run(x), want)


@pytest.mark.shared
def test_conversion_is_deterministic_and_survives_a_file(tmp_path: Path) -> None:
    case = load("kws_dscnn")
    first, second = (convert(shared.model("kws_dscnn.onnx"), calibration=case.calibration, recipe="fast") for _ in range(2))
    assert first.to_bytes() == second.to_bytes()
    first.save(tmp_path / "m.intq")
    np.testing.assert_array_equal(intq.Session(tmp_path / "m.intq").run(case.inputs[:5]), intq.Session(second).run(case.inputs[:5]))
