"""The benchmarks run, on tiny inputs; what they measure is not asserted, for a time is no property of the code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from intq.bench import accuracy, cli, gemv, kernels, lowbit, models, networks, peaks, peers, profile, shapes, show, timing, whole
from intq.errors import Error, InputError
from intq.kernels.table import lib
from intq.ops import coded

EXAMPLES = Path(__file__).parent.parent / "examples"
DIGITS = networks.Network("digits", (1, 8, 8), 0.0, 1.0, "digits.onnx")
native = pytest.mark.skipif(lib is None, reason="needs the compiled extension")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own for every test, and no shared models."""
    monkeypatch.setenv("INTQ_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("INTQ_SHARED", raising=False)
    return tmp_path / "cache"


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(words)


def test_interleaving_gives_every_contender_every_round() -> None:
    ran: list[int] = []
    samples = timing.interleave([lambda: ran.append(0), lambda: ran.append(1)], rounds=3, seconds=1e-4)
    assert [len(s.seconds) for s in samples] == [3, 3]
    assert {0, 1} <= set(ran)
    row = samples[0].as_dict()
    assert row["p10_ms"] <= row["median_ms"] <= row["p90_ms"]
    assert row["rounds"] == 3


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The demo network through every engine that is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTQ_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return models.run([DIGITS], EXAMPLES, rounds=2, seconds=1e-3)


def test_models_times_every_installed_peer(measured: dict[str, Any]) -> None:
    row = measured["networks"][0]
    assert {"intq", "intq run"} <= set(row["engines"])
    assert set(row["engines"]) | set(row["missing"]) == {"intq", "intq run", *(r.name for r in peers.PEERS)}
    for runner in peers.PEERS:
        if runner.version and "tflite" not in runner.name and runner.engine != "ai-edge-litert":
            assert runner.name in row["engines"], row["missing"]
    assert row["ratio_any"] <= row["ratio_int8"] or row["fastest_any"] == row["fastest_int8"]
    assert json.loads(json.dumps(measured))["environment"]["cpu"]


def test_a_network_without_a_tflite_file_is_reported_not_fatal(measured: dict[str, Any]) -> None:
    if peers.version("ai-edge-litert"):
        assert "no .tflite file" in measured["networks"][0]["missing"]["litert"]


def test_table_and_chart(measured: dict[str, Any], tmp_path: Path) -> None:
    from rich.console import Console

    console = Console(record=True, width=200, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(show.models_table(measured))
    assert "onnxruntime" in console.export_text()
    show.models_chart(measured, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes()[:4] == b"\x89PNG"


def test_an_engine_that_fails_is_listed_with_its_reason() -> None:
    def refuse(job: peers.Job) -> peers.Call:
        raise RuntimeError("cannot\nreally")

    row = models.measure(DIGITS, EXAMPLES, 1, [peers.Runner("broken", "none", "int8", refuse)], rounds=1, seconds=1e-4, with_ours=False)
    assert row["missing"] == {"broken": "RuntimeError: cannot"}


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="known"):
        networks.by_name(["nonsense"])
    with pytest.raises(InputError, match="known"):
        models.select(["nonsense"])
    with pytest.raises(InputError, match=r"no \.onnx"):
        networks.models_folder(tmp_path)
    with pytest.raises(InputError, match="--models"):
        networks.NETWORKS[0].path(None)


def test_networks_whose_files_are_absent_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ad_autoencoder.onnx").touch()
    assert [n.name for n in cli._chosen(None, tmp_path)] == ["resnet50", "ad_autoencoder"]
    assert "kws_dscnn: left out" in capsys.readouterr().err
    assert [n.name for n in cli._chosen(["kws"], tmp_path)] == ["kws_dscnn"]
    with pytest.raises(InputError, match=r"kws_dscnn\.onnx does not exist"):
        cli.main(arguments("models", "--models", str(tmp_path), "--network", "kws", "--rounds", "1", "--peer", "none"))


def test_networks_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = networks.of_file(EXAMPLES / "digits.onnx")
    assert (own.name, own.shape, own.path(None)) == ("digits", DIGITS.shape, (EXAMPLES / "digits.onnx").resolve())
    assert cli.main(arguments("models", "--onnx", str(EXAMPLES / "digits.onnx"), "--rounds", "1", "--seconds", "0.001", "--peer", "none")) == 0
    assert "digits" in capsys.readouterr().out
    (tmp_path / "broken.onnx").write_bytes(b"\x0b\xff" * 40)
    free = onnx.helper.make_tensor_value_info("x", 1, [1, 3, "h", 8])
    nodes = [onnx.helper.make_node("Relu", ["x"], ["y"])]
    for name, inputs in (("free.onnx", [free]), ("two.onnx", [free, onnx.helper.make_tensor_value_info("z", 1, [1])])):
        graph = onnx.helper.make_graph(nodes, "g", inputs, [onnx.helper.make_tensor_value_info("y", 1, None)])
        onnx.save(onnx.helper.make_model(graph), tmp_path / name)
    for name, reason in (("absent.onnx", "cannot read"), ("broken.onnx", "cannot read"), ("free.onnx", "not fixed"), ("two.onnx", "2 inputs")):
        with pytest.raises(InputError, match=reason):
            networks.of_file(tmp_path / name)


def test_calibration_without_data_is_seeded_noise_in_range(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    a, b = (networks.NETWORKS[2].calibration(folder, 3) for folder in (None, tmp_path / "models"))
    assert a.shape == (3, 3, 32, 32)
    assert np.array_equal(a, b)
    assert a.min() >= 0
    assert a.max() <= 255


def test_resnet50_is_resnet50() -> None:
    import onnx
    from intq.bench import resnet50

    model = resnet50.build()
    onnx.checker.check_model(model)
    kinds = [node.op_type for node in model.graph.node]
    assert (kinds.count("Conv"), kinds.count("BatchNormalization"), kinds.count("Add"), kinds.count("Gemm")) == (53, 53, 16, 1)
    weights = sum(int(np.prod(w.dims)) for w in model.graph.initializer if len(w.dims) > 1)
    assert weights == 25_502_912
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.value_info
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred}
    assert shapes["s3.2.out"][1:] == [2048, 7, 7]


@native
def test_peaks_measures_every_row_and_level() -> None:
    found = peaks.measure(1e-3, memory={"L2": 1 << 16, "DRAM": 1 << 20})
    rows = peaks.usable_peaks()
    assert [p.name for p in found if p.unit != "GB/s"] == [r.variant for r in rows if r.variant != "read"]
    assert all(p.rate > 0 for p in found)
    if any(r.variant == "read" for r in rows):
        assert [p.name for p in found if p.unit == "GB/s"] == ["read L2", "read DRAM"]
        assert peaks.bandwidth_of(1, found) > 0


@native
def test_profile_has_a_row_per_node() -> None:
    from intq import Session
    from intq.converter import convert

    model = convert(str(EXAMPLES / "digits.onnx"), calibration=DIGITS.calibration(None, 8))
    result = profile.measure(Session(model), DIGITS.calibration(None, 1), rounds=3)
    assert {n.name for n in model.graph.nodes if n.op in ("conv2d", "dense", "add")} <= {r["node"] for r in result["nodes"]}
    assert abs(sum(r["share"] for r in result["nodes"]) - 1) < 1e-6


@native
def test_peaks_command_writes_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "levels", lambda limit=0: {"L2": 1 << 16})
    assert cli.main(arguments("peaks", "--seconds", "0.001", "--json", str(tmp_path / "p.json"))) == 0
    assert json.loads((tmp_path / "p.json").read_text())["peaks"]


def test_models_command_needs_a_folder_for_named_networks() -> None:
    with pytest.raises(InputError, match="--models"):
        cli.main(arguments("models", "--network", "kws"))


def small_cases() -> list[shapes.Case]:
    """The smallest shape of each op that the benchmark knows."""
    cases = sorted(shapes.read(), key=lambda c: sum(int(np.prod(t.shape)) for t in c.inputs))
    return list({c.op: c for c in reversed(cases)}.values())


@native
def test_every_row_that_can_run_here_has_a_benchmark() -> None:
    """A row of an op that the networks have needs nothing else: shapes.csv leads to it."""
    from intq.kernels.table import isas, table

    result = kernels.run(cases=small_cases(), seconds=1e-4, all_isas=True, found=[])
    timed = {name for r in result["kernels"] for name in r["kernel"].split()}
    rows = [r for r in table() if r.c is not None and isas()[r.isa][0] and r.op != "peak"]
    reached = {(r.op, r.variant) for r in rows if r.name in timed}
    assert {op for op, _ in reached} >= {"gemm", "finish", "conv2d", "dwconv2d", "add", "mean", "softmax"}
    assert {r.name for r in rows if (r.op, r.variant) in reached} - timed == set()
    assert all(r["us"] > 0 for r in result["kernels"])


@native
def test_a_kernel_that_differs_is_not_timed() -> None:
    case = small_cases()[0]
    graph, arrays = case.graph(), case.arrays()
    want = kernels.expected(graph, arrays)
    row = kernels.rows_for(case.op, kernels.closure("scalar"), True)[0]
    with pytest.raises(kernels.Unequal, match=r"differs from ref\.py"):
        kernels.time_row(graph, row, arrays, want + 1, 1e-4)


def test_shapes_survive_their_text(tmp_path: Path) -> None:
    cases = shapes.read()
    shapes.write(cases, tmp_path / "again.csv")
    assert shapes.read(tmp_path / "again.csv") == cases
    assert {"conv2d", "dwconv2d", "dense", "add"} <= {c.op for c in cases}
    assert {n.name for n in networks.NETWORKS} <= {c.network for c in cases}


@native
def test_kernels_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "levels", lambda limit=0: {"L2": 1 << 16})
    words = ("kernels", "--network", "ad", "--op", "dense", "--seconds", "0.0001", "--json", str(tmp_path / "k.json"))
    assert cli.main(arguments(*words)) == 0
    rows = json.loads((tmp_path / "k.json").read_text())["kernels"]
    assert {r["network"] for r in rows} == {"ad_autoencoder"}
    with pytest.raises(InputError, match="no shape fits"):
        cli.main(arguments("kernels", "--op", "nonsense"))


@native
def test_crossover_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves of one small shape: the sparse forms give the dense bytes, and the picture and its numbers are written."""
    monkeypatch.setattr(lowbit, "SHAPES", {"3x3 6x6x64": (6, 64, 64, 3)})
    monkeypatch.setattr(gemv, "SIZE", 256)
    monkeypatch.setattr(gemv, "COLD", 1 << 18)
    monkeypatch.setattr(coded, "LEAST", 1)
    words = ("kernels", "--sparsity", "--bits", "--json", str(tmp_path / "c.json"), "--chart", str(tmp_path / "c.png"))
    assert cli.main(arguments(*words)) == 0
    found = json.loads((tmp_path / "c.json").read_text())
    assert 4 * (len(lowbit.FORMATS) - 2) <= len(found["sparsity"]) <= len(lowbit.FORMATS) * len(lowbit.SHARES)  # an instruction set may lack some
    assert all(row["same"] for row in found["sparsity"])
    assert {row["bits"] for row in found["bits"]} == {"binary", "w1a1", "w1a2", "w2a2"}
    assert {row["weights"][:6] for row in found["from_memory"]} >= {"8 bits", "4 bits", "2 bits", "1 bits"}
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"


@native
def test_a_network_in_sparse_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of a network: each with its least time, and the sums over all of them."""
    monkeypatch.setattr(lowbit, "interleave", lambda calls, rounds, seconds: timing.interleave(calls, 2, 1e-5))
    found = lowbit.run(["sparsity"], "auto", ["ad_"])
    assert all(row["same"] and row["least_ms"] > 0 for row in found["sparsity"])
    assert {row["network"] for row in found["networks"]} == {"ad_autoencoder"}
    assert all(row["planned_ms"] <= min(row["sparse_ms"], row["dense_ms"]) for row in found["networks"])


def test_layers_to_count_bits_in() -> None:
    found = lowbit.countable(["resnet50"])
    assert found["resnet50: conv2d 1x56x56x64 * 256x1x1x64"] == (56, 64, 256, 1)
    assert all(shape[1] % 64 == 0 for shape in found.values())
    assert lowbit.countable([]) == lowbit.SHAPES


def test_sums_over_a_network() -> None:
    """Layers count as often as the network has them; one without the form counts as dense."""
    row = {"network": "n", "format": "f", "share": 0.9, "least_ms": 1.0}
    layers = (("a", 2, 4.0, 2.0, "f"), ("b", 1, 3.0, 5.0, "f"), ("c", 1, 1.0, 1.0, "g"))
    rows = [{**row, **dict(zip(("shape", "count", "dense_ms", "sparse_ms", "format"), layer, strict=True))} for layer in layers]
    first = whole.totals(rows)[0]
    assert (first["dense_ms"], first["sparse_ms"], first["planned_ms"]) == (12, 10, 8)
    assert (first["ratio"], first["planned_ratio"], first["limit"]) == (1.2, 1.5, 3)


@native
def test_files_of_ones_own_beside_litert(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    builder = pytest.importorskip("tflite_builder")
    from intq.bench import files

    tensors = [builder.TensorSpec((1, 8), scale=0.5), builder.TensorSpec((1, 8), scale=0.5)]
    good, bad = tmp_path / "relu.tflite", tmp_path / "no.tflite"
    good.write_bytes(builder.build(tensors, [builder.OpSpec("RELU", [0], [1])], [0], [1]))
    (row,) = files.run([good], rounds=2, seconds=1e-4)["files"]
    assert set(row["engines"]) == {"intq", "litert"}
    assert row["ratio"] > 0
    bad.write_bytes(b"TFL3" * 20)
    with pytest.raises(Error):
        files.run([bad], rounds=1, seconds=1e-4)
    assert cli.main(arguments("files", str(good), "--rounds", "1", "--json", str(tmp_path / "out.json"))) == 0
    assert len(json.loads((tmp_path / "out.json").read_text())["files"]) == 1


def test_a_mixed_plan_is_compared_image_by_image() -> None:
    rng = np.random.default_rng(2)

    def cell(right: np.ndarray, apart: float, size: int) -> accuracy.Cell:
        far = (apart + 0.01 * rng.random(len(right))).astype(np.float16)
        return accuracy.Cell(0.0, 99.0, np.packbits(right).tobytes().hex(), far.tobytes().hex(), size)

    own = rng.random(400) < 0.8
    ahead, behind = own.copy(), own.copy()
    ahead[np.flatnonzero(~own)[:9]] = True
    behind[np.flatnonzero(own)[:3]] = False
    rows = {accuracy.MIXED: (own, 0.2, 1000), "ahead": (ahead, 0.3, 1000), "behind": (behind, 0.1, 990), "large": (ahead, 0.1, 1100)}
    text = accuracy.dominance({name: {"resnet8 W8A8": cell(*row)} for name, row in rows.items()}, ["resnet8"])
    cells = [c.strip() for c in text.splitlines()[-1].strip("|").split("|")]
    assert cells[:6] == ["resnet8 W8A8", "2 (1)", "1, 0, 1", "1", "ahead", "9, 0"]
    assert cells[8] == "1"
    assert cells[10].endswith("behind")
    assert float(cells[11]) > 100
