"""The memory planner: what is alive together never overlaps, and little is wasted."""

import numpy as np
import pytest
from intq.arena import ALIGN, Interval, place


@pytest.mark.parametrize("seed", range(30))
def test_no_overlap_and_near_the_lower_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    items = []
    for i in range(count):
        first = int(rng.integers(0, 40))
        items.append(Interval(f"t{i}", int(rng.integers(1, 5000)), first, first + int(rng.integers(0, 6))))
    offsets, total = place(items, 128)
    for a in items:
        assert offsets[a.name] % ALIGN == 0
        assert offsets[a.name] + a.size + 128 <= total
        for b in items:
            if a is not b and a.first <= b.last and b.first <= a.last:
                assert offsets[a.name] + a.size <= offsets[b.name] or offsets[b.name] + b.size <= offsets[a.name]
    live = max(sum(-(-i.size // ALIGN) * ALIGN for i in items if i.first <= t <= i.last) for t in range(50))
    assert total - 128 <= 1.3 * live


def test_a_chain_takes_two_buffers() -> None:
    items = [Interval(f"t{i}", 1000, i, i + 1) for i in range(20)]
    assert place(items, 0)[1] == 2 * 1024
