"""intq.converter: trained float networks, and already quantized ones, to the integer graph. `convert` is the way in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnsupportedError
from ..extras import missing

if TYPE_CHECKING:
    from ..model import Model
    from .recipe import Recipe

__all__ = ["convert"]


def convert(
    model: Any,
    *,
    calibration: Any = None,
    example_inputs: Any = None,
    recipe: str | Path | Mapping[str, Any] | Recipe = "balanced",
    accuracy_target: float | None = None,
    evaluate: Callable[[Model], float] | None = None,
    numerics: str = "litert",
    progress: Callable[[str, int, int | None], None] | None = None,
) -> Model:
    """A network as integers.

    `model`: path of an .onnx or .tflite file, an `onnx.ModelProto` or a `torch.nn.Module` (which needs `example_inputs`, a tensor
    or a tuple of them). `calibration`: representative preprocessed inputs, an array, a dict by input name, a .npy or .npz file, a
    directory of them, or any iterable of these; it is streamed. Without it `example_inputs` is used. `recipe`: "fast", "balanced",
    "best", "zero_shot" (no data), a TOML or JSON file, a dict or a `Recipe`. With `accuracy_target` and `evaluate` (Model -> accuracy)
    the first of fast, balanced, best, from `recipe` on, that meets the target is kept; an interrupt (Ctrl-C) leaves the best so far.
    `numerics` ("litert" or "tflm") says how an int8 .tflite rounds. `progress(stage, done, total)` is called as the work goes on.

    Raises `UnsupportedError` (every offending node at once, or a package that is not installed), `InputError` (data or file), `RecipeError`,
    `BoundError`.
    """
    try:
        from .front import convert_model  # the import libraries load only when a model is converted

        return convert_model(
            model,
            calibration=calibration,
            example_inputs=example_inputs,
            recipe=recipe,
            accuracy_target=accuracy_target,
            evaluate=evaluate,
            numerics=numerics,
            progress=progress,
        )
    except ModuleNotFoundError as error:
        raise UnsupportedError(f"cannot convert: {missing(error)}") from error
