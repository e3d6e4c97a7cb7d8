"""`intq bench files m.tflite ...`: quantized .tflite files as they are, intq's exact kernels beside LiteRT's default (XNNPACK) ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..converter.tflite.against import repaired
from . import environment, timing
from .peers import Call, Unavailable, quiet


def litert(path: Path, threads: int) -> Call:
    """LiteRT with its default kernels; every input holds one value, which has no influence on the speed.

    Raises Unavailable where ai-edge-litert is missing or refuses the file.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise Unavailable("ai-edge-litert is not installed") from error
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise Unavailable("not a .tflite file")
    try:
        interpreter = Interpreter(model_content=repaired(data), num_threads=threads)
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            interpreter.tensor(detail["index"])()[...] = 3
        interpreter.invoke()
    except (RuntimeError, ValueError) as error:
        raise Unavailable(f"LiteRT: {str(error).splitlines()[0][:80]}") from error
    invoke: Call = interpreter.invoke
    return invoke


def measure(path: Path, *, threads: int = 1, rounds: int = 15, seconds: float = 0.03, isa: str = "auto") -> dict[str, Any]:
    """{"file", "engines": {name: times}, "ratio": LiteRT's median by intq's, or "missing": why there is none}. Raises intq.Error for a
    file that intq cannot read."""
    from .. import Session

    session = Session(str(path), threads=threads, isa=isa)
    for i in range(len(session.inputs)):
        session.input_buffer(i)[...] = 3
    calls: dict[str, Call] = {"intq": session.invoke}
    result: dict[str, Any] = {"file": path.name, "arena_bytes": session.arena_bytes}
    try:
        calls["litert"] = litert(path, threads)
    except Unavailable as reason:
        result["missing"] = str(reason)
    samples = timing.interleave(list(calls.values()), rounds, seconds)
    engines = {name: sample.as_dict() for name, sample in zip(calls, samples, strict=True)}
    result["engines"] = engines
    if "litert" in engines:
        result["ratio"] = round(engines["litert"]["median_ms"] / engines["intq"]["median_ms"], 3)
    return result


def run(paths: list[Path], *, threads: int = 1, rounds: int = 15, seconds: float = 0.03, isa: str = "auto",
        tick: Callable[[str], None] = lambda what: None) -> dict[str, Any]:  # fmt: skip
    """Every file in turn: {"environment", "threads", "rounds", "files": [...]}, ready for JSON."""
    quiet()
    found = []
    for path in paths:
        tick(path.name)
        found.append(measure(path, threads=threads, rounds=rounds, seconds=seconds, isa=isa))
    return {"environment": environment.describe(isa), "threads": threads, "rounds": rounds, "files": found}


def table(result: dict[str, Any]) -> Any:
    from rich.table import Table

    t = Table(title=f"median ms, {result['threads']} thread(s), {result['rounds']} rounds\n{environment.headline(result['environment'])}")
    for name, justify in (("file", "left"), ("intq", "right"), ("LiteRT default", "right"), ("LiteRT / intq", "right"), ("arena", "right")):
        t.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in result["files"]:
        ours, theirs = row["engines"]["intq"], row["engines"].get("litert")
        t.add_row(
            row["file"], f"{ours['median_ms']:.4g}", f"{theirs['median_ms']:.4g}" if theirs else row["missing"],
            f"{row['ratio']:.2f}x" if theirs else "-", f"{row['arena_bytes']:,} B",
        )  # fmt: skip
    return t
