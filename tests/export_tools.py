"""Builds and runs exported C for the tests of export and of ARM targets."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def need(*programs: str) -> None:
    """Skip, with the reason, where a program of another architecture's tools is not installed."""
    missing = [p for p in programs if shutil.which(p) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


def run(command: list[str], timeout: int = 300) -> str:
    """stdout of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def build(folder: Path, name: str, cc: list[str], *more: str) -> Path:
    """Compile NAME.c and its test program."""
    program = folder / f"{name}_test"
    run([*cc, *STRICT, *more, "-o", str(program), str(folder / f"{name}_test.c"), str(folder / f"{name}.c")])
    return program
