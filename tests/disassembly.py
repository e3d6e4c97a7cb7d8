"""Reads objdump: which functions of a binary contain floating-point arithmetic. Moves, logic and permutes with float names do not count."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

KINDS = "(ss|sd|ps|pd|sh|ph)"
X86 = re.compile(
    rf"v?(add|sub|mul|div|sqrt|min|max|cmp[a-z_]*|u?comi|round|rndscale|rcp\w*|rsqrt\w*|hadd|hsub|addsub|dp|range|reduce|scalef|getexp|getmant){KINDS}"
    rf"|v?cvt\w*|vfn?m(add|sub|addsub|subadd)\d+{KINDS}|v?dpbf16ps|tdp(bf16|fp16)ps|f\w+"
)
ARM = re.compile(r"f(?!mov)\w+|[su]cvtf")


def is_float(mnemonic: str) -> bool:
    """Whether an instruction computes with floating-point numbers (x86 in AT&T syntax, or AArch64)."""
    return bool(X86.fullmatch(mnemonic) or ARM.fullmatch(mnemonic))


def float_functions(binary: Path) -> dict[str, list[str]]:
    """Function name -> its floating-point instructions, for functions that have any."""
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(binary)], capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = {}
    function = ""
    for line in listing.splitlines():
        if match := re.match(r"[0-9a-f]+ <(.+)>:$", line):
            function = match[1]
            continue
        match = re.match(r"\s+[0-9a-f]+:\s+(?:(?:lock|rep|repz|repnz|data16|bnd|notrack|\{\w+\}|rex\S*|[c-g]s)\s+)*(\S+)", line)
        if match and is_float(match[1]):
            found.setdefault(function, []).append(line.strip())
    return found


def functions(binary: Path) -> set[str]:
    """Names of all functions of a binary, local ones included."""
    listing = subprocess.run(["nm", str(binary)], capture_output=True, text=True, check=True).stdout
    return {parts[2] for parts in map(str.split, listing.splitlines()) if len(parts) == 3 and parts[1] in "tT"}
