"""The command line: one module per verb, found by name; each has add_arguments(parser) and main(args) -> exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import textwrap
import warnings

from ..errors import Error
from ..extras import missing

VERBS = {
    "convert": "make an integer model from a float ONNX or a quantized .tflite file",
    "run": "run a model on inputs from a file",
    "inspect": "show a model's graph, scales, sizes and accumulator bounds",
    "compare": "float against integer: SQNR of every layer, accuracy on labelled data",
    "report": "one HTML page: sizes, accuracy, where the error comes from",
    "bench": "time models and kernels, beside other engines",
    "export-c": "write a model as C99 with nothing else",
    "ops": "list the supported operators",
    "doctor": "show the CPU's features and the kernels chosen, and check them against the reference",
    "demo": "convert and run the model that comes with the sources",
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="intq", description="Integer-only neural-network inference.", epilog="intq VERB --help explains a verb.")
    top.add_argument("--version", action="store_true", help="print the version and leave")
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    for verb, text in VERBS.items():
        verbs.add_parser(verb, help=text, add_help=False)
    return top


def main(argv: list[str] | None = None) -> int:
    """Entry point. Returns 0, 1 for a failure with a one-line reason on stderr, 2 for wrong usage, 130 after Ctrl-C."""
    name = "intq"
    try:
        if sys.stdout is None:  # closed by whoever started it: what is printed goes nowhere
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (open until the end)
        argv = sys.argv[1:] if argv is None else argv
        if not argv or argv[0] not in VERBS:
            return general(argv)
        name = f"intq {argv[0]}"
        code = perform(argv[0], argv[1:])
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Error, ImportError, OSError, MemoryError, KeyboardInterrupt) as error:
        stopped = interrupted(error)
        print(f"{name}: {'interrupted' if stopped else explain(error)}", file=sys.stderr)
        return 130 if stopped else 1


def general(argv: list[str]) -> int:
    """`intq` without a verb."""
    top = parser()
    args = top.parse_args(argv)
    if args.version:
        from .. import __version__

        print(__version__)
        return 0
    top.print_help()
    return 2


def perform(verb: str, argv: list[str]) -> int:
    module = importlib.import_module(f"{__name__}.{verb.replace('-', '_')}")
    text, _, examples = (module.__doc__ or "").partition("\n\n")
    sub = argparse.ArgumentParser(
        f"intq {verb}", description=textwrap.fill(text, 80), epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(sub)
    args = sub.parse_args(argv)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *where: print(f"intq {verb}: {message}", file=sys.stderr)
        code: int = module.main(args)
    return code


def interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind a failure: compiled packages make an ImportError of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def explain(error: BaseException) -> str:
    """One line: the place and the reason."""
    if isinstance(error, ModuleNotFoundError):
        return missing(error)
    if isinstance(error, ImportError):
        return f"the package {(error.name or 'unknown').partition('.')[0]!r} cannot be imported: {error}"
    if isinstance(error, MemoryError):
        return f"not enough memory: {error or 'the request was too large'}"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
