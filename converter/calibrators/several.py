"""Different calibrators for different tensors, in one walk over the data."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir import Array
from .base import Calibrator


class Several(Calibrator):
    """`choice` names the calibrator of each tensor. A calibrator sees its own tensors only."""

    def __init__(self, calibrators: Mapping[str, Calibrator], choice: Mapping[str, str]) -> None:
        self._of = {tensor: calibrators[name] for tensor, name in choice.items()}

    def observe(self, name: str, array: Array) -> None:
        self._of[name].observe(name, array)

    def range(self, name: str, bits: int = 8) -> tuple[float, float]:
        return self._of[name].range(name, bits)
