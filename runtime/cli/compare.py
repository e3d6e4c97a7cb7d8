"""Float against integer: SQNR of every layer, alone and within the network, and the accuracy on labelled data.

    intq compare model.onnx model.intq --inputs test.npz --labels test.npz
    intq compare model.tflite --against litert

The second form runs a quantized .tflite beside LiteRT's reference kernels and shows the first layer that differs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import opened
from ..errors import InputError
from ..model import load
from .common import add_numerics, progress_bar

if TYPE_CHECKING:
    from ..converter.compare import Comparison


def add_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("source", help="the float .onnx file; with --against, the quantized .tflite file")
    p.add_argument("model", nargs="?", help="the .intq file made from it")
    what = ".npy, .npz or a folder: inputs as the float model takes them; with --against, .npy of the model's integers"
    p.add_argument("--inputs", metavar="FILE", help=what)
    p.add_argument("--against", choices=("litert",), help="a quantized .tflite beside an engine's reference kernels, on --inputs or random ones")
    add_numerics(p, "the rounding that --against imports with")
    p.add_argument("--labels", metavar="FILE", help=".npy, or .npz with an array `labels`: class indices")
    samples = "of --inputs, for the SQNR of layers; 0 leaves it out (default: 64; --layers is an older name)"
    p.add_argument("--samples", "--layers", dest="samples", type=int, default=64, metavar="N", help=samples)
    p.add_argument("--loss", type=float, metavar="POINTS", help="fail (exit code 1) where accuracy drops by more than this")
    p.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    if args.against:
        return against(args)
    if not args.model or not args.inputs:
        raise InputError("give a float model, the .intq file made from it and --inputs; or a quantized .tflite with --against litert")
    from ..converter.compare import compare

    labels = read_labels(args.labels) if args.labels else None
    with progress_bar(args.json) as progress:
        result = compare(args.source, load(args.model), Path(args.inputs), labels, args.samples, progress)
    if args.json:
        print(json.dumps(result.as_dict()))
    else:
        show(result)
    return 0 if args.loss is None or result.accuracy.within(args.loss) else 1


def read_integers(path: str) -> list[Any]:
    """The samples of a .npy file, each with an axis 0 of one."""
    with opened(path) as data:
        if not isinstance(data, np.ndarray) or not data.ndim:
            raise InputError(f"{path}: give a .npy file with the samples along axis 0")
        return [x[None] for x in data]


def against(args: argparse.Namespace) -> int:
    """Exit code 1 where a layer differs."""
    from ..converter.tflite.against import against_litert

    layers = against_litert(args.source, read_integers(args.inputs) if args.inputs else None, numerics=args.numerics)
    first = next((row for row in layers if row.differ), None)
    if args.json:
        rows = [{"tensor": r.tensor, "operator": r.operator, "differ": r.differ, "largest": r.largest, "elements": r.elements} for r in layers]
        print(json.dumps({"layers": rows, "first": first.tensor if first else None}))
    elif first is None:
        print(f"{len(layers)} layers, {sum(r.elements for r in layers):,} values: all equal to LiteRT's reference kernels")
    else:
        print(f"first difference: {first.tensor} ({first.operator}), {first.differ:,} of {first.elements:,} values, by at most {first.largest}")
        for row in layers:
            if row.differ:
                print(f"  {row.tensor} ({row.operator}): {row.differ:,} of {row.elements:,}, at most {row.largest}")
    return 0 if first is None else 1


def read_labels(path: str) -> np.ndarray[Any, Any]:
    with opened(path) as data:
        if isinstance(data, np.ndarray):
            return data
        if "labels" not in data.files:
            raise InputError(f"{path}: has arrays {data.files}, none is named 'labels'")
        labels: np.ndarray[Any, Any] = data["labels"]
        return labels


def show(result: Comparison) -> None:
    if result.layers:
        width = max(len(row.layer) for row in result.layers)
        print(f"{'layer':{width}}  {'op':18} {'alone dB':>9} {'in net dB':>9} {'at range end':>12}")
        for row in result.layers:
            print(f"{row.layer:{width}}  {row.label or row.op:18} {row.isolated:9.1f} {row.cumulative:9.1f} {row.clipped:12.2%}")
        print("worst alone: " + ", ".join(f"{row.layer} ({row.isolated:.1f} dB)" for row in result.worst()))
    for name, sqnr in result.outputs.items():
        print(f"output {name}: SQNR {sqnr:.2f} dB over {result.accuracy.inputs} inputs")
    a = result.accuracy
    print(f"same class as float: {a.same:.2%}")
    if a.float_accuracy is not None and a.integer_accuracy is not None:
        print(f"accuracy: float {a.float_accuracy:.2%}, integer {a.integer_accuracy:.2%}; right only in float {a.b}, only in integers {a.c}")
