"""Networks of the literature, converted and compared with float and with onnxruntime's QDQ: the table of docs/coverage.md.

    python -m intq.bench.zoo --images FOLDER [--only NAME ...] [--markdown docs/coverage.md]

Weights are seeded, batch normalization has the statistics of the calibration images. The pictures of the folder are taken in a
seeded order: the first CALIBRATION calibrate both engines, the TEST next give the SQNR of the outputs (each output's mean removed)
with default settings. A layer alone is fed its float values for the calibration images, quantized: what it shows is the noise of the layer's
integers, and not how far the ranges of so few images hold for others, which the outputs show. A layer is a node of the network:
what an operator without a kernel of its own is written with counts by that operator's output.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import logging
import math
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..session import Session

F32 = npt.NDArray[np.float32]
SIZE = 224
CALIBRATION, TEST = 32, 64
LIMIT = 25.0  # dB
STATISTICS = 16  # images per batch while batch normalization learns its statistics
# name -> (module, function or class, input size)
NETWORKS: dict[str, tuple[str, str, int]] = {
    "AlexNet": ("pytorchcv.models.alexnet", "alexnet", SIZE),
    "VGG-16": ("pytorchcv.models.vgg", "vgg16", SIZE),
    "ResNet-18": ("pytorchcv.models.resnet", "resnet18", SIZE),
    "ResNet-50": ("pytorchcv.models.resnet", "resnet50", SIZE),
    "ResNeXt-50": ("pytorchcv.models.resnext", "resnext50_32x4d", SIZE),
    "SE-ResNet-50": ("pytorchcv.models.seresnet", "seresnet50", SIZE),
    "DenseNet-121": ("pytorchcv.models.densenet", "densenet121", SIZE),
    "SqueezeNet 1.1": ("pytorchcv.models.squeezenet", "squeezenet_v1_1", SIZE),
    "Inception-v3": ("pytorchcv.models.inceptionv3", "inceptionv3", 299),
    "GoogLeNet": ("intq.bench.zoo_models", "GoogLeNet", SIZE),
    "Xception": ("pytorchcv.models.xception", "xception", 299),
    "MobileNet V1": ("pytorchcv.models.mobilenet", "mobilenet_w1", SIZE),
    "MobileNet V2": ("pytorchcv.models.mobilenetv2", "mobilenetv2_w1", SIZE),
    "MobileNet V3": ("pytorchcv.models.mobilenetv3", "mobilenetv3_large_w1", SIZE),
    "ShuffleNet V1": ("pytorchcv.models.shufflenet", "shufflenet_g3_w1", SIZE),
    "ShuffleNet V2": ("pytorchcv.models.shufflenetv2", "shufflenetv2_w1", SIZE),
    "GhostNet": ("pytorchcv.models.ghostnet", "ghostnet", SIZE),
    "EfficientNet-B0": ("pytorchcv.models.efficientnet", "efficientnet_b0", SIZE),
    "NASNet-mobile": ("pytorchcv.models.nasnet", "nasnet_4a1056", SIZE),
    "MnasNet": ("pytorchcv.models.mnasnet", "mnasnet_b1", SIZE),
    "FBNet-C": ("pytorchcv.models.fbnet", "fbnet_cb", SIZE),
    "EfficientNet-Lite0": ("intq.bench.zoo_models", "EfficientNetLite0", SIZE),
    "U-Net": ("intq.bench.zoo_models", "UNet", 128),
    "YOLO body": ("intq.bench.zoo_models", "Detector", 192),
    "1-D CNN": ("intq.bench.zoo_models", "Sequence1d", 0),
}


@dataclass(frozen=True)
class Row:
    """One network: SQNR in dB end to end (ours, onnxruntime's), the least of a layer fed float, how many layers are below LIMIT, and of how
    many; nodes, seconds, megabytes, milliseconds."""

    name: str
    sqnr: float
    peer: float
    worst: float
    worst_layer: str
    below: int
    layers: int
    nodes: int
    seconds: float
    megabytes: float
    milliseconds: float


def images(folder: Path, size: int, count: int, order: int = 0) -> F32:
    """Pictures as NCHW floats, normalized as ImageNet networks expect; or rows of them, for the one-dimensional network; `order` seeds theirs."""
    from PIL import Image

    files = sorted([*folder.glob("*.jpg"), *folder.glob("*.png")])
    if len(files) < count:
        raise SystemExit(f"{folder} holds {len(files)} pictures, {count} are needed")
    files = [files[i] for i in np.random.default_rng(order).permutation(len(files))[:count]]
    side = size or SIZE
    pixels = np.stack([np.asarray(Image.open(f).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)) for f in files])
    x = (pixels.astype(np.float32) / 255 - np.array([0.485, 0.456, 0.406], np.float32)) / np.array([0.229, 0.224, 0.225], np.float32)
    whole: F32 = np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)
    return whole if size else np.ascontiguousarray(whole[:, :, side // 2])


def build(name: str, x: F32) -> Any:
    """The network with seeded weights and the batch-norm statistics of `x`."""
    import torch

    module, function, _ = NETWORKS[name]
    torch.manual_seed(0)
    net = getattr(importlib.import_module(module), function)()
    norms = [m for m in net.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for m in norms:
        m.momentum = None  # a plain average
        torch.nn.init.uniform_(m.weight, 0.5, 1.5)
        torch.nn.init.normal_(m.bias, 0.0, 0.2)
    net.eval()
    for m in norms:
        m.train()
    with torch.no_grad():
        for start in range(0, len(x), STATISTICS):
            net(torch.from_numpy(x[start : start + STATISTICS]))
    return net.eval()


def peer_outputs(proto: Any, calibration: F32, x: F32, folder: Path) -> list[F32]:
    """What onnxruntime's quantize_static (QDQ, u8s8, per channel, min-max) makes of the network."""
    import onnx
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows = iter(calibration[:, None])

        def get_next(self) -> dict[str, F32] | None:
            row = next(self.rows, None)
            return None if row is None else {"input": row}

    source, ready, target = folder / "source.onnx", folder / "ready.onnx", folder / "qdq.onnx"
    onnx.save(proto, source)
    quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
    quantize_static(str(ready), str(target), Reader(), per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(target), options, providers=["CPUExecutionProvider"])
    parts = [session.run(None, {"input": x[i : i + 8]}) for i in range(0, len(x), 8)]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def peer_sqnr(net: Any, proto: Any, calibration: F32, test: F32) -> float:
    """The least of an output, with onnxruntime's quantization."""
    import torch

    from ..converter.compare import Noise

    with torch.no_grad():
        raw = net(torch.from_numpy(test))
    real = [t.numpy() for t in (raw if isinstance(raw, (tuple, list)) else (raw,))]
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(io.StringIO()):
        given = peer_outputs(proto, calibration, test, Path(place))
    return min(_sqnr(Noise(), a, b) for a, b in zip(real, given, strict=True))


def measure(name: str, folder: Path, layers: int, peer: float | None, order: int = 0, unseen: bool = False) -> Row:
    """`peer`: onnxruntime's figure where it is known (it does not depend on this package), None to measure it; `order` of the pictures; `unseen`:
    layers alone are fed pictures that did not calibrate."""
    from ..converter import convert
    from ..converter.compare import compare
    from ..converter.pipeline import prepare
    from ..converter.torch_export import export

    size = NETWORKS[name][2]
    x = images(folder, size, CALIBRATION + TEST, order)
    calibration, test = x[:CALIBRATION], x[CALIBRATION:]
    net = build(name, calibration)
    proto = export(net, calibration[:1])
    start = time.perf_counter()
    model = convert(proto, calibration=calibration)
    seconds = time.perf_counter() - start
    result = compare(proto, model, test, layers=0)
    alone = compare(proto, model, (test if unseen else calibration)[:layers], layers=layers) if layers else result
    own = {node.name for node in prepare(proto, calibration[:1], folded=False)[0].nodes}
    rows = [row for row in alone.layers if row.layer in own]
    worst = min(rows, key=lambda row: row.isolated) if rows else None
    peer = peer_sqnr(net, proto, calibration, test) if peer is None else peer
    session = Session(model)
    one = test[:1]
    laps = []
    for _ in range(7):
        start = time.perf_counter()
        session.run(one)
        laps.append(time.perf_counter() - start)
    return Row(
        name,
        min(result.outputs.values()),
        peer,
        worst.isolated if worst else math.nan,
        worst.layer if worst else "",
        sum(row.isolated < LIMIT for row in rows),
        len(rows),
        len(model.graph.nodes),
        seconds,
        len(model.to_bytes()) / 2**20,
        1e3 * float(np.median(laps)),
    )


def _sqnr(noise: Any, a: F32, b: F32) -> float:
    noise.add(a, b)
    value: float = noise.sqnr()
    return value


def markdown(rows: list[Row]) -> str:
    lines = [
        "| network | SQNR dB | onnxruntime dB | worst layer alone dB | layers below 25 dB | integer nodes | conversion s | size MB | latency ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        quality = f"{r.sqnr:.1f} | {r.peer:.1f} | {r.worst:.1f} | {r.below} of {r.layers}"
        lines.append(f"| {r.name} | {quality} | {r.nodes} | {r.seconds:.1f} | {r.megabytes:.2f} | {r.milliseconds:.2f} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m intq.bench.zoo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help=f"a folder of at least {CALIBRATION + TEST} natural images")
    parser.add_argument("--only", nargs="*", choices=list(NETWORKS), help="these networks only")
    parser.add_argument("--layers", type=int, default=32, help="images used for the SQNR of layers (default 32)")
    parser.add_argument("--order", type=int, default=0, help="seed of the order of the pictures: what calibrates and what tests (default 0)")
    parser.add_argument("--unseen", action="store_true", help="feed layers alone the test pictures instead of those that calibrated")
    parser.add_argument("--no-peer", action="store_true", help="leave onnxruntime's quantization out")
    parser.add_argument("--peers", type=Path, help="onnxruntime's figures (JSON, by network): those it has are not measured again, others join it")
    parser.add_argument("--markdown", type=Path, help="put the table into this file, between the lines <!-- zoo --> and <!-- /zoo -->")
    parser.add_argument("--json", type=Path, help="keep the rows here; networks already in it are not measured again")
    args = parser.parse_args(argv)
    logging.disable(logging.WARNING)
    rows = [Row(**row) for row in json.loads(args.json.read_text())] if args.json and args.json.exists() else []
    known: dict[str, float] = json.loads(args.peers.read_text()) if args.peers and args.peers.exists() else {}
    for name in args.only or NETWORKS:
        if name in [row.name for row in rows]:
            continue
        row = measure(name, args.images, args.layers, math.nan if args.no_peer else known.get(name), args.order, args.unseen)
        if args.peers and not args.no_peer:
            known[name] = row.peer
            args.peers.write_text(json.dumps(known, indent=1))
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
        if args.json:
            args.json.write_text(json.dumps([asdict(r) for r in rows], indent=1))
    order = list(NETWORKS)
    table = markdown(sorted(rows, key=lambda r: order.index(r.name)))
    print(table)
    if args.markdown:
        before, rest = args.markdown.read_text().split("<!-- zoo -->\n")
        args.markdown.write_text(f"{before}<!-- zoo -->\n{table}\n<!-- /zoo -->{rest.split('<!-- /zoo -->')[1]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
