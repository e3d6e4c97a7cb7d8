"""Malformed and malicious .intq files give a result or an intq.Error: no crash, no other exception, 2 seconds and bounded memory each."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from intq.kernels.table import lib

WORKER = Path(__file__).with_name("hostile.py")
pytestmark = [
    pytest.mark.skipif(lib is None, reason="needs the compiled extension"),
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory through Linux's /proc"),
]


def run(first: int, count: int) -> Counter[str]:
    """Outcomes of `count` files; a dead worker, a strange exception, slowness or greed fails with the seed."""
    done = subprocess.run([sys.executable, str(WORKER), str(first), str(count)], capture_output=True, text=True)
    lines = [line.split(maxsplit=4) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"the worker died at {lines[-1] if lines else 'its start'} with {done.returncode}: {done.stderr[-3000:]}"
    outcomes: Counter[str] = Counter()
    for line in lines:
        if line[0] != "end":
            continue
        _, seed, seconds, excess, outcome = line
        assert not outcome.startswith("ESCAPED"), f"file {seed}: {outcome}"
        assert outcome != "DIFFERS", f"file {seed}: native and reference differ"
        assert float(seconds) <= 2.0, f"file {seed}: {seconds} s of CPU time, {outcome}"
        assert int(excess) <= 0, f"file {seed}: {excess} bytes beyond 64 MB + 8 times the file + the arena, {outcome}"
        outcomes[outcome] += 1
    assert outcomes.total() == count
    return outcomes


@pytest.mark.parametrize("part", range(4))
def test_hostile_files(part: int) -> None:
    outcomes = run(part * 250, 250)
    assert outcomes["ran"] >= 50, f"too few files get past the loader to test anything behind it: {outcomes}"
    assert outcomes["FormatError"] >= 50


@pytest.mark.conformance
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_hostile_files(part: int) -> None:
    assert run(10_000 + part * 1000, 1000)["ran"] >= 200
