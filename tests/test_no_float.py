"""The first promise: no floating-point arithmetic but at the edge. Looks at the machine code that was built."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from disassembly import float_functions, is_float
from intq.kernels.table import lib, table


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

    edge = {row.name for row in table() if row.op in ("quantize", "dequantize")}
    assert edge
    found = float_functions(Path(native.__file__))
    wrong = {name: lines[:3] for name, lines in found.items() if name.split(".")[0].removeprefix("intq_") not in edge}
    assert len(wrong) < len(found), "the search finds nothing where there is something"
    assert not wrong, f"floating-point arithmetic outside kernels/edge: {wrong}"
