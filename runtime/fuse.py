"""Which nodes a native plan runs together. Fusing changes where integers lie while they are computed, never their values."""

from __future__ import annotations

from .graph import Graph, Node
from .ops.elementwise import Add
from .ops.product import Conv2d, Dense


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
