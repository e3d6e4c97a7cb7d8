"""`intq bench profile MODEL` (or `intq bench models --profile`): where the time of a network goes, node by node."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..session import Session
from . import environment


def measure(session: Session, x: Any | None = None, rounds: int = 50) -> dict[str, Any]:
    """Median of `rounds` profiled runs: {"model", "total_ns", "arena_bytes", "threads", "nodes": [...], "environment"}.

    A node's row: node, op, kernel, ns, share of the total, gops, gbps, macs, bytes. The clock is read around every step, which
    costs some 25 ns a step: the total is a little above what `invoke` takes.
    """
    for _ in range(3):
        rows = session.profile(x)
    times = np.array([[r.ns for r in session.profile(None)] for _ in range(max(1, rounds))], np.float64)
    medians = np.median(times, axis=0)
    total = float(np.median(times.sum(axis=1)))
    nodes = [
        {
            "node": r.node, "op": r.op, "kernel": r.kernel, "ns": round(float(ns)), "share": float(ns / max(medians.sum(), 1.0)),
            "gops": 2 * r.macs / max(float(ns), 1.0), "gbps": r.bytes / max(float(ns), 1.0), "macs": r.macs, "bytes": r.bytes,
        }
        for r, ns in zip(rows, medians, strict=True)
    ]  # fmt: skip
    return {
        "environment": environment.describe(str(session.options["isa"])), "model": session.model.name, "threads": session.options["threads"],
        "total_ns": round(total), "arena_bytes": session.arena_bytes, "nodes": nodes,
    }  # fmt: skip
