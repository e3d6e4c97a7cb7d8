"""What a measurement was taken on: CPU, instruction set in use, versions, load. Part of every JSON result."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

from ..kernels.table import closure, isas, lib
from .peaks import cpu_count
from .peers import version

PACKAGES = ("intq", "numpy", "onnxruntime", "openvino", "ai-edge-litert", "numba")
VARIABLES = ("INTQ_ISA", "ONEDNN_MAX_CPU_ISA", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def cpu_name() -> str:
    """The model name that the system reports."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def isa_in_use(isa: str = "auto") -> str:
    """The best instruction set that a session with this cap uses."""
    return (closure(isa) or ("none",))[0] if lib is not None else "none"


def describe(isa: str = "auto") -> dict[str, Any]:
    """CPU, ISA, versions, relevant environment variables, load average and time."""
    return {
        "cpu": cpu_name(),
        "cpus": cpu_count(),
        "isa": isa_in_use(isa),
        "isas_usable": [name for name, (usable, _) in isas().items() if usable],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES if version(name)},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "load_average": [round(v, 2) for v in os.getloadavg()] if hasattr(os, "getloadavg") else [],
        "time_utc": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
    }


def headline(environment: dict[str, Any]) -> str:
    """One line for the head of a table."""
    versions = ", ".join(f"{k} {v}" for k, v in environment["versions"].items() if k not in ("numba", "numpy"))
    variables = "".join(f", {k}={v}" for k, v in environment["variables"].items())
    load = f", load {environment['load_average'][0]}" if environment["load_average"] else ""
    return f"{environment['cpu']}, {environment['cpus']} CPUs, isa {environment['isa']}; {versions}{variables}{load}"
