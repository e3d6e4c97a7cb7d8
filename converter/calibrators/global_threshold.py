"""One threshold for the whole network, as fixed-point engines without a scale per tensor have it.

Vanhoucke, Senior and Mao 2011 ("Improving the speed of neural networks on CPUs") use one fixed range for all activations; here it is the
largest value of any tensor. It is the baseline that shows what ranges per tensor are worth.
"""

from __future__ import annotations

from .minmax import MinMax


class GlobalThreshold(MinMax):
    """[-T, T], or [0, T] for a tensor without negative values, T the largest absolute value of all tensors."""

    def range(self, name: str, bits: int = 8) -> tuple[float, float]:
        threshold = max(max(-low, high) for low, high in self._ranges.values())
        return (-threshold if self._ranges[name][0] < 0 else 0.0), threshold
