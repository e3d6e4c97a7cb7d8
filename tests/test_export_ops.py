"""Exported C of every op: generated cases, many in one network, give the bytes of Session.run_quantized under the sanitizers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from export_cases import OWN, imported, merge, own
from export_tools import SANITIZE, build, need, run
from intq.export import export_c
from intq.export.emit import EMITTERS
from intq.graph import Graph, Port, State
from intq.model import Model
from intq.ops import REGISTRY

IMPORTED = ("convolution", "depthwise", "transposed", "dense", "binary", "unary", "pooling", "softmax", "resize", "movement", "recurrent")
CASES = 16
MORE = {"binary": 100, "movement": 120, "recurrent": 8}  # families with rare ops; those of the rest: 32


def check(graph: Graph, folder: Path) -> None:
    export_c(Model(graph), folder, name="net", samples=2)
    need("gcc")
    assert "2 samples equal" in run([str(build(folder, "net", ["gcc"], "-O1", *SANITIZE))])


@pytest.mark.parametrize("family", sorted(OWN))
def test_own_ops(family: str, tmp_path: Path) -> None:
    check(own(family, CASES), tmp_path)


@pytest.mark.parametrize("family", IMPORTED)
def test_imported_ops(family: str, tmp_path: Path) -> None:
    pytest.importorskip("tflite")
    check(imported(family, MORE.get(family, 2 * CASES)), tmp_path)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
def test_onnx_nodes(tmp_path: Path) -> None:
    """The standard's node tests, converted: 382 networks of an operator or a few in one file."""
    onnx_node_cases = pytest.importorskip("onnx_node_cases")
    converter = pytest.importorskip("intq.converter")
    graphs = []
    for case in onnx_node_cases.cases():
        if not case.reason:
            proto = onnx_node_cases.frozen(case)
            graphs.append(converter.convert(proto, calibration={proto.graph.input[0].name: case.inputs[0]}, recipe="fast").graph)
    assert len(graphs) > 300
    check(merge(graphs), tmp_path)


def with_ports(g: Graph, inputs: list[str], outputs: list[str]) -> Graph:
    for names, ports in ((inputs, g.inputs), (outputs, g.outputs)):
        ports += [Port(name=n, tensor=n, shape=g.of(n).shape, perm=tuple(range(len(g.of(n).shape)))) for n in names]
    return g


def test_states_that_change_places(tmp_path: Path) -> None:
    """Two states take over each other's value, a third the input; an output shows an old one."""
    g = Graph("states")
    for name in ("x", "a", "b", "c", "y"):
        g.tensor(name, (1, 5), "int16", zero_point=3)
    g.node(REGISTRY["tfl_add_pot"](shift_a=0, shift_b=1, lo=-(2**15), hi=2**15 - 1), ["x", "a"], ["y"])
    g.states = [State(read="a", write="b"), State(read="b", write="a"), State(read="c", write="y")]
    check(with_ports(g, ["x"], ["y", "c"]), tmp_path)
    text = (tmp_path / "net.h").read_text()
    assert "NET_STATE_BYTES 48" in text
    assert "int net_reset(void *arena);" in text


def test_batches(tmp_path: Path) -> None:
    """Ops that work image by image, on three images at a time."""
    g, rng, c = Graph("batches"), np.random.default_rng(0), 6
    more = [g.constant(n, np.full(c, value, np.int32)) for n, value in (("bias", 100), ("multiplier", 20000), ("shift", -4))]
    w = g.constant("w", rng.integers(-127, 128, (c, 3, 3, c)).astype(np.int8))
    dw = g.constant("dw", rng.integers(-127, 128, (3, 3, c)).astype(np.int8))
    table = g.constant("rows", np.array([3, 0, 2], np.int32))
    lines = g.constant("lines", np.array([[0, 1, 300], [2, 0, 1000]], np.int32))
    one = [g.constant(n, np.full(1, value, np.int32)) for n, value in (("m1", 20000), ("s1", -2))]
    shape = (3, 4, 4, c)
    for name in ("x", "conv", "depth", "top", "mean", "average"):
        g.tensor(name, shape, zero_point=-3)
    g.node(REGISTRY["conv2d"](pads=(1, 1, 1, 1)), ["x", w, *more], ["conv"])
    g.node(REGISTRY["dwconv2d"](pads=(1, 1, 1, 1)), ["conv", dw, *more], ["depth"])
    g.node(REGISTRY["max_pool"](kernel=(3, 3), stride=(1, 1), pads=(1, 1, 1, 1)), ["depth"], ["top"])
    g.node(REGISTRY["avg_pool"](kernel=(1, 1), stride=(1, 1), divisors=(1,), count_include_pad=True), ["top", *one], ["mean"])
    g.node(REGISTRY["tfl_avg_pool"](kernel=(3, 3), stride=(1, 1), pads=(1, 1, 1, 1)), ["mean"], ["average"])
    g.node(REGISTRY["resize_nearest"](), ["average", table, table], [g.tensor("nearest", (3, 3, 3, c), zero_point=-3)])
    g.node(REGISTRY["tfl_resize_bilinear"](), ["nearest", lines, lines], [g.tensor("y", (3, 2, 2, c), zero_point=-3)])
    check(with_ports(g, ["x"], ["y", "depth"]), tmp_path)


def test_depthwise_weights_with_a_zero_point(tmp_path: Path) -> None:
    """Of one input channel it is a convolution of one group, of several outputs per channel one of many."""
    graphs = []
    for i, (c, outputs, zero_point) in enumerate([(1, 4, 9), (1, 1, -77), (5, 1, 30), (3, 2, 100)]):
        g, rng = Graph("g"), np.random.default_rng(i)
        more = [g.constant(n, np.full(c * outputs, value, np.int32)) for n, value in (("b", 100), ("m", 20000), ("s", -3))]
        w = g.constant("w", rng.integers(-128, 128, (3, 3, c * outputs)).astype(np.int8), zero_point=zero_point)
        g.tensor("x", (1, 5, 5, c), zero_point=-20)
        g.tensor("y", (1, 5, 5, c * outputs), zero_point=5)
        g.node(REGISTRY["dwconv2d"](pads=(1, 1, 1, 1)), ["x", w, *more], ["y"])
        graphs.append(with_ports(g, ["x"], ["y"]))
    check(merge(graphs), tmp_path)


@pytest.mark.parametrize("low", [-8, -1, 0])
def test_packed_products(low: int, tmp_path: Path) -> None:
    """Four bits and few nonzeros in dense layers and convolutions of odd sizes; runs of zeros longer than a distance holds."""
    graphs = []
    for i, (n, k, c) in enumerate([(1, 1, 65), (5, 1, 700), (4, 3, 7), (17, 5, 3), (33, 1, 64)]):
        g, rng = Graph("g"), np.random.default_rng([low, i] if low >= 0 else [-low, i])
        w = rng.integers(low, 8, (n, k, k, c)).astype(np.int8)
        if low != -8:
            w = np.where(rng.random(w.shape) < 0.05, w * 16 if low else w, 0).astype(np.int8)
        more = [g.constant(m, np.full(n, value, np.int32)) for m, value in (("b", 100), ("m", 20000), ("s", -2))]
        shape = (1, c) if c > 64 else (1, 7, 6, c)
        g.tensor("x", shape, zero_point=5)
        g.tensor("y", (1, n) if c > 64 else (1, 7, 6, n), zero_point=-1)
        if c > 64:
            g.node(REGISTRY["dense"](), ["x", g.constant("w", w.reshape(n, c)), *more], ["y"])
        else:
            g.node(REGISTRY["conv2d"](pads=(k // 2,) * 4), ["x", g.constant("w", w), *more], ["y"])
        graphs.append(with_ports(g, ["x"], ["y"]))
    check(merge(graphs), tmp_path)
    assert ("nibbles" if low == -8 else "sparse") in (tmp_path / "net.c").read_text()


@pytest.mark.parametrize(("compiler", "level"), [("clang", "-O2"), ("gcc", "-O3")])
def test_optimizing_compilers_warn_of_nothing(compiler: str, level: str, tmp_path: Path) -> None:
    compiler = next((c for c in (compiler, f"{compiler}-16") if shutil.which(c)), compiler)
    need(compiler)
    pytest.importorskip("tflite")
    export_c(Model(merge([*(own(f, 6) for f in sorted(OWN)), *(imported(f, 8) for f in IMPORTED)])), tmp_path, name="net", samples=1)
    assert "1 samples equal" in run([str(build(tmp_path, "net", [compiler], level))])


def test_every_op_is_among_the_cases() -> None:
    pytest.importorskip("tflite")
    found = {n.op for family in OWN for n in own(family, 2).nodes}
    for family in IMPORTED:
        found |= {n.op for n in imported(family, MORE.get(family, 2 * CASES)).nodes}
    assert found >= set(EMITTERS) - {"reshape"}
    assert set(REGISTRY) == set(EMITTERS)
