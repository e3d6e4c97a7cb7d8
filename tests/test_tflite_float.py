"""Float .tflite models in ONNX: the same outputs as LiteRT to float accuracy, and a conversion that agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import shared
from intq import Session
from intq.converter import convert
from intq.converter.tflite.against import against_litert
from intq.converter.tflite.float import float_to_onnx

pytest.importorskip("ai_edge_litert")
from ai_edge_litert.interpreter import Interpreter
from tflite_cases import FAMILIES
from tflite_cases_more import recurrent

MODELS = ("resnet8_cifar10", "vww_mobilenetv1_025_96", "ad_autoencoder", "kws_dscnn")


@pytest.mark.shared
@pytest.mark.parametrize("name", MODELS)
def test_shared_float_models(name: str) -> None:
    path = shared.model(f"{name}.tflite")
    model = float_to_onnx(path)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    rng = np.random.default_rng(0)
    for _ in range(4):
        x = (rng.random(detail["shape"]) * (255 if name.startswith("resnet8") else 1)).astype(np.float32)
        interpreter.set_tensor(detail["index"], x)
        interpreter.invoke()
        expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        got = session.run(None, {session.get_inputs()[0].name: x})[0]
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.shared
def test_float_conversion() -> None:
    """A float .tflite goes through calibration; the integers keep the accuracy of the float model."""
    images, labels = shared.cifar_raw("calib")
    model = convert(str(shared.model("resnet8_cifar10.tflite")), calibration=np.ascontiguousarray(images[:64].transpose(0, 2, 3, 1)))
    test = np.ascontiguousarray(shared.cifar_raw("test")[0][:200].transpose(0, 2, 3, 1))
    labels = shared.cifar_raw("test")[1][:200]
    assert (Session(model, batch=8).run(test).argmax(axis=1) == labels).mean() > 0.7


@pytest.mark.parametrize("family", ["binary", "recurrent"])
def test_against_litert_takes_several_inputs_and_state(family: str, tmp_path: Path) -> None:
    for seed in range(6):
        (tmp_path / "m.tflite").write_bytes({**FAMILIES, "recurrent": recurrent}[family](np.random.default_rng(seed))[0])
        rows = against_litert(tmp_path / "m.tflite")
        assert rows
        assert all(row.differ == 0 for row in rows)


@pytest.mark.shared
def test_against_litert_repairs_a_meaningless_field() -> None:
    assert not any(row.differ for row in against_litert(shared.model("int8_tflite/person_detect.tflite"), count=1))


@pytest.mark.shared
def test_against_litert_names_the_first_layer() -> None:
    """With LiteRT's numerics every layer is equal; with TFLite Micro's the fully connected ones are the first to differ."""
    path = shared.model("int8_tflite/resnet8_cifar10_int8.tflite")
    assert all(row.differ == 0 for row in against_litert(path))
    rows = against_litert(shared.model("int8_tflite/ad01_int8.tflite"), count=16, numerics="tflm")
    assert next(row for row in rows if row.differ).operator == "FULLY_CONNECTED"
