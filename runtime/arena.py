"""Places tensors in one arena so that those alive at the same time never overlap."""

from __future__ import annotations

import msgspec

ALIGN = 64


class Interval(msgspec.Struct, frozen=True):
    """A tensor of `size` bytes, alive from step `first` to step `last`, both included."""

    name: str
    size: int
    first: int
    last: int


def place(intervals: list[Interval], slack: int, align: int = ALIGN) -> tuple[dict[str, int], int]:
    """Offsets by name, multiples of `align`, and the arena's size with `slack` readable bytes at its end.

    Greedy by size, best fit: the largest tensor first, each into the smallest gap among its contemporaries that holds it
    (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference", section 5.2).
    """
    placed: list[tuple[int, int, Interval]] = []
    offsets: dict[str, int] = {}
    total = 0
    for t in sorted(intervals, key=lambda t: (-t.size, t.first, t.name)):
        size = -(-t.size // align) * align
        best, best_gap, at = -1, 0, 0
        for start, end, other in placed:  # sorted by start
            if other.last < t.first or t.last < other.first:
                continue
            gap = start - at
            if gap >= size and (best < 0 or gap < best_gap):
                best, best_gap = at, gap
            at = max(at, end)
        offset = best if best >= 0 else at
        offsets[t.name] = offset
        placed.append((offset, offset + size, t))
        placed.sort(key=lambda p: p[0])
        total = max(total, offset + size)
    return offsets, total + slack
