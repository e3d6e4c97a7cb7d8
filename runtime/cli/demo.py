"""Convert and run the network that comes with the sources: accuracy, size, latency, the overflow proof, and a picture."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import opened
from ..errors import InputError
from ..extras import missing
from ..model import Model
from ..session import Session
from .common import progress_bar, session_summary

if TYPE_CHECKING:
    from ..converter.compare import Comparison

Array = np.ndarray[Any, Any]
SOURCES = Path(__file__).resolve().parents[2]


def add_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--dir", metavar="FOLDER", help="where digits.onnx and digits.npz are (default: examples/ of the sources, or here)")
    p.add_argument("-o", "--output", metavar="FOLDER", default="out", help="where to write digits.intq and digits.png (default: out)")


def main(args: argparse.Namespace) -> int:
    from ..converter import convert
    from ..converter.compare import compare

    folder = Path(args.dir) if args.dir else default_folder()
    source, data_file = folder / "digits.onnx", folder / "digits.npz"
    if not source.exists() or not data_file.exists():
        raise InputError(f"no digits.onnx and digits.npz in {folder}; they come with the sources: run it there, or name their folder with --dir")
    with opened(data_file) as arrays:
        data = {name: arrays[name] for name in ("calibration", "images", "labels")}
    out = Path(args.output)
    out.mkdir(parents=True, exist_ok=True)
    with progress_bar() as progress:
        model = convert(source, calibration=data["calibration"], progress=progress)
        model.save(out / "digits.intq")
        result = compare(source, model, data["images"], data["labels"], 64, progress)
    session = Session(model)
    a = result.accuracy
    sizes = source.stat().st_size, (out / "digits.intq").stat().st_size
    print(f"digits: {a.inputs} test images, {session_summary(model)}")
    print(f"  accuracy   float {a.float_accuracy or 0:.2%}   integer {a.integer_accuracy or 0:.2%}   same class {a.same:.2%}")
    print(f"  file       float {sizes[0]:,} bytes   integer {sizes[1]:,} bytes; arena {session.arena_bytes:,} bytes")
    print(f"  latency    {latency(session, data['images'][:1]) * 1e6:.1f} us for one image, one thread, quantizing included")
    print(f"  output     SQNR {next(iter(result.outputs.values())):.1f} dB against float")
    print(f"wrote {out / 'digits.intq'}")
    try:
        picture(out / "digits.png", model, session.run(data["images"]), data["images"], data["labels"], result)
        print(f"wrote {out / 'digits.png'}")
    except ModuleNotFoundError as error:
        print(f"no picture: {missing(error)}")
    return 0


def default_folder() -> Path:
    """`examples` beside the sources; of an installed package, which has none, in the current folder."""
    beside = SOURCES / "examples"
    return beside if beside.is_dir() else Path("examples")


def latency(session: Session, x: Array, rounds: int = 300) -> float:
    """Median seconds of one `run`."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        session.run(x)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def picture(path: Path, model: Model, outputs: Array, images: Array, labels: Array, result: Comparison) -> None:
    """Sixteen predictions, mistakes first, and the SQNR of every layer."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    predicted = outputs.argmax(axis=1)
    order = np.argsort(predicted == labels, kind="stable")[:16]
    figure = pyplot.figure(figsize=(12, 4.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.4))
    for axis, i in zip(left.subplots(4, 4).flat, order, strict=True):
        right_class = predicted[i] == labels[i]
        axis.imshow(images[i, 0], cmap="gray_r")
        axis.set_title(f"{predicted[i]}" + ("" if right_class else f", is {labels[i]}"), color="black" if right_class else "tab:red", fontsize=9)
        axis.axis("off")
    left.suptitle("integer predictions, mistakes first")
    axis = right.subplots()
    names = [row.layer for row in result.layers]
    at = np.arange(len(names))
    axis.barh(at - 0.2, [min(row.isolated, 80) for row in result.layers], 0.4, label="layer alone")
    axis.barh(at + 0.2, [min(row.cumulative, 80) for row in result.layers], 0.4, label="within the network")
    axis.set_yticks(at, names, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("SQNR against float, dB (more is better)")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize=8)
    axis.set_title(f"error per layer; {model.macs:,} multiply-accumulates, no float")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
