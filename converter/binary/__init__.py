"""Binary layers of a float network: recognised, made explicit as nodes of their own, and connected by int16 streams that keep signs.

Rastegari et al. 2016 (XNOR-Net, arXiv:1603.05279): products of signs by counting, a scale per channel; Liu et al. 2018 (Bi-Real Net,
arXiv:1808.00278): a residual of real numbers around each binary convolution.
"""

from __future__ import annotations

from ..ir import Float
from . import expand  # noqa: F401  (registers how the nodes are executed in float)
from .recognise import recognise
from .round_down import round_down
from .stream import streams

__all__ = ["binarize", "round_down"]


def binarize(net: Float) -> None:
    """A pass: sign activations and the layers with +-alpha weights that read them become BinarySign, BinaryConv and BinaryLinear."""
    if recognise(net):
        streams(net)
