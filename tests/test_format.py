"""The .intq file: round trips, what is refused and with which words, atomic writing, bounds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import intq
import numpy as np
import pytest
import safetensors.numpy
from intq import BoundError, FormatError, InputError, Model, Session, packing
from intq.graph import Graph, Port, Tensor
from intq.ops import REGISTRY
from intq.ops.product import Dense
from intq.selftest import network


def edited(change) -> bytes:  # type: ignore[no-untyped-def]
    """The self-test model's bytes after `change(graph record, arrays)`, sealed again."""
    data = Model(network()).to_bytes()
    length = int.from_bytes(data[:8], "little")
    record = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["intq"])
    arrays = {k: v.copy() for k, v in safetensors.numpy.load(data).items()}
    change(record, arrays)
    return safetensors.numpy.save(arrays, {"intq": json.dumps(record)})


def test_round_trip_gives_the_same_bytes(tmp_path: Path) -> None:
    model = Model(network(), recipe={"base": "fast"})
    model.save(tmp_path / "m.intq")
    again = intq.load(tmp_path / "m.intq")
    assert again.to_bytes() == model.to_bytes() == (tmp_path / "m.intq").read_bytes()
    assert again.recipe == {"base": "fast"}
    assert again.describe() == model.describe()


def test_writing_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.intq"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        Model(network()).save(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_follows_links_and_spares_devices(tmp_path: Path) -> None:
    (tmp_path / "real.intq").write_bytes(b"old")
    (tmp_path / "link.intq").symlink_to("real.intq")
    model = Model(network())
    model.save(tmp_path / "link.intq")
    assert (tmp_path / "link.intq").is_symlink()
    assert (tmp_path / "real.intq").read_bytes() == model.to_bytes()
    os.mkfifo(tmp_path / "pipe")
    read = "import pathlib, sys; sys.stdout.buffer.write(pathlib.Path(sys.argv[1]).read_bytes())"
    reader = subprocess.Popen([sys.executable, "-c", read, tmp_path / "pipe"], stdout=subprocess.PIPE)  # some tests run without PATH
    model.save(tmp_path / "pipe")
    assert reader.communicate(timeout=60)[0] == model.to_bytes()
    assert (tmp_path / "pipe").is_fifo()
    for path in (tmp_path, tmp_path / "none" / "m.intq"):
        with pytest.raises(OSError, match=str(tmp_path)):
            model.save(path)


REFUSED = {
    "unknown op": (lambda r, a: r["nodes"][0].update(op="magic"), "op 'magic' is unknown"),
    "unknown attribute": (lambda r, a: r["nodes"][0]["attrs"].update(speed=3), "speed"),
    "future version": (lambda r, a: r.update(version=99), "version 99"),
    "unknown key": (lambda r, a: r.update(extra=1), "extra"),
    "shape": (lambda r, a: r["tensors"][5].update(shape=[1, 13, 12, 24]), r"\[1, 13, 12, 24\]"),
    "negative shape": (lambda r, a: r["tensors"][0].update(shape=[1, -24, 24, 3]), "shape"),
    "huge shape": (lambda r, a: r["tensors"][0].update(shape=[1, 2**30, 2**30, 3]), "max_arena|shape"),
    "stride 0": (lambda r, a: r["nodes"][0]["attrs"].update(stride=[0, 2]), "stride"),
    "groups 5": (lambda r, a: r["nodes"][2]["attrs"].update(groups=5), "groups"),
    "multiplier": (lambda r, a: a["stem.multiplier"].fill(3), "multiplier"),
    "shift": (lambda r, a: a["stem.shift"].fill(-99), "shift"),
    "clamp": (lambda r, a: r["nodes"][0]["attrs"].update(lo=200), "clamp"),
    "dtype": (lambda r, a: r["tensors"][0].update(dtype="float32"), "dtype"),
    "missing data": (lambda r, a: a.pop("stem.weight"), "stem.weight"),
    "stray data": (lambda r, a: a.update(stray=np.zeros(3, np.int8)), "stray"),
    "unwritten": (lambda r, a: r["nodes"].pop(0), "before anything writes it"),
    "cycle": (lambda r, a: r["nodes"].reverse(), "before anything writes it"),
    "twice": (lambda r, a: r["nodes"].append(dict(r["nodes"][0], name="again")), "written twice"),
    "no outputs": (lambda r, a: r.update(outputs=[]), "at least one"),
    "perm": (lambda r, a: r["inputs"][0].update(perm=[0, 0, 1, 2]), "perm"),
    "arity": (lambda r, a: r["nodes"][0]["inputs"].pop(), "takes 5 inputs"),
    "scale": (lambda r, a: r["tensors"][0].update(scale=-1.0), "scale"),
    "zero point": (lambda r, a: r["tensors"][0].update(zero_point=300), "zero point"),
    "softmax table": (lambda r, a: a["softmax.table"].fill(-1), "table"),
    "version text": (lambda r, a: r.update(version="one"), "version"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_place_and_the_reason(case: str) -> None:
    change, words = REFUSED[case]
    with pytest.raises(FormatError, match=words):
        Model.from_bytes(edited(change))


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"\xff" * 64, b"not a model at all", safetensors.numpy.save({"a": np.zeros(3)})])
def test_not_a_model(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.intq"
    path.write_bytes(data)
    with pytest.raises(FormatError):
        intq.load(path)


def test_missing_files_and_float_models(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        intq.load(tmp_path / "none.intq")
    with pytest.raises(InputError, match="calibration"):
        intq.load("m.onnx")


def big_dense(bias: int, k: int = 66000, shift: int = -10) -> Graph:
    g = Graph("big")
    g.tensor("x", (1, k), zero_point=-128)
    w = np.full((2, k), 127, np.int8)
    w[0] = 1
    inputs = ["x", g.constant("w", w), g.constant("b", np.array([0, bias], np.int32)), g.constant("m", np.full(2, 2**14, np.int32))]
    g.tensor("y", (1, 2))
    g.node(Dense(), [*inputs, g.constant("s", np.full(2, shift, np.int32))], ["y"])
    g.inputs = [Port(name="x", tensor="x", shape=(1, k), perm=(0, 1))]
    g.outputs = [Port(name="y", tensor="y", shape=(1, 2), perm=(0, 1))]
    return g


def test_an_overflow_is_refused_with_channel_bound_and_advice() -> None:
    reach = 66000 * 127 * 255
    limit = 2**31 - 1 - reach - 512
    model = Model(big_dense(limit))  # the last bias that fits, rounding constant 512 included
    assert max(b.hi for b in model.bounds["y"]) == 2**31 - 1
    for isa in ("scalar", "auto"):
        x = np.full((1, 66000), 127, np.int8)
        assert np.array_equal(Session(model, isa=isa).run_quantized(x), Session(model, backend="reference").run_quantized(x))
    with pytest.raises(BoundError, match=r"'y', channel 1: .*2147483648.*Raise the weight scale"):
        Model(big_dense(limit + 1))
    with pytest.raises(BoundError, match="channel 0"):
        Model(big_dense(0, shift=12))


def test_limits() -> None:
    data = Model(network()).to_bytes()
    with pytest.raises(FormatError, match="max_macs"):
        Model.from_bytes(data, max_macs=1000)
    with pytest.raises(FormatError, match="max_arena"):
        Model.from_bytes(data, max_arena=1000)


def test_import_is_light() -> None:
    code = "import sys, intq; print([m for m in ('onnx', 'onnxruntime', 'numba', 'torch', 'scipy', 'rich', 'tflite') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(("low", "high", "bits"), [(-8, 7, 4), (-7, 7, 4), (-1, 1, 2), (-2, 1, 2), (-9, 7, 8), (0, 8, 8)])
@pytest.mark.parametrize("shape", [(16, 64), (5, 3, 3, 3), (67, 1)])
def test_weights_of_few_bits_are_packed(low: int, high: int, bits: int, shape: tuple[int, ...]) -> None:
    weights = np.random.default_rng(3).integers(low, high + 1, shape).astype(np.int8)
    weights.reshape(-1)[:2] = low, high
    assert packing.bits_of(weights) == bits
    if bits < 8:
        packed = packing.pack(weights, bits)
        assert packed.nbytes == -(-weights.size * bits // 8)
        np.testing.assert_array_equal(packing.unpack(packed, bits, Tensor(name="w", shape=shape)), weights)


def few_bits() -> Graph:
    graph = network()
    name = next(node.inputs[1] for node in graph.nodes if node.op == "conv2d")
    graph.constants[name] = np.clip(graph.constants[name], -7, 7)
    return graph


def test_packed_files_are_smaller_and_equal(tmp_path: Path) -> None:
    model, plain = Model(few_bits()), Model(network())
    data = model.to_bytes()
    assert len(data) < len(plain.to_bytes())
    again = Model.from_bytes(data)
    assert again.to_bytes() == data
    for name, array in model.graph.constants.items():
        np.testing.assert_array_equal(again.graph.constants[name], array)
        assert again.graph.constants[name].dtype == array.dtype


WRONG = [{"bits": 3}, {"bits": 2}, {"bits": -4}, {"shape": [7, 3, 3, 3]}, {"shape": [-1, 3]}, {"dtype": "int32"}, {"missing": True}]


@pytest.mark.parametrize("change", WRONG)
def test_packed_weights_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    data = Model(few_bits()).to_bytes()
    length = int.from_bytes(data[:8], "little")
    record = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["intq"])
    arrays = {k: v.copy() for k, v in safetensors.numpy.load(data).items()}
    (name,) = record["packed"]
    tensor = next(t for t in record["tensors"] if t["name"] == name)
    if "missing" in change:
        record["packed"] = {}
    elif "bits" in change:
        record["packed"][name] = change["bits"]
    else:
        tensor.update(change)
    with pytest.raises(FormatError, match=name):
        Model.from_bytes(safetensors.numpy.save(arrays, {"intq": json.dumps(record)}))


def test_a_step_that_is_never_taken_is_checked_too() -> None:
    g = Graph("slice")
    g.tensor("x", (1, 4))
    g.tensor("y", (1, 1))
    g.node(REGISTRY["slice"](begin=(0, 0), step=(1, 2**63)), ["x"], ["y"])
    g.inputs, g.outputs = ([Port(name=n, tensor=n, shape=g.of(n).shape, perm=(0, 1))] for n in "xy")
    with pytest.raises(FormatError, match="step"):
        Model(g)
