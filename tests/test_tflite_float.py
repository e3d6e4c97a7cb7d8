"""Float .tflite models in ONNX: the same outputs as LiteRT to float accuracy, and a conversion that agrees."""

from __future__ import annotations

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


@pytest.mark.shared
def test_against_litert_names_the_first_layer() -> None:
    """With LiteRT's numerics every layer is equal; with TFLite Micro's the fully connected ones are the first to differ."""
    path = shared.model("int8_tflite/resnet8_cifar10_int8.tflite")
    assert all(row.differ == 0 for row in against_litert(path))
    rows = against_litert(shared.model("int8_tflite/ad01_int8.tflite"), count=16, numerics="tflm")
    assert next(row for row in rows if row.differ).operator == "FULLY_CONNECTED"
