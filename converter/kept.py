"""Activations of many samples, kept small: in blocks, as the integers they are quantized to, or else as float16 where their size allows it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping

import numpy as np

from .ir import Array
from .quantize import QParam

HALF = (1e-2, 6e4)  # largest absolute values between which float16 keeps 11 bits of all that matters
GOLDEN = (5**0.5 - 1) / 2


class Kept:
    """Blocks of samples of one value. With `param` its integers are kept, and what is read is what they stand for."""

    def __init__(self, param: QParam | None = None) -> None:
        self.param = param
        self._blocks: list[Array] = []

    def add(self, real: Array) -> None:
        """One block; float32, or any other dtype, which is kept as it is."""
        if real.dtype != np.float32:
            self._blocks.append(real)
        elif self.param is not None:
            self._blocks.append(integers(self.param, real))
        else:
            top = float(max(real.max(), -real.min())) if real.size else 0.0
            self._blocks.append(real.astype(np.float16) if HALF[0] < top < HALF[1] else real)

    def extend(self, other: Kept) -> None:
        self._blocks += other._blocks

    def split(self, held: float) -> tuple[Kept, Kept]:
        """The first blocks, and the last ones: a share `held` of them, rounded down. Nothing is copied."""
        first, last = Kept(self.param), Kept(self.param)
        cut = len(self._blocks) - int(len(self._blocks) * held)
        first._blocks, last._blocks = self._blocks[:cut], self._blocks[cut:]
        return first, last

    @property
    def count(self) -> int:
        """Number of samples."""
        return sum(len(block) for block in self._blocks)

    def __iter__(self) -> Iterator[Array]:
        """The blocks, in order; float32 where the value is real."""
        for block in self._blocks:
            if self.param is not None and block.dtype == self.param.dtype:
                yield reals(self.param, block)
            else:
                yield block.astype(np.float32) if block.dtype == np.float16 else block

    def array(self) -> Array:
        """All samples at once."""
        return np.concatenate(list(self))


def integers(param: QParam, real: Array) -> Array:
    """float32 to the integers of `param`, computed in float32."""
    q = real * np.float32(1 / param.scale)
    np.rint(q, out=q)
    q += np.float32(param.zero_point)
    np.clip(q, param.low, param.high, out=q)
    return q.astype(param.dtype)


def reals(param: QParam, q: Array) -> Array:
    """What integers stand for, float32."""
    real = q.astype(np.float32)
    real -= np.float32(param.zero_point)
    real *= np.float32(param.scale)
    return real


def fake(param: QParam, real: Array) -> Array:
    """What quantizing to integers and back leaves, as float32."""
    return reals(param, integers(param, real))


class Picker:
    """Keeps at most `limit` samples of a stream of any length, spread evenly over it, and never holds more.

    Sample i has the key frac(i * golden ratio) and the smallest keys stay: of any stretch of the stream about the same share
    (Weyl's equidistribution; the gaps have three lengths at most). `unit` rows belong together (1: each is a sample).
    """

    def __init__(self, limit: int, unit: int = 1) -> None:
        self.limit, self.unit = max(1, limit // unit), unit
        self._kept: list[tuple[float, int, dict[str, Array]]] = []
        self._seen = 0

    def add(self, feeds: Mapping[str, Array]) -> None:
        """One batch."""
        for start in range(0, len(next(iter(feeds.values()))), self.unit):
            key = self._seen * GOLDEN % 1
            if len(self._kept) < self.limit or key < -self._kept[0][0]:
                entry = -key, self._seen, {name: array[start : start + self.unit].copy() for name, array in feeds.items()}
                (heapq.heappush if len(self._kept) < self.limit else heapq.heapreplace)(self._kept, entry)
            self._seen += 1

    def samples(self) -> dict[str, Array]:
        """By input, [count, ...], in the order of the stream."""
        return stacked(self._kept)

    def split(self, count: int) -> tuple[dict[str, Array], dict[str, Array]]:
        """The samples that a picker with a limit of `count` would have kept, and the others; each in the order of the stream."""
        by_key = sorted(self._kept, reverse=True)
        first = max(1, count // self.unit)
        return stacked(by_key[:first]), stacked(by_key[first:])


def stacked(kept: list[tuple[float, int, dict[str, Array]]]) -> dict[str, Array]:
    """By input; nothing where there are no samples."""
    rows = [feeds for _, _, feeds in sorted(kept, key=lambda entry: entry[1])]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]} if rows else {}
