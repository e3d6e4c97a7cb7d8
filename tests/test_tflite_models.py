"""The shared int8 models: golden outputs of both sets of reference kernels, and every layer, byte for byte."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import shared
from intq import Session
from intq.converter.tflite import load_tflite
from intq.graph import Graph
from intq.kernels.table import closure, lib
from intq.model import load
from intq.walk import walk

MODELS = (
    "ad01_int8", "hello_world_int8", "kws_ref_model_int8", "micro_speech_quantized", "person_detect", "resnet8_cifar10_int8",
    "tf2_mobilenet_v2_1.0_224_ptq", "vww_96_int8",
)  # fmt: skip
pytestmark = pytest.mark.shared


def run(graph: Graph, x: np.ndarray) -> dict[str, np.ndarray]:
    return walk(graph, {graph.inputs[0].tensor: x}, "reference")


@pytest.mark.parametrize("numerics", ["litert", "tflm"])
@pytest.mark.parametrize("name", MODELS)
def test_golden(name: str, numerics: str) -> None:
    graph = load_tflite(shared.model(f"int8_tflite/{name}.tflite"), numerics)
    golden = np.load(shared.model(f"int8_tflite/{name}.golden.npz"))
    picked = (7, 8) if "mobilenet" in name else range(16)
    for i in picked:
        out = run(graph, golden["input"][i])[graph.outputs[0].tensor]
        np.testing.assert_array_equal(out, golden["ref" if numerics == "litert" else "tflm"][i])


@pytest.mark.parametrize("numerics", ["litert", "tflm"])
@pytest.mark.parametrize("name", MODELS)
def test_golden_on_every_backend(name: str, numerics: str) -> None:
    """All golden outputs on the native backend with every instruction set that the machine has, and on Numba."""
    model = load(shared.model(f"int8_tflite/{name}.tflite"), numerics=numerics)
    golden = np.load(shared.model(f"int8_tflite/{name}.golden.npz"))
    inputs, wanted = golden["input"], golden["ref" if numerics == "litert" else "tflm"]
    sessions = [(Session(model, backend="native", isa=isa), len(inputs)) for isa in closure()] if lib is not None else []
    if importlib.util.find_spec("numba"):  # the wheel is tested without it
        sessions.append((Session(model, backend="numba"), len(inputs)))
    assert sessions
    for session, count in sessions:
        for x, y in zip(inputs[:count], wanted[:count], strict=True):
            np.testing.assert_array_equal(session.run_quantized(x), y)


@pytest.mark.parametrize("name", MODELS)
def test_layers(name: str) -> None:
    path = shared.model(f"int8_tflite/{name}.tflite")
    graph = load_tflite(path)
    golden, layers = np.load(shared.model(f"int8_tflite/{name}.golden.npz")), np.load(shared.model(f"int8_tflite/{name}.layers.npz"))
    made = [n.outputs[0] for n in graph.nodes]
    compared = 0
    for index in sorted({int(k.split("_")[0][1:]) for k in layers.files}):
        values = run(graph, golden["input"][index])
        wanted = [k for k in layers.files if k.startswith(f"v{index}_")]
        found = iter([values[n] for n in made])
        for key in sorted(wanted, key=lambda k: int(k.split("_")[1])):  # each stored layer equals one of our nodes, in order
            expected = layers[key]
            for array in found:
                if array.dtype == expected.dtype and array.size == expected.size and np.array_equal(array.reshape(expected.shape), expected):
                    break
            else:
                pytest.fail(f"no node makes layer {key}")
            compared += 1
    assert compared > 0
