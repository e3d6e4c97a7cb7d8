"""Runs the float network over the calibration data, batch by batch, and lets a calibrator watch every tensor that needs a range."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from ..errors import InputError
from .calibrators import Calibrator
from .data import Replay
from .ir import Array, Float
from .kept import Picker
from .onnx.emit import session, to_onnx

Progress = Callable[[str, int, int | None], None]
MEMORY = 48 << 20  # bytes of activations kept at a time


class FloatRunner:
    """Executes a float network and returns chosen values; `batch` is the number of samples it takes per call."""

    def __init__(self, net: Float, outputs: Iterable[str], threads: int = 0, memory: int = MEMORY) -> None:
        self.net = net
        self.outputs = [name for name in dict.fromkeys(outputs) if name not in net.inputs]
        self.echoed = [name for name in dict.fromkeys(outputs) if name in net.inputs]
        self._session = session(to_onnx(net, self.outputs or net.outputs), threads=threads)
        per_sample = 4 * sum(int(np.prod(value.shape)) for value in net.values.values())
        self.batch = max(1, min(32, memory // max(per_sample, 1))) if net.free_batch and self.takes_two() else self._fixed()

    def _fixed(self) -> int:
        """Samples per call where the source fixes them."""
        return next((self.net.shape(name)[0] for name in self.net.inputs if self.net.shape(name)), 1)

    def takes_two(self) -> bool:
        """Whether two samples in one call give outputs for two: exports may have batch 1 burnt into a constant."""
        feeds = {name: np.zeros((2, *self.net.values[name].shape[1:]), self.net.values[name].dtype) for name in self.net.inputs}
        try:
            results = self._session.run(self.outputs or self.net.outputs, feeds)
        except Exception:  # onnxruntime has a dozen exception classes without a common base; any of them means no
            return False
        names = self.outputs or self.net.outputs
        return all(array.shape == (2, *self.net.shape(name)[1:]) for name, array in zip(names, results, strict=True))

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Values of any number of samples, by name; at most `batch` are computed at a time."""
        count = len(next(iter(feeds.values())))
        if count % self.batch and not self.net.free_batch:
            raise InputError(
                f"the model fixes its batch to {self.batch} samples, and {count} are left over: give a multiple of {self.batch}, or export the "
                "model with a free batch"
            )
        parts = []
        for start in range(0, count, self.batch):
            block = {name: array[start : start + self.batch].astype(self.net.values[name].dtype) for name, array in feeds.items()}
            parts.append(self._session.run(self.outputs, block) if self.outputs else [])
        whole = parts[0] if len(parts) == 1 else [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
        result = dict(zip(self.outputs, whole, strict=True))
        result.update({name: np.asarray(feeds[name]) for name in self.echoed})
        return result

    def walk(self, data: Replay) -> Iterator[dict[str, Array]]:
        """The values of one batch after the other."""
        shapes = {name: self.net.values[name].shape for name in self.net.inputs}
        for feeds in data.batches(shapes, self.batch):
            yield self.run(feeds)


def observe(
    net: Float, data: Replay, names: Iterable[str], calibrator: Calibrator, progress: Progress | None = None, picker: Picker | None = None
) -> None:
    """Show every value in `names` to the calibrator, for all samples, and the inputs to the picker.

    Warns where all samples are the same. Raises `InputError` on NaN inside the network.
    """
    runner = FloatRunner(net, names)
    done, alike = 0, Alike()
    for feeds in data.batches({name: net.values[name].shape for name in net.inputs}, runner.batch):
        alike.add(feeds)
        if picker is not None:
            picker.add(feeds)
        values = runner.run(feeds)
        for name, array in values.items():
            need_finite(name, array)
            calibrator.observe(name, array)
        done += len(next(iter(values.values())))
        if progress is not None:
            progress("calibrate", done, None)
    alike.warn()


def need_finite(name: str, array: Array) -> None:
    if not np.isfinite(array).all():
        raise InputError(f"the float network computes NaN or infinity in {name!r} for the calibration data")


class Alike:
    """Whether the samples of a stream are all the same, so that ranges and corrections from them say nothing about others."""

    def __init__(self) -> None:
        self._first: dict[str, Array] = {}
        self._count, self._same = 0, True

    def add(self, feeds: Mapping[str, Array]) -> None:
        if self._same:
            self._first = self._first or {name: array[:1].copy() for name, array in feeds.items()}
            self._same = all(bool((array == self._first[name]).all()) for name, array in feeds.items())
        self._count += len(next(iter(feeds.values())))

    def warn(self) -> None:
        blank = all(array.size > 1 and bool((array == array.flat[0]).all()) for array in self._first.values())
        if self._same and (blank or self._count > 1):
            what = f"all {self._count} calibration samples are the same" if self._count > 1 else "the calibration sample is one number throughout"
            warnings.warn(f"{what}: the ranges will not fit other inputs; give some hundred representative ones", stacklevel=2)
