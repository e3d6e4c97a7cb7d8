"""Calibration data in every accepted form as one stream of batches: {input name: float32 array}, checked as it flows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import opened
from ..errors import InputError
from .ir import Array

SUFFIXES = (".npz", ".npy")


def stream(source: Any, names: list[str]) -> Iterator[dict[str, Array]]:
    """Yields {input name: array with the batch in axis 0}, holding no more than one piece of the source at a time.

    `source`: an array (all samples), a dict of arrays by input name, a path of a .npy or .npz file or of a directory of
    them, or an iterable of these (a bare array in a list may also be a single sample without batch axis; `rebatch` adds it).
    Raises `InputError` where it is none of them.
    """
    if isinstance(source, np.ndarray):
        yield {_only(names): source}
    elif isinstance(source, Mapping):
        _check_names(source, names)
        yield {name: as_array(source[name]) for name in names}
    elif isinstance(source, (str, Path)):
        yield from _files(Path(source), names)
    elif isinstance(source, tuple) and len(source) == len(names) > 1 and all(hasattr(item, "shape") for item in source):
        yield {name: as_array(item) for name, item in zip(names, source, strict=True)}
    elif hasattr(source, "detach") or hasattr(source, "__array__"):
        yield {_only(names): as_array(source)}
    elif isinstance(source, Iterable):
        for item in source:
            yield from stream(item, names)
    else:
        raise InputError(f"cannot read calibration data from {type(source).__name__}: give an array, dict, path or an iterable of them")


def as_array(item: Any) -> Array:
    """NumPy view of an array or a torch tensor."""
    array: Array = np.asarray(item.detach().cpu() if hasattr(item, "detach") else item)
    return array


def _only(names: list[str]) -> str:
    if len(names) != 1:
        raise InputError(f"the model has {len(names)} inputs: give a dict with the keys {', '.join(names)}")
    return names[0]


def _check_names(source: Mapping[str, Any], names: list[str]) -> None:
    missing = [name for name in names if name not in source]
    if missing:
        raise InputError(f"the calibration data lacks the input(s) {', '.join(missing)}; it has {', '.join(map(str, source))}")


def _files(path: Path, names: list[str]) -> Iterator[dict[str, Array]]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
        if not files:
            raise InputError(f"no .npy or .npz files in {path}")
        for file in files:
            yield from _files(file, names)
        return
    with opened(path, mapped=True) as loaded:
        if isinstance(loaded, np.ndarray):
            yield {_only(names): loaded}
            return
        keys = loaded.files
        if len(names) == 1 and names[0] not in keys:
            others = [key for key in keys if key != "labels" or len(keys) == 1]  # labels may stand beside their samples
            if len(others) != 1:
                raise InputError(f"{path} holds {', '.join(keys)}; name the array of the input {names[0]!r}, or keep one array only")
            yield {names[0]: loaded[others[0]]}
        else:
            _check_names(dict.fromkeys(keys), names)
            yield {name: loaded[name] for name in names}


def rebatch(pieces: Iterable[dict[str, Array]], shapes: Mapping[str, tuple[int, ...]], batch: int) -> Iterator[dict[str, Array]]:
    """Checks each piece against the input shapes (axis 0 aside) and yields at most `batch` samples at a time, as float32.

    A sample without its batch axis gets one. Raises `InputError` for a wrong shape, NaN or infinity, a dtype that is no
    number, inputs of different lengths, or when there is no sample at all.
    """
    seen = 0
    for piece in pieces:
        arrays = {name: _check(name, piece[name], shapes[name]) for name in shapes}
        counts = {len(array) for array in arrays.values()}
        if len(counts) != 1:
            raise InputError(f"the inputs of one calibration piece have different numbers of samples: {sorted(counts)}")
        count = counts.pop()
        for start in range(0, count, batch):
            block = {name: np.ascontiguousarray(array[start : start + batch], np.float32) for name, array in arrays.items()}
            for name, array in block.items():
                bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
                if bad.any():
                    place = seen + start + int(bad.argmax())
                    raise InputError(f"sample {place} has NaN or infinity in input {name!r}: leave it out or mend it")
            yield block
        seen += count
    if seen == 0:
        raise InputError("there are no samples: give at least one")


def _check(name: str, given: Any, shape: tuple[int, ...]) -> Array:
    array = as_array(given)
    if array.dtype.kind not in "fiub":
        raise InputError(f"calibration data for {name!r} has dtype {array.dtype}; numbers are needed")
    if array.shape == shape[1:] and len(shape) > 1:
        array = array[None]
    if array.ndim != len(shape) or array.shape[1:] != shape[1:]:
        raise InputError(f"calibration data for {name!r} has shape {array.shape}, the model wants (N, {', '.join(map(str, shape[1:]))})")
    return array


class Replay:
    """Calibration data that can be walked again, at one piece in memory at a time.

    Arrays, dicts, lists and paths are read again. The samples of a one-shot iterator (a generator) are gone once walked; only
    where `keep` is set before, because a method needs several walks, are they recorded.
    """

    def __init__(self, source: Any, names: list[str]) -> None:
        self.names = names
        self.keep = False
        self._source = source
        self._one_shot = isinstance(source, Iterator)
        self._record: list[dict[str, Array]] = []
        self._walked = False

    def first_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the first piece, for models with free dimensions; {} where there is no data."""
        first = next(stream(self._source, self.names), None)
        if first is None:
            return {}
        if self._one_shot:
            self._record.append(first)
        return {name: tuple(array.shape) for name, array in first.items()}

    def peek(self) -> Iterator[dict[str, Array]]:
        """The pieces from the first on, to stop after some: none is used up; what an iterator gave is kept until `pieces` gives it."""
        if not self._one_shot:
            yield from stream(self._source, self.names)
            return
        yield from list(self._record)
        for piece in stream(self._source, self.names):
            self._record.append(piece)
            yield piece

    def pieces(self) -> Iterator[dict[str, Array]]:
        """All pieces. Raises `InputError` on the second walk over an iterator that was not kept."""
        if not self._one_shot:
            yield from stream(self._source, self.names)
            return
        if self._walked and not self.keep:
            raise InputError("the calibration data is an iterator, and it is used up: pass a list, an array or a path to walk it again")
        self._walked = True
        held = list(self._record)
        if not self.keep:
            self._record.clear()
        while held:
            yield held.pop(0)
        for piece in stream(self._source, self.names):  # an iterator goes on where it stopped
            if self.keep:
                self._record.append(piece)
            yield piece

    def batches(self, shapes: Mapping[str, tuple[int, ...]], batch: int) -> Iterator[dict[str, Array]]:
        return rebatch(self.pieces(), shapes, batch)
