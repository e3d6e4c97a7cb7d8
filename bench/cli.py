"""`intq bench models | files | kernels | peaks | profile`: arguments, progress, tables, JSON and charts."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..format import check_target, write_atomically
from ..kernel_api import NO_NATIVE

if TYPE_CHECKING:
    from .networks import Network


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _common(p: argparse.ArgumentParser) -> None:
    p.add_argument("--json", metavar="FILE", help="also write the result as JSON to FILE (- for standard output, then no table)")
    p.add_argument("--isa", default="auto", help="cap intq's instruction sets, as INTQ_ISA does (default: the best this CPU has)")


def _networks(p: argparse.ArgumentParser) -> None:
    p.add_argument("--models", metavar="FOLDER", help="folder with the networks' .onnx and .tflite files (default: INTQ_SHARED)")
    p.add_argument("--network", action="append", metavar="NAME", help="only networks whose name starts with NAME; may be repeated")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmarks as subcommands."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)

    models = what.add_parser("models", help="whole networks, beside onnxruntime, OpenVINO and LiteRT")
    _common(models)
    _networks(models)
    models.add_argument("--onnx", action="append", type=Path, metavar="FILE", help="a float network of your own instead; may be repeated")
    models.add_argument("--threads", type=_positive, default=1, help="CPU threads of every engine (default 1)")
    models.add_argument("--rounds", type=_positive, default=15, help="interleaved rounds (default 15)")
    models.add_argument("--seconds", type=float, default=0.03, help="seconds of calls per engine and round (default 0.03)")
    models.add_argument("--peer", action="append", metavar="NAME", help="only this peer (may be repeated), or none; default: all installed")
    models.add_argument("--peers-only", action="store_true", help="time the peers without intq")
    models.add_argument("--chart", metavar="FILE.png", help="write a bar chart")
    models.add_argument("--profile", action="store_true", help="show where intq's time goes, node by node, instead of the comparison")

    files = what.add_parser("files", help="quantized .tflite files of your own, beside LiteRT")
    _common(files)
    files.add_argument("files", nargs="+", type=Path, metavar="FILE.tflite")
    files.add_argument("--threads", type=_positive, default=1, help="CPU threads of every engine (default 1)")
    files.add_argument("--rounds", type=_positive, default=15, help="interleaved rounds (default 15)")
    files.add_argument("--seconds", type=float, default=0.03, help="seconds of calls per engine and round (default 0.03)")

    kernels = what.add_parser("kernels", help="every kernel on the shapes of the networks, after checking it against ref.py")
    _common(kernels)
    kernels.add_argument("--network", action="append", metavar="NAME", help="only shapes of networks whose name starts with NAME")
    kernels.add_argument("--op", action="append", metavar="OP", help="only this op of the graph; may be repeated")
    kernels.add_argument("--kernel", metavar="TEXT", help="only kernels whose name contains TEXT")
    kernels.add_argument("--seconds", type=float, default=0.05, help="seconds per kernel and shape (default 0.05)")
    kernels.add_argument("--all-isas", action="store_true", help="every instruction set that this CPU has, not only each op's best")

    kernels.add_argument("--sparsity", action="store_true", help="curves instead: time against the share of zeros, for each sparse format")
    kernels.add_argument("--bits", action="store_true", help="curves instead: time of 1 and 4 bit weights beside int8")
    kernels.add_argument("--chart", metavar="FILE.png", help="with --sparsity or --bits: draw the curves")

    peaks = what.add_parser("peaks", help="integer peaks and memory bandwidth of this machine")
    _common(peaks)
    peaks.add_argument("--seconds", type=float, default=0.2, help="seconds per figure (default 0.2)")

    profile = what.add_parser("profile", help="time per node of one model")
    _common(profile)
    profile.add_argument("model", help="an .intq or quantized .tflite file, or the name of a network of the benchmark")
    profile.add_argument("--models", metavar="FOLDER", help="folder with the networks' files (default: INTQ_SHARED)")
    profile.add_argument("--threads", type=_positive, default=1, help="CPU threads (default 1)")
    profile.add_argument("--rounds", type=_positive, default=50, help="profiled runs, of which the medians are shown (default 50)")


@contextlib.contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """A callback that shows what is being done, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda what: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda what: status.update(what)


def _write(result: dict[str, Any], target: str | None, table: Callable[[], Any]) -> None:
    """JSON where asked for, and the table unless JSON went to standard output."""
    text = json.dumps(result, indent=1)
    if target == "-":
        print(text)
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 220)
    tables = table()
    for t in tables if isinstance(tables, list) else [tables]:
        console.print(t)
    if target:
        write_atomically(target, (text + "\n").encode())


def _chosen(names: list[str] | None, folder: Path | None) -> list[Network]:
    """The networks asked for by name, or all whose files are there; those left out are said on stderr."""
    from . import networks

    chosen = networks.by_name(names)
    if names:
        return chosen
    found = [n for n in chosen if n.onnx is None or (folder is not None and (folder / n.onnx).exists())]
    if folder is None:
        print("no models folder (--models FOLDER or INTQ_SHARED): only the network that the benchmark builds itself", file=sys.stderr)
    for network in chosen if folder is not None else ():
        if network not in found:
            print(f"{network.name}: left out, {folder} has no {network.onnx}", file=sys.stderr)
    return found


def _models(args: argparse.Namespace) -> int:
    from . import models, networks, show

    folder = networks.models_folder(args.models)
    chosen = [networks.of_file(path) for path in args.onnx] if args.onnx else _chosen(args.network, folder)
    if args.profile:
        return _profiles(args, chosen, folder)
    with _status() as tick:
        result = models.run(chosen, folder, threads=args.threads, runners=models.select(args.peer), rounds=args.rounds, seconds=args.seconds,
                            isa=args.isa, with_ours=not args.peers_only, tick=tick)  # fmt: skip
    _write(result, args.json, lambda: show.models_table(result))
    for line in show.missing_lines(result):
        print(line, file=sys.stderr)
    if args.chart:
        show.models_chart(result, Path(args.chart))
    return 0


def _profiles(args: argparse.Namespace, chosen: list[Network], folder: Path | None) -> int:
    from .. import Session
    from ..converter import convert
    from . import profile, show

    results = []
    with _status() as tick:
        for network in chosen:
            tick(f"{network.name}: convert")
            model = convert(str(network.path(folder)), calibration=network.calibration(folder))
            session = Session(model, threads=args.threads, isa=args.isa)
            tick(f"{network.name}: time")
            results.append(profile.measure(session, network.calibration(folder, 1).copy(), args.rounds))
            results[-1]["model"] = network.name
    _write({"profiles": results}, args.json, lambda: [show.profile_table(r) for r in results])
    return 0


def _profile(args: argparse.Namespace) -> int:
    from . import networks

    if not Path(args.model).exists():
        return _profiles(args, networks.by_name([args.model]), networks.models_folder(args.models))
    from .. import Session, load
    from . import profile, show

    session = Session(load(args.model), threads=args.threads, isa=args.isa)
    result = profile.measure(session, None, args.rounds)
    _write({"profiles": [result]}, args.json, lambda: show.profile_table(result))
    return 0


def _files(args: argparse.Namespace) -> int:
    from . import files

    with _status() as tick:
        result = files.run(args.files, threads=args.threads, rounds=args.rounds, seconds=args.seconds, isa=args.isa, tick=tick)
    _write(result, args.json, lambda: files.table(result))
    return 0


def _kernels(args: argparse.Namespace) -> int:
    from . import kernels, show

    curves = [name for name in ("sparsity", "bits") if getattr(args, name)]
    if curves:
        return _curves(args, curves)

    with _status() as tick:
        result = kernels.run(networks=args.network, ops=args.op, kernel=args.kernel, isa=args.isa, seconds=args.seconds, all_isas=args.all_isas,
                             tick=tick)  # fmt: skip
    _write(result, args.json, lambda: show.kernels_table(result))
    return 0


def _curves(args: argparse.Namespace, what: list[str]) -> int:
    from . import lowbit

    with _status() as tick:
        tick(", ".join(what))
        result = lowbit.run(what, args.isa, args.network or ())
    _write(result, args.json, lambda: lowbit.tables(result))
    if args.chart and not args.network:  # a panel for every layer would be too many
        lowbit.chart(result, Path(args.chart))
    return 0


def _peaks(args: argparse.Namespace) -> int:
    from . import environment, peaks, show

    with _status() as tick:
        tick("measuring")
        found = [p.as_dict() for p in peaks.measure(args.seconds)]
    if not found:
        raise InputError(f"no peak kernels: {NO_NATIVE}")
    result: dict[str, Any] = {"environment": environment.describe(args.isa), "peaks": found, "caches": peaks.cache_sizes()}
    _write(result, args.json, lambda: show.peaks_table(found, environment.headline(result["environment"])))
    return 0


def main(args: argparse.Namespace) -> int:
    """Run the chosen benchmark; returns the exit code. Raises intq.Error with a one-line reason."""
    for target in (args.json, getattr(args, "chart", None)):
        if target not in (None, "-"):
            check_target(target)
    if args.json != "-":
        importlib.import_module("rich")  # draws the tables: say that it is missing before the work
    handlers = {"models": _models, "files": _files, "kernels": _kernels, "peaks": _peaks, "profile": _profile}
    return handlers[args.what](args)
