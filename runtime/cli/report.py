"""One HTML page about a conversion: sizes, accuracy, where the error comes from, histograms and the overflow proof.

    intq report model.onnx model.intq --inputs test.npz --labels test.npz -o report.html
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..format import check_target, write_atomically
from ..model import load
from .common import progress_bar
from .compare import read_labels


def add_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("source", help="the float .onnx file")
    p.add_argument("model", help="the .intq file made from it")
    p.add_argument("--inputs", required=True, metavar="FILE", help=".npy, .npz or a folder: inputs as the float model takes them")
    p.add_argument("--labels", metavar="FILE", help=".npy, or .npz with an array `labels`: class indices")
    p.add_argument("--samples", type=int, default=32, help="inputs used for layers and histograms (default: 32)")
    p.add_argument("-o", "--output", default="report.html", help="page to write (default: report.html)")


def main(args: argparse.Namespace) -> int:
    from ..converter.report import report

    check_target(args.output)
    labels = read_labels(args.labels) if args.labels else None
    with progress_bar() as progress:
        page = report(args.source, load(args.model), Path(args.inputs), labels, args.samples, progress)
    write_atomically(args.output, page.encode())
    print(f"{args.output}: {len(page):,} characters")
    return 0
