"""The weights of one layer with zeros among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array, Node
from ..rounding.base import Moments, target
from .settings import Prune
from .surgeon import keep, surgeon


def kernel_order(shape: tuple[int, ...]) -> Array:
    """Positions of weight[O, C, *kernel], flattened after O, in the order that kernels walk: the kernel's axes, then channels."""
    return np.moveaxis(np.arange(int(np.prod(shape[1:]))).reshape(shape[1:]), 0, -1).reshape(-1)


def prune_layer(node: Node, weight: Array, prune: Prune, ratio: float, found: Moments | None) -> tuple[Array, Moments | None]:
    """weight[O, ...] with zeros; the moments then know what must stay zero, and that the weights are what rounding shall come close to.

    Moments are needed for "second_order" alone.
    """
    order = kernel_order(weight.shape)
    rows = weight.reshape(len(weight), -1)
    if prune.method == "second_order" and found is not None:
        wanted = target(rows[None], found)[0][:, order]
        pruned, stays = surgeon(wanted, found.damped()[0][np.ix_(order, order)], prune.pattern, ratio)
    else:
        stays = keep(np.abs(rows[:, order]), prune.pattern, ratio)
        pruned = rows[:, order] * stays
    result, mask = np.zeros_like(rows), np.zeros(rows.shape, bool)
    result[:, order], mask[:, order] = pruned, stays
    if found is not None:
        found = replace(found, cross=found.hessian, keep=mask[None])
    return result.reshape(weight.shape), found
