"""Every quantization method on the labelled networks: `python -m intq.bench.accuracy`, the table of docs/accuracy.md.

One row per method, everything else as in the recipe "fast" (min-max ranges, nearest rounding), at 8-bit weights and activations
(W8A8), 4-bit weights (W4A8) and both (W4A4); the first and last layer's weights and the network's inputs and outputs stay 8 bits.
A cell is the loss of top-1 accuracy in points, and the share of inputs with the float network's class.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import Model, Session
from ..converter import recipe as recipes
from ..converter.compare import Accuracy, task_accuracy
from ..converter.onnx.emit import session
from ..converter.onnx.load import read
from ..converter.pipeline import convert_onnx
from ..errors import InputError
from .networks import models_folder

Array = npt.NDArray[Any]
SETTINGS: dict[str, dict[str, Any]] = {
    "W8A8": {},
    "W4A8": {"weights": "int4", "keep_int8": ["first", "last"]},
    "W4A4": {"weights": "int4", "activations": "int4", "keep_int8": ["first", "last"]},
}
METHODS: dict[str, dict[str, Any]] = {
    "ranges: one global threshold": {"calibrator": "global"},
    "ranges: min-max": {},
    "ranges: moving average": {"calibrator": "moving_average"},
    "ranges: percentile 99.99": {"calibrator": "percentile"},
    "ranges: least squared error (mse)": {"calibrator": "mse"},
    "ranges: mse, symmetric": {"calibrator": "mse", "symmetric": True},
    "ranges: entropy (KL)": {"calibrator": "entropy"},
    "weights: nearest, one scale per tensor": {"calibrator": "mse", "granularity": "tensor"},
    "weights: nearest, groups of 32 channels": {"calibrator": "mse", "granularity": "group"},
    "weights: OMSE scales": {"calibrator": "mse", "weight_range": "omse"},
    "weights: ACIQ scales": {"calibrator": "mse", "weight_range": "aciq"},
    "weights: equalized": {"calibrator": "mse", "steps": ["equalize"]},
    "weights: outlier channels split": {"calibrator": "mse", "steps": ["split_outliers"]},
    "weights: analytic bias correction": {"calibrator": "mse", "bias_correction": "analytic"},
    "weights: empirical bias correction": {"calibrator": "mse", "bias_correction": "empirical"},
    "weights: AdaRound": {"calibrator": "mse", "weight_range": "omse", "rounding": "adaround", "bias_correction": "empirical"},
    "weights: GPTQ": {"calibrator": "mse", "weight_range": "omse", "rounding": "gptq", "bias_correction": "empirical"},
    "recipe balanced": {"base": "balanced"},
    "recipe best (GPTQ, coordinate descent)": {"base": "best"},
    "recipe zero_shot (no data)": {"base": "zero_shot"},
}


@dataclass(frozen=True)
class Task:
    file: str
    load: Callable[[Path], tuple[Array, Array, Array]]  # data folder -> calibration, inputs, labels


def _cifar(normalized: bool) -> Callable[[Path], tuple[Array, Array, Array]]:
    def images(path: Path) -> tuple[Array, Array]:
        file = np.load(path)
        x: Array = np.ascontiguousarray(file["images"].transpose(0, 3, 1, 2)).astype(np.float32)
        if normalized:
            x = (x / 255 - np.array([0.4914, 0.4822, 0.4465])[:, None, None]) / np.array([0.2470, 0.2435, 0.2616])[:, None, None]
        return np.asarray(x, np.float32), file["labels"].astype(np.int64)

    return lambda data: (images(data / "cifar10_calib.npz")[0], *images(data / "cifar10_test.npz"))


def _imagenet(data: Path) -> tuple[Array, Array, Array]:
    from PIL import Image

    with open(data / "imagenet_500" / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))

    def pixels(chosen: list[dict[str, str]]) -> Array:
        stack = [np.asarray(Image.open(data / "imagenet_500" / row["file"]).convert("RGB"), np.float32) for row in chosen]
        return ((np.stack(stack) - 127) / 127.5).transpose(0, 3, 1, 2).astype(np.float32)

    test = [row for row in rows if row["calib"] != "1"]
    return pixels([row for row in rows if row["calib"] == "1"]), pixels(test), np.array([int(row["label"]) + 1 for row in test])


TASKS = {
    "resnet8": Task("resnet8_cifar10.onnx", _cifar(False)),
    "resnet20": Task("resnet20_cifar10.onnx", _cifar(True)),
    "mobilenet_v2": Task("mobilenet_v2_1.0_224.onnx", _imagenet),
}


class Measured:
    """One network with its data; `cell` converts and measures."""

    def __init__(self, folder: Path, task: Task, calibration: int, images: int) -> None:
        self.path = folder / task.file
        data, x, y = task.load(folder.parent / "data")
        self.calibration = data[np.linspace(0, len(data) - 1, min(calibration, len(data))).astype(int)]
        order = np.random.default_rng(0).permutation(len(x))[:images]
        self.x, self.y = x[order], y[order]
        runner = session(read(self.path), optimise=True)
        name = runner.get_inputs()[0].name
        self.real = np.concatenate([runner.run(None, {name: self.x[i : i + 32]})[0] for i in range(0, len(self.x), 32)]).argmax(axis=1)

    def cell(self, given: dict[str, Any]) -> Accuracy:
        recipe = recipes.load({"base": "fast", **given})
        conversion = convert_onnx(self.path, None if recipe.zero_shot else self.calibration, recipe)
        result = Session(Model(conversion.graph), batch=8).run(self.x)
        return task_accuracy(self.real, result.argmax(axis=1), self.y)


def table(found: dict[str, dict[str, list[float]]], networks: list[str]) -> str:
    """Markdown; `found`[method]["network setting"] = [loss in points, same class in %]."""
    columns = [f"{network} {setting}" for network in networks for setting in SETTINGS]
    lines = ["| method | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
    for method, row in found.items():
        cells = [f"{row[c][0]:+.2f} / {row[c][1]:.1f}" if c in row else "" for c in columns]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--models", help="folder with the .onnx files, data/ beside it (default: INTQ_SHARED)")
    p.add_argument("--network", action="append", choices=list(TASKS), help="may be repeated (default: all)")
    p.add_argument("--method", help="only methods whose name contains this")
    p.add_argument("--calibration", type=int, default=128, help="calibration inputs (default: 128)")
    p.add_argument("--images", type=int, default=2000, help="test inputs at most (default: 2000)")
    p.add_argument("--json", metavar="FILE", help="keep cells in FILE as they are measured, and take those that it has")
    args = p.parse_args(argv)
    folder = models_folder(args.models)
    if folder is None:
        raise InputError("name the folder with the networks: --models FOLDER or INTQ_SHARED")
    networks = args.network or list(TASKS)
    store = Path(args.json) if args.json else None
    found: dict[str, dict[str, list[float]]] = json.loads(store.read_text()) if store and store.exists() else {}
    for network in networks:
        measured = Measured(folder, TASKS[network], args.calibration, args.images)
        for method, given in METHODS.items():
            for setting, bits in SETTINGS.items():
                cell = f"{network} {setting}"
                if (args.method and args.method not in method) or cell in found.get(method, {}):
                    continue
                start = time.perf_counter()
                a = measured.cell({**bits, **given})
                found.setdefault(method, {})[cell] = [100 * (a.b - a.c) / a.inputs, 100 * a.same]
                print(f"{cell}, {method}: {found[method][cell]}, {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
                if store:
                    store.write_text(json.dumps(found, indent=1))
    print(table({m: found[m] for m in METHODS if m in found}, networks))
    return 0


if __name__ == "__main__":
    sys.exit(main())
