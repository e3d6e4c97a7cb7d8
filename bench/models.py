"""`intq bench models`: whole networks, intq beside its peers, in interleaved rounds on this machine.

intq is timed twice: `intq` is Session.invoke on bound int8 buffers (what LiteRT's int8 models do), `intq run` is Session.run with
floats in and out (what onnxruntime and OpenVINO do here). Peers get their inputs bound beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import Error
from . import environment, timing
from .networks import Network
from .peers import PEERS, Call, Job, Runner, Unavailable, quiet

Tick = Callable[[str], None]
OURS = ("intq", "intq run")


def ours(job: Job, isa: str) -> tuple[dict[str, Call], dict[str, Any]]:
    """The two calls of intq for a network, and facts about the session. Raises intq.Error where conversion fails."""
    from .. import Session
    from ..converter import convert

    model = convert(str(job.network.path(job.folder)), calibration=job.network.calibration(job.folder))
    session = Session(model, threads=job.threads, isa=isa)
    session.run(job.x)  # leaves the quantized input in the bound buffer
    facts = {"arena_bytes": session.arena_bytes, "macs": model.macs, "weight_bytes": model.weight_bytes}
    return {"intq": session.invoke, "intq run": lambda: session.run(job.x)}, facts


def measure(network: Network, folder: Path | None, threads: int, runners: list[Runner], *, rounds: int = 15, seconds: float = 0.03,
            isa: str = "auto", with_ours: bool = True, tick: Tick = lambda what: None) -> dict[str, Any]:  # fmt: skip
    """One network: {"network", "threads", "engines": {name: times}, "missing": {name: reason}, facts and ratios}.

    An engine that fails is listed under "missing" with its reason; InputError where the network's own file is missing.
    """
    x = network.calibration(folder, 1).copy()
    job = Job(network, folder, threads, x)
    network.path(folder)
    calls: dict[str, Call] = {}
    missing: dict[str, str] = {}
    facts: dict[str, Any] = {}
    if with_ours:
        tick("convert")
        try:
            ours_calls, facts = ours(job, isa)
            calls.update(ours_calls)
        except Error as error:
            missing["intq"] = f"{type(error).__name__}: {error}"
    for runner in runners:
        tick(f"prepare {runner.name}")
        try:
            calls[runner.name] = runner.prepare(job)
        except Unavailable as reason:
            missing[runner.name] = str(reason)
        except Exception as error:  # an engine's own refusal is a result, not a failure of the benchmark
            missing[runner.name] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
    tick("time")
    samples = timing.interleave(list(calls.values()), rounds, seconds)
    engines = {name: sample.as_dict() for name, sample in zip(calls, samples, strict=True)}
    return {"network": network.name, "threads": threads, "engines": engines, "missing": missing, **facts, **ratios(engines)}


def ratios(engines: dict[str, Any]) -> dict[str, Any]:
    """Fastest peer with int8 arithmetic, fastest of all, and how many times faster intq is than each; `_best` compares minima instead of
    medians. Empty without peers."""
    found: dict[str, Any] = {}
    precision = {runner.name: runner.precision for runner in PEERS}
    for key, wanted in (("int8", ("int8",)), ("any", ("int8", "float"))):
        times = {name: e["median_ms"] for name, e in engines.items() if precision.get(name) in wanted}
        if times:
            best = min(times, key=lambda name: times[name])
            found[f"fastest_{key}"] = best
            for name in OURS:
                if name in engines:
                    found[f"ratio_{key}{name[4:].replace(' ', '_')}"] = round(times[best] / engines[name]["median_ms"], 3)
            if "intq" in engines:  # what a busy machine spoils least
                found[f"ratio_{key}_best"] = round(min(engines[name]["min_ms"] for name in times) / engines["intq"]["min_ms"], 3)
    return found


def run(networks: list[Network], folder: Path | None, *, threads: int = 1, runners: list[Runner] | None = None, rounds: int = 15,
        seconds: float = 0.03, isa: str = "auto", with_ours: bool = True, tick: Tick = lambda what: None) -> dict[str, Any]:  # fmt: skip
    """Every network in turn. Returns {"environment", "threads", "rounds", "networks": [...]}, ready for JSON."""
    quiet()
    about = environment.describe(isa)
    found = [
        measure(n, folder, threads, list(PEERS) if runners is None else runners, rounds=rounds, seconds=seconds, isa=isa, with_ours=with_ours,
                tick=lambda what, n=n: tick(f"{n.name}: {what}"))  # type: ignore[misc]
        for n in networks
    ]  # fmt: skip
    return {"environment": about, "threads": threads, "rounds": rounds, "networks": found}


def select(names: list[str] | None) -> list[Runner]:
    """The peers with the given names or engines (all without names)."""
    from ..errors import InputError

    for name in names or []:
        if name != "none" and not any(name in (r.name, r.engine) for r in PEERS):
            raise InputError(f"no peer {name!r}; known: {', '.join(r.name for r in PEERS)}, or none")
    return [r for r in PEERS if not names or r.name in names or r.engine in names]
