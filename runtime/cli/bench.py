"""Time models and kernels, beside other engines. Needs the extra intq[convert], for the comparison intq[peers], for a chart intq[report]."""

from __future__ import annotations

import argparse

from ..bench import cli


def add_arguments(p: argparse.ArgumentParser) -> None:
    cli.add_arguments(p)


def main(args: argparse.Namespace) -> int:
    return int(cli.main(args))
