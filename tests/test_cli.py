"""The command line, in processes of its own: output, exit codes, one-line reasons."""

import argparse
import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from intq import Model
from intq.cli import VERBS
from intq.selftest import network

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def intq(*args: object, code: int = 0) -> str:
    """Run `intq ...`, check the exit code, return stdout (stderr where it failed)."""
    run = subprocess.run([sys.executable, "-m", "intq", *map(str, args)], capture_output=True, text=True, timeout=300)
    assert run.returncode == code, run.stdout + run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    return run.stderr if code else run.stdout


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "selftest.intq"
    Model(network()).save(path)
    return path


@pytest.mark.parametrize("verb", ["convert", "run", "inspect", "compare", "bench", "ops", "doctor", "demo"])
def test_every_verb_explains_itself(verb: str) -> None:
    assert f"usage: intq {verb}" in intq(verb, "--help")


def test_top_level() -> None:
    assert "convert" in intq("--help")
    assert intq("--version").strip()
    intq(code=2)
    intq("fly", code=2)


def test_inspect(model: Path) -> None:
    assert "accumulators proven free of overflow" in intq("inspect", model)
    assert "stem [0]:" in intq("inspect", model, "--bounds")
    facts = json.loads(intq("inspect", model, "--json", "--bounds"))
    assert facts["macs"] > 0
    assert len(facts["bounds"]["stem"]) == 24


def test_run(model: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(3, 3, 24, 24)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x)
    printed = json.loads(intq("run", model, "--input", tmp_path / "x.npy", "--json"))
    assert np.array(printed["outputs"]["output"]).shape == (3, 10)
    intq("run", model, "--input", tmp_path / "x.npz", "-o", tmp_path / "y.npz", "--backend", "reference")
    assert np.array_equal(np.load(tmp_path / "y.npz")["output"], np.array(printed["outputs"]["output"], np.float32))
    intq("run", model)
    intq("run", model, "--quantized", "--threads", 2)


def test_failures_are_one_line(model: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.intq"
    bad.write_bytes(model.read_bytes()[:100])
    np.save(tmp_path / "wrong.npy", np.zeros((1, 5), np.float32))
    for args in (
        ("inspect", tmp_path / "none.intq"),
        ("inspect", bad),
        ("run", model, "--input", tmp_path / "wrong.npy"),
        ("run", model, "--input", bad),
        ("run", model, "--isa", "mmx"),
        ("run", model, "--threads", 0),
        ("convert", tmp_path / "none.onnx", "-o", tmp_path / "y.intq", "--calibration", tmp_path / "wrong.npy"),
        ("convert", bad, "-o", tmp_path / "y.intq"),
        ("compare", bad, model, "--inputs", tmp_path / "wrong.npy"),
        ("demo", "--dir", tmp_path),
        ("run", model, "-o", tmp_path / "none" / "y.npz"),
        ("run", model, "-o", tmp_path),
        ("run", model, "-o", "/dev/full"),
        ("run", tmp_path),
        ("convert", EXAMPLES / "digits.onnx", "-o", tmp_path / "none" / "y.intq"),
        ("export-c", model, "-o", bad),
    ):
        reason = intq(*args, code=1)
        assert reason.startswith(f"intq {args[0]}: ")
        assert reason.count("\n") == 1, reason


def test_messages(model: Path, tmp_path: Path) -> None:
    """They name the user's file, and the examples of a help text keep their lines."""
    assert intq("run", model, "-o", tmp_path / "none" / "y.npz", code=1) == f"intq run: {tmp_path / 'none'}: no such folder\n"
    assert intq("run", model, "-o", tmp_path, code=1) == f"intq run: {tmp_path}: Is a directory\n"
    assert intq("run", model, "-o", "/dev/full", code=1) == "intq run: /dev/full: No space left on device\n"
    (tmp_path / "bad.intq").write_bytes(b"12345678")
    assert str(tmp_path / "bad.intq") in intq("inspect", tmp_path / "bad.intq", code=1)
    assert "\n    intq compare model.tflite --against litert\n" in intq("compare", "--help")


def test_no_samples(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((0, 3, 24, 24), np.float32))
    assert "0 samples" in intq("run", model, "--inputs", tmp_path / "x.npy")


def test_without_an_output() -> None:
    """Closed by the shell: nothing to print to, and nothing goes wrong."""
    code = "import sys; from intq.cli import main; sys.exit(main(['ops']))"
    done = subprocess.run(f"exec {shlex.join([sys.executable, '-c', code])} >&-", shell=True, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_package_names_its_extra() -> None:
    code = "import sys; sys.modules['onnx'] = None; from intq import UnsupportedError\nfrom intq.converter import convert\n"
    code += "try: convert('net.onnx')\nexcept UnsupportedError as error: print(error)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'onnx' is missing" in shown
    assert "pip install '.[convert]'" in shown


def test_commands_of_the_documents_parse() -> None:
    """Every line of a document that begins with `intq VERB` and has arguments."""
    root, seen = EXAMPLES.parent, 0
    for path in (root / "README.md", *sorted((root / "docs").glob("*.md"))):
        for command in re.findall(r"^ *\$? *intq ([a-z-]+ .*?)(?: +#.*)?$", path.read_text(), re.M):
            verb, *rest = shlex.split(command)
            if verb in VERBS and "|" not in rest:
                parser = argparse.ArgumentParser(f"{path.name}: intq {verb}")
                importlib.import_module(f"intq.cli.{verb.replace('-', '_')}").add_arguments(parser)
                parser.parse_args(rest)
                seen += 1
    assert seen >= 8


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(EXAMPLES)
    (code,) = re.findall(r"^```python\n(.*?)^```", (EXAMPLES.parent / "README.md").read_text(), re.M | re.S)
    printed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert float(printed.split()[0]) > 0.98
    assert "conv2d q15" in printed


def test_doctor() -> None:
    report = json.loads(intq("doctor", "--json"))
    assert report["self_test"]
    assert all(report["self_test"].values())
    assert "self-test against the reference" in intq("doctor")


def test_convert_compare_demo(tmp_path: Path) -> None:
    data = np.load(EXAMPLES / "digits.npz")
    np.save(tmp_path / "calibration.npy", data["calibration"])
    np.savez(tmp_path / "test.npz", input=data["images"], labels=data["labels"])
    out = tmp_path / "digits.intq"
    assert "proven free of overflow" in intq("convert", EXAMPLES / "digits.onnx", "-o", out, "--calibration", tmp_path / "calibration.npy")
    args = ("compare", EXAMPLES / "digits.onnx", out, "--inputs", tmp_path / "test.npz", "--labels", tmp_path / "test.npz")
    result = json.loads(intq(*args, "--json", "--loss", 1.0))
    assert result["accuracy"]["same"] >= 0.98
    assert "worst alone" in intq(*args)
    shown = intq("demo", "-o", tmp_path / "demo")
    assert "accuracy" in shown
    assert (tmp_path / "demo" / "digits.png").stat().st_size > 10_000
