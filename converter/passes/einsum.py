"""Einsum: a product of matrices between transpositions."""

from __future__ import annotations

import math

import numpy as np

from .decompose import Builder, rule


@rule("Einsum")
def einsum(b: Builder) -> bool:
    """one tensor turned, or the product of two: letters appear once in an operand, those of the sum in both; the batch comes first and stays"""
    left, _, out = b.node.attrs["equation"].replace(" ", "").partition("->")
    terms = left.split(",")
    if "." in left or not out or len(terms) > 2 or any(len(set(term)) < len(term) for term in (*terms, out)):
        return False
    computed = [name for name in b.node.inputs if b.computed(name)]
    if len(terms) == 1:
        if sorted(left) != sorted(out) or not computed:
            return False
        b.add("Transpose", [b.x], perm=[left.index(letter) for letter in out])
        return b.done(b.nodes[-1].output)
    names = list(b.node.inputs)
    if not b.computed(names[0]):
        names, terms = names[::-1], terms[::-1]
    first, second = terms
    size = {letter: n for term, name in zip(terms, names, strict=True) for letter, n in zip(term, b.net.shape(name), strict=True)}
    summed = [letter for letter in first if letter in second and letter not in out]
    shared = [letter for letter in out if letter in first and letter in second]
    rows, columns = ([letter for letter in out if letter in term and letter not in shared] for term in terms)
    fits = len(shared) + len(rows) + len(summed) == len(first) and len(shared) + len(columns) + len(summed) == len(second) and bool(computed)
    constant = len(computed) == 1
    if not fits or any(b.net.shape(name) != tuple(size[letter] for letter in term) for term, name in zip(terms, names, strict=True)):
        return False
    if bool(shared) == constant or (shared and not out.startswith(shared[0])):
        return False  # a constant has no batch, two activations have one
    k, n = (math.prod(size[letter] for letter in group) for group in (summed, columns))
    together = [size[letter] for letter in shared]
    lines = [size[letter] for letter in rows] if constant else [math.prod(size[letter] for letter in rows)]
    a = _arranged(b, names[0], first, [*shared, *rows, *summed], (*together, *lines, k))
    if constant:
        perm = [second.index(letter) for letter in (*summed, *columns)]
        other = b.constant("matrix", np.ascontiguousarray(b.net.constants[names[1]].transpose(perm).reshape(k, n)))
    else:
        other = _arranged(b, names[1], second, [*shared, *summed, *columns], (*together, k, n))
    product = b.add("MatMul", [a, other], (*together, *lines, n))
    have = [*shared, *rows, *columns]
    full = tuple(size[letter] for letter in have)
    if (*together, *lines, n) != full:
        product = b.add("Reshape", [product, b.constant("shape", list(full))], full)
    if "".join(have) != out:
        product = b.add("Transpose", [product], perm=[have.index(letter) for letter in out])
    return b.done(product)


def _arranged(b: Builder, name: str, have: str, want: list[str], shape: tuple[int, ...]) -> str:
    """An operand with its axes in another order, then of another shape; no nodes where that is nothing."""
    sizes = dict(zip(have, b.net.shape(name), strict=True))
    turned = tuple(sizes[letter] for letter in want)
    if "".join(want) != have:
        name = b.add("Transpose", [name], turned, perm=[have.index(letter) for letter in want])
    return name if turned == shape else b.add("Reshape", [name, b.constant(f"shape{len(b.nodes)}", list(shape))], shape)
