"""Wrong files and settings at the command line: an exit code, one line with the place and the reason, and nothing overwritten."""

import importlib
import re
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
