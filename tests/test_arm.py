"""Exported C on ARM: emulated Cortex-M boards and aarch64, without a float instruction, a soft-float routine or a heap."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from export_cases import OWN, imported, merge, own
from export_networks import CONVERTED, IMPORTED, network
from export_tools import BOARDS, STRICT, build, emulate, link, need, run
from intq.export import export_c
from intq.model import Model

SOFT_FLOAT = re.compile(
    r"__aeabi_(?:[fdh]\w+|c[fd]\w+|u?[il]2[fd]\w*)|__(?:add|sub|mul|div|neg|eq|ne|lt|gt|le|ge|cmp)[sdt]f\d|__(?:fix|float)\w+"
)
AARCH64 = {"cortex-a53": "-march=armv8-a", "cortex-a76": "-march=armv8.2-a+dotprod", "max": "-march=armv8.2-a+dotprod+i8mm"}
KILO = 1024
IMPORTED_CASES = {
    "convolution": 8, "depthwise": 6, "transposed": 3, "dense": 6, "binary": 30, "pooling": 20, "resize": 6, "softmax": 8, "movement": 20,
    "recurrent": 3,
}  # fmt: skip


def exported(name: str, folder: Path, samples: int = 1) -> Model:
    model = network(name)
    export_c(model, folder, name="net", samples=samples)
    return model


def weights(model: Model) -> int:
    """Bytes of weights and biases."""
    names = {n for node in model.graph.nodes if hasattr(node.attrs, "channel_axis") for n in node.inputs[1:3]}
    return sum(model.graph.constants[n].nbytes for n in names)


@pytest.mark.parametrize("board", sorted(BOARDS))
@pytest.mark.parametrize("name", [*IMPORTED, *CONVERTED])
def test_boards(name: str, board: str, tmp_path: Path) -> None:
    need("arm-none-eabi-gcc", "qemu-system-arm")
    exported(name, tmp_path)
    image = link(tmp_path, "net", board, [str(tmp_path / "net.c"), str(tmp_path / "net_test.c")], "net_run", *STRICT)
    out, instructions, stack = emulate(image, board)
    assert "net: 1 samples equal" in out
    assert 0 < stack <= KILO
    print(f"{name} {board}: {instructions:,} instructions, {stack} bytes of stack")


@pytest.fixture(scope="module")
def every_op(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the C of one network of every op, in several forms each."""
    pytest.importorskip("tflite")
    folder = tmp_path_factory.mktemp("every")
    graphs = [own(family, 2) for family in sorted(OWN)] + [imported(family, count) for family, count in IMPORTED_CASES.items()]
    export_c(Model(merge(graphs)), folder, name="net", samples=1)
    return folder


@pytest.mark.parametrize("board", sorted(BOARDS))
def test_every_op_on_boards(board: str, every_op: Path, tmp_path: Path) -> None:
    need("arm-none-eabi-gcc", "qemu-system-arm")
    image = link(tmp_path, "net", board, [str(every_op / "net.c"), str(every_op / "net_test.c")], "net_run", *STRICT)
    assert "net: 1 samples equal" in emulate(image, board)[0]


@pytest.mark.parametrize("cpu", sorted(AARCH64))
def test_every_op_on_aarch64(cpu: str, every_op: Path, tmp_path: Path) -> None:
    need("aarch64-linux-gnu-gcc", "qemu-aarch64")
    program = tmp_path / "net"
    sources = [str(every_op / "net.c"), str(every_op / "net_test.c")]
    run(["aarch64-linux-gnu-gcc", *STRICT, "-O3", "-static", AARCH64[cpu], *sources, "-o", str(program)])
    assert "1 samples equal" in run(["qemu-aarch64", "-cpu", cpu, str(program)])


def test_flash_and_ram_of_keyword_spotting(tmp_path: Path) -> None:
    need("arm-none-eabi-gcc")
    model = exported("kws_ref_model_int8", tmp_path)
    run(["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-O3", *STRICT, "-c", str(tmp_path / "net.c"), "-o", str(tmp_path / "net.o")])
    text, data, bss = map(int, run(["arm-none-eabi-size", str(tmp_path / "net.o")]).splitlines()[1].split()[:3])
    assert text <= weights(model) + 16 * KILO
    assert data + bss == 0
    arena, bound = (int(n) for n in re.search(r"ARENA_BYTES (\d+) /\* \D+(\d+)", (tmp_path / "net.h").read_text()).groups())
    assert bound <= arena <= bound * 1.05


@pytest.mark.parametrize("cpu", ["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m4+nofp", "cortex-m55+nofp+nomve"])
def test_no_soft_float_routine(cpu: str, tmp_path: Path) -> None:
    """The network, linked with nothing but the compiler's own library and memcpy, needs no float routine, no heap and no output."""
    need("arm-none-eabi-gcc")
    exported("resnet8_cifar10_int8", tmp_path, 0)
    image = tmp_path / "net.elf"
    cc = ["arm-none-eabi-gcc", f"-mcpu={cpu}", "-mthumb", "-mfloat-abi=soft", "-O2", *STRICT, "-nostartfiles", "-nostdlib"]
    run([*cc, "-Wl,-e,net_run", "-o", str(image), str(tmp_path / "net.c"), "-lc", "-lgcc"])
    symbols = [line.split()[-1] for line in run(["arm-none-eabi-nm", str(image)]).splitlines()]
    assert "net_run" in symbols
    assert not [s for s in symbols if SOFT_FLOAT.fullmatch(s) or s in ("malloc", "free", "printf", "_sbrk")]


def test_the_soft_float_pattern_finds_them(tmp_path: Path) -> None:
    need("arm-none-eabi-gcc")
    source = tmp_path / "f.c"
    source.write_text("int f(int a, float b) { return (int)((double)a * b) + (a < b) + (int)(b / 3); }\n")
    run(["arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb", "-c", str(source), "-o", str(tmp_path / "f.o")])
    undefined = [line.split()[-1] for line in run(["arm-none-eabi-nm", "-u", str(tmp_path / "f.o")]).splitlines()]
    assert undefined
    assert all(SOFT_FLOAT.fullmatch(s) for s in undefined), undefined


@pytest.mark.parametrize("cpu", sorted(AARCH64))
@pytest.mark.parametrize("name", [*IMPORTED, *CONVERTED])
def test_aarch64(name: str, cpu: str, tmp_path: Path) -> None:
    need("aarch64-linux-gnu-gcc", "qemu-aarch64")
    exported(name, tmp_path)
    program = build(tmp_path, "net", ["aarch64-linux-gnu-gcc"], "-O3", "-static", AARCH64[cpu])
    assert "1 samples equal" in run(["qemu-aarch64", "-cpu", cpu, str(program)])


@pytest.mark.parametrize("name", ["kws_ref_model_int8", "resnet8_cifar10_int8"])
def test_general_registers_only(name: str, tmp_path: Path) -> None:
    need("aarch64-linux-gnu-gcc", "qemu-aarch64")
    exported(name, tmp_path)
    cc = ["aarch64-linux-gnu-gcc", "-O2", *STRICT]
    run([*cc, "-mgeneral-regs-only", "-c", str(tmp_path / "net.c"), "-o", str(tmp_path / "net.o")])
    run([*cc, "-static", str(tmp_path / "net_test.c"), str(tmp_path / "net.o"), "-o", str(tmp_path / "net")])
    assert "1 samples equal" in run(["qemu-aarch64", "-cpu", "cortex-a53", str(tmp_path / "net")])
