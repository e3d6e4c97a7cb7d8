"""Builds and runs exported C for the tests of export and of ARM targets."""

from __future__ import annotations

import re
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
    """What a command that must succeed printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout + done.stderr


def build(folder: Path, name: str, cc: list[str], *more: str) -> Path:
    """Compile NAME.c and its test program."""
    program = folder / f"{name}_test"
    run([*cc, *STRICT, *more, "-o", str(program), str(folder / f"{name}_test.c"), str(folder / f"{name}.c")])
    return program


# ----- emulated boards: flags of the compiler, QEMU machine, clock in MHz, memory of code, constants, data (origin, size) -----
ARM = Path(__file__).parent / "arm"
BOARDS = {
    "m3": ("-mcpu=cortex-m3 -mfloat-abi=soft", "mps2-an385", 25, (0, 0x200000), (0x200000, 0x200000), (0x20000000, 0x400000)),
    "m4": ("-mcpu=cortex-m4 -mfloat-abi=soft", "mps2-an386", 25, (0, 0x200000), (0x200000, 0x200000), (0x20000000, 0x400000)),
    "m55": ("-mcpu=cortex-m55+nofp -mfloat-abi=hard", "mps3-an547", 32, (0, 0x80000), (0x1000000, 0x200000), (0x21000000, 0x200000)),
}


def link(folder: Path, name: str, board: str, sources: list[str], function: str, *flags: str) -> Path:
    """An image for a board that measures calls of `function`."""
    cpu, _, clock, *memory = BOARDS[board]
    script = (ARM / "board.ld").read_text()
    for word, (origin, size) in zip(("FLASH", "CONSTANTS", "RAM"), memory, strict=True):
        script = script.replace(f"= {word},", f"= {origin},").replace(f"= {word}_SIZE", f"= {size}")
    (folder / f"{board}.ld").write_text(script)
    cc = ["arm-none-eabi-gcc", *cpu.split(), "-mthumb", "-O3"]
    start, image = folder / f"{board}.o", folder / f"{name}_{board}.elf"
    run([*cc, "-std=gnu99", "-Wall", f"-DRUN={function}", f"-DCLOCK_MHZ={clock}", "-c", str(ARM / "board.c"), "-o", str(start)])
    more = ["-nostartfiles", "-nostdlib", f"-Wl,--wrap={function}", f"-Wl,-T,{folder}/{board}.ld", str(start), "-lc", "-lgcc", "-o", str(image)]
    run([*cc, *flags, *sources, *more])
    return image


def emulate(image: Path, board: str) -> tuple[str, int, int]:
    """(what it printed, instructions of a run, bytes of stack) on QEMU's model of the board."""
    command = ["qemu-system-arm", "-M", BOARDS[board][1], "-icount", "shift=0", "-nographic", "-semihosting-config", "enable=on,target=native"]
    out = run([*command, "-kernel", str(image)], 120)
    instructions, stack = (max(map(int, re.findall(rf"{word} (\d+)", out))) for word in ("instructions", "stack"))
    return out, instructions, stack
