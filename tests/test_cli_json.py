"""docs/json.md against what `--json` prints: every key listed is there, and every key at the top is listed."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from intq.bench import peaks
from intq.cli import main
from intq.kernel_api import have_native

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"


def listed() -> dict[str, list[str]]:
    """By command, the words of its row that stand in backquotes and are keys."""
    rows = re.findall(r"^\| `intq ([^`]*)`[^|]* \| (.*) \|$", (ROOT / "docs" / "json.md").read_text(), re.M)
    return {command: [word for word in re.findall(r"`([a-z0-9_]+)`", text) if not word.startswith("_")] for command, text in rows}


def keys(value: Any) -> set[str]:
    """Every key of every object within."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    return set(value) | set().union(*map(keys, value.values())) if isinstance(value, dict) else set()


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("json")
    with np.load(EXAMPLES / "digits.npz") as data:
        np.save(folder / "x.npy", data["images"][:8])
        np.save(folder / "labels.npy", data["labels"][:8])
    found = {name: folder / file for name, file in {"MODEL": "digits.intq", "X": "x.npy", "LABELS": "labels.npy", "C": "c"}.items()}
    found["SOURCE"] = EXAMPLES / "digits.onnx"
    assert main(["convert", str(found["SOURCE"]), "--recipe", "zero_shot", "-o", str(found["MODEL"])]) == 0
    return {name: str(path) for name, path in found.items()}


COMMANDS = {  # `bench models` and `compare --against` need the files of networks: their rows are read, not run
    "run": "MODEL --inputs X --json", "inspect": "MODEL --bounds --json", "compare": "SOURCE MODEL --inputs X --labels LABELS --json",
    "export-c": "MODEL -o C --json", "ops": "--json", "doctor": "--json",
    "bench files": "MODEL --rounds 1 --seconds 0 --json -", "bench kernels": "--op add --network ad --network resnet8 --seconds 0.0001 --json -",
    "bench peaks": "--seconds 0.001 --json -", "bench profile": "MODEL --rounds 1 --json -",
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_keys(command: str, files: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if command.startswith("bench") and not have_native():
        pytest.skip("there are no compiled kernels to time")
    monkeypatch.setattr(peaks, "levels", lambda limit=0: {"L2": 1 << 16})
    capsys.readouterr()
    assert main([*command.split(), *(files.get(word, word) for word in COMMANDS[command].split())]) == 0
    printed = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert set(printed) <= set(listed()[command])
    optional = {"missing", "ratio", "unavailable"}
    assert set(listed()[command]) - optional <= keys(printed)


def test_every_command_has_a_row() -> None:
    assert {*COMMANDS, "bench models", "bench kernels --sparsity --bits", "compare --against"} == set(listed())


def test_no_error_is_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Inputs on the grid through a network that is exact: the ratio of signal to noise is infinite, which JSON cannot say."""
    import onnx
    import onnx.helper as h

    ports = [h.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 4]) for name in ("x", "y")]
    graph = h.make_graph([h.make_node("Relu", ["x"], ["y"], name="relu")], "g", ports[:1], ports[1:])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), tmp_path / "relu.onnx")
    np.save(tmp_path / "x.npy", np.arange(0, 256, dtype=np.float32).reshape(64, 4))
    words = [str(tmp_path / name) for name in ("relu.onnx", "relu.intq", "x.npy")]
    assert main(["convert", words[0], "--calibration", words[2], "--recipe", "fast", "-o", words[1]]) == 0
    capsys.readouterr()
    assert main(["compare", words[0], words[1], "--inputs", words[2], "--json"]) == 0
    printed = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert printed["outputs"] == {"y": None}
