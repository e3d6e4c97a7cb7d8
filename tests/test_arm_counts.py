"""Instructions of an inference under emulation against the scalar reference kernels, and the dot-product pipes that inner loops keep busy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from export_tools import ARM, link, need, run
from export_tools import emulate as emulate_board
from intq.export import export_c, make_samples
from intq.kernels import defs
from intq.model import Model, load
from plan_c import Case, program
from shared import model as shared_model

KERNELS = Path(__file__).parent.parent / "kernels"
FLAGS = ["-std=gnu11", "-O3", "-fwrapv", "-w", f"-I{KERNELS}", f"-I{ARM}"]
NETWORKS = ["kws_ref_model_int8", "resnet8_cifar10_int8"]
TIMES_ON_M4, TIMES_WITH_DOT_PRODUCTS = 2, 6
HOOK = """
int net_run(const void *const *i, void *const *o, void *a), __wrap_net_run(const void *const *i, void *const *o, void *a);
static void net_steps(void);
int net_run(const void *const *i, void *const *o, void *a) { (void)i, (void)o, (void)a; net_steps(); return 0; }
#define measured_run() __wrap_net_run(0, 0, 0)
"""


def scalar_sources() -> list[str]:
    """Scalar kernels that a 32-bit compiler can build: not the edge, nor the one row that needs 128 bits."""
    return [str(p) for p in sorted(KERNELS.glob("*/scalar.c")) if p.parent.name not in ("edge", "tfl_conv2d")]


def only_scalar() -> list[str]:
    return [f"-DIF_{name}(...)={'__VA_ARGS__' if name == 'scalar' else ''}" for name, *_ in defs.isas()]


@pytest.mark.parametrize("name", NETWORKS)
def test_cortex_m4(name: str, tmp_path: Path) -> None:
    need("arm-none-eabi-gcc", "qemu-system-arm")
    model = load(shared_model(f"int8_tflite/{name}.tflite"))
    export_c(model, tmp_path, name="net", samples=1)
    out, exported, _ = emulate_board(link(tmp_path, "net", "m4", [str(tmp_path / "net.c"), str(tmp_path / "net_test.c")], "net_run"), "m4")
    assert "1 samples equal" in out
    text = program([Case("net", model, make_samples(model, 1))]).replace("void net_run(void)", "void net_steps(void)")
    text = text.replace("net_run()", "measured_run()")
    (tmp_path / "scalar.c").write_text(HOOK + text)
    more = [*FLAGS, *only_scalar(), "-DPOOL_BYTES=1000000", "-Wl,--unresolved-symbols=ignore-all", "-ffunction-sections", "-Wl,--gc-sections"]
    sources = [str(tmp_path / "scalar.c"), *scalar_sources(), str(KERNELS / "table.c")]
    out, scalar, _ = emulate_board(link(tmp_path, "scalar", "m4", sources, "net_run", *more), "m4")
    assert "1 plans equal" in out
    print(f"{name}, Cortex-M4: scalar {scalar:,}, exported {exported:,} instructions, {scalar / exported:.2f} times fewer")
    assert scalar >= TIMES_ON_M4 * exported


def counted(program: Path, plugin: Path) -> int:
    return int(re.search(r"instructions (\d+)", run(["qemu-aarch64", "-cpu", "max", "-plugin", str(plugin), "-d", "plugin", str(program)]))[1])


def exported_program(model: Model, folder: Path, samples: int) -> Path:
    export_c(model, folder, name="net", samples=samples)
    target = folder / f"exported{samples}"
    cc = ["aarch64-linux-gnu-gcc", "-std=c99", "-O3", "-march=armv8.2-a+dotprod", "-static"]
    run([*cc, str(folder / "net.c"), str(folder / "net_test.c"), "-o", str(target)])
    return target


def scalar_program(model: Model, folder: Path, samples: int) -> Path:
    (folder / "scalar.c").write_text(program([Case("net", model, make_samples(model, samples))]))
    target = folder / f"scalar{samples}"
    unused = "-Wl,--unresolved-symbols=ignore-all"
    sources = [str(folder / "scalar.c"), *scalar_sources(), str(KERNELS / "table.c")]
    run(["aarch64-linux-gnu-gcc", *FLAGS, *only_scalar(), "-static", unused, *sources, "-o", str(target)])
    return target


@pytest.mark.parametrize("name", NETWORKS)
def test_aarch64_with_dot_products(name: str, tmp_path: Path) -> None:
    """Two programs that differ by one inference differ by its instructions."""
    need("aarch64-linux-gnu-gcc", "qemu-aarch64", "gcc")
    plugin = tmp_path / "count.so"
    run(["gcc", "-shared", "-fPIC", "-O2", str(ARM / "count.c"), "-o", str(plugin)])
    model = load(shared_model(f"int8_tflite/{name}.tflite"))
    exported, scalar = ([counted(make(model, tmp_path, n), plugin) for n in (1, 2)] for make in (exported_program, scalar_program))
    few, many = exported[1] - exported[0], scalar[1] - scalar[0]
    print(f"{name}, aarch64 with dot products: scalar {many:,}, exported {few:,} instructions, {many / few:.2f} times fewer")
    assert many >= TIMES_WITH_DOT_PRODUCTS * few


def hottest_loop(assembly: str, instruction: str) -> str:
    """The innermost loop with most of an instruction: from a label to a branch back, no label within."""
    lines, labels, best = assembly.splitlines(), {}, ""
    for i, line in enumerate(lines):
        if label := re.match(r"(\.L\d+):", line):
            labels[label[1]] = i
        branch = re.match(r"\s+(?:b[a-z.]*|cbn?z\s+\w+,)\s+(\.L\d+)", line)
        if branch and branch[1] in labels:
            body = lines[labels[branch[1]] + 1 : i + 1]
            text = "\n".join(b for b in body if not re.match(r"\s*\.(?:loc|p2align|cfi)", b))
            if not re.search(r"^\.L\d+:", text, re.M) and text.count(f"\t{instruction}\t") > best.count(f"\t{instruction}\t"):
                best = text
    return best + "\n"


@pytest.mark.parametrize(("isa", "instruction"), [("neon_dotprod", "sdot"), ("neon_i8mm", "smmla")])
def test_dot_product_pipes(isa: str, instruction: str, tmp_path: Path) -> None:
    """llvm-mca's model of Neoverse N2: two pipes that take a dot product or a matrix product each cycle."""
    need("aarch64-linux-gnu-gcc", "llvm-mca-16")
    flags = next(flags for name, _, flags, _ in defs.isas() if name == isa)
    run(["aarch64-linux-gnu-gcc", *FLAGS, *flags, "-S", str(KERNELS / "gemm" / f"{isa}.c"), "-o", str(tmp_path / "gemm.s")])
    loop = hottest_loop((tmp_path / "gemm.s").read_text(), instruction)
    (tmp_path / "loop.s").write_text(loop)
    out = run(["llvm-mca-16", "-mtriple=aarch64", "-mcpu=neoverse-n2", "-mattr=+dotprod,+i8mm", "-iterations=100", str(tmp_path / "loop.s")])
    products, cycles = loop.count(f"\t{instruction}\t"), int(re.search(r"Total Cycles:\s+(\d+)", out)[1]) / 100
    print(f"{isa}: {products} {instruction} in {cycles:.1f} cycles, {products / 2 / cycles:.1%} of the pipes")
    assert products / 2 / cycles >= 0.85
