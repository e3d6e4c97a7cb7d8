"""Which nodes a native plan runs together. Fusing changes where integers lie while they are computed, never their values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection

from .graph import Graph, Node
from .ops.elementwise import Add
from .ops.move import Concat
from .ops.product import Conv2d, Dense
from .steps import Step


def residual_adds(graph: Graph) -> dict[str, tuple[Node, str]]:
    """Addition -> (the product whose only reader it is, the other operand). The product then runs in the addition's place."""
    producers, consumers = graph.producers(), graph.consumers()
    kept = {p.tensor for p in (*graph.inputs, *graph.outputs)} | {n for s in graph.states for n in (s.read, s.write)}
    order = {node.name: i for i, node in enumerate(graph.nodes)}
    found: dict[str, tuple[Node, str]] = {}
    for node in graph.nodes:
        if not isinstance(node.attrs, Add):
            continue
        a, b = node.inputs
        shape = graph.of(node.outputs[0]).shape
        if a == b or any(graph.of(name).shape != shape or name in graph.constants for name in (a, b)):
            continue
        candidates = []
        for name, other in ((a, b), (b, a)):
            product = producers.get(name)
            if product is not None and isinstance(product.attrs, Conv2d | Dense) and len(consumers[name]) == 1 and name not in kept:
                candidates.append((order[product.name], product, other))
        if candidates:
            _, product, other = max(candidates, key=lambda c: c[0])
            found[node.name] = (product, other)
    return found


def write_in_place(graph: Graph, steps: list[Step], root: Callable[[str], str], kept: Collection[str]) -> list[Step]:
    """Let a convolution write its channels of a concatenation where they belong, instead of having them copied there: where nothing else
    reads them. root: of names for the same bytes. kept: tensors that outlive the run."""
    nodes = {node.name: node for node in graph.nodes}
    writers: dict[str, list[Step]] = defaultdict(list)
    readers: dict[str, int] = defaultdict(int)
    for step in steps:
        for name in step.writes:
            writers[root(name)].append(step)
        for name in step.reads:
            readers[root(name)] += 1
    left = []
    for step in steps:
        source = root(step.reads[0]) if step.reads else ""
        alone = step.row.op == "copy" and readers[source] == len(writers[source]) == 1 and source not in kept
        if not (alone and isinstance(nodes[step.node].attrs, Concat) and redirect(writers[source][0], step)):
            left.append(step)
    return left


def redirect(product: Step, copy: Step) -> bool:
    """Make `copy` needless: whether the step that makes what it copies writes pixels of all its channels, and can leave gaps between them."""
    p, c = product.params, copy.params
    if (product.row.op, product.row.variant) != ("conv2d", "any") or p.residual or c.element_size != 1:
        return False
    pixels, dense = p.n * p.oh * p.ow, (c.x_stride[5], c.y_stride[5]) == (1, 1) and not c.x_offset and all(d == 1 for d in list(c.dims)[:4])
    if dense and (c.dims[4], c.dims[5], c.x_stride[4]) == (pixels, p.oc, p.oc):
        p.y_stride = c.y_stride[4]
    elif not (dense and (c.dims[4], c.dims[5]) == (1, pixels * p.oc)):
        return False
    product.writes, product.offset = list(copy.writes), c.y_offset
    return True
