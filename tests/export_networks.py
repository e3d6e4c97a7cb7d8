"""Networks of the export tests: imported ones by file, and converted ones with weights of four bits, of few nonzeros, of one bit."""

from __future__ import annotations

import functools

import pytest
import shared
from intq.model import Model, load

IMPORTED = ("ad01_int8", "hello_world_int8", "kws_ref_model_int8", "person_detect", "resnet8_cifar10_int8", "vww_96_int8")
CONVERTED = ("bnn_cifar10", "resnet20_sparse85", "resnet8_int4", "autoencoder_codes")


@functools.cache
def network(name: str) -> Model:
    """A network by name."""
    return convert(name) if name in CONVERTED else load(shared.model(f"int8_tflite/{name}.tflite"))


def convert(name: str) -> Model:
    pytest.importorskip("onnxruntime")
    converter = pytest.importorskip("intq.converter")
    images = shared.cifar_normalized("calib")[0][:32]
    if name == "autoencoder_codes":
        codes = {"weights": "kmeans4", "granularity": "group", "group_size": 64}
        recipe = {"base": "fast", "layers": {"*": codes}}
        return converter.convert(shared.model("ad_autoencoder.onnx"), calibration=shared.toycar()[:32], recipe=recipe)
    if name == "resnet8_int4":
        return converter.convert(shared.model("resnet8_cifar10.onnx"), calibration=images, recipe={"base": "fast", "weights": "int4"})
    return converter.convert(shared.model(f"{name}.onnx"), calibration=images, recipe="fast")
