"""Many generated operators as one network, so that one compilation of the exported C checks them all."""

from __future__ import annotations

import functools
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from intq.errors import UnsupportedError
from intq.graph import Graph

sys.path.insert(0, str(Path(__file__).parent / "conformance"))
import generate
import lowbit
import wide

OWN = {**generate.FAMILIES, **lowbit.FAMILIES, **wide.FAMILIES}
FIRST_SEED = 5000


def merge(graphs: list[Graph]) -> Graph:
    """One graph of graphs side by side; the names of number i begin with `g<i> `."""
    whole = Graph("merged")
    for i, g in enumerate(graphs):
        names = {name: f"g{i} {name}" for name in g.tensors}
        for name, t in g.tensors.items():
            whole.tensors[names[name]] = msgspec.structs.replace(t, name=names[name])
        whole.constants |= {names[name]: a for name, a in g.constants.items()}
        for node in g.nodes:
            whole.node(node.attrs, [names[n] for n in node.inputs], [names[n] for n in node.outputs], f"g{i} {node.name}")
        for ports, more in ((whole.inputs, g.inputs), (whole.outputs, g.outputs)):
            ports += [msgspec.structs.replace(p, name=f"g{i} {p.name}", tensor=names[p.tensor]) for p in more]
        whole.states += [msgspec.structs.replace(s, read=names[s.read], write=names[s.write]) for s in g.states]
    return whole


def own(family: str, count: int) -> Graph:
    """Cases of an op of models that the converter makes."""
    return merge([generate.case(family, FIRST_SEED + i, OWN)[0] for i in range(count)])


@functools.cache
def imported(family: str, count: int) -> Graph:
    """Cases of a family of TensorFlow Lite operators; those that the importer refuses are left out."""

    def graphs() -> Iterator[Graph]:
        from intq.converter.tflite import load_tflite
        from tflite_cases import FAMILIES
        from tflite_cases_more import movement, recurrent

        for seed in range(FIRST_SEED, FIRST_SEED + 10 * count):
            rng = np.random.default_rng([zlib.crc32(family.encode()), seed])
            try:
                yield load_tflite({**FAMILIES, "movement": movement, "recurrent": recurrent}[family](rng)[0])
            except UnsupportedError:
                continue

    return merge([g for g, _ in zip(graphs(), range(count), strict=False)])
