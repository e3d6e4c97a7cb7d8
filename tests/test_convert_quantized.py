"""Models that onnxruntime has quantized already: their scales and integers are taken over, and every layer agrees with its result."""

from __future__ import annotations

from pathlib import Path

import intq
import numpy as np
import onnx
import onnx.helper as h
import pytest
from agreement import agreement
from intq.converter import convert
from onnx_cases import build, rand
from peer import quantize_qdq, run

X = np.random.default_rng(5).normal(size=(64, 3, 16, 16)).astype(np.float32)


def network() -> onnx.ModelProto:
    """A residual block, pooling, concatenation and a classifier."""
    nodes = [
        h.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], name="c1"),
        h.make_node("Relu", ["c1"], ["r1"]),
        h.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1], name="c2"),
        h.make_node("Add", ["c2", "r1"], ["a"], name="add"),
        h.make_node("Relu", ["a"], ["r2"]),
        h.make_node("MaxPool", ["r2"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        h.make_node("Conv", ["p", "w3"], ["d"], pads=[1, 1, 1, 1], group=8, name="dw"),
        h.make_node("Sigmoid", ["d"], ["s"]),
        h.make_node("Mul", ["d", "s"], ["m"]),
        h.make_node("Concat", ["m", "p"], ["cat"], axis=1),
        h.make_node("GlobalAveragePool", ["cat"], ["g"]),
        h.make_node("Flatten", ["g"], ["f"]),
        h.make_node("Gemm", ["f", "w4", "b4"], ["l"], transB=1, name="fc"),
        h.make_node("Softmax", ["l"], ["y"], axis=1),
    ]
    constants = {"w1": rand(8, 3, 3, 3) / 5, "b1": rand(8), "w2": rand(8, 8, 3, 3) / 8, "b2": rand(8), "w3": rand(8, 1, 3, 3) / 3}
    return build(nodes, {"x": ("N", 3, 16, 16)}, ["y"], 17, **constants, w4=rand(5, 16), b4=rand(5))


def variants() -> dict[str, dict[str, object]]:
    from onnxruntime.quantization import QuantFormat, QuantType

    u8, s8 = QuantType.QUInt8, QuantType.QInt8
    return {
        "qdq u8s8 channel": {},
        "qdq u8s8 tensor": {"per_channel": False},
        "qdq s8s8 channel": {"activation_type": s8},
        "qdq s8s8 tensor": {"activation_type": s8, "per_channel": False},
        "qdq u8u8 tensor": {"weight_type": u8, "per_channel": False},
        "qoperator u8s8 channel": {"quant_format": QuantFormat.QOperator},
        "qoperator u8s8 tensor": {"quant_format": QuantFormat.QOperator, "per_channel": False},
        "qoperator u8u8 tensor": {"quant_format": QuantFormat.QOperator, "per_channel": False, "weight_type": u8},
    }


def quantized_values(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """Every QuantizeLinear output (or 8-bit output of a QOperator node) as onnxruntime computes it, by name."""
    proto = onnx.load(path)
    own = [output.name for output in proto.graph.output]
    names = [name for node in proto.graph.node for name in node.output if name not in own]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)  # onnxruntime infers the types
    values = dict(zip([*own, *names], run(proto, {proto.graph.input[0].name: x}), strict=True))
    return {name: array for name, array in values.items() if array.dtype in (np.int8, np.uint8) and len(array) == len(x)}


@pytest.mark.parametrize("label", variants())
def test_every_layer_agrees_with_onnxruntime(label: str, tmp_path: Path) -> None:
    path = quantize_qdq(network(), {"x": X}, tmp_path, **variants()[label])
    check_layers(path, X)


@pytest.mark.parametrize("options", ["plain", "groups", "channels", "dilated"])
def test_transposed_convolutions_keep_their_integers(options: str, tmp_path: Path) -> None:
    """Whose phases have the scale of the output and the integers of the source, per tensor and per channel."""
    more = {"group": 2} if options == "groups" else {"dilations": [2, 1]} if options == "dilated" else {}
    nodes = [
        h.make_node("ConvTranspose", ["x", "w", "b"], ["t"], strides=[2, 3], pads=[1, 0, 0, 1], name="t", **more),
        h.make_node("Relu", ["t"], ["y"]),
    ]
    x = np.random.default_rng(6).normal(size=(8, 4, 9, 7)).astype(np.float32)
    proto = build(nodes, {"x": ("N", 4, 9, 7)}, ["y"], 17, w=rand(4, 3, 4, 3) / 4, b=rand(6 if options == "groups" else 3))
    path = quantize_qdq(proto, {"x": x}, tmp_path, per_channel=options == "channels")
    model = convert(path)
    wanted, found = run(onnx.load(path), {"x": x})[0], intq.Session(model).run(x)
    steps = np.abs(found - wanted) / model.graph.of(model.graph.outputs[0].tensor).scale
    assert steps.max() < 1.01
    assert (steps < 0.01).mean() > 0.99


def check_layers(path: Path, x: np.ndarray, share: float = 0.995) -> None:
    rows = agreement(path, convert(path), x, quantized_values(path, x))
    assert len(rows) >= 8
    for row in rows:
        assert row.within_one >= share, row


def test_no_calibration_is_asked_for_and_scales_are_kept(tmp_path: Path) -> None:
    path = quantize_qdq(network(), {"x": X}, tmp_path)
    model = convert(path)
    scales = {float(onnx.numpy_helper.to_array(t)) for t in onnx.load(path).graph.initializer if t.name.endswith("_scale") and not t.dims}
    for tensor in model.graph.activations():
        assert any(abs(np.float32(tensor.scale) - s) < 1e-9 for s in scales) or tensor.scale == 1 / 256, tensor
    float_y = run(path, {"x": X})[0]
    assert np.abs(intq.Session(model).run(X) - float_y).max() < 0.05


@pytest.mark.shared
@pytest.mark.parametrize("name", ["resnet8_cifar10", "kws_dscnn"])
def test_shared_networks(name: str, tmp_path: Path) -> None:
    import shared

    source, x = shared.model(f"{name}.onnx"), shared.cifar_raw("calib")[0] if "cifar" in name else shared.kws("calib")[0]
    check_layers(quantize_qdq(source, {"input": x}, tmp_path), x[:32])


@pytest.mark.full
@pytest.mark.shared
@pytest.mark.parametrize("label", [label for label in variants() if "u8u8" not in label])
def test_mobilenet(label: str, tmp_path: Path) -> None:
    """`pytest -s -m full -k "mobilenet or literature"` prints the least share of a layer."""
    import shared

    x = shared.nchw(shared.imagenet(calibration=True, count=16)[0], 127, 127.5)
    source = shared.model("mobilenet_v2_1.0_224.onnx")
    name = onnx.load(source).graph.input[0].name
    check_large(f"MobileNetV2, {label}", quantize_qdq(source, {name: x[:8]}, tmp_path, **variants()[label]), x[8:])


@pytest.mark.full
@pytest.mark.shared
@pytest.mark.parametrize("name", ["MnasNet", "ResNet-18"])
def test_network_of_the_literature(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pytorchcv")
    import shared
    from intq.bench import zoo
    from intq.converter.torch_export import export

    x = zoo.images(shared.root() / "data" / "imagenet_500", 224, 16)
    check_large(name, quantize_qdq(export(zoo.build(name, x[:8]), x[:1]), {"input": x[:8]}, tmp_path), x[8:])


def check_large(title: str, path: Path, x: np.ndarray) -> None:
    rows = agreement(path, convert(path), x, quantized_values(path, x))
    least = min(rows, key=lambda row: row.within_one)
    equal = np.mean([row.equal for row in rows])
    share = f"within one step at least {100 * least.within_one:.3f} % ({least.value}), equal {100 * equal:.2f} % on average"
    print(f"\n{title}: {len(rows)} layers, {share}")
    assert len(rows) >= 8
    assert least.within_one >= 0.995


def test_the_quantized_export_of_pytorch(tmp_path: Path) -> None:
    """FX graph quantization with its x86 settings, exported: no calibration, and at most one step from onnxruntime at the output."""
    torch = pytest.importorskip("torch")
    fx = pytest.importorskip("torch.ao.quantization.quantize_fx")
    from torch.ao.quantization import get_default_qconfig_mapping

    nn = torch.nn
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    module = nn.Sequential(*body, nn.Flatten(), nn.Linear(8, 5)).eval()
    x = torch.from_numpy(X)
    prepared = fx.prepare_fx(module, get_default_qconfig_mapping("x86"), (x,))
    prepared(x)
    path = str(tmp_path / "torch.onnx")
    quantized = fx.convert_fx(prepared)
    names = {"input_names": ["input"], "output_names": ["output"], "dynamic_axes": {"input": {0: "N"}, "output": {0: "N"}}}
    torch.onnx.export(quantized, (x,), path, dynamo=False, opset_version=17, **names)
    for model in (convert(path), convert(quantized, example_inputs=x[:1])):
        scale = model.graph.tensors[model.outputs[0].tensor].scale
        assert np.abs(intq.Session(model).run(X) - run(path, {"input": X})[0]).max() <= 1.01 * scale
