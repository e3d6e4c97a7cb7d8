"""Mean and deviation of activations that follow from batch normalization alone: after it a channel has mean beta and deviation |gamma|.

Nagel et al. 2019, DFQ (arXiv:1906.04721), appendix C: behind a ReLU or ReLU6 the moments are those of a clipped normal variable.
Sums are taken to be of independent terms; what only moves elements keeps its statistics.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from .ir import INF, Array, Float
from .passes.fuse_clamp import limits

Statistics = dict[str, tuple[Array, Array]]
SAME = {"Identity", "Dropout", "MaxPool"}


def clipped_normal(mean: Array, deviation: Array, lo: float, hi: float) -> tuple[Array, Array]:
    """Mean and deviation of min(max(X, lo), hi) for normal X."""
    s = np.maximum(deviation, 1e-12)
    a, b = (lo - mean) / s, (hi - mean) / s
    pa, pb, ca, cb = norm.pdf(a), norm.pdf(b), norm.cdf(a), norm.cdf(b)
    low, high = (0.0 if lo == -INF else lo), (0.0 if hi == INF else hi)
    edge_a, edge_b = (0.0 if lo == -INF else a * pa), (0.0 if hi == INF else b * pb)
    first = low * ca + high * (1 - cb) + mean * (cb - ca) - s * (pb - pa)
    inner = (mean**2 + s**2) * (cb - ca) - 2 * mean * s * (pb - pa) - s**2 * (edge_b - edge_a)
    second = low**2 * ca + high**2 * (1 - cb) + inner
    return first, np.sqrt(np.maximum(second - first**2, 0))


def batchnorm_statistics(net: Float) -> Statistics:
    """(mean[C], deviation[C]) by value name, wherever it is known; `net` still has its BatchNormalization nodes."""
    found: Statistics = {}
    for node in net.nodes:
        if node.op == "BatchNormalization" and all(name in net.constants for name in node.inputs[1:3]):
            gamma, beta = (net.constants[name].astype(np.float64) for name in node.inputs[1:3])
            found[node.output] = beta, np.abs(gamma)
            continue
        sources = net.activations(node)
        clamp = limits(net, node)
        if clamp is not None and sources[0] in found:
            found[node.output] = clipped_normal(*found[sources[0]], *clamp)
        elif node.op in SAME and sources[0] in found:
            found[node.output] = found[sources[0]]
        elif node.op == "Add" and len(sources) == 2 and all(name in found for name in sources):
            (m1, s1), (m2, s2) = (found[name] for name in sources)
            found[node.output] = m1 + m2, np.sqrt(s1**2 + s2**2)
    return found
