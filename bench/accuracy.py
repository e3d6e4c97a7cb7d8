"""Accuracy on the labelled networks: `python -m intq.bench.accuracy`, the tables of docs/accuracy.md.

First the recipes, each held to a limit; then budgets of latency; then every method: one row per method, everything else as in the
recipe "fast" (min-max ranges, nearest rounding), at 8-bit weights and activations (W8A8), 4-bit weights (W4A8) and both (W4A4); the
first and last layer's weights and the network's inputs and outputs stay 8 bits. A cell is the loss of top-1 accuracy in points, and the
share of inputs with the float network's class. The mixed row searches the bits of every layer under the bytes that the setting's
uniform recipe takes; below the table it is compared with each uniform row, image by image: in accuracy, and in the distance of the outputs from
the float network's, which depends on no label.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from .. import Model, Session
from ..converter import recipe as recipes
from ..converter.compare import Accuracy, task_accuracy
from ..converter.onnx.emit import session
from ..converter.onnx.load import read
from ..converter.pipeline import convert_onnx, prepare
from ..converter.search import bytes_needed
from ..converter.search.latency import timed
from ..converter.search.loss import divergences
from ..converter.weights import average_bits
from ..errors import InputError
from .networks import models_folder

Array = npt.NDArray[Any]
MIXED = "recipe best, mixed in the same bytes"
LARGER = 1.01  # a file that is larger than another by more than descriptions differ
SAME = -1.0  # in a budget of bytes: what the file of the setting's uniform recipe takes
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
    "ranges: guarded": {"calibrator": "guarded"},
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
    MIXED: {"base": "best", "budget": {"bytes": SAME}},
    "recipe zero_shot (no data)": {"base": "zero_shot"},
}


@dataclass(frozen=True)
class Line:
    """A recipe on a network, and the points that it may lose with at least `same` % of the classes unchanged."""

    network: str
    what: str
    recipe: dict[str, Any]
    points: float | None
    same: float = 0.0


INNER4 = {"base": "best", "weights": "int4", "keep_int8": ["first", "last"]}
WIDE = {"base": "balanced", "activations": "int16"}
LINES = [
    Line("resnet8", "balanced, W8A8", {"base": "balanced"}, 0.3, 96),
    Line("resnet20", "balanced, W8A8", {"base": "balanced"}, 0.3, 98),
    Line("mobilenet_v2", "balanced, W8A8", {"base": "balanced"}, 0.5, 97),
    Line("resnet8", "balanced, W8A16", WIDE, 0.3, 98),
    Line("resnet20", "balanced, W8A16", WIDE, 0.3, 99),
    Line("mobilenet_v2", "balanced, W8A16", WIDE, 0.5, 99),
    Line("resnet8", "best, W4A8, first and last int8", INNER4, 1.0),
    Line("resnet20", "best, W4A8, first and last int8", INNER4, 1.0),
    Line("mobilenet_v2", "best, W4A8, mixed, at most 5.0 bits", {"base": "best", "budget": {"bits": 5.0}}, 2.0, 90),
    Line("resnet8", "zero_shot, W8A8", {"base": "zero_shot"}, 1.0),
    Line("resnet20", "zero_shot, W8A8", {"base": "zero_shot"}, 1.0),
    Line("mobilenet_v2", "zero_shot, W8A8", {"base": "zero_shot"}, None),
]


@dataclass(frozen=True)
class Task:
    file: str
    load: Callable[[Path], tuple[Array, Array, Array]]  # data folder -> calibration, inputs, labels
    calibration: int  # inputs to calibrate with for the table of methods
    samples: int = 128  # of them, to round and correct by; the others judge the plans of a search


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
    "resnet8": Task("resnet8_cifar10.onnx", _cifar(False), 512),
    "resnet20": Task("resnet20_cifar10.onnx", _cifar(True), 512),
    "mobilenet_v2": Task("mobilenet_v2_1.0_224.onnx", _imagenet, 128, 64),
}


class Measured:
    """One network with its data; `cell` converts and measures."""

    def __init__(self, folder: Path, task: Task, calibration: int, images: int) -> None:
        self.path = folder / task.file
        data, x, y = task.load(folder.parent / "data")
        self.data = data
        self.calibrate_with(calibration)
        order = np.random.default_rng(0).permutation(len(x))[:images]
        self.x, self.y = x[order], y[order]
        runner = session(read(self.path), optimise=True)
        name = runner.get_inputs()[0].name
        outputs = np.concatenate([runner.run(None, {name: self.x[i : i + 32]})[0] for i in range(0, len(self.x), 32)])
        self.real = outputs.argmax(axis=1)
        self.divergences = divergences(prepare(self.path)[0], outputs)

    def calibrate_with(self, count: int) -> None:
        self.calibration = self.data[np.linspace(0, len(self.data) - 1, min(count, len(self.data))).astype(int)]

    def cell(self, given: dict[str, Any]) -> tuple[Accuracy, Array, float, int]:
        """The accuracy, the outputs that the integers gave, the average bits of a weight, and the bytes of the model's file."""
        recipe = recipes.load({"base": "fast", **given})
        if SAME in recipe.budget.values():
            quick = msgspec.structs.replace(recipe, budget={}, rounding="nearest", bias_correction="none", level_channels=False)
            recipe = msgspec.structs.replace(recipe, weights="int8", keep_int8=())
            uniform = convert_onnx(self.path, self.calibration, quick)
            assert uniform.lowered is not None
            need = bytes_needed(uniform.net, recipe, {name: weight.bits for name, weight in uniform.weights.items()}, uniform.lowered)
            recipe = msgspec.structs.replace(recipe, budget={"bytes": need})
        conversion = convert_onnx(self.path, None if recipe.zero_shot else self.calibration, recipe)
        model = Model(conversion.graph)
        outputs = Session(model, batch=8).run(self.x)
        accuracy, bits = task_accuracy(self.real, outputs.argmax(axis=1), self.y), average_bits(conversion.net, conversion.weights)
        return accuracy, outputs, bits, len(model.to_bytes())


def lines(measured: dict[str, Measured]) -> None:
    """Prints a row for each of LINES as it is measured."""
    head = "| network | recipe | float | integer | b, c | loss (limit) | same class (limit) | average bits | seconds (of CPU) |"
    print(head + "\n" + "|---" * 9 + "|")
    for line in LINES:
        if line.network not in measured:
            continue
        start, cpu = time.perf_counter(), time.process_time()
        a, _, bits, _ = measured[line.network].cell(line.recipe)
        spent, same = f"{time.perf_counter() - start:.0f} ({time.process_time() - cpu:.0f})", 100 * a.same
        held = line.points is None or (a.within(line.points) and same >= line.same)
        limit = "none" if line.points is None else f"{line.points}, {'holds' if held else 'MISSED'}"
        loss, least = 100 * (a.b - a.c) / a.inputs, f" ({line.same:.0f})" if line.same else ""
        top = f"{100 * (a.float_accuracy or 0):.2f} | {100 * (a.integer_accuracy or 0):.2f}"
        row = f"| {line.network} | {line.what} | {top} | {a.b}, {a.c} | {loss:+.2f} ({limit}) | {same:.2f} %{least} | {bits:.2f} | {spent} |"
        print(row, flush=True)


def latencies(measured: dict[str, Measured]) -> None:
    """Prints, for budgets of one, four and twelve times the int8 network's latency, what the search predicts and what the result takes."""
    print("| network | int8, ms | budget, ms | predicted | measured | measured / predicted | layers with int16 |\n" + "|---" * 7 + "|")
    for network, data in measured.items():
        plain = timed(Session(Model(convert_onnx(data.path, data.calibration, recipes.load("fast")).graph)))
        for factor in (1.05, 4.0, 12.0):
            recipe = recipes.load({"base": "balanced", "budget": {"latency_ms": factor * plain}})
            found = convert_onnx(data.path, data.calibration, recipe)
            predicted, spent = found.recipe.searched_under["predicted_ms"], timed(Session(Model(found.graph)))
            wide = sum(layer.activations == "int16" for layer in found.recipe.layers.values())
            times = f"{plain:.4f} | {factor * plain:.4f} | {predicted:.4f} | {spent:.4f} | {spent / predicted:.3f}"
            print(f"| {network} | {times} | {wide} of {len(found.weights)} |", flush=True)


class Cell(msgspec.Struct, frozen=True):
    """`loss` in points, `same` in %; as hexadecimal digits which inputs the integers got right, packed bits, and how far each output is from the
    float network's, the root of its divergence in float16; the bytes of the file."""

    loss: float
    same: float
    right: str
    apart: str
    bytes: int

    def distances(self) -> Array:
        return np.frombuffer(bytes.fromhex(self.apart), np.float16).astype(np.float64)

    def hits(self) -> Array:
        return np.unpackbits(np.frombuffer(bytes.fromhex(self.right), np.uint8)).astype(bool)


Cells = dict[str, dict[str, Cell]]  # by method and "network setting"


def dominance(found: Cells, networks: list[str]) -> str:
    """The mixed row beside the uniform rows of each column, on the same inputs; those in larger files are counted, not compared.

    Accuracy: `ahead` is the uniform row furthest ahead, with the inputs that only it (b) and only the mixed one (c) gets right, `better` how many
    rows are ahead by more than the allowance of a limit of 0 points, b - c > 1.64 sqrt(b + c). The row ahead is the luckiest of all, so that by
    chance alone b - c reaches z sqrt(b + c) in one column of 20 for the z of a normal variable's tail of 5 % / rows.
    Distance: the mean over inputs of how far outputs are from the float network's, of the mixed row and of the nearest uniform one, with the
    difference in standard errors of its mean over inputs, positive where the uniform row is nearer; and how many are nearer by any amount.
    """
    head = "| | rows (in larger files) | less accurate, equal, more | better | furthest ahead | b, c | (b - c) / sqrt(b + c) | chance, up to"
    head += " | nearer | distance, mixed | nearest uniform | standard errors |"
    lines = [head, "|---" * 12 + "|"]
    for column in (f"{network} {setting}" for network in networks for setting in SETTINGS):
        mixed = found.get(MIXED, {}).get(column)
        rivals = {method: row[column] for method, row in found.items() if column in row and method != MIXED}
        if mixed is None or not rivals:
            continue
        own, apart, count = mixed.hits(), mixed.distances(), len(rivals)
        rivals = {method: cell for method, cell in rivals.items() if cell.bytes <= LARGER * mixed.bytes}
        if not rivals:
            lines.append(f"| {column} | 0 ({count}) |" + " |" * 10)
            continue
        counts = {method: (int((cell.hits() & ~own).sum()), int((own & ~cell.hits()).sum())) for method, cell in rivals.items()}
        ahead = max(counts, key=lambda method: counts[method][0] - counts[method][1])
        b, c = counts[ahead]
        signs = [int(np.sign(x - y)) for x, y in counts.values()]
        better = sum(x - y > 1.64 * (x + y) ** 0.5 for x, y in counts.values())
        z = f"{(b - c) / max(b + c, 1) ** 0.5:+.2f} | {NormalDist().inv_cdf(1 - 0.05 / len(rivals)):.2f}"
        order = f"{signs.count(-1)}, {signs.count(0)}, {signs.count(1)} | {better}"
        distances = {method: cell.distances() for method, cell in rivals.items()}
        nearer = sum(d.mean() < apart.mean() for d in distances.values())
        least = min(distances, key=lambda method: distances[method].mean())
        gain = apart - distances[least]
        error = float(gain.std()) / len(gain) ** 0.5
        near = f"{nearer} | {apart.mean():.4f} | {distances[least].mean():.4f}, {least} | {gain.mean() / error if error else 0.0:+.2f}"
        lines.append(f"| {column} | {len(rivals)} ({count - len(rivals)}) | {order} | {ahead} | {b}, {c} | {z} | {near} |")
    return "\n".join(lines)


def table(found: Cells, networks: list[str]) -> str:
    """Markdown."""
    columns = [f"{network} {setting}" for network in networks for setting in SETTINGS]
    lines = ["| method | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
    for method, row in found.items():
        cells = [f"{row[c].loss:+.2f} / {row[c].same:.1f}" if c in row else "" for c in columns]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plain(given: dict[str, Any]) -> bytes:
    """A recipe without the name of its base."""
    return msgspec.json.encode(msgspec.structs.replace(recipes.load({"base": "fast", **given}), base="custom"))


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--models", help="folder with the .onnx files, data/ beside it (default: INTQ_SHARED)")
    p.add_argument("--network", action="append", choices=list(TASKS), help="may be repeated (default: all)")
    p.add_argument("--only", choices=("recipes", "latency", "methods"), help="one of the tables")
    p.add_argument("--method", help="only methods whose name contains this")
    p.add_argument("--setting", action="append", choices=list(SETTINGS), help="may be repeated (default: all)")
    p.add_argument("--calibration", type=int, help="calibration inputs (default: 128; for the methods all that there are)")
    p.add_argument("--images", type=int, default=2000, help="test inputs at most (default: 2000)")
    p.add_argument("--json", metavar="FILE", help="keep cells in FILE as they are measured, and take those that it has")
    args = p.parse_args(argv)
    folder = models_folder(args.models)
    if folder is None:
        raise InputError("name the folder with the networks: --models FOLDER or INTQ_SHARED")
    networks = args.network or list(TASKS)
    store = Path(args.json) if args.json else None
    found: Cells = msgspec.json.decode(store.read_bytes(), type=Cells) if store and store.exists() else {}
    data = {network: Measured(folder, TASKS[network], args.calibration or 128, args.images) for network in networks}
    if args.only in (None, "recipes"):
        lines(data)
    if args.only in (None, "latency"):
        latencies(data)
    if args.only in ("recipes", "latency"):
        return 0
    for network, measured in data.items():
        measured.calibrate_with(args.calibration or TASKS[network].calibration)
        same: dict[bytes, Cell] = {}  # by recipe: two methods may come to the same one
        for method, given in METHODS.items():
            for setting, bits in SETTINGS.items():
                cell = f"{network} {setting}"
                if (args.method and args.method not in method) or setting not in (args.setting or SETTINGS) or cell in found.get(method, {}):
                    continue
                recipe = {**bits, **given, "samples": TASKS[network].samples}
                start, key = time.perf_counter(), plain(recipe)
                if key not in same:
                    a, outputs, _, size = measured.cell(recipe)
                    right = np.packbits(outputs.argmax(axis=1) == measured.y).tobytes().hex()
                    apart = np.sqrt(np.maximum(measured.divergences(outputs), 0)).astype(np.float16).tobytes().hex()
                    same[key] = Cell(100 * (a.b - a.c) / a.inputs, 100 * a.same, right, apart, size)
                done = found.setdefault(method, {})[cell] = same[key]
                print(f"{cell}, {method}: {done.loss:+.2f} / {done.same:.1f}, {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
                if store:
                    store.write_bytes(msgspec.json.encode(found))
    found = {m: found[m] for m in METHODS if m in found}
    print(f"{table(found, networks)}\n\n{dominance(found, networks)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
