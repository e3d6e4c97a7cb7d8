"""`intq report`: one self-contained HTML page that shows what quantization did to a network, and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...model import Model
from ..calibrate import Progress
from ..ir import Array
from . import pictures, words
from .gather import Facts, gather
from .page import PAGE

__all__ = ["Facts", "gather", "render", "report"]


def render(facts: Facts) -> str:
    """The page as text."""
    import jinja2

    worst = words.worst(facts)
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(PAGE)
    return template.render(
        facts=facts,
        verdict=words.verdict(facts),
        worst=worst,
        bad={row.layer for row, _, _ in worst},
        sqnr=pictures.sqnr(facts),
        splits=pictures.splits(facts),
        histograms=pictures.histograms(facts),
        network=pictures.network(facts, {row.layer for row, _, _ in worst}),
        recipe=json.dumps(facts.recipe, indent=1),
    )


def report(
    source: str | Path, model: Model, inputs: Any, labels: Array | None = None, samples: int = 32, progress: Progress | None = None
) -> str:
    """HTML for a float .onnx file and the model made from it. `inputs`: preprocessed, as for calibration; `labels`: class indices."""
    return render(gather(Path(source), model, inputs, labels, samples, progress))
