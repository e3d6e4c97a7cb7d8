"""Show a model: graph, scales, zero points, sizes, recipe, and the proven bound of every accumulator."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import msgspec

from ..model import Model, load
from ..ops import Op, View
from ..session import Session
from .common import add_numerics, session_summary


def add_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("model", help=".intq or quantized .tflite file")
    add_numerics(p)
    p.add_argument("--bounds", action="store_true", help="list every channel's bound")
    p.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    model = load(args.model, numerics=args.numerics)
    if args.json:
        print(json.dumps(facts(model, args.bounds)))
        return 0
    print(model.describe())
    session = Session(model)
    print(f"arena {session.arena_bytes:,} bytes; {session_summary(model)}")
    for name, why in session.choices.items():
        print(f"  {name} runs {why}")
    if model.recipe:
        print("recipe " + json.dumps(model.recipe))
    if args.bounds:
        for name, bounds in model.bounds.items():
            for b in bounds:
                print(f"  {name} [{b.channel}]: {b.lo}..{b.hi} of +-{b.limit - 1}")
    sys.stdout.flush()  # a large network takes a minute to compress
    print("weights " + ", ".join(f"{form} {size:,} bytes" for form, size in model.sizes().items()))
    return 0


def facts(model: Model, bounds: bool) -> dict[str, Any]:
    """What `--json` prints (docs/json.md)."""
    session, nodes = Session(model), []
    for node in model.graph.nodes:
        assert isinstance(node.attrs, Op)
        v = View(model.graph, node)
        nodes.append(
            {
                "name": node.name, "op": node.op, "inputs": node.inputs, "outputs": node.outputs, "attrs": msgspec.to_builtins(node.attrs),
                "shape": v.y().shape, "dtype": v.y().dtype, "scale": v.y().scale, "zero_point": v.y().zero_point, "macs": node.attrs.macs(v),
            }
        )  # fmt: skip
    found: dict[str, Any] = {
        "name": model.name, "numerics": model.numerics, "recipe": model.recipe, "macs": model.macs, "constant_bytes": model.weight_bytes,
        "arena_bytes": session.arena_bytes, "nodes": nodes,
        "inputs": msgspec.to_builtins(model.inputs), "outputs": msgspec.to_builtins(model.outputs),
        "sizes": model.sizes(), "choices": session.choices,
    }  # fmt: skip
    if bounds:
        found["bounds"] = msgspec.to_builtins(model.bounds)
    return found
