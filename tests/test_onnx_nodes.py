"""The ONNX standard's own node tests, for every operator that becomes integers; the tolerance follows from the output's scale.

A result may be off by 4.5 steps of the output's scale, on top of what rounding the input to 8 bits changes in float.
"""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnx_node_cases import REASONS, NodeCase, cases, run

    CASES = cases()

pytestmark = pytest.mark.filterwarnings("ignore")
STEPS = 4.5


@pytest.mark.parametrize("case", [case for case in CASES if not case.reason], ids=lambda case: case.name)
def test_node(case: NodeCase) -> None:
    rows = run(case)
    assert rows
    for expected, got, scale, inherited in rows:
        assert got.shape == expected.shape
        assert np.abs(got - expected.astype(np.float64)).max() <= STEPS * scale + inherited


def test_few_cases_are_out_of_scope() -> None:
    """Of the float cases; the list is printed (`pytest -s`)."""
    floats = [case for case in CASES if case.reason != "type"]
    out = [case for case in floats if case.reason]
    for reason, count in Counter(case.reason for case in out).most_common():
        print(f"{count:3} {REASONS[reason]}: {', '.join(case.name for case in out if case.reason == reason)}")
    print(f"{len(floats) - len(out)} cases in scope, {len(out)} out of scope, {len(CASES) - len(floats)} of other types")
    assert len(floats) > 400
    assert len(out) <= 0.15 * len(floats)
