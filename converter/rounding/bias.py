"""Bias correction: a quantized layer's output is shifted on average, per channel; its bias can take the shift away.

- `empirical`: the means of both outputs over calibration samples (Nagel et al. 2019, DFQ, arXiv:1906.04721, appendix D)
- `analytic`: eps E[x] from the batch-norm statistics of the layer before, without data (DFQ, section 4), where they are known
"""

from __future__ import annotations

import numpy as np

from ..ir import Array
from ..lockstep import Site


def empirical(site: Site, weight: Array) -> Array:
    """The bias[O] with which `weight` (real values of the integers) gives the float layer's mean output on the quantized inputs."""
    return np.asarray(site.bias + site.wanted - site.means(weight, site.bias))


def analytic(weight: Array, rounded: Array, bias: Array, mean: Array, groups: int = 1) -> Array:
    """The bias[O] for an input with the given mean per channel; the padding's share is neglected, as in the paper."""
    error = (rounded - weight).reshape(groups, len(weight) // groups, weight.shape[1] if weight.ndim > 1 else 1, -1).sum(axis=3)
    return np.asarray(bias - np.einsum("goc,gc->go", error, mean.reshape(groups, -1)).reshape(-1))
