"""The calibrator that a search keeps."""

from __future__ import annotations

import warnings
from typing import Any

import intq
import numpy as np
import pytest
from intq.converter import pipeline, recipe
from intq.converter.calibrators import CALIBRATORS
from intq.converter.kept import Picker
from intq.converter.lockstep import walk
from intq.converter.rounding.base import Sums
from intq.converter.search import rivals, trial
from intq.converter.weights import quantize_all
from intq.errors import InputError, RecipeError
from test_ptq_weights import PROTO, X


def search(**changes: object) -> pipeline.Conversion:
    return pipeline.convert_onnx(PROTO, X, recipe.load({"base": "fast", "budget": {"bits": 8.0}, **changes}))


def test_every_method_gives_the_range_that_it_gives_by_itself() -> None:
    found = rivals.Rivals({"x": "minmax"}, "minmax")
    alone = {method: CALIBRATORS[method]() for method in rivals.METHODS}
    for block in np.array_split(X, 3):
        found.observe("x", block)
        for one in alone.values():
            one.observe("x", block)
    for method, one in alone.items():
        found.change(method)
        assert found.range("x", 4) == one.range("x", 4)


def test_a_search_keeps_the_range_method_that_leaves_the_outputs_nearest() -> None:
    x = np.concatenate([X[:, :: 2 * turned - 1, ::flip] ** 3 for flip in (1, -1) for turned in (0, 1)])
    x = np.concatenate([x, -x])  # long tails
    conversion = pipeline.convert_onnx(PROTO, x, recipe.load({"base": "fast", "budget": {"bits": 8.0}, "activations": "int4"}))
    assert conversion.recipe.calibrator != "minmax"  # whose few extreme values take the levels from all others
    again = pipeline.convert_onnx(PROTO, x, recipe.load(conversion.recipe.describe()))
    assert intq.Model(again.graph).to_bytes() == intq.Model(conversion.graph).to_bytes()


def test_what_a_layer_names_itself_is_not_changed() -> None:
    for named in ("global", "percentile"):
        conversion = search(activations="int4", layers={"one": {"calibrator": named}})
        assert conversion.ranges == pipeline.convert_onnx(PROTO, X, conversion.recipe).ranges
        assert conversion.recipe.layers["one"].calibrator == named
    search(activations="int4", calibrator="global")


def test_an_interrupt_leaves_the_recipes_own_method(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rivals, "runner", interrupted)
    assert search(activations="int4").recipe.calibrator == "minmax"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"wieghts": "int4"}, "recipe: unknown key 'wieghts'; did you mean 'weights'"),
        ({"layers": {"one": {"weigths": "int4"}}}, "layers 'one': unknown key 'weigths'"),
        ({"keep_int8": ["onne"]}, "keep_int8 names 'onne', which the network does not have; near it are one"),
        ({"layers": {"lost": {"weights": "int4"}}}, "layers names 'lost'"),
        ({"budget": {"bytes": 10}}, r"a budget of 10 bytes of the file; the least possible is \d+$"),
        ({"budget": {"bits": 1.5}}, r"a budget of 1.5 bits on average; the least possible is 2$"),
    ],
)
def test_a_slip_in_a_recipe_is_named_with_what_was_meant(given: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        pipeline.convert_onnx(PROTO, X, recipe.load({"base": "balanced", **given}))


def test_patterns_may_match_nothing_and_the_sample_with_nan_is_named() -> None:
    pipeline.convert_onnx(PROTO, X, recipe.load({"base": "fast", "keep_int8": ["head*"], "layers": {"first": {"weights": "int4"}}}))
    bad = X.copy()
    bad[17, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="sample 17 has NaN"):
        pipeline.convert_onnx(PROTO, bad, recipe.load("fast"))


def test_trials_are_judged_by_samples_that_no_layer_was_fitted_to() -> None:
    x = np.concatenate([X, X + 1, X - 1])[:64]
    conversion = pipeline.convert_onnx(PROTO, x, recipe.load("fast"))
    given = recipe.load("best")
    ends: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    trial = quantize_all(conversion.net, conversion.params, given, {"x": x}, dict, None, ends, 0.25)
    fitted = quantize_all(conversion.net, conversion.params, given, {"x": x[:48]}, dict)
    real, quantized = ends["y"]
    assert real.shape == quantized.shape == (16, 5)
    assert not np.array_equal(real, quantized)
    for name, weight in fitted.items():
        np.testing.assert_array_equal(trial[name].q, weight.q)
        np.testing.assert_allclose(trial[name].bias, weight.bias, rtol=1e-6)


def test_what_calibration_has_beyond_the_samples_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.concatenate([X, X + 1, X - 1, 2 * X])
    picker, all_of_them = Picker(20), Picker(50)
    for block in np.array_split(x, 7):
        picker.add({"x": block})
        all_of_them.add({"x": block})
    fitted, judges = all_of_them.split(20)
    np.testing.assert_array_equal(fitted["x"], picker.samples()["x"])
    assert len(judges["x"]) == 30
    assert not {row.tobytes() for row in fitted["x"]} & {row.tobytes() for row in judges["x"]}
    assert picker.split(20)[1] == {}
    seen = {"fit": set[int](), "judge": set[int]()}

    def walked(*args: Any) -> Any:
        seen["judge"].add(len(args[2]["x"]))
        return walk(*args)

    def quantized(*args: Any) -> Any:
        seen["fit"].add(len(args[3]["x"]))
        return quantize_all(*args)

    monkeypatch.setattr(trial, "walk", walked)
    monkeypatch.setattr(trial, "quantize_all", quantized)
    conversion = pipeline.convert_onnx(PROTO, x, recipe.load({"base": "best", "budget": {"bits": 4.9}, "samples": 20}))
    assert seen == {"fit": {20}, "judge": {len(x) - 20}}
    again = pipeline.convert_onnx(PROTO, x, recipe.load(conversion.recipe.describe()))
    assert intq.Model(again.graph).to_bytes() == intq.Model(conversion.graph).to_bytes()


@pytest.mark.parametrize(
    ("x", "message"), [(np.repeat(X[:1], 5, axis=0), "all 5 calibration samples are the same"), (0 * X[:1], "one number throughout")]
)
def test_a_calibration_set_that_says_nothing_is_warned_of(x: np.ndarray, message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        conversion = pipeline.convert_onnx(PROTO, x, recipe.load("balanced"))
    assert intq.Model(conversion.graph).to_bytes()


def test_a_single_real_sample_is_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.convert_onnx(PROTO, X[:1], recipe.load("fast"))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_samples_are_enough_for_every_rounding(count: int) -> None:
    conversion = pipeline.convert_onnx(PROTO, X[:count], recipe.load({"base": "best", "budget": {"bits": 5.0}}))
    assert intq.Model(conversion.graph).to_bytes()


def test_moments_of_a_single_vector_are_no_noise() -> None:
    origin: list[np.ndarray] = []
    for vector in np.random.default_rng(1).random((2, 1, 96, 1), np.float32):
        sums = Sums(origin)
        sums.add(vector, vector)
        found = sums.moments()
        np.linalg.cholesky(found.damped())
