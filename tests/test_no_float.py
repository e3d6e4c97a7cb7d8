"""The first promise: no floating-point arithmetic but at the edge. Looks at the machine code that was built."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from disassembly import float_functions, is_float
from intq.kernels.table import lib

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "name", ["vaddps", "mulss", "vfmadd231ps", "cvtsi2sd", "vcvtdq2ps", "vmaxss", "ucomiss", "vsqrtpd", "fldl", "vcmpltps", "divsd"]
)
def test_arithmetic_is_recognised(name: str) -> None:
    assert is_float(name)


@pytest.mark.parametrize(
    "name",
    ["vmovaps", "vxorps", "vpermps", "vpdpbusd", "vpmaxsd", "vpcmpgtd", "tdpbssd", "vshufps", "addq", "vpaddsb", "cmpl", "movsd", "vinsertf128"],
)
def test_moves_and_integers_are_not(name: str) -> None:
    assert not is_float(name)


def test_only_the_edge_has_float_arithmetic() -> None:
    if shutil.which("objdump") is None or lib is None:
        assert os.environ.get("CI") != "true", "objdump and the compiled extension are needed"
        pytest.skip("objdump or the compiled extension is absent")
    import intq.kernels._native as native

    edge = set(re.findall(r"^(?:static inline )?\w+ (\w+)\(", (ROOT / "kernels/edge/edge.c").read_text(), re.M))
    allowed = edge | {f"_cffi_{kind}_{name}" for name in edge for kind in "df"}  # cffi's wrappers turn Python floats into C floats
    found = float_functions(Path(native.__file__))
    assert "intq_quantize" in found, "the search finds nothing where there is something"
    wrong = {name: lines[:3] for name, lines in found.items() if name.split(".")[0] not in allowed}
    assert not wrong, f"floating-point arithmetic outside kernels/edge: {wrong}"
