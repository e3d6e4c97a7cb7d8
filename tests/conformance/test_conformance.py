"""Generated graphs of one op, and networks of several, give the same bytes on every backend, instruction set, thread count and batch split.

200 per op by default, INTQ_CASES of them otherwise; `make conformance` runs more than 20,000 in all.
A failure names the family and the seed: `check("conv2d", 17)` repeats it.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import lowbit
import numpy as np
import pytest
import wide
from generate import FAMILIES as GENERAL
from generate import case
from intq import Model, Session, choose
from intq.kernels.table import isas, lib
from networks import network

CASES = int(os.environ["INTQ_CASES"]) if os.environ.get("INTQ_CASES", "").isdigit() else 200
SOURCES = (GENERAL, lowbit.FAMILIES, wide.FAMILIES)
FAMILIES = {name: source for source in SOURCES for name in source}
ALL = (*FAMILIES, "network")
PARTS, PER_PART = 8, 160  # at least 17 ops and networks of them: more than 23,000
USABLE = [name for name, (usable, _) in isas().items() if usable]
# of one node, where the machine has several
FORMS = {**dict.fromkeys(("bconv2d", "bconv2d_bits"), ("popcount", "int8 on tiles")), "conv2d": ("2 pixels", "4 pixels")}
HAVE_NUMBA = importlib.util.find_spec("numba") is not None


def outputs(result: Any) -> dict[str, Any]:
    return result if isinstance(result, dict) else {"y": result}


def check(family: str, seed: int) -> None:
    if family == "network":
        graph, inputs = network(seed)
    else:
        graph, inputs = case(family, seed, FAMILIES[family])
    model = Model.from_bytes(Model(graph).to_bytes()) if seed % 4 == 0 else Model(graph)
    x = inputs if len(inputs) > 1 else next(iter(inputs.values()))
    expected = Session(model, backend="reference", batch=3).run_quantized(x)

    def same(session: Session, what: str) -> None:
        got = session.run_quantized(x)
        for name, y in outputs(expected).items():
            other = outputs(got)[name]
            assert other.dtype == y.dtype, f"{family} {seed}: {what}"
            assert np.array_equal(other, y), (
                f"{family} seed {seed}, {what}, kernels {session.kernels()}: {np.count_nonzero(other != y)} of {y.size} differ\n{model.describe()}"
            )

    if HAVE_NUMBA:
        same(Session(model, backend="numba", batch=2), "numba")
    for i, isa in enumerate(USABLE if lib is not None else []):
        for threads in (1, 2):
            batch = (seed + i + threads) % 3 + 1
            same(Session(model, backend="native", isa=isa, threads=threads, batch=batch), f"{isa}, {threads} threads, batches of {batch}")
    for form in FORMS.get(family, ()) if lib is not None else ():
        choose.PREFER[:] = [form]  # untimed: not the one that the clock would take
        try:
            same(Session(model, backend="native", batch=seed % 3 + 1), form)
        finally:
            choose.PREFER.clear()


@pytest.mark.parametrize("family", ALL)
def test_generated(family: str) -> None:
    for seed in range(CASES):
        check(family, seed)


@pytest.mark.conformance
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("family", ALL)
def test_conformance(family: str, part: int) -> None:
    for seed in range(part * PER_PART, (part + 1) * PER_PART):
        check(family, 100_000 + seed)


def test_full_counts() -> None:
    assert len(FAMILIES) * PARTS * PER_PART >= 20_000
