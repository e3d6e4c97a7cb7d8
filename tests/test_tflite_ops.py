"""Generated single-operator models: the imported graph gives the bytes of LiteRT's reference kernels, on the reference and native backends.

200 models per family by default, INTQ_CASES of them otherwise; `make conformance` runs more than 2,000 per family.
A failure names the family and the seed: `check("unary", 17)` repeats it.
"""

from __future__ import annotations

import os
import zlib
from typing import Any

import numpy as np
import pytest
from intq import Model, Session
from intq.converter.tflite import load_tflite
from intq.errors import UnsupportedError
from intq.kernels.table import lib

pytest.importorskip("ai_edge_litert")
from tflite_builder import run_litert
from tflite_cases import FAMILIES as PLAIN
from tflite_cases_more import CALLS, movement, recurrent

FAMILIES = {**PLAIN, "movement": movement, "recurrent": recurrent}

CASES = int(os.environ["INTQ_CASES"]) if os.environ.get("INTQ_CASES", "").isdigit() else 200
PARTS, PER_PART = 4, 520


def check(family: str, seed: int) -> bool:
    """Compare one case; False where LiteRT itself refuses the model."""
    rng = np.random.default_rng([zlib.crc32(family.encode()), seed])
    model, inputs = FAMILIES[family](rng)
    try:
        times = CALLS if family == "recurrent" else 1
        expected = run_litert(model, *inputs, calls=times)
    except (RuntimeError, ValueError):
        return False
    graph = load_tflite(model)
    feeds = dict(zip([p.name for p in graph.inputs], inputs, strict=True))
    x = feeds if len(feeds) > 1 else inputs[0]
    wrapped = Model(graph, numerics="litert")
    for backend in ("reference", "native") if lib is not None else ("reference",):
        outputs = run(Session(wrapped, backend=backend), x, times)
        for want, have in zip(expected, outputs, strict=True):
            have = have.reshape(want.shape)
            bad = np.flatnonzero(want.reshape(-1) != have.reshape(-1))
            assert bad.size == 0, (
                f"{family} {seed}, {backend}: {bad.size} of {want.size} differ, first at {bad[0]}: "
                f"{want.reshape(-1)[bad[0]]} expected, {have.reshape(-1)[bad[0]]} found\n{wrapped.describe()}"
            )
    return True


def run(session: Session, x: Any, times: int) -> list[Any]:
    """The outputs of one call, or stacked ones of `times` calls over the leading axis of a single input."""
    results = []
    for i in range(times):
        got = session.run_quantized(x[i] if times > 1 else x)
        results.append(list(got.values()) if isinstance(got, dict) else [got])
    return results[0] if times == 1 else [np.stack(r) for r in zip(*results, strict=True)]


def run_many(family: str, first: int, count: int) -> None:
    done, seed = 0, first
    refused: list[str] = []
    while done < count:
        assert seed < first + 20 * count, f"{family}: LiteRT or the importer refuses nearly everything: {refused[:3]}"
        try:
            done += check(family, seed)
        except UnsupportedError as error:
            refused.append(f"{seed}: {error}")
        seed += 1
    assert len(refused) <= 0.02 * count + 1, refused[:5]


@pytest.mark.parametrize("family", FAMILIES)
def test_generated(family: str) -> None:
    run_many(family, 0, CASES)


@pytest.mark.conformance
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("family", FAMILIES)
def test_conformance(family: str, part: int) -> None:
    run_many(family, 1_000_000 * (part + 1), PER_PART)
