"""What a rounding method works on: the second moments of a layer's inputs, one matrix per group of channels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..ir import Array
from ..lockstep import Site

POSITIONS = 16_384  # rows of the unfolded input that are enough for the moments of a small kernel
PER_WEIGHT = 16  # rows per weight of a large one
GATHERED = 1 << 21  # numbers of q
UNSURE = 1e-5  # of sums of float32 products, as a share: of a single sample nothing else is left once its mean is taken off
DAMPING = 0.01  # added to the diagonal, as a share of its mean (Frantar et al. 2022, GPTQ, step 3)


@dataclass
class Moments:
    """For each of G groups: `hessian`[G, K, K], the covariance of the quantized inputs, and `cross`[G, K, K], of real with quantized ones.

    Both are about the means, for the bias takes care of those (see `bias.py`).
    """

    hessian: Array
    cross: Array
    groups: int
    keep: Array | None = None  # bool[G, O/G, K]: weights that may be other than zero; None: all
    table: Array | None = None  # the integers that weights may be, in order; None: all that the bits have
    ridge: float = DAMPING
    floor: Array | float = 0.0  # [G, 1], of what the ridge adds: what the sums themselves are not sure of
    halves: tuple[Moments, Moments] | None = None  # of every other sample each, where there are two: to choose the ridge by

    def damped(self) -> Array:
        diagonal = np.einsum("gkk->gk", self.hessian)
        ridge = np.maximum(self.ridge * diagonal.mean(axis=1, keepdims=True), self.floor) + 1e-12
        return self.hessian + np.eye(self.hessian.shape[1]) * ridge[:, :, None]


def snap(steps: Array, top: Array | float, table: Array | None = None) -> Array:
    """The nearest integers within +-top, of those in the table where there is one."""
    if table is None:
        return np.asarray(np.clip(np.rint(steps), -top, top))
    return np.asarray(np.clip(table[np.searchsorted((table[1:] + table[:-1]) / 2, steps)], -top, top))


def windows(site: Site, x: Array) -> Array:
    """A view of the layer's input as [N, *positions, G, C/G, *kernel]; what follows G runs as the weight's own axes do."""
    if site.node.op == "Linear":
        return x[..., None, :]
    if site.node.op == "Affine":
        return np.moveaxis(x, site.channel_axis, -1)[..., None]
    attrs, kernel = site.node.attrs, site.weight.shape[2:]
    rank, groups = len(kernel), site.node.attrs.get("group", 1)
    pads = attrs.get("pads") or [0] * 2 * rank
    strides, dilations = attrs.get("strides") or [1] * rank, attrs.get("dilations") or [1] * rank
    x = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)])
    x = x.reshape(len(x), groups, -1, *x.shape[2:])
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    view = sliding_window_view(x, reach, axis=tuple(range(3, 3 + rank)))
    steps = [1, 1, 1, *strides, *dilations]
    view = view[tuple(slice(None, None, step) for step in steps)]
    return np.moveaxis(view, (1, 2), (1 + rank, 2 + rank))


def moments(site: Site) -> Moments:
    """Over POSITIONS positions drawn from all samples, or more where the kernel is large; summed up block by block."""
    inner = site.weight.ndim - 1 if site.node.op == "Conv" else 1
    size = int(np.prod(site.weight.shape[1:]))
    per_sample = int(np.prod(windows(site, next(iter(site.real))[:1]).shape[: -inner - 1]))
    total, wanted = per_sample * site.real.count, max(POSITIONS, PER_WEIGHT * size)
    chosen = np.arange(total) if total <= wanted else np.sort(np.random.default_rng(0).choice(total, wanted, replace=False))
    origin: list[Array] = []
    start, sums = 0, (Sums(origin), Sums(origin))
    for blocks in zip(site.quantized, site.real, strict=True):
        views = [windows(site, block) for block in blocks]
        outer = views[0].shape[: -inner - 1]
        here = chosen[np.searchsorted(chosen, start) : np.searchsorted(chosen, start + int(np.prod(outer)))] - start
        odd = (here + start) // per_sample % 2
        for half, one in enumerate(sums):
            if len(mine := here[odd == half]):
                one.add(*(np.ascontiguousarray(rows(view, outer, mine, size).transpose(1, 2, 0)) for view in views))
        start += int(np.prod(outer))
    if not sums[1].count:
        return sums[0].moments()
    return replace(sums[0].merged(sums[1]).moments(), halves=(sums[0].moments(), sums[1].moments()))


class Sums:
    """Sums of q and r[G, K, positions] and of their products, about an origin: the means of the first block, which keep float32 exact enough.

    Blocks are gathered until a product is worth its K x K numbers.
    """

    def __init__(self, origin: list[Array]) -> None:
        self._origin = origin
        self._linear: list[Array] = []
        self._square: list[Array] = []
        self._waiting: list[tuple[Array, Array]] = []
        self.count = 0

    def add(self, q: Array, r: Array) -> None:
        self._waiting.append((q, r))
        self.count += q.shape[2]
        if sum(v.size for v, _ in self._waiting) >= GATHERED:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        q, r = (np.concatenate(parts, axis=2) for parts in zip(*self._waiting, strict=True))
        self._waiting.clear()
        if not self._origin:
            self._origin += [v.mean(axis=2, keepdims=True) for v in (q, r)]
        q, r = q - self._origin[0], r - self._origin[1]
        back = q.transpose(0, 2, 1)
        linear = [v.sum(axis=2, dtype=np.float64) for v in (q, r)]
        if not self._linear:
            self._linear, self._square = linear, [(v @ back).astype(np.float64) for v in (q, r)]
            return
        for mine, more in zip([*self._linear, *self._square], [*linear, *(v @ back for v in (q, r))], strict=True):
            mine += more

    def merged(self, other: Sums) -> Sums:
        """Those over the positions of both, which have the same origin."""
        self._flush()
        other._flush()
        both = Sums(self._origin)
        both._linear = [a + b for a, b in zip(self._linear, other._linear, strict=True)]
        both._square = [a + b for a, b in zip(self._square, other._square, strict=True)]
        both.count = self.count + other.count
        return both

    def moments(self) -> Moments:
        """The sums are used up: of a large kernel they are hundreds of megabytes."""
        self._flush()
        mean = [v / self.count for v in self._linear]
        for square in self._square:
            square /= self.count
        floor = UNSURE * np.einsum("gkk->gk", self._square[0]).mean(axis=1, keepdims=True)
        for square, m in zip(self._square, mean, strict=True):
            for group, left, right in zip(square, m, mean[0], strict=True):
                group -= np.outer(left, right)
        return Moments(self._square[0], self._square[1], len(mean[0]), floor=floor)


def rows(view: Array, outer: tuple[int, ...], chosen: Array, size: int) -> Array:
    """The chosen positions of a windows view, [positions, G, K]."""
    picked = view[np.unravel_index(chosen, outer)]
    return picked.reshape(len(chosen), -1, size)


def target(weight: Array, found: Moments) -> Array:
    """Real weights whose output on the quantized inputs is nearest to that of weight[G, O/G, K] on the real ones: W C H^-1.

    The damping pulls towards the float weights: (W C + r W) (H + r)^-1. (Li et al. 2025, GPTAQ, arXiv:2504.02692, "asymmetric calibration".)
    """
    damped = found.damped()
    return np.asarray(np.linalg.solve(damped, (weight @ (found.cross + damped - found.hessian)).transpose(0, 2, 1)).transpose(0, 2, 1))


def loss(difference: Array, hessian: Array) -> Array:
    """Mean squared output error per output channel[G, O/G] of weights that differ by difference[G, O/G, K]."""
    return np.asarray(np.einsum("gok,gkl,gol->go", difference, hessian, difference, optimize=True))
