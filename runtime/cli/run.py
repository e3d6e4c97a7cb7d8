"""Run a model on inputs from a file (.npy, or .npz with arrays named like the inputs) and print or save the outputs."""

from __future__ import annotations

import argparse
import io
import json
import time

import numpy as np

from ..format import check_target, write_atomically
from ..model import load
from ..session import Session
from .common import add_numerics, read_inputs


def add_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("model", help=".intq or quantized .tflite file")
    p.add_argument("--inputs", "--input", dest="input", metavar="FILE", help=".npy or .npz; without it, seeded random numbers over the input's range")
    p.add_argument("-o", "--output", metavar="FILE.npz", help="write the outputs here")
    p.add_argument("--quantized", action="store_true", help="inputs and outputs are integers in storage layout")
    add_numerics(p)
    p.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (default: 1)")
    p.add_argument("--batch", type=int, default=1, metavar="N", help="samples per internal call (default: 1)")
    p.add_argument("--isa", default="auto", help="the best instruction set to use, of those that intq doctor lists (default: auto)")
    p.add_argument("--backend", default="auto", choices=("auto", "native", "numba", "reference"), help="default: auto, the fastest there is")
    p.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    if args.output:
        check_target(args.output)
    session = Session(load(args.model, numerics=args.numerics), threads=args.threads, isa=args.isa, backend=args.backend, batch=args.batch)
    x = read_inputs(args.input, session.model.inputs) if args.input else random_inputs(session, args.quantized)
    start = time.perf_counter()
    y = session.run_quantized(x) if args.quantized else session.run(x)
    seconds = time.perf_counter() - start
    outputs = y if isinstance(y, dict) else {session.outputs[0].name: y}
    if args.output:
        buffer = io.BytesIO()
        np.savez(buffer, **outputs)
        write_atomically(args.output, buffer.getvalue())
    if args.json:
        print(json.dumps({"seconds": seconds, "outputs": {k: v.tolist() for k, v in outputs.items()}}))
        return 0
    n = len(next(iter(x.values())))
    print(f"{n} samples in {seconds * 1e3:.2f} ms ({seconds / max(n, 1) * 1e6:.1f} us each)")
    for name, array in outputs.items():
        print(f"{name} {list(array.shape)} {array.dtype}")
        for i, row in enumerate([row.reshape(-1) for row in array[:8]] if array.ndim else [array.reshape(-1)]):
            top = np.argsort(-row.astype(np.float64), kind="stable")[:3]
            print(f"  {i}: " + ", ".join(f"[{k}] {row[k]:.6g}" for k in top) + (" ..." if row.size > 3 else ""))
        if array.ndim and len(array) > 8:
            print(f"  ... {len(array) - 8} more; use --output or --json")
    return 0


def random_inputs(session: Session, quantized: bool) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    rng, found = np.random.default_rng(0), {}
    for port, info in zip(session.model.inputs, session.inputs, strict=True):
        limits = np.iinfo(info.dtype)
        if quantized:
            found[port.name] = rng.integers(limits.min, limits.max + 1, info.shape).astype(info.dtype)
        else:
            lo, hi = ((e - info.zero_point) * info.scale for e in (limits.min, limits.max))
            found[port.name] = rng.uniform(lo, hi, port.shape).astype(np.float32)
    return found
