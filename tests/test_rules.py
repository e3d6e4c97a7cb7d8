"""Rules of the source tree that no compiler checks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from intq.kernels import defs
from intq.kernels.table import lib, table

ROOT = Path(__file__).parent.parent
KERNELS = ROOT / "kernels"
CODE = {".py", ".c", ".h", ".inc"}
NO_OPS = {"gemm", "finish", "peak"}  # building blocks and measurements, no ops of the graph
ISAS = [name for name, *_ in defs.isas()]


def tracked(*folders: str) -> list[Path]:
    """Source files below the folders; generated ones left out."""
    names = [p for f in folders for p in sorted((ROOT / f).rglob("*")) if p.suffix in CODE and p.name != "_native.c"]
    return [p for p in names if "__pycache__" not in p.parts and "build" not in p.relative_to(ROOT).parts[:-1]]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted(KERNELS.glob("*/*.c")), ids=relative)
def test_the_stem_of_a_kernel_file_is_an_isa(path: Path) -> None:
    assert path.parent.name == "edge" or path.stem in ISAS, f"{relative(path)}: {path.stem} is no row of isa.def, so it would not be built"


@pytest.mark.parametrize("path", tracked("runtime", "kernels", "converter", "bench", "tests", "examples"), ids=relative)
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350, "split it"


def without_comments(text: str) -> str:
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"', " ", text, flags=re.S)


@pytest.mark.parametrize("path", [p for p in tracked("runtime", "kernels") if p.suffix != ".py" and p.parent.name != "edge"], ids=relative)
def test_no_float_type_outside_the_edge(path: Path) -> None:
    text = without_comments(path.read_text())
    if path.name == "decl.h":  # the parameters of the edge are declared there
        text = re.sub(r"typedef struct \{[^}]*\} intq_(de)?quantize;", "", text)
    found = re.findall(r"\b(?:float|double|_Float16|__m\d+[dh]?|_mm\d*_\w+_(?:ps|pd|ph|ss|sd))\b", text)
    assert not [f for f in found if not re.match(r"_mm\d*_(?:shuffle|permut\w*|cast\w*|unpack\w*)_", f)], f"{relative(path)} uses {set(found)}"


def row_symbols() -> set[str]:
    """Names of all C functions that kernels.def asks for."""
    found = set()
    for types, isa, mr, nr, kr, *_ in defs.rows("kernels.def", "GEMM"):
        found.add(f"intq_gemm_{types}_{mr}x{nr}x{kr}_{isa}")
    for rounding, isa in defs.rows("kernels.def", "FINISH"):
        found.add(f"intq_finish_{rounding}_{isa}")
    for macro in ("KERNEL", "PREPARED"):
        for op, variant, isa in defs.rows("kernels.def", macro):
            found.add(f"intq_{op}_{variant}_{isa}")
            if macro == "PREPARED":
                found.add(f"intq_{op}_{variant}_{isa}_prepare")
    return found


@pytest.mark.skipif(lib is None or shutil.which("nm") is None, reason="needs the compiled extension and nm")
def test_every_kernel_has_a_row() -> None:
    import intq.kernels._native as native
    from disassembly import functions

    names = functions(Path(native.__file__))
    kernels = {n for n in names if re.fullmatch(rf"intq_\w+_(?:{'|'.join(ISAS)})(?:_prepare)?", n)}
    assert kernels, "the extension has no kernels"
    assert kernels <= row_symbols(), f"functions without a row in kernels.def: {sorted(kernels - row_symbols())}"


def test_rows_are_written_once() -> None:
    lines = [line.strip() for line in (KERNELS / "kernels.def").read_text().splitlines() if re.match(r"[A-Z]+\(", line)]
    assert len(lines) == len(set(lines))


def test_numba_rows_name_functions() -> None:
    for op, place in defs.rows("kernels.def", "NUMBA"):
        file, _, function = place.rpartition(":")
        assert re.search(rf"^def {function}\(", (KERNELS / file).read_text(), re.M), f"{op}: {place}"


def test_c_params_are_declared() -> None:
    text = "".join(path.read_text() for path in sorted(KERNELS.glob("decl*.h")))
    for op, struct in defs.rows("ops.def", "OP"):
        assert f"}} {struct};" in text, f"{op}: {struct} is not in decl.h"
    steps = {op for macro in ("KERNEL", "PREPARED") for op, *_ in defs.rows("kernels.def", macro)}
    assert steps - NO_OPS <= {op for op, _ in defs.rows("ops.def", "OP")}, "an op of kernels.def is not in ops.def"


def test_sizes_that_python_and_c_share() -> None:
    if lib is None:
        pytest.skip("needs the compiled extension")
    from intq import build, memory

    assert (memory.SLACK, build.PAD_CHANNELS) == (lib.INTQ_SLACK, lib.INTQ_PAD_CHANNELS)


def test_every_op_has_scalar_c() -> None:
    if lib is None:
        pytest.skip("needs the compiled extension")
    scalar = {(row.op, row.variant) for row in table() if row.isa == "scalar"}
    for row in table():
        if row.c is not None and row.op not in NO_OPS:
            assert (row.op, row.variant) in scalar or (row.op, "any") in scalar, f"{row.name} has no scalar version to fall back to"


@pytest.mark.parametrize(
    "path", [p for p in sorted(ROOT.glob("**/*.md")) if not any(x.startswith(".") or x in {"build", "out"} for x in p.parts)], ids=relative
)
def test_paths_in_documents_exist(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.S | re.M)
    folders = "runtime|kernels|converter|bench|tests|examples|docs"
    names = re.findall(rf"`((?:{folders})(?:/[\w.-]+)+/?)`", text) + re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    missing = [n for n in names if not (ROOT / n).exists() and not (path.parent / n).exists()]
    assert not missing, f"{relative(path)} names {missing}"


def test_data_files_are_packaged() -> None:
    """What is read at run time beside Python and C is named in pyproject.toml and MANIFEST.in, so that a wheel and a source archive have it."""
    tomllib = pytest.importorskip("tomllib")
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    manifest = (ROOT / "MANIFEST.in").read_text()
    folders = {"intq": "runtime", "intq.bench": "bench", "intq.converter": "converter", "intq.export": "runtime/export", "intq.kernels": "kernels"}
    named = {p for package, globs in patterns.items() for g in globs for p in (ROOT / folders[package]).glob(g)}
    other = CODE | {".so", ".o", ".pyc", ".pyi"}
    for path in (p for f in ("runtime", "bench", "converter", "kernels") for p in (ROOT / f).rglob("*") if p.is_file()):
        if path.suffix not in other and "__pycache__" not in path.parts:
            assert path in named, f"{relative(path)} is in no package-data"
            assert path.suffix == ".typed" or f"*{path.suffix}" in manifest, f"{relative(path)} is not in MANIFEST.in"
    assert set((ROOT / "runtime/export/text").glob("*.c")) <= named


def test_import_is_light(tmp_path: Path) -> None:
    """`import intq` pulls in no heavy library and takes at most 0.1 s of CPU time on top of NumPy (best of five)."""
    code = (
        "import numpy, sys, time; t = time.process_time(); import intq; t = time.process_time() - t;"
        "print(t, *{'onnx', 'numba', 'torch', 'onnxruntime', 'scipy', 'tflite', 'matplotlib'} & set(sys.modules))"
    )
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}  # as a user has it: compiled once, by the first run
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout.split() for _ in range(5)]
    assert all(len(r) == 1 for r in runs), f"imported: {runs[0][1:]}"
    assert min(float(r[0]) for r in runs) <= 0.1


def test_no_large_file_is_tracked() -> None:
    """What a tool left in the working folder, committed with everything else."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    large = [name for name in names if name and (ROOT / name).exists() and (ROOT / name).stat().st_size > 300_000]
    assert not large
