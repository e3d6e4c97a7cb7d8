"""Exported C gives the bytes of Session.run_quantized, compiles without a warning, and runs clean under the sanitizers."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from export_networks import network
from export_tools import SANITIZE, build, need, run
from intq.cli import main
from intq.errors import InputError, UnsupportedError
from intq.export import export_c
from intq.export.emit import EMITTERS
from intq.graph import Graph, Port
from intq.model import Model, load
from intq.ops import REGISTRY
from shared import model as shared_model

IMPORTED = ["ad01_int8", "hello_world_int8", "kws_ref_model_int8", "micro_speech_quantized", "person_detect", "resnet8_cifar10_int8", "vww_96_int8"]
PACKED = {  # a kernel that the C must use, and the most bytes of constants; as int8 they were 2.7 million, 274, 80 and 264 thousand
    "bnn_cifar10": ("bconv2d_s16", 365_000), "resnet20_sparse85": ("conv2d_sparse", 95_000), "resnet8_int4": ("conv2d_nibbles", 44_000),
    "autoencoder_codes": ("dense_codes", 155_000),
}  # fmt: skip


def check(folder: Path, name: str, compiler: str = "gcc", *flags: str) -> None:
    need(compiler)
    out = run([str(build(folder, name, [compiler], *(flags or ("-O1", *SANITIZE))))])
    assert re.search(r": \d+ samples equal", out), out


@pytest.mark.parametrize("numerics", ["litert", "tflm"])
@pytest.mark.parametrize("name", IMPORTED)
def test_imported_networks(name: str, numerics: str, tmp_path: Path) -> None:
    model = load(shared_model(f"int8_tflite/{name}.tflite"), numerics=numerics)
    report = export_c(model, tmp_path, name="net", samples=3)
    check(tmp_path, "net")
    assert report.arena_bytes <= report.arena_bound * 1.05 + 320


def test_clang(tmp_path: Path) -> None:
    clang = next((c for c in ("clang", "clang-16") if shutil.which(c)), "clang")
    export_c(load(shared_model("int8_tflite/kws_ref_model_int8.tflite")), tmp_path, name="kws")
    check(tmp_path, "kws", clang, "-O2")


def test_converted_network(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    converter = pytest.importorskip("intq.converter")
    digits = Path(__file__).parent.parent / "examples"
    with np.load(digits / "digits.npz") as data:
        images = data["calibration"]
    export_c(converter.convert(digits / "digits.onnx", calibration=images[:64]), tmp_path, name="digits")
    assert "requant_q15" in (tmp_path / "digits.c").read_text()
    check(tmp_path, "digits")


@pytest.mark.parametrize("name", sorted(PACKED))
def test_packed_weights(name: str, tmp_path: Path) -> None:
    """Low-bit and pruned weights stay packed in flash."""
    kernel, most = PACKED[name]
    report = export_c(network(name), tmp_path, name="net", samples=1)
    check(tmp_path, "net", "gcc", "-O2", *SANITIZE)
    assert kernel in (tmp_path / "net.c").read_text()
    assert report.constant_bytes <= most


def small_graph(reshapes: bool) -> Graph:
    """x feeds two convolutions that are added; reshapes in every place where names become one."""
    g, rng = Graph("small net*/"), np.random.default_rng(1)
    g.tensor("x", (1, 6, 5, 3), zero_point=-3)
    for i in (0, 1):
        w = g.constant(f"w{i}", rng.integers(-127, 128, (3, 1 + 2 * i, 1 + 2 * i, 3)).astype(np.int8))
        more = [g.constant(f"{n}{i}", np.full(3, value, np.int32)) for n, value in (("b", 100), ("m", 20000), ("s", -2))]
        g.tensor(f"c{i}", (1, 6, 5, 3), zero_point=4)
        g.node(REGISTRY["conv2d"](pads=(i, i, i, i)), ["x", w, *more], [f"c{i}"])
    g.tensor("y", (1, 6, 5, 3), zero_point=5)
    g.node(REGISTRY["add"](m1=16000, m2=-9000, shift=14), ["c0", "c1"], ["y"])
    g.inputs = [Port(name="x", tensor="x", shape=(1, 6, 5, 3), perm=(0, 1, 2, 3))]
    g.outputs = [Port(name="y", tensor="y", shape=(1, 6, 5, 3), perm=(0, 1, 2, 3))]
    if reshapes:
        g.tensor("flat", (1, 90), zero_point=5)
        g.node(REGISTRY["reshape"](), ["y"], ["flat"])
        g.tensor("again", (1, 30, 3), zero_point=-3)
        g.node(REGISTRY["reshape"](), ["x"], ["again"])
        for name, shape in (("flat", (1, 90)), ("again", (1, 30, 3)), ("x", (1, 6, 5, 3))):
            g.outputs.append(Port(name=f"{name} out", tensor=name, shape=shape, perm=tuple(range(len(shape)))))
    return g


@pytest.mark.parametrize("level", ["-O0", "-O1", "-Os", "-O2"])
def test_a_depthwise_product_of_one_tap(level: str, tmp_path: Path) -> None:
    """Without a warning at every level: with one tap a compiler sees through the loops."""
    g = Graph("tap")
    g.tensor("x", (1, 2, 2, 5), zero_point=3)
    g.constant("w", np.arange(-2, 3, dtype=np.int8).reshape(1, 1, 5))
    more = [g.constant(name, np.full(5, value, np.int32)) for name, value in (("b", 100), ("m", 20000), ("s", -2))]
    g.tensor("y", (1, 2, 2, 5))
    g.node(REGISTRY["dwconv2d"](), ["x", "w", *more], ["y"])
    g.inputs, g.outputs = ([Port(name=n, tensor=n, shape=(1, 2, 2, 5), perm=(0, 1, 2, 3))] for n in ("x", "y"))
    export_c(Model(g), tmp_path, name="net")
    check(tmp_path, "net", "gcc", level)


@pytest.mark.parametrize("reshapes", [False, True])
def test_names_and_aliases(reshapes: bool, tmp_path: Path) -> None:
    export_c(Model(small_graph(reshapes)), tmp_path)
    check(tmp_path, "small_net")


def test_a_static_arena_and_null_pointers(tmp_path: Path) -> None:
    need("gcc")
    export_c(Model(small_graph(False)), tmp_path, name="net")
    (tmp_path / "null.c").write_text(
        '#include "net.h"\nstatic signed char x[NET_INPUT_0_BYTES], y[NET_OUTPUT_0_BYTES];\n'
        "int main(void) { const void *const in[] = {x}; void *const out[] = {y}, *const none[] = {0};\n"
        "return net_run(in, out, 0) == 0 && net_run(in, none, 0) == -1 ? 0 : 1; }\n"
    )
    run(["gcc", "-std=c99", "-Wall", "-Werror", "-DNET_STATIC_ARENA", "-o", str(tmp_path / "a"), str(tmp_path / "null.c"), str(tmp_path / "net.c")])
    run([str(tmp_path / "a")])


def test_text_has_no_float_and_no_heap(tmp_path: Path) -> None:
    export_c(load(shared_model("int8_tflite/resnet8_cifar10_int8.tflite")), tmp_path, name="net")
    code = re.sub(r"/\*.*?\*/", " ", (tmp_path / "net.c").read_text(), flags=re.S)
    assert not re.search(r"\b(float|double|malloc|calloc|free|alloca)\b|math\.h", code)
    allowed = {'"net.h"', "<stddef.h>", "<stdint.h>", "<string.h>", "<arm_neon.h>", "<arm_mve.h>", "<arm_acle.h>"}
    assert set(re.findall(r"#include (\S+)", code)) <= allowed


def test_errors_name_every_op(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for op in ("tfl_cast", "tfl_arg"):
        monkeypatch.delitem(EMITTERS, op)
    g = Graph("two")
    g.tensor("x", (1, 8), "int32")
    g.tensor("a", (1, 8), "int16")
    g.tensor("b", (1,), "int32")
    g.node(REGISTRY["tfl_cast"](), ["x"], ["a"], name="cast")
    g.node(REGISTRY["tfl_arg"](axis=1, kind="max"), ["x"], ["b"], name="best")
    g.inputs = [Port(name="x", tensor="x", shape=(1, 8), perm=(0, 1))]
    g.outputs = [Port(name="a", tensor="a", shape=(1, 8), perm=(0, 1)), Port(name="b", tensor="b", shape=(1,), perm=(0,))]
    with pytest.raises(UnsupportedError, match=r"'cast': op tfl_cast.*'best': op tfl_arg"):
        export_c(Model(g), tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="not a C identifier"):
        export_c(Model(small_graph(False)), tmp_path, name="2 nets")


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need("gcc", "make")
    path = tmp_path / "My net.intq"
    Model(small_graph(False)).save(path)
    assert main(["export-c", str(path), "-o", str(tmp_path / "out")]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"my_net.c", "my_net.h", "my_net_test.c", "Makefile"}
    assert "arena" in capsys.readouterr().out
    assert "my_net: 2 samples equal" in run(["make", "-s", "-C", str(tmp_path / "out"), "test"])
    assert main(["export-c", str(path), "-o", str(tmp_path / "out2"), "--samples", "0", "--name", "n"]) == 0
    assert {p.name for p in (tmp_path / "out2").iterdir()} == {"n.c", "n.h"}
