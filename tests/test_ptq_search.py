"""Mixed precision and the report."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import intq
import numpy as np
import onnx.helper as h
import pytest
from intq.cli import main
from intq.converter import convert, pipeline, recipe, weights
from intq.converter.quantize import QParam
from intq.converter.search import bytes_needed, trial
from intq.converter.search.activations import activation_losses
from intq.converter.search.latency import Latencies, believed, within
from intq.converter.search.program import solve
from intq.converter.search.sensitivity import Probe
from intq.converter.search.size import Sizes
from intq.converter.weights import average_bits
from intq.errors import RecipeError
from onnx_cases import build
from test_ptq_weights import PROTO, X, rand

RNG = np.random.default_rng(4)


def test_the_integer_program_finds_the_best_choice_of_all() -> None:
    table = {f"l{i}": dict(zip((8, 4, 2), np.sort(RNG.random(3)), strict=True)) for i in range(5)}
    cost = {name: {bits: float(bits * (i + 1)) for bits in row} for i, (name, row) in enumerate(table.items())}
    for budget in (32.0, 60.0, 90.0, 1000.0):
        plans = [dict(zip(table, bits, strict=True)) for bits in itertools.product((8, 4, 2), repeat=5)]
        fitting = [p for p in plans if sum(cost[n][b] for n, b in p.items()) <= budget]
        best = min(sum(table[n][b] for n, b in p.items()) for p in fitting)
        found = solve(table, cost, budget, "bits")
        assert sum(cost[n][b] for n, b in found.items()) <= budget
        assert sum(table[n][b] for n, b in found.items()) == pytest.approx(best)
    with pytest.raises(RecipeError, match=r"no choice of bits fits a budget of 10 bits; the least possible is 30$"):
        solve(table, cost, 10.0, "bits")
    with pytest.raises(RecipeError, match=r"a budget of 2000010 bytes; the least possible is 2000030$"):
        solve(table, cost, 10.0, "bytes", rest=2e6)


@pytest.mark.parametrize("method", ["measured", "hessian"])
def test_a_search_keeps_its_budget_and_is_repeatable_from_its_recipe(method: str) -> None:
    given = {"base": "balanced", "budget": {"bits": 5.0}, "search": method}
    conversion = pipeline.convert_onnx(PROTO, X, recipe.load(given))
    assert average_bits(conversion.net, conversion.weights) <= 5.0
    assert len({w.bits for w in conversion.weights.values()}) > 1
    stored = conversion.recipe.describe()
    assert stored["searched_under"] == {"bits": 5.0}
    again = pipeline.convert_onnx(PROTO, X, recipe.load(stored))
    assert intq.Model(again.graph).to_bytes() == intq.Model(conversion.graph).to_bytes()


def test_a_stored_recipe_is_the_recipe() -> None:
    changed = {"base": "best", "rounding": "nearest", "weight_range": "max", "layers": {"one": {"weights": "int4"}}}
    for given in ("fast", "best", changed):
        found = recipe.load(given)
        assert recipe.load(found.describe()) == found


def test_budgets_of_bytes_and_fixed_layers() -> None:
    whole = convert(PROTO, calibration=X, recipe="fast").to_bytes()
    model = convert(PROTO, calibration=X, recipe={"base": "balanced", "budget": {"bytes": len(whole) + 300}, "keep_int8": ["first"]})
    found = model.recipe["layers"]
    assert found["one"]["weights"] == "int8"
    assert {layer["weights"] for layer in found.values()} > {"int8"}
    assert len(model.to_bytes()) <= len(whole) + 300
    with pytest.raises(RecipeError, match="least possible"):
        pipeline.convert_onnx(PROTO, X, recipe.load({"base": "balanced", "budget": {"bits": 1.0}}))
    for wrong in ({"budget": {"bits": 5.0, "bytes": 3}}, {"search": "guess"}, {"base": "zero_shot", "rounding": "gptq"}, {"samples": 0}):
        with pytest.raises(RecipeError):
            recipe.load(wrong)


@pytest.mark.parametrize("base", ["fast", "best"])
def test_a_budget_of_bytes_bounds_the_file_that_is_written(base: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="bytes of the file; the least possible is") as refused:
        convert(PROTO, calibration=X, recipe={"base": base, "budget": {"bytes": 500}})
    least = int(str(refused.value).rsplit(" ", 1)[1])
    for budget in (least, least + 300, least + 700):
        convert(PROTO, calibration=X, recipe={"base": base, "budget": {"bytes": budget}}).save(tmp_path / "m.intq")
        assert budget - 700 < (tmp_path / "m.intq").stat().st_size <= budget
    with pytest.raises(RecipeError, match="least possible"):
        convert(PROTO, calibration=X, recipe={"base": base, "budget": {"bytes": least - 1}})


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_a_uniform_recipe_fits_the_budget_that_it_is_said_to_need(weights: str) -> None:
    uniform = pipeline.convert_onnx(PROTO, X, recipe.load({"base": "fast", "weights": weights}))
    assert uniform.lowered is not None
    bits = {name: weight.bits for name, weight in uniform.weights.items()}
    need = bytes_needed(uniform.net, recipe.load({"base": "fast", "budget": {"bytes": -1}}), bits, uniform.lowered)
    found = pipeline.convert_onnx(PROTO, X, recipe.load({"base": "fast", "budget": {"bytes": need}}))
    if weights == "int8":
        assert {weight.bits for weight in found.weights.values()} == {8}
    assert average_bits(found.net, found.weights) >= int(weights[3:])


def test_a_plan_that_is_larger_than_its_layers_say_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = lambda plan: 300.0 * sum(bits == 4 for bits in plan.values())  # noqa: E731
    measure = Sizes.measure
    monkeypatch.setattr(Sizes, "measure", lambda self, plan: (measure(self, plan)[0] + heavy(plan), measure(self, plan)[1]))
    conversion = pipeline.convert_onnx(PROTO, X, recipe.load({"base": "fast", "budget": {"bytes": 6900}}))
    bits = {name: weight.bits for name, weight in conversion.weights.items()}
    assert len(intq.Model(conversion.graph, recipe=conversion.recipe.describe()).to_bytes()) + heavy(bits) <= 6900


def test_layers_on_rows_of_tokens_are_searched_too() -> None:
    nodes = [
        h.make_node("MatMul", ["x", "w1"], ["m1"], name="one"),
        h.make_node("Add", ["m1", "b1"], ["a1"]),
        h.make_node("Clip", ["a1", "zero", "six"], ["r1"]),
        h.make_node("MatMul", ["r1", "w2"], ["y"], name="two"),
    ]
    proto = build(nodes, {"x": ("N", 5, 8)}, ["y"], 17, w1=rand(8, 16), b1=rand(16), w2=rand(16, 12), zero=np.float32(0), six=np.float32(6))
    given = {"base": "fast", "budget": {"bits": 6.0}}
    conversion = pipeline.convert_onnx(proto, RNG.normal(size=(20, 5, 8)).astype(np.float32), recipe.load(given))
    assert len({weight.bits for weight in conversion.weights.values()}) > 1
    assert average_bits(conversion.net, conversion.weights) <= 6.0


def test_an_interrupt_leaves_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted(self: Probe, node: object, bits: int) -> float:
        calls.append(bits)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return 1.0 / bits

    monkeypatch.setattr(Probe, "measured", interrupted)
    conversion = pipeline.convert_onnx(PROTO, X, recipe.load({"base": "balanced", "budget": {"bits": 5.0}}))
    assert average_bits(conversion.net, conversion.weights) <= 5.0
    assert len(calls) == 5


@pytest.mark.parametrize("whole", [0, 1, 2])
def test_an_interrupt_between_plans_keeps_the_best_so_far(monkeypatch: pytest.MonkeyPatch, whole: int) -> None:
    done = []

    def interrupted(*args: object) -> object:
        if len(done) == whole and len(args) > 5:
            raise KeyboardInterrupt
        done.append(args[2])
        return weights.quantize_all(*args)

    monkeypatch.setattr(trial, "quantize_all", interrupted)
    conversion = pipeline.convert_onnx(PROTO, X, recipe.load({"base": "best", "budget": {"bits": 4.9}}))
    assert average_bits(conversion.net, conversion.weights) <= 4.9
    assert conversion.recipe.rounding == ("nearest" if whole == 0 else "gptq_cd")
    again = pipeline.convert_onnx(PROTO, X, recipe.load(conversion.recipe.describe()))
    assert intq.Model(again.graph).to_bytes() == intq.Model(conversion.graph).to_bytes()


def test_of_several_plans_the_one_with_the_best_outputs_is_kept() -> None:
    net, _ = pipeline.prepare(PROTO, X)
    params = pipeline.convert_onnx(PROTO, X, recipe.load("fast")).params
    candidates = [recipe.load({"base": "best", "weights": f"int{bits}"}) for bits in (2, 8, 4)]
    kept, found = trial.best_of(candidates, net, lambda _: params, {"x": X}, dict)
    assert kept is candidates[1]
    assert {weight.bits for weight in found.values()} == {8}


def test_a_plan_replaces_another_only_beyond_chance() -> None:
    before = RNG.random(32) + 0.5
    assert trial.clearly(before - 0.2, before)
    assert not trial.clearly(before, before)
    assert not trial.clearly(0.95 * before, before)  # sure, but hardly nearer
    assert not trial.clearly(before + 0.1, before)
    shuffled = RNG.permutation(before)
    shuffled *= 0.999 * before.mean() / shuffled.mean()
    assert shuffled.mean() < before.mean()
    assert not trial.clearly(shuffled, before)
    few = np.where(np.arange(32) == 0, 0.0, before * 1.01)  # one sample much better, all others a little worse
    assert not trial.clearly(few, before)


def test_a_latency_table_adds_up_to_the_network() -> None:
    conversion = pipeline.convert_onnx(PROTO, X, recipe.load("fast"))
    known = Latencies(lambda bits: pipeline.lower(conversion.net, conversion.params, conversion.weights))
    plan = dict.fromkeys(["one", "depth", "point", "last"], 8)
    whole = known.observe(plan)
    assert known.predict(plan) == pytest.approx(whole)
    assert set(known.layers) == set(plan)


def test_a_latency_budget_decides_where_16_bit_activations_stay() -> None:
    rich = pipeline.convert_onnx(PROTO, X, recipe.load({"base": "balanced", "budget": {"latency_ms": 1e6}}))
    assert average_bits(rich.net, rich.weights) == 8
    assert {name for name, layer in rich.recipe.layers.items() if layer.activations == "int16"} == {"one", "depth", "point"}  # "last" is the output
    assert rich.params["r1"].dtype == rich.params["c3"].dtype == "int16"
    assert 0 < rich.recipe.searched_under["predicted_ms"] < 1e6
    again = pipeline.convert_onnx(PROTO, X, recipe.load(rich.recipe.describe()))
    assert intq.Model(again.graph).to_bytes() == intq.Model(rich.graph).to_bytes()
    with pytest.raises(RecipeError, match="no choice of bits fits"):
        pipeline.convert_onnx(PROTO, X, recipe.load({"base": "fast", "budget": {"latency_ms": 1e-6}}))


def test_timing_corrects_a_wrong_table() -> None:
    class Liar(Latencies):
        def observe(self, plan: dict[str, int]) -> float:
            for name, bits in plan.items():
                self.layers[name][bits] = {16: 5.0, 8: 1.0}[bits]
            return self.predict(plan)

    table = {"a": {16: 0.0, 8: 1.0}, "b": {16: 0.0, 8: 2.0}}
    known = Liar(lambda bits: None, {name: {16: 2.0, 8: 1.0} for name in "ab"}, 1.0)
    assert within(known, table, 7.5) == ({"a": 8, "b": 16}, 7.0)


def test_noise_gives_up_no_bits() -> None:
    times = {"a": {16: 3.0, 8: 1.0, 4: 0.95, 2: 1.05}, "b": {8: 2.0, 4: 1.0}, "c": {4: 1.0}}
    assert believed(times) == {"a": {16: 3.0, 8: 1.0, 4: 1.0, 2: 1.0}, "b": {8: 2.0, 4: 1.0}, "c": {4: 1.0}}


def test_what_rounding_one_result_costs_is_measured_on_the_outputs() -> None:
    conversion = pipeline.convert_onnx(PROTO, X, recipe.load("fast"))
    coarse = {name: QParam(8 * param.scale, param.zero_point // 8 - 112, "int8") for name, param in conversion.params.items()}
    nodes = [node for node in conversion.net.nodes if node.op == "Conv"]
    fine, rough = (activation_losses(conversion.net, nodes, params, {"x": X}) for params in (conversion.params, coarse))
    assert fine.keys() == {"one", "depth", "point"}
    assert all(0 < fine[name] < rough[name] for name in fine)


class Links(HTMLParser):
    """Every reference of a page, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: set[str] = set()
        self.tags: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        for key, value in attrs:
            if key == "id":
                self.ids.add(str(value))
            if key in ("src", "href", "xlink:href", "srcset", "action"):
                self.references.append(str(value))


def test_a_report_is_one_page_with_everything_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import onnx

    onnx.save(PROTO, tmp_path / "m.onnx")
    convert(PROTO, calibration=X, recipe={"base": "balanced", "weights": "int4"}).save(tmp_path / "m.intq")
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", np.arange(len(X)) % 5)
    names = [str(tmp_path / name) for name in ("m.onnx", "m.intq", "x.npy", "y.npy", "r.html")]
    assert main(["report", names[0], names[1], "--inputs", names[2], "--labels", names[3], "-o", names[4]]) == 0
    page = (tmp_path / "r.html").read_text()
    assert "<h1>m</h1>" in page  # the file's name: exporters call every graph the same
    links = Links()
    links.feed(page)
    assert [r for r in links.references if not r.startswith("#")] == []
    assert "script" not in links.tags
    assert links.tags["svg"] == 4
    assert {"verdict", "before-after", "worst", "layers", "bounds", "recipe"} <= links.ids
    assert page.count("To try:") == 3
    for word in ("weight rounding", "requantization", "Accuracy goes from", "of the limit"):
        assert word in page
    browser = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("the page is checked as text; no chromium to draw it with")
    picture = tmp_path / "page.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1100,2400", f"--screenshot={picture}"]
    subprocess.run([browser, *options, (tmp_path / "r.html").as_uri()], check=True, capture_output=True, timeout=300)
    image = pytest.importorskip("PIL.Image")
    with image.open(picture) as drawn:
        pixels = np.asarray(drawn.convert("RGB"))
    assert pixels.shape == (2400, 1100, 3)
    for colour in ((59, 111, 182), (217, 128, 50)):  # the curves and bars of the pictures
        assert (np.abs(pixels.astype(int) - colour).max(axis=2) < 12).sum() > 50


def test_advice_is_something_that_a_recipe_can_do() -> None:
    from intq.converter.compare import Accuracy, Comparison, LayerError
    from intq.converter.report.gather import Facts
    from intq.converter.report.words import advice, worst

    operators = ("Softmax", "Add", "GlobalAveragePool", "Conv")
    rows = [LayerError(op.lower(), op, f"{op}/out", float(level), 9.0, 0.0) for level, op in enumerate(operators)]
    facts = Facts("net", {"base": "balanced", "calibrator": "mse"}, Comparison({"Conv/out": 20.0}, Accuracy(8, 1.0), rows), [])
    found = {row.layer: advised for row, _, advised in worst(facts)}
    assert list(found) == ["add", "globalaveragepool", "conv"]  # a Softmax has the format that it has
    assert "int16" in found["add"]
    assert "int16" not in found["globalaveragepool"] + found["conv"]  # no operator of 16 bits; the output of the network
    assert "calibrator" in advice("requantization", rows[3], {"base": "fast"}, ())
    pooled = rows[2]
    assert '"best"' in advice("requantization", pooled, {"base": "balanced", "calibrator": "guarded"}, ())
    assert "best" not in advice("requantization", pooled, {"base": "best", "calibrator": "mse", "rounding": "gptq_cd"}, ())


    rounded = {"base": "best", "rounding": "gptq_cd", "layers": {"conv": {"weights": "int4"}}}
    assert "under a budget" in advice("weight rounding", rows[3], rounded, ())
    assert "larger budget" in advice("weight rounding", rows[3], {**rounded, "searched_under": {"bits": 5.0}}, ())


def test_products_of_activations_are_counted_like_the_integers_count_them() -> None:
    from intq.converter.report.gather import float_macs

    nodes = [
        h.make_node("MatMul", ["x", "w"], ["q"]),
        h.make_node("Transpose", ["q"], ["k"], perm=[0, 2, 1]),
        h.make_node("MatMul", ["q", "k"], ["y"]),
    ]
    proto = build(nodes, {"x": ("N", 5, 8)}, ["y"], 17, w=rand(8, 16))
    conversion = pipeline.convert_onnx(proto, RNG.normal(size=(20, 5, 8)).astype(np.float32), recipe.load("fast"))
    assert float_macs(pipeline.prepare(proto, None)[0]) == intq.Model(conversion.graph).macs == 5 * 8 * 16 + 5 * 16 * 5


def test_an_expression_is_called_by_its_operators() -> None:
    from intq.converter.compare import label
    from intq.converter.ir import Node

    body = [Node(op.lower(), op, ["x"], ["y"]) for op in ("Div", "Erf", "Add", "Mul", "Mul")]
    assert label(Node("silu", "Unary", ["x"], ["y"], body=[body[1], body[3], body[4]])) == "Erf, Mul"
    assert label(Node("gelu", "Unary", ["x"], ["y"], body=body)) == "Div, Erf, ..."
    assert label(Node("conv", "Conv", ["x"], ["y"])) == "Conv"
