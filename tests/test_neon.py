"""The NEON rows of the kernel table, cross-built and run under emulation: equal to the reference over the conformance cases and networks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from export_networks import network
from export_tools import ARM, need, run
from intq import Session, choose
from intq.graph import Graph, Port
from intq.kernels import defs
from intq.model import Model
from intq.ops import REGISTRY, coded
from plan_c import Case, program

sys.path.insert(0, str(Path(__file__).parent / "conformance"))
import generate
import lowbit
import test_coded as codes
import test_lowbit_sparse as zeros
import test_planes as planes
import wide

KERNELS = Path(__file__).parent.parent / "kernels"
FAMILIES = {**generate.FAMILIES, **lowbit.FAMILIES, **wide.FAMILIES}
CC = ["aarch64-linux-gnu-gcc", "-std=gnu11", "-fwrapv", "-ffp-contract=off", "-fno-strict-aliasing", "-Wall", "-Wextra", f"-I{KERNELS}"]
MACHINES = [  # QEMU's CPU, the set to run, whether that CPU has it
    ("cortex-a53", "neon", True), ("cortex-a53", "neon_dotprod", False), ("cortex-a76", "neon_dotprod", True), ("cortex-a76", "neon_i8mm", False),
    ("max", "neon_i8mm", True), ("max", "neon", True), ("max", "scalar", True),
]  # fmt: skip
PER_FAMILY = 12


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Object files of the kernels and their table, each set with its flags, as setup.py builds them."""
    need("aarch64-linux-gnu-gcc", "qemu-aarch64")
    folder, found, macros = tmp_path_factory.mktemp("kernels"), [], []
    for name, arch, flags, _ in defs.isas():
        usable = arch in ("arm", "any")
        macros.append(f"-DIF_{name}(...)={'__VA_ARGS__' if usable else ''}")
        for source in sorted(KERNELS.glob(f"*/{name}.c")) if usable else ():
            found.append(str(folder / f"{source.parent.name}_{name}.o"))
            run([*CC, "-O2", "-ftree-vectorize", *flags, "-Werror", "-c", str(source), "-o", found[-1]])
    run([*CC, "-O1", *macros, "-c", str(KERNELS / "table.c"), "-o", str(folder / "table.o")])
    return [*found, str(folder / "table.o")]


def compile_cases(cases: list[Case], objects: list[str], folder: Path) -> str:
    (folder / "cases.c").write_text(program(cases))
    target = str(folder / "cases")
    run([*CC, "-w", f"-I{ARM}", "-static", str(folder / "cases.c"), *objects, "-lm", "-o", target])
    return target


def everywhere(target: str, count: int) -> None:
    """Run on every machine; one that lacks the set says so."""
    for cpu, isa, has in MACHINES:
        if has:
            assert f"{count} plans equal" in run(["qemu-aarch64", "-cpu", cpu, target, isa])
        else:
            with pytest.raises(AssertionError, match="absent"):
                run(["qemu-aarch64", "-cpu", cpu, target, isa])


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_conformance(family: str, objects: list[str], tmp_path: Path) -> None:
    cases = []
    for seed in range(PER_FAMILY):
        graph, inputs = generate.case(family, 9000 + seed, FAMILIES)
        model = Model(graph)
        xs = {name: np.ascontiguousarray(a[:1]) for name, a in inputs.items()}
        y = Session(model, backend="reference").run_quantized(xs)
        cases.append(Case(f"c{seed}", model, [(list(xs.values()), list(y.values()) if isinstance(y, dict) else [y])]))
    everywhere(compile_cases(cases, objects, tmp_path), PER_FAMILY)


def test_bit_planes(objects: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form of conv2d and dense that the clock would choose."""
    monkeypatch.setattr(choose, "PREFER", ["bit planes"])
    cases, rng = [], np.random.default_rng(5)
    for i, case in enumerate(planes.CASES):
        model = Model(planes.network(rng, case, planes.GRIDS[i], 1 + i % 2, -1, 0, "table"))
        x = rng.integers(-128, 128, model.graph.of("x").shape, dtype=np.int8)
        cases.append(Case(f"p{i}", model, [([x], [Session(model, backend="reference").run_quantized(x)])]))
        assert "planes" in {step.row.op for step in cases[-1].plan.steps}
    everywhere(compile_cases(cases, objects, tmp_path), len(cases))


@pytest.mark.parametrize("form", ["b16x4", "b1x4"])
def test_sparse_forms(form: str, objects: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "PREFER", [form])
    cases = []
    for i, case in enumerate(zeros.CASES):
        rng = np.random.default_rng(i)
        model = Model(zeros.one_conv(rng, case, zeros.pruned(rng, (case[3], *case[4], case[2]), 0.9, (16, 4) if form == "b16x4" else (1, 4)), "q15"))
        x = rng.integers(-128, 128, model.graph.of("x").shape, dtype=np.int8)
        cases.append(Case(f"z{i}", model, [([x], [Session(model, backend="reference").run_quantized(x)])]))
    assert sum("spconv2d" in {step.row.op for step in case.plan.steps} for case in cases) >= 8
    everywhere(compile_cases(cases, objects, tmp_path), len(cases))


def test_linear_codes(objects: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of two, three or four values as codes of one or two bits: one row of outputs, several, and an odd count of them."""
    monkeypatch.setattr(choose, "PREFER", ["-bit codes"])
    monkeypatch.setattr(coded, "LEAST", 1)
    cases, rng = [], np.random.default_rng(6)
    for shape, n in (((1, 333), 7), ((1, 5), 33), ((1, 2, 64), 64), ((1, 3, 130), 100)):
        for values in ((-127, 127), (3, 90), (-1, 0, 1), (-126, -42, 42, 126)):
            model = Model(codes.one_product(rng, values, shape, n, "q15"))
            x = rng.integers(-128, 128, shape, dtype=np.int8)
            cases.append(Case(f"k{len(cases)}", model, [([x], [Session(model, backend="reference").run_quantized(x)])]))
            assert {step.row.variant for step in cases[-1].plan.steps if step.row.op == "dense_codes"} == {"linear"}
    everywhere(compile_cases(cases, objects, tmp_path), len(cases))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_sums_of_tflite(dtype: str, objects: list[str], tmp_path: Path) -> None:
    """tfl_add: broadcasting, tails, both signs, factors of one half (which are exact), and shifts of the sum both ways."""
    cases, rng, least, most = [], np.random.default_rng(7), np.iinfo(dtype).min, np.iinfo(dtype).max
    for i, (a, b) in enumerate((((1, 3, 37), (1, 3, 37)), ((1, 5, 16), (1, 5, 1)), ((1, 1, 9), (1, 4, 9)), ((1, 8), (1, 8)), ((1, 70), (1, 1)))):
        for halves in range(4):
            g = Graph("sum")
            for name, shape in (("a", a), ("b", b), ("y", np.broadcast_shapes(a, b))):
                g.tensor(name, shape, dtype, zero_point=int(rng.integers(-128, 128)) if dtype == "int8" else 0)
            m = [1 << 30 if halves >> j & 1 else int(rng.integers(1 << 30, 1 << 31)) for j in range(2)]
            s = [0 if halves >> j & 1 else int(rng.integers(-6, 1)) for j in range(2)]
            up = int(rng.choice([-22, -19, -16, -1, 2]))
            more = {"multiplier": int(rng.integers(1 << 30, 1 << 31)), "sign": int(rng.choice([-1, 1])), "lo": int(rng.choice([least, -20]))}
            left = 4 if up > 0 else 20 if dtype == "int8" else 15
            g.node(REGISTRY["tfl_add"](left=left, m1=m[0], s1=s[0], m2=m[1], s2=s[1], shift=up, hi=most, **more), ["a", "b"], ["y"])
            for ports, name in ((g.inputs, "a"), (g.inputs, "b"), (g.outputs, "y")):
                ports.append(Port(name=name, tensor=name, shape=g.of(name).shape, perm=tuple(range(len(g.of(name).shape)))))
            model = Model(g)
            xs = {name: rng.integers(least, most, shape, dtype=dtype, endpoint=True) for name, shape in (("a", a), ("b", b))}
            y = Session(model, backend="reference").run_quantized(xs)
            np.testing.assert_array_equal(Session(model).run_quantized(xs), y)
            cases.append(Case(f"s{i}{halves}", model, [(list(xs.values()), [y])]))
    everywhere(compile_cases(cases, objects, tmp_path), len(cases))


NETWORKS = ["kws_ref_model_int8", "resnet8_cifar10_int8", "person_detect", "hello_world_int8", "autoencoder_codes", "bnn_cifar10"]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str, objects: list[str], tmp_path: Path) -> None:
    from intq.export import make_samples

    model = network(name)
    everywhere(compile_cases([Case("net", model, make_samples(model, 2))], objects, tmp_path), 1)


def test_every_neon_row_is_in_the_cases() -> None:
    """A new op with a NEON row must be among the families."""
    ops = {row[0] for macro in ("KERNEL", "PREPARED") for row in defs.rows("kernels.def", macro) if row[2].startswith("neon")}
    assert ops <= set(FAMILIES) | {"conv2d", "planes", "spconv2d", "tfl_add", "conv16", "dwconv16"}  # the last two: what tfl_conv2d becomes
