"""The interface of a calibrator."""

from __future__ import annotations

import abc

from ..ir import Array


class Calibrator(abc.ABC):
    """Collects statistics per tensor name; its memory depends on the number of tensors, never on the number of samples.

    `ends`: the tensors that are outputs of the network; `strained`: those that have no precision to spare.
    """

    ends: frozenset[str] = frozenset()
    strained: frozenset[str] = frozenset()

    @abc.abstractmethod
    def observe(self, name: str, array: Array) -> None:
        """One batch of float32 values of a tensor, of any shape; never empty."""

    @abc.abstractmethod
    def range(self, name: str, bits: int = 8) -> tuple[float, float]:
        """The interval that 2^bits levels should represent; 0 is put into it later."""
