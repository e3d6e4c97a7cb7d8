"""Views: how a value of the source model lies in a stored tensor, so that Reshape and Transpose cost nothing until a layout is needed.

The source array is `stored.reshape(factors).transpose(perm).reshape(shape)`. Factors of 1 are never written down (the batch,
which is 1 here and outermost in both, vanishes with them), and neighbours that stay neighbours are one factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class View:
    """`factors` are in stored order; source factor i is stored factor `perm[i]`; `shape` is the source shape."""

    tensor: str
    factors: tuple[int, ...]
    perm: tuple[int, ...]
    shape: tuple[int, ...]

    def reshape(self, shape: tuple[int, ...]) -> View:
        return replace(self, shape=shape)

    def on(self, tensor: str) -> View:
        """The same arrangement of another tensor."""
        return replace(self, tensor=tensor)


def view_of(tensor: str, shape: tuple[int, ...], order: tuple[int, ...]) -> View:
    """The view of a stored tensor whose axes are the source axes `order` (all of `range(len(shape))`)."""
    kept = [axis for axis in order if shape[axis] != 1]
    source = sorted(kept)
    return merge(View(tensor, tuple(shape[axis] for axis in kept), tuple(kept.index(axis) for axis in source), shape))


def without_ones(view: View) -> View:
    """The view with its factors of 1 left out, as they always are."""
    kept = [i for i, size in enumerate(view.factors) if size != 1]
    return merge(replace(view, factors=tuple(view.factors[i] for i in kept), perm=tuple(kept.index(p) for p in view.perm if p in kept)))


def merge(view: View) -> View:
    """Join factors that are neighbours in both orders."""
    runs: list[list[int]] = []  # stored positions, grouped, in source order
    for position in view.perm:
        if runs and position == runs[-1][-1] + 1:
            runs[-1].append(position)
        else:
            runs.append([position])
    ordered = sorted(runs)
    factors = tuple(math.prod(view.factors[p] for p in run) for run in ordered)
    return replace(view, factors=factors, perm=tuple(ordered.index(run) for run in runs))


def groups(view: View) -> tuple[View, list[list[int]]] | None:
    """Split factors so that each source axis is a run of whole source factors; None where the sizes do not divide.

    Returns the view with split factors and, per source axis, the indices of its source factors.
    """
    sizes = [view.factors[p] for p in view.perm]  # in source order
    pieces: list[list[int]] = [[] for _ in sizes]  # each source factor's parts
    result: list[list[int]] = []
    index, rest, number = 0, sizes[0] if sizes else 1, 0
    for size in view.shape:
        group: list[int] = []
        need = size
        while need > 1:
            take = math.gcd(need, rest)
            if take != rest and take != need:
                return None
            pieces[index].append(take)
            group.append(number)
            number += 1
            need //= take
            rest //= take
            if rest == 1:
                index += 1
                rest = sizes[index] if index < len(sizes) else 1
        result.append(group)
    # Number the parts in stored order.
    first: dict[int, int] = {}
    factors: list[int] = []
    source_of = {stored: source for source, stored in enumerate(view.perm)}
    for stored in range(len(view.factors)):
        first[stored] = len(factors)
        factors += pieces[source_of[stored]]
    perm = tuple(first[stored] + part for source, stored in enumerate(view.perm) for part in range(len(pieces[source])))
    return replace(view, factors=tuple(factors), perm=perm), result


def transpose(view: View, axes: tuple[int, ...]) -> View | None:
    """The view with its source axes permuted; None where an axis boundary lies inside a factor that cannot be split there."""
    found = groups(view)
    if found is None:
        return None
    split, parts = found
    perm = tuple(split.perm[part] for axis in axes for part in parts[axis])
    return merge(replace(split, perm=perm, shape=tuple(view.shape[axis] for axis in axes)))


def moves(view: View, order: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """(factors, perm) of the transposition that stores the source axes in `order`; ((), ()) if they are stored so; None as above."""
    found = transpose(view, order)
    if found is None:
        return None
    if found.perm == tuple(range(len(found.perm))):
        return (), ()
    return found.factors, found.perm
