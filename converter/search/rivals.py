"""What a search may choose besides bits: rounding methods, and ranges. Every range method watches the data at once, and the most promising one
gets a trial (`trial.py`).

What a method does is measured as the sensitivity of a layer is: the divergence of the outputs, here with all activations quantized
and the weights as they are. A histogram serves all methods that decide from one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import numpy as np

from ..calibrators import CALIBRATORS, Calibrator
from ..calibrators.histogram import HistogramCalibrator
from ..ir import Array, Float
from ..onnx.emit import session
from ..quantize import QParam
from ..recipe import Recipe
from .activations import BLOCK, switched
from .loss import divergence

METHODS = ("guarded", "mse", "minmax", "moving_average", "percentile", "entropy")
SAMPLES = 32
BETTER = 0.9  # another method must leave this share of the divergence at most, to be worth a trial
ROUNDINGS = ("gptq_cd", "adaround")  # by second order and by gradients: neither is better everywhere


class Rivals(Calibrator):
    """`choice` names the calibrator of each tensor; those with the recipe's `own` one may change to another of METHODS."""

    def __init__(self, choice: Mapping[str, str], own: str, ends: frozenset[str] = frozenset(), strained: frozenset[str] = frozenset()) -> None:
        self.own, self._choice, self.ends = own, dict(choice), ends
        self._free = [name for name, method in choice.items() if method == own]
        self._all = {method: CALIBRATORS[method]() for method in dict.fromkeys((*METHODS, *choice.values(), own))}
        for one in self._all.values():
            one.ends, one.strained = ends, strained
        sharing = [one for one in self._all.values() if isinstance(one, HistogramCalibrator) and type(one).observe is HistogramCalibrator.observe]
        for one in sharing[1:]:
            one.histograms = sharing[0].histograms
        self._watching = {method: one for method, one in self._all.items() if one not in sharing[1:]}

    def observe(self, name: str, array: Array) -> None:
        for method, one in self._watching.items():
            if method in METHODS or self._choice[name] == method:  # "global" has one threshold for all that it sees
                one.observe(name, array)

    def range(self, name: str, bits: int = 8) -> tuple[float, float]:
        return self._all[self._choice[name]].range(name, bits)

    def change(self, method: str) -> None:
        """From now on `method` in place of the recipe's own."""
        self._choice.update(dict.fromkeys(self._free, method))
        self.own = method


def promising(
    net: Float,
    calibrator: Rivals,
    names: list[str],
    params_of: Callable[[], Mapping[str, QParam]],
    samples: Mapping[str, Array],
) -> tuple[str, ...]:
    """The method that beats the recipe's own, if there is one. `params_of` gives the parameters under the current one, of all in `names`.

    The calibrator is as before afterwards. An interrupt ends the comparison without a result.
    """
    own, losses = calibrator.own, dict[str, float]()
    count = len(next(iter(samples.values())))
    chosen = {name: array[:: max(1, count // SAMPLES)][:SAMPLES] for name, array in samples.items()}
    compare: Callable[[Array], float] | None = None
    with contextlib.suppress(KeyboardInterrupt):
        for method in dict.fromkeys((own, *METHODS)):
            calibrator.change(method)
            outputs = runner(net, names, params_of(), chosen)
            compare = compare or divergence(net, outputs(False))
            losses[method] = compare(outputs(True))
    calibrator.change(own)
    if not set(METHODS) <= losses.keys():
        return ()
    best = min(losses, key=lambda method: losses[method])
    return (best,) if losses[best] < BETTER * losses[own] else ()


def roundings(recipe: Recipe) -> tuple[str, ...]:
    """Other ways of rounding that a search should try, where the recipe rounds by samples."""
    return tuple(method for method in ROUNDINGS if method != recipe.rounding) if recipe.rounding != "nearest" else ()


def runner(net: Float, names: list[str], params: Mapping[str, QParam], feeds: Mapping[str, Array]) -> Callable[[bool], Array]:
    """A function that gives the first output with all values in `names` quantized, or none."""
    compiled = session(switched(net, names, params), optimise=True)
    step, count = BLOCK if net.free_batch else 1, len(next(iter(feeds.values())))

    def outputs(quantized: bool) -> Array:
        gates = {f"{name}/switch": np.array(quantized) for name in names}
        blocks = [{name: array[i : i + step] for name, array in feeds.items()} for i in range(0, count, step)]
        return np.concatenate([compiled.run(net.outputs[:1], {**block, **gates})[0] for block in blocks])

    return outputs
