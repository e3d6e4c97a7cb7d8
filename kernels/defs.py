"""Reads the three tables (isa.def, ops.def, kernels.def): one macro call a line. Used by the build and at run time alike."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def rows(table: str, macro: str) -> list[list[str]]:
    """Arguments of every `macro(...)` line of kernels/<table>; quotes are stripped, commas inside quotes or parentheses kept."""
    found = []
    for line in (HERE / table).read_text().splitlines():
        match = re.match(rf"{macro}\((.*)\)\s*(/\*.*)?$", line.strip())
        if match:
            found.append([a.strip().strip('"') for a in re.findall(r'(?:"[^"]*"|\([^)]*\)|[^,"()])+', match[1])])
    return found


def isas() -> list[tuple[str, str, list[str], str]]:
    """(name, architecture, compile flags, next weaker ISA), best first."""
    return [(r[0], r[1], r[2].split(), r[-1]) for r in rows("isa.def", "ISA")]
