"""What `intq.converter.convert` does: which importer a model goes to, and which recipe it ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError, about
from ..model import Model, check_numerics, load
from . import recipe as recipes
from .calibrate import Progress
from .onnx.verdict import blame_the_model
from .pipeline import as_data, convert_onnx
from .recipe import Recipe

LADDER = ("fast", "balanced", "best")  # from the cheapest conversion to the most expensive


def convert_model(
    model: Any,
    *,
    calibration: Any,
    example_inputs: Any,
    recipe: str | Path | Mapping[str, Any] | Recipe,
    accuracy_target: float | None,
    evaluate: Callable[[Model], float] | None,
    numerics: str,
    progress: Progress | None,
) -> Model:
    """See `intq.converter.convert`."""
    check_numerics(numerics)
    chosen = recipes.load(recipe)
    if (accuracy_target is None) != (evaluate is None):
        raise InputError("accuracy_target= and evaluate= belong together: the target, and the function that measures a Model")
    if isinstance(model, (str, Path)) and Path(model).suffix == ".tflite":
        from .tflite import is_quantized_file

        with about(model):
            if is_quantized_file(model):
                return load(Path(model), numerics=numerics)
            from .tflite.float import float_to_onnx

            model = float_to_onnx(model)
    source = as_onnx(model, example_inputs)
    data = calibration if calibration is not None else as_data(example_inputs)
    if accuracy_target is None or evaluate is None:
        return build(source, data, chosen, progress)
    rungs = [name for name in LADDER if isinstance(recipe, str) and LADDER.index(name) >= LADDER.index(recipe)] if recipe in LADDER else []
    best, best_accuracy = None, float("-inf")
    for candidate in [recipes.load(name) for name in rungs] or [chosen]:
        try:
            result = build(source, data, candidate, progress)
            accuracy = evaluate(result)
        except KeyboardInterrupt:
            if best is None:
                raise
            return best  # an interrupt leaves the best so far
        if accuracy >= accuracy_target:
            return result
        if accuracy > best_accuracy:
            best, best_accuracy = result, accuracy
    assert best is not None
    raise InputError(f"no recipe reaches the accuracy target {accuracy_target}: the best one, {best.recipe.get('base')!r}, gives {best_accuracy}")


def build(source: Any, data: Any, recipe: Recipe, progress: Progress | None) -> Model:
    with blame_the_model(source):
        conversion = convert_onnx(source, data, recipe, progress)
        return Model(conversion.graph, recipe=conversion.recipe.describe())


def as_onnx(model: Any, example_inputs: Any) -> Any:
    """A path or ModelProto as it is; a PyTorch module exported. Raises `InputError` for anything else."""
    if isinstance(model, (str, Path)) or hasattr(model, "SerializeToString"):
        return model
    if hasattr(model, "state_dict") and callable(model):
        from .torch_export import export  # torch is optional, and slow to import

        return export(model, example_inputs)
    raise InputError(f"cannot convert a {type(model).__name__}: give the path of an .onnx or .tflite file, an onnx.ModelProto or a torch.nn.Module")
