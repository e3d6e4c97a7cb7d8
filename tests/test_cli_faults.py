"""Wrong files and settings at the command line: an exit code, one line with the place and the reason, and nothing overwritten."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.helper as h
import pytest
from intq import Model, Session
from intq.cli import main
from intq.extras import EXTRAS
from intq.selftest import network

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    Model(network()).save(tmp_path / "net.intq")
    return tmp_path / "net.intq"


def damaged(folder: Path) -> dict[str, Path]:
    """Files that begin like arrays, or say that they hold some."""
    np.savez_compressed(folder / "x.npz", labels=np.random.default_rng(0).normal(size=(3, 3, 24, 24)).astype(np.float32))
    whole = (folder / "x.npz").read_bytes()
    content = {
        "half.npz": whole[: len(whole) // 2], "other_bytes.npz": whole[:2000] + bytes(500) + whole[2500:], "empty.npy": b"", "empty.npz": b"",
        "text.npy": b"hello\n", "header.npy": b"\x93NUMPY\x01\x00", "text.npz": b"PK\x03\x04 and no more",
    }  # fmt: skip
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return {name: folder / name for name in content}


def reason(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    assert main([str(a) for a in args]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"intq {args[0]}: ")
    assert shown.count("\n") == 1, shown
    return shown


@pytest.mark.parametrize("name", ["half.npz", "other_bytes.npz", "empty.npy", "empty.npz", "text.npy", "header.npy", "text.npz"])
def test_damaged_arrays(name: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, source = damaged(tmp_path)[name], EXAMPLES / "digits.onnx"
    for args in (
        ("run", model, "--inputs", file),
        ("convert", source, "--calibration", file, "-o", tmp_path / "y.intq"),
        ("compare", source, model, "--inputs", file),
        ("compare", source, model, "--inputs", tmp_path / "x.npz", "--labels", file),
        ("compare", "quantized.tflite", "--against", "litert", "--inputs", file),
        ("report", source, model, "--inputs", tmp_path / "x.npz", "--labels", file, "-o", tmp_path / "y.html"),
    ):
        shown = reason(capsys, *args)
        assert f"{file}: " in shown
        assert "allow_pickle=" not in shown


def test_a_conversion_does_not_write_over_its_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "digits.onnx"
    source.write_bytes((EXAMPLES / "digits.onnx").read_bytes())
    (tmp_path / "link.intq").symlink_to(source)
    for target in (source, tmp_path / "." / "digits.onnx", tmp_path / "link.intq", tmp_path / "other.onnx", tmp_path / "other.tflite"):
        shown = reason(capsys, "convert", source, "--calibration", EXAMPLES / "digits.npz", "-o", target)
        assert str(target) in shown
    assert source.read_bytes() == (EXAMPLES / "digits.onnx").read_bytes()
    assert not (tmp_path / "other.onnx").exists()


def test_instruction_set_of_the_environment(model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("INTQ_ISA", "mmx")
    assert "INTQ_ISA" in reason(capsys, "run", model)
    monkeypatch.setenv("INTQ_ISA", "")
    assert Session(model).profile() is not None


def test_the_demo_finds_its_files_in_the_folder_it_is_started_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = importlib.import_module("intq.cli.demo")
    monkeypatch.setattr(demo, "SOURCES", tmp_path / "none")
    monkeypatch.chdir(EXAMPLES.parent)
    assert demo.default_folder().resolve() == EXAMPLES
    monkeypatch.chdir(tmp_path)
    assert not demo.default_folder().exists()


def test_operators_of_unknown_name_are_listed_with_their_nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ports = [h.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    graph = h.make_graph([h.make_node("Swirl", ["x"], ["t"], name="first"), h.make_node("Twirl", ["t"], ["y"], name="second", domain="odd")],
                         "g", ports[:1], ports[1:])  # fmt: skip
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), tmp_path / "odd.onnx")
    assert main(["convert", str(tmp_path / "odd.onnx"), "--recipe", "zero_shot", "-o", str(tmp_path / "y.intq")]) == 1
    shown = capsys.readouterr().err
    assert all(word in shown for word in ("'first'", "Swirl", "'second'", "Twirl", "'odd'"))


def test_an_empty_model_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.onnx").write_bytes(b"")
    assert "empty.onnx: the file is empty" in reason(capsys, "convert", tmp_path / "empty.onnx", "-o", tmp_path / "y.intq")


def test_every_optional_package_is_in_the_extra_that_is_named() -> None:
    text = (EXAMPLES.parent / "pyproject.toml").read_text()
    for package, extra in EXTRAS.items():
        name = {"PIL": "pillow", "sklearn": "scikit-learn"}.get(package, package.replace("_", "-"))
        declared = re.search(rf"^{extra} = \[(.*)\]$", text, re.M)
        assert declared is not None
        assert re.search(rf'"{name}>=', declared[1]), f"{package}: not in {extra}"


def test_numbers_of_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jinja2")
    with np.load(EXAMPLES / "digits.npz") as data:
        np.save(tmp_path / "x.npy", data["images"][:8])
    source, target = EXAMPLES / "digits.onnx", tmp_path / "digits.intq"
    assert main(["convert", str(source), "--recipe", "zero_shot", "-o", str(target)]) == 0
    capsys.readouterr()
    for count in (0, -1):
        assert "samples" in reason(capsys, "report", source, target, "--inputs", tmp_path / "x.npy", "--samples", count, "-o", tmp_path / "y.html")
    for option in ("--samples", "--layers"):
        assert "layers" in reason(capsys, "compare", source, target, "--inputs", tmp_path / "x.npy", option, -1)
    assert "samples" in reason(capsys, "export-c", target, "-o", tmp_path / "c", "--samples", -1)
    for name, labels in {"text": ["a"] * 8, "below": [-1] * 8, "beyond": [10] * 8, "between": [0.5] * 8}.items():
        np.save(tmp_path / f"{name}.npy", labels)
        shown = reason(capsys, "compare", source, target, "--inputs", tmp_path / "x.npy", "--labels", tmp_path / f"{name}.npy", "--layers", 0)
        assert "labels" in shown


def test_an_export_leaves_a_makefile_of_others(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export-c", str(model), "-o", str(tmp_path), "--name", "net"]) == 0
    assert main(["export-c", str(model), "-o", str(tmp_path), "--name", "net"]) == 0
    capsys.readouterr()
    (tmp_path / "Makefile").write_text("all: mine\n")
    (tmp_path / "net.c").unlink()
    assert "Makefile" in reason(capsys, "export-c", model, "-o", tmp_path, "--name", "net")
    assert (tmp_path / "Makefile").read_text() == "all: mine\n"
    assert not (tmp_path / "net.c").exists()
    assert main(["export-c", str(model), "-o", str(tmp_path), "--name", "net", "--samples", "0"]) == 0


def test_reasons_about_a_tflite_file_name_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tflite")
    for name, content in {"text.tflite": b"hello\n", "zero.tflite": b"", "half.tflite": b"\x1c\x00\x00\x00TFL3\x14\x00"}.items():
        (tmp_path / name).write_bytes(content)
        for args in (("inspect",), ("convert", "-o", tmp_path / "y.intq"), ("bench", "files")):
            assert str(tmp_path / name) in reason(capsys, *args, tmp_path / name)


def test_bench_says_what_it_lacks_before_it_works(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "kernel" in reason(capsys, "bench", "kernels", "--op", "add", "--kernel", "nonsense")
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr(importlib.import_module("intq.bench.kernels"), "run", lambda **options: pytest.fail("works first"))
    assert "'rich' is missing" in reason(capsys, "bench", "kernels", "--op", "add")


def test_a_package_that_does_not_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path) -> None:
    def broken(args: object) -> int:
        raise ImportError("initialization failed", name="onnxruntime.capi")

    monkeypatch.setattr(importlib.import_module("intq.cli.run"), "main", broken)
    assert "onnxruntime" in reason(capsys, "run", model)


def test_warnings_are_lines_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 1, 8, 8), np.float32))
    words = ["convert", str(EXAMPLES / "digits.onnx"), "--calibration", str(tmp_path / "x.npy"), "--recipe", "fast", "-o", str(tmp_path / "y.intq")]
    assert main(words) == 0
    shown = capsys.readouterr().err
    assert "intq convert: all 4 calibration samples are the same" in shown
    assert ".py:" not in shown


def test_a_target_that_cannot_be_written_is_said_before_the_work(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("intq.cli.run"), "Session", lambda *a, **k: pytest.fail("works first"))
    assert "no such folder" in reason(capsys, "run", model, "-o", tmp_path / "none" / "y.npz")


@pytest.mark.parametrize("how", ["raise KeyboardInterrupt", "raise ImportError('initialization failed') from KeyboardInterrupt()"])
def test_ctrl_c_while_packages_are_imported(how: str) -> None:
    """NumPy takes most of the first half second of a command; Ctrl-C then says so in one line too. Compiled packages make an ImportError of it."""
    script = f"""
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            {how}
sys.meta_path.insert(0, Interrupt())
from intq.cli import main
sys.exit(main(["demo"]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "intq demo: interrupted\n")
