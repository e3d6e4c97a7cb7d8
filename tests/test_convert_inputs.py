"""Calibration data in every form, and what is refused; recipes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import intq
import numpy as np
import onnx.helper as h
import pytest
from intq.converter import convert, recipe
from intq.converter.data import Replay, rebatch, stream
from intq.errors import InputError, RecipeError
from onnx_cases import build, rand

X = rand(12, 3, 6, 6)


def network():
    nodes = [h.make_node("Conv", ["x", "w"], ["c"], name="a"), h.make_node("Relu", ["c"], ["r"]), h.make_node("Conv", ["r", "v"], ["y"], name="b")]
    return build(nodes, {"x": ("N", 3, 6, 6)}, ["y"], 17, w=rand(4, 3, 3, 3), v=rand(2, 4, 1, 1))


PROTO = network()


def forms(folder: Path) -> dict[str, object]:
    np.save(folder / "all.npy", X)
    np.savez(folder / "named.npz", x=X)
    np.savez(folder / "other.npz", images=X)
    np.savez(folder / "both.npz", images=X, labels=np.arange(len(X)))
    (folder / "parts").mkdir()
    for i, part in enumerate(np.split(X, 3)):
        np.save(folder / "parts" / f"{i}.npy", part)
    return {
        "array": X,
        "double": X.astype(np.float64),
        "list of samples": list(X),
        "list of batches": np.split(X, 4),
        "dict": {"x": X},
        "list of dicts": [{"x": part} for part in np.split(X, 2)],
        "generator": (part for part in np.split(X, 6)),
        "npy": str(folder / "all.npy"),
        "npz": folder / "named.npz",
        "npz with one array": folder / "other.npz",
        "npz with one array beside labels": folder / "both.npz",
        "directory": folder / "parts",
        "paths": [folder / "parts" / "0.npy", folder / "parts" / "1.npy", folder / "parts" / "2.npy"],
    }


def test_every_form_gives_the_same_model(tmp_path: Path) -> None:
    want = convert(PROTO, calibration=X).to_bytes()
    for label, source in forms(tmp_path).items():
        assert convert(PROTO, calibration=source).to_bytes() == want, label


def bad(value: float) -> np.ndarray:
    array = X.copy()
    array[3, 0, 0, 0] = value
    return array


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "calibration data is needed"),
        ([], "no samples"),
        (X[:0], "no samples"),
        (bad(np.nan), "NaN"),
        (bad(np.inf), "infinity"),
        (X[:, :2], "2 in the data"),
        ([X, X[:, :2]], "the model wants"),
        (X[:, :, :5], "5 in the data"),
        ({"z": X}, "lacks the input"),
        ("nowhere.npz", "no such file"),
        (np.array(["a"]), "axes"),
        (3, "cannot read calibration data"),
    ],
)
def test_bad_calibration_is_one_clear_error(source: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        convert(PROTO, calibration=source)


def test_memory_does_not_grow_with_the_number_of_samples() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        convert(PROTO, calibration=(X[:4] for _ in range(count)), recipe={"base": "balanced", "samples": 8})
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(2)
    few, many = peak(4), peak(400)
    assert many < few + 64 * X[:4].nbytes  # a generator's samples are not kept


def test_rebatch_cuts_and_counts() -> None:
    pieces = rebatch(stream([X[:5], X[5:]], ["x"]), {"x": (1, 3, 6, 6)}, 4)
    assert [len(block["x"]) for block in pieces] == [4, 1, 4, 3]


def test_a_replayed_generator_gives_its_samples_again() -> None:
    replay = Replay((part for part in np.split(X, 3)), ["x"])
    replay.keep = True
    assert replay.first_shapes() == {"x": (4, 3, 6, 6)}
    assert [sum(len(p["x"]) for p in replay.pieces()) for _ in range(2)] == [12, 12]
    once = Replay((part for part in np.split(X, 3)), ["x"])
    assert once.first_shapes() == {"x": (4, 3, 6, 6)}
    assert sum(len(p["x"]) for p in once.pieces()) == 12
    with pytest.raises(InputError, match="used up"):
        list(once.pieces())


def test_dead_relu_and_constant_channels_convert() -> None:
    weight = rand(4, 3, 3, 3)
    weight[1] = 0
    nodes = [h.make_node("Conv", ["x", "w", "b"], ["c"]), h.make_node("Relu", ["c"], ["r"]), h.make_node("Conv", ["r", "v"], ["y"])]
    for bias in (np.float32([-1e3] * 4), np.float32([0, 5, 0, 0]), np.float32([1e6, 1e-6, 0, 0])):
        proto = build(nodes, {"x": ("N", 3, 6, 6)}, ["y"], 17, w=weight, b=bias, v=rand(2, 4, 1, 1))
        assert np.isfinite(intq.Session(convert(proto, calibration=X)).run(X)).all()


def test_zero_input_data_converts() -> None:
    model = convert(PROTO, calibration=np.zeros_like(X))
    assert np.isfinite(intq.Session(model).run(X)).all()


def test_recipes() -> None:
    assert recipe.load("fast").base == "fast"
    mine = recipe.load({"base": "fast", "layers": {"a*": {"weights": "int4"}}, "keep_int8": ["last"]})
    assert [mine.layer(n, i, 3).weights for i, n in enumerate(["a1", "b", "a2"])] == ["int4", "int8", "int8"]
    for wrong in (
        {"wights": "int8"},
        {"weights": "int7"},
        {"base": "none"},
        {"layers": {"x": {"bits": 4}}},
        {"budget": {"cats": 1}},
        {"calibrator": 3},
        {"base": ["fast"]},
        {"budget": {"bits": float("nan")}},
        3,
        None,
    ):
        with pytest.raises(RecipeError):
            recipe.load(wrong)
    with pytest.raises(RecipeError, match="no recipe"):
        recipe.load("nowhere.toml")


def test_the_document_names_every_key() -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / "accuracy.md").read_text()
    keys = text[text.index("\nKeys: ") :].partition("\n\n")[0]
    assert [key for key in recipe.Recipe.__struct_fields__ if f"`{key}`" not in keys] == []


def test_numerics_are_checked_for_every_source() -> None:
    with pytest.raises(InputError, match="litert, tflm"):
        convert(PROTO, calibration=X, numerics="tensorflow")


def test_a_recipe_file_is_kept_in_the_model(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('base = "fast"\ncalibrator = "minmax"\n')
    model = convert(PROTO, calibration=X, recipe=tmp_path / "r.toml")
    assert intq.Model.from_bytes(model.to_bytes()).recipe["base"] == "fast"


def test_accuracy_target_takes_the_cheapest_recipe() -> None:
    seen: list[str] = []

    def evaluate(model: intq.Model) -> float:
        seen.append(model.recipe["base"])
        return len(seen) / 10

    assert convert(PROTO, calibration=X, recipe="fast", accuracy_target=0.2, evaluate=evaluate).recipe["base"] == "balanced"
    assert seen == ["fast", "balanced"]
    with pytest.raises(InputError, match="no recipe reaches"):
        convert(PROTO, calibration=X, accuracy_target=5, evaluate=evaluate)

    def impatient(model: intq.Model) -> float:
        if model.recipe["base"] == "best":
            raise KeyboardInterrupt
        return 0.5

    assert convert(PROTO, calibration=X, accuracy_target=0.9, evaluate=impatient).recipe["base"] == "balanced"
    with pytest.raises(InputError, match="belong together"):
        convert(PROTO, calibration=X, accuracy_target=5)
