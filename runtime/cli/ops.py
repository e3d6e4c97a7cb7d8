"""List the operators: those of the integer graph with their kernels, and the source operators that each importer takes."""

from __future__ import annotations

import argparse
import importlib
import json
from typing import Any

from ..extras import missing
from ..kernel_api import references, table
from ..ops import REGISTRY

SHARED_ROWS = {"dense": "conv2d", "bconv2d_bits": "bconv2d", "tfl_softmax16": "tfl_softmax"}  # ops that run another op's kernels
IMPORTERS = {"onnx": "intq.converter.coverage:onnx_operators", "tflite": "intq.converter.coverage:tflite_operators"}


def add_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--importer", choices=("graph", *IMPORTERS), help="only this list")
    p.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    found: dict[str, Any] = {}
    if args.importer in (None, "graph"):
        found["graph"] = graph_ops()
    for name, place in IMPORTERS.items():
        if args.importer not in (None, name):
            continue
        module, function = place.split(":")
        try:
            found[name] = getattr(importlib.import_module(module), function)()
        except ModuleNotFoundError as error:
            found[name] = {"unavailable": missing(error)}
    if args.json:
        print(json.dumps(found))
        return 0
    for name, rows in found.items():
        print(f"{name}: {len(rows)} operators" if "unavailable" not in rows else f"{name}: {rows['unavailable']}")
        for op, text in rows.items() if "unavailable" not in rows else ():
            print(f"  {op:24} {text}")
    return 0


def graph_ops() -> dict[str, str]:
    """Op -> what it is, and the backends that have a kernel of its own."""
    found = {}
    for op, cls in sorted(REGISTRY.items()):
        isas = list(dict.fromkeys(row.isa for row in table() if row.op == SHARED_ROWS.get(op, op)))
        summary = (cls.__doc__ or "").strip().split("\n")[0]
        where = ", ".join(isas) if isas else "a copy or no step at all" if op in references() else ""
        found[op] = f"{summary} [{where}]"
    return found
