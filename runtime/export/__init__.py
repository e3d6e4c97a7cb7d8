"""C export: a network as one C99 file with nothing else. No heap, no float, no interpreter; the bytes of Session.run_quantized."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ..errors import InputError, UnsupportedError
from ..format import write_atomically
from ..graph import Array, Graph
from ..model import Model
from ..ops import View
from .emit import EMITTERS
from .source import ALIGN, Source, identifier
from .write import MAKEFILE, header, makefile, source, test_program

__all__ = ["Report", "export_c"]


class Report(msgspec.Struct):
    """What an export takes: bytes of constants in flash, RAM of the arena, its lower bound, MACs, the largest layer by constants and by MACs."""

    name: str
    files: list[str]
    constant_bytes: int
    arena_bytes: int
    arena_bound: int
    macs: int
    largest_by_bytes: str
    largest_by_macs: str

    def text(self) -> str:
        return (
            f"{self.name}: {self.constant_bytes:,} bytes of constants (flash, beside about 4 to 8 KB of code), arena {self.arena_bytes:,} bytes "
            f"(RAM; largest live set {self.arena_bound:,}), {self.macs:,} MACs\n"
            f"largest layer by flash: {self.largest_by_bytes}\nlargest layer by MACs: {self.largest_by_macs}\n"
            f"wrote {', '.join(self.files)}"
        )


def export_c(model: Model, out: str | os.PathLike[str], *, name: str | None = None, samples: int = 2) -> Report:
    """Write NAME.c and NAME.h into folder `out`, and with samples > 0 NAME_test.c, which compares that many runs, and a Makefile.

    name: a C identifier, by default made of the model's name. Raises UnsupportedError that lists every node that C lacks,
    InputError for a bad name or number, or a Makefile in the folder that is not of an export.
    """
    name = identifier(model.name) if name is None else name
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise InputError(f"name {name!r} is not a C identifier")
    if samples < 0:
        raise InputError(f"samples must be at least 0, is {samples}")
    s, tail = translate(model.graph)
    outside = {p.tensor for p in (*model.inputs, *model.outputs)}
    offsets, arena, bound = s.arena(outside)
    files = {f"{name}.h": header(s, name, arena, bound), f"{name}.c": source(s, name, offsets, tail)}
    if samples > 0:
        files[f"{name}_test.c"] = test_program(s, name, make_samples(model, samples))
        files["Makefile"] = makefile(name)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    rules = folder / "Makefile"
    if samples and rules.is_file() and not rules.read_bytes().startswith(MAKEFILE.encode()):
        raise InputError(f"{rules} is not of an export: choose another folder, or samples=0 (--samples 0), which writes no Makefile")
    for file, text in files.items():
        write_atomically(folder / file, text.encode("ascii"))
    heavy = max(s.layers, key=lambda layer: layer.constant_bytes, default=None)
    busy = max(s.layers, key=lambda layer: layer.macs, default=None)
    return Report(
        name, [str(folder / f) for f in files], sum(layer.constant_bytes for layer in s.layers), arena, bound, model.macs,
        f"{heavy.comment} ({heavy.constant_bytes:,} bytes)" if heavy else "none", busy.comment if busy else "none",
    )  # fmt: skip


def translate(graph: Graph) -> tuple[Source, list[str]]:
    """Emit every node; the second result copies what no node wrote to an output of its own."""
    s = Source(graph)
    failures = [f"node {n.name!r}: op {n.op} has no C export" for n in graph.nodes if n.op not in EMITTERS]
    tail = name_tensors(s)
    for i, node in enumerate(graph.nodes if not failures else ()):
        v = View(graph, node)
        s.begin(v, i)
        for j, output in enumerate(node.outputs):
            s.names.setdefault(s.root(output), f"{s.layer_name}_y{j or ''}")
        try:
            EMITTERS[node.op](s, v)
        except UnsupportedError as error:
            failures.append(str(error))
    if failures:
        raise UnsupportedError("; ".join(failures))
    copies = [f"memcpy({to}, {s.ref(tensor)}, {graph.tensors[tensor].nbytes});" for to, tensor in tail]
    return s, copies + keep_states(s)


def name_tensors(s: Source) -> list[tuple[str, str]]:
    """Ports get their variables, reshapes become aliases. Returns (destination, tensor) of outputs that need a copy at the end."""
    graph = s.graph
    fixed = {p.tensor for p in (*graph.inputs, *graph.outputs)} | set(graph.constants) | {state.read for state in graph.states}
    for node in graph.nodes:
        if node.op == "reshape":
            x, y = s.root(node.inputs[0]), node.outputs[0]
            if x not in fixed:
                s.aliases[x] = y
            elif y not in fixed:
                s.aliases[y] = x
    tail = []
    for i, state in enumerate(graph.states):
        name = s.names[state.read] = f"state_{i}"
        s.kept[name] = s.kept_bytes
        s.kept_bytes += -(-graph.tensors[state.read].nbytes // ALIGN) * ALIGN
    for i, p in enumerate(graph.inputs):
        s.names[p.tensor] = f"input_{i}"
    for i, p in enumerate(graph.outputs):
        if p.tensor in s.names or p.tensor in graph.constants:
            tail.append((f"outputs[{i}]", p.tensor))
        else:
            s.names[p.tensor] = f"output_{i}"
    return tail


def keep_states(s: Source) -> list[str]:
    """Copies of the new values into the states, at the end: until then a node or an output may read the old ones. A state that takes over
    another's old value does so by way of scratch."""
    first, then = [], []
    for i, state in enumerate(s.graph.states):
        to, size = s.ref(state.read), s.graph.tensors[state.read].nbytes
        source = s.ref(state.write)
        if source == to:
            continue
        if source in s.kept:
            through = s.temporary(size, f"state_{i}")
            first.append(f"memcpy({through}, {source}, {size});")
            source = through
        then.append(f"memcpy({to}, {source}, {size});")
    return first + then


def make_samples(model: Model, count: int) -> list[tuple[list[Array], list[Array]]]:
    """Seeded inputs over the whole range of their dtypes, with the outputs of Session.run_quantized."""
    from ..session import Session

    session, rng = Session(model), np.random.default_rng(0)
    found = []
    for _ in range(count):
        xs: dict[str, Any] = {}
        for i in session.inputs:
            limits = np.iinfo(i.dtype)
            xs[i.name] = rng.integers(limits.min, limits.max, i.shape, dtype=i.dtype, endpoint=True)
        y = session.run_quantized(xs)
        ys = list(y.values()) if isinstance(y, dict) else [y]
        found.append((list(xs.values()), [np.array(a) for a in ys]))
    return found
