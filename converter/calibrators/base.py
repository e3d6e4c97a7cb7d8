"""The interface of a calibrator."""

from __future__ import annotations

import abc
from typing import ClassVar

from ..ir import Array


class Calibrator(abc.ABC):
    """Collects statistics per tensor name; its memory depends on the number of tensors, never on the number of samples."""

    passes: ClassVar[int] = 1

    def start_pass(self, number: int) -> None:
        """Called before walk `number` (from 0) over the data."""
        _ = number

    @abc.abstractmethod
    def observe(self, name: str, array: Array) -> None:
        """One batch of float32 values of a tensor, of any shape; never empty."""

    @abc.abstractmethod
    def range(self, name: str) -> tuple[float, float]:
        """The interval to represent; 0 is put into it later."""
