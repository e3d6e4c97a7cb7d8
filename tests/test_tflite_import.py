"""What an import does besides arithmetic: edges, state, errors, files, and the numerics it keeps."""

from __future__ import annotations

from pathlib import Path

import intq
import numpy as np
import pytest
import shared
from intq import Model, Session
from intq.converter.tflite import load_tflite
from intq.errors import FormatError, InputError, UnsupportedError
from tflite_builder import OpSpec, TensorSpec, build
from tflite_cases_more import lstm, variables

T = TensorSpec


def float_edges() -> bytes:
    """Float input, QUANTIZE, RELU6, DEQUANTIZE, float output."""
    tensors = [T((1, 6), "float32"), T((1, 6), scale=0.05, zero_point=3), T((1, 6), scale=0.05, zero_point=-128), T((1, 6), "float32")]
    ops = [OpSpec("QUANTIZE", [0], [1]), OpSpec("RELU6", [1], [2], version=2), OpSpec("DEQUANTIZE", [2], [3], version=2)]
    return build(tensors, ops, [0], [3])


def test_float_edges_become_ports() -> None:
    graph = load_tflite(float_edges())
    assert [n.op for n in graph.nodes] == ["lut8"]
    x = np.array([[-1.0, 0.0, 0.5, 3.0, 5.95, 6.0]], np.float32)
    y = Session(Model(graph)).run(x)
    np.testing.assert_allclose(y, np.clip(x, 0, 6), atol=0.05)


def test_every_unsupported_operator_is_named() -> None:
    x = T((1, 4), scale=0.1)
    ops = [OpSpec("SQRT", [0], [1]), OpSpec("RELU", [1], [2], version=2), OpSpec("DIV", [2, 0], [3], "DivOptions")]
    with pytest.raises(UnsupportedError) as caught:
        load_tflite(build([x, x, x, x], ops, [0], [3]))
    assert "2 of 3" in str(caught.value)
    assert "SQRT (operator 0)" in str(caught.value)
    assert "DIV (operator 2)" in str(caught.value)


def test_a_float_model_says_what_to_do() -> None:
    model = build([T((1, 4), "float32"), T((1, 4), "float32")], [OpSpec("RELU", [0], [1])], [0], [1])
    with pytest.raises(UnsupportedError, match="calibration"):
        load_tflite(model)


@pytest.mark.parametrize("data", [b"", b"TFL3" * 4, b"\0\0\0\0TFL3" + bytes(64)])
def test_no_model(data: bytes) -> None:
    with pytest.raises(FormatError):
        load_tflite(data)


def test_unknown_numerics() -> None:
    with pytest.raises(InputError, match="litert"):
        load_tflite(float_edges(), numerics="xnnpack")


@pytest.mark.parametrize("make", [lstm, variables])
def test_state_survives_a_file_and_can_be_reset(make: object, tmp_path: Path) -> None:
    model, inputs = make(np.random.default_rng(3))  # type: ignore[operator]
    imported = Model(load_tflite(model), numerics="litert")
    imported.save(tmp_path / "m.intq")
    first, second = Session(imported), Session(intq.load(tmp_path / "m.intq"))
    runs = [[s.run_quantized(x) for x in inputs[0]] for s in (first, second)]
    first.reset()
    runs.append([first.run_quantized(x) for x in inputs[0]])
    for other in runs[1:]:
        np.testing.assert_array_equal(np.stack(runs[0]), np.stack(other))


@pytest.mark.shared
@pytest.mark.parametrize("numerics", ["litert", "tflm"])
def test_the_file_keeps_the_numerics(numerics: str, tmp_path: Path) -> None:
    path = shared.model("int8_tflite/ad01_int8.tflite")
    intq.load(path, numerics=numerics).save(tmp_path / "m.intq")
    again = intq.load(tmp_path / "m.intq")
    assert again.numerics == numerics
    golden = np.load(shared.model("int8_tflite/ad01_int8.golden.npz"))
    session = Session(again)
    for x, y in zip(golden["input"], golden["ref" if numerics == "litert" else "tflm"], strict=True):
        np.testing.assert_array_equal(session.run_quantized(x), y)
