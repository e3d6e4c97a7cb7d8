"""Shared by the verbs: progress bars, input files, the proof in one line."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arrays import opened
from ..errors import InputError
from ..graph import Port
from ..model import NUMERICS, Model

Progress = Callable[[str, int, int | None], None]


def add_numerics(p: argparse.ArgumentParser, what: str = "whose rounding a quantized .tflite keeps") -> None:
    p.add_argument("--numerics", choices=NUMERICS, default=NUMERICS[0], help=f"{what} (default: {NUMERICS[0]})")


@contextlib.contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Progress | None]:
    """A callback (stage, done, total) that draws a bar on stderr, or None where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total or None)
            bar.update(tasks[stage], completed=done, total=total or None)

        yield report


def proof(model: Model) -> str:
    """The overflow proof in one line."""
    bounds = [b for channels in model.bounds.values() for b in channels]
    if not bounds:
        return "no accumulators"
    worst = max(bounds, key=lambda b: max(-b.lo, b.hi) / b.limit)
    used = max(-worst.lo, worst.hi) / worst.limit
    return f"{len(bounds):,} accumulators proven free of overflow; the tightest, {worst.node} channel {worst.channel}, uses {used:.2%} of its range"


def session_summary(model: Model) -> str:
    return f"{len(model.graph.nodes)} nodes, {model.macs:,} MACs, 0 float operations; {proof(model)}"


def read_inputs(path: str, ports: list[Port]) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays by input name from .npy (one input) or .npz (named like the inputs, or one array for one input)."""
    with opened(path) as data:
        arrays = {p.name: None for p in ports}
        if isinstance(data, np.ndarray):
            if len(ports) != 1:
                raise InputError(f"{path}: one array, but the model's inputs are {list(arrays)}; use an .npz file")
            return {ports[0].name: data}
        if all(name in data for name in arrays):
            return {name: data[name] for name in arrays}
        if len(ports) == 1:
            fitting = [k for k in data.files if data[k].shape[1:] == ports[0].shape[1:]]
            if len(fitting) == 1:
                return {ports[0].name: data[fitting[0]]}
        raise InputError(f"{path}: has arrays {data.files}, the model's inputs are {list(arrays)}")
