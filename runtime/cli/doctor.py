"""Show what this machine can do and which kernels intq would choose, and check them: every instruction set against the reference."""

from __future__ import annotations

import argparse
import json
import platform
from typing import Any

import numpy as np

from .. import __version__
from ..kernel_api import NO_NATIVE, closure, have_native, have_numba, isas, table
from ..model import Model
from ..selftest import network
from ..session import Session


def add_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    model = Model(network())
    x = np.random.default_rng(0).uniform(-3, 3, (4, *model.inputs[0].shape[1:])).astype(np.float32)
    expected = Session(model, backend="reference").run(x)
    checks: dict[str, bool] = {}
    for isa, (usable, _) in isas().items():
        if usable:
            checks[isa] = all(np.array_equal(Session(model, isa=isa, threads=t).run(x), expected) for t in (1, 2))
    if have_numba():
        checks["numba"] = np.array_equal(Session(model, backend="numba").run(x), expected)
    report: dict[str, Any] = {
        "version": __version__, "python": platform.python_version(), "machine": platform.machine(), "cpu": cpu_name(),
        "native": have_native(), "numba": have_numba(), "isas": {name: usable for name, (usable, _) in isas().items()},
        "chosen": chosen(), "self_test": checks,
    }  # fmt: skip
    if args.json:
        print(json.dumps(report))
    else:
        show(report)
    return 0 if all(checks.values()) else 1


def chosen() -> dict[str, str]:
    """The first usable row of every op."""
    found: dict[str, str] = {}
    chain = closure() if have_native() else ()
    for isa in chain:
        for row in table():
            if row.isa == isa:
                key = f"{row.op} {row.variant}" if row.op in ("finish",) else row.op
                found.setdefault(key, row.name)
    return dict(sorted(found.items()))


def cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.lower().startswith(("model name", "cpu model")))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def show(report: dict[str, Any]) -> None:
    print(f"intq {report['version']}, Python {report['python']}, {report['cpu']} ({report['machine']})")
    print(f"compiled kernels: {'yes' if report['native'] else 'no'}; Numba: {'yes' if report['numba'] else 'no'}")
    if not report["native"]:
        print(NO_NATIVE)
    for name, usable in report["isas"].items():
        print(f"  {name:14} {'usable' if usable else 'not on this CPU'}")
    print("kernels chosen:")
    for op, name in report["chosen"].items():
        print(f"  {op:20} {name}")
    print("self-test against the reference, 1 and 2 threads:")
    for name, ok in report["self_test"].items():
        print(f"  {name:14} {'same bytes' if ok else 'DIFFERENT BYTES: please report this'}")
