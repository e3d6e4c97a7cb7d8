"""Malformed and malicious .tflite files give a result or an intq.Error: no crash, no other exception, 2 seconds and bounded memory each."""

from __future__ import annotations

from pathlib import Path

import pytest
import test_hostile

pytest.importorskip("tflite")
pytestmark = test_hostile.pytestmark


@pytest.fixture(autouse=True)
def _worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_hostile, "WORKER", Path(__file__).with_name("tflite_hostile.py"))


def test_hostile_tflite_files() -> None:
    outcomes = test_hostile.run(0, 1000)
    assert outcomes["ran"] >= 200, f"too few files get past the importer to test anything behind it: {outcomes}"
    assert outcomes["FormatError"] >= 200


@pytest.mark.conformance
@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_hostile_tflite_files(part: int) -> None:
    assert test_hostile.run(10_000 + part * 2500, 2500)["ran"] >= 500
