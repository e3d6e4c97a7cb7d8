"""Make an integer model. A float ONNX file needs calibration data, already preprocessed; a quantized .tflite file needs nothing else."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..errors import InputError
from ..format import check_target
from ..model import Model, load
from .common import add_numerics, progress_bar, session_summary


def add_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("model", help=".onnx or .tflite file")
    p.add_argument("-o", "--output", required=True, help=".intq file to write")
    p.add_argument("--calibration", metavar="FILE", help=".npz, .npy or a folder of them: some hundred inputs as the float model takes them")
    p.add_argument("--recipe", default="balanced", help="fast, balanced, best, zero_shot (no data), or a .toml or .json file (default: balanced)")
    add_numerics(p)
    p.add_argument("--compression", choices=("zstd",), help="entropy-code the file (needs intq[zstd])")
    p.add_argument("--quiet", action="store_true", help="no progress bar")


def main(args: argparse.Namespace) -> int:
    check_output(args.model, args.output)
    start = time.perf_counter()
    model: Model
    if args.calibration is None and Path(args.model).suffix != ".onnx":
        model = load(args.model, numerics=args.numerics)
    else:
        from ..converter import convert

        with progress_bar(args.quiet) as progress:
            model = convert(args.model, calibration=args.calibration, recipe=args.recipe, numerics=args.numerics, progress=progress)
    model.save(args.output, compression=args.compression)
    size = Path(args.output).stat().st_size
    print(f"{args.output}: {size:,} bytes (as float32 its weights take {4 * model.parameters:,}), {time.perf_counter() - start:.1f} s")
    print(session_summary(model))
    return 0


def check_output(source: str, output: str) -> None:
    """Before the work: refuse a target that cannot be written, or that holds or looks like a source model."""
    check_target(output)
    target = Path(output).resolve()
    if target.suffix in (".onnx", ".tflite") or (target == Path(source).resolve() and target.suffix != ".intq"):
        raise InputError(f"{output}: the result is an .intq file; it does not replace a source model")
