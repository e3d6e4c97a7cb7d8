"""The rewrites that a recipe may ask for by name, in addition to those that every network gets."""

from __future__ import annotations

from collections.abc import Iterable

from ..ir import Float
from . import Pass
from .equalize import equalize
from .split_outliers import split_outliers

STEPS: dict[str, Pass] = {"equalize": equalize, "split_outliers": split_outliers}


def apply(net: Float, steps: Iterable[str]) -> Float:
    """In place; the network's invariants are checked after each."""
    for name in steps:
        STEPS[name](net)
        net.check(name)
    return net
