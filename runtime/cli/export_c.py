"""Write a model as C99: NAME.c and NAME.h, with weights as const arrays, one arena, no heap, no float and no interpreter."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import msgspec

from ..export import export_c
from ..export.source import identifier
from ..model import load
from .common import add_numerics


def add_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("model", help=".intq or quantized .tflite file")
    p.add_argument("-o", "--output", metavar="FOLDER", required=True, help="folder for the files")
    p.add_argument("--name", help="prefix of the files, the function and the macros (default: the file's stem)")
    p.add_argument("--samples", type=int, default=2, metavar="N", help="samples in the test program; 0 leaves it and the Makefile out (default 2)")
    add_numerics(p)
    p.add_argument("--json", action="store_true", help="print the report as JSON")


def main(args: argparse.Namespace) -> int:
    name = args.name if args.name is not None else identifier(Path(args.model).stem)
    report = export_c(load(args.model, numerics=args.numerics), args.output, name=name, samples=args.samples)
    print(json.dumps(msgspec.to_builtins(report)) if args.json else report.text())
    return 0
