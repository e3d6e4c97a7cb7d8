"""Float .tflite models in ONNX: the same outputs as LiteRT to float accuracy, and a conversion that agrees."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import shared
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
