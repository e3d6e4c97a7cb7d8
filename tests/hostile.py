"""Hostile .intq files, and the worker process that feeds them to the runtime: `python hostile.py FIRST COUNT` prints one line a file.

Half of the mutations damage bytes, half edit decoded fields (dimensions, offsets, indices, shifts, tables, names) and seal the container again.
"""

from __future__ import annotations

import contextlib
import copy
import faulthandler
import json
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "conformance"))
import intq
import lowbit
import networks
import wide
from generate import FAMILIES, case, data, one_node, product_constants
from intq.graph import Graph
from intq.ops import REGISTRY

MAX_ARENA, MAX_MACS, SECONDS, HARD_SECONDS = 2**26, 2**27, 2.0, 60
Rng = np.random.Generator


def network(seed: int) -> bytes:
    """A small network of several ops in a row."""
    rng = np.random.default_rng(seed)
    g = Graph(f"network{seed}")
    g.tensor("x", (1, 9, 9, 3), zero_point=-128, scale=0.01)
    layers = [("conv2d", (16, 3, 3, 3), 0, (1, 9, 9, 16)), ("dwconv2d", (3, 3, 16), 2, (1, 9, 9, 16)), ("conv2d", (16, 1, 1, 16), 0, (1, 9, 9, 16))]
    at = "x"
    for i, (op, shape, axis, out) in enumerate(layers):
        part = Graph("part")
        names = product_constants(part, rng, "q15", data(rng, shape), axis)
        inputs = [g.constant(f"{n}{i}", part.constants[n], zero_point=part.of(n).zero_point) for n in names]
        g.tensor(f"t{i}", out, zero_point=int(rng.integers(-128, 128)))
        pads = (0, 0, 0, 0) if shape[1] == 1 else (1, 1, 1, 1)
        g.node(REGISTRY[op](pads=pads), [at, *inputs], [f"t{i}"])
        at = f"t{i}"
    g.tensor("sum", (1, 9, 9, 16))
    g.node(REGISTRY["add"](m1=20000, m2=17000, shift=15), ["t0", "t2"], ["sum"])
    g.tensor("top", (1, 4, 4, 16))
    g.node(REGISTRY["max_pool"](kernel=(2, 2), stride=(2, 2)), ["sum"], ["top"])
    g.tensor("flat", (1, 256))
    g.node(REGISTRY["reshape"](), ["top"], ["flat"])
    part = Graph("part")
    inputs = [g.constant(n, part.constants[n]) for n in product_constants(part, rng, "q31_single", data(rng, (10, 256)), 0)]
    g = one_node(g, "dense", {"rounding": "q31_single"}, ["flat", *inputs], (1, 10))
    g.inputs = [intq.graph.Port(name="x", tensor="x", shape=(1, 3, 9, 9), perm=(0, 2, 3, 1))]
    return intq.Model(g).to_bytes()


def imported() -> Iterator[Graph]:
    """Graphs of single TensorFlow Lite operators."""
    try:
        from intq.converter.tflite import load_tflite
    except ImportError:
        return
    from tflite_cases import FAMILIES as PLAIN
    from tflite_cases_more import movement, recurrent

    for name, family in {**PLAIN, "movement": movement, "recurrent": recurrent}.items():
        for seed in range(4):
            with contextlib.suppress(intq.Error):
                yield load_tflite(family(np.random.default_rng([seed, len(name)]))[0])


def originals() -> list[bytes]:
    """Valid files: every op, in graphs of one and in networks."""
    graphs = [case(family, seed)[0] for family in FAMILIES for seed in (1, 2)]
    graphs += [case(family, seed, families)[0] for families in (lowbit.FAMILIES, wide.FAMILIES) for family in families for seed in (1, 2)]
    graphs += [networks.network(seed)[0] for seed in range(12)]
    files = [intq.Model(g).to_bytes() for g in (*graphs, *imported())]
    return files + [network(seed) for seed in range(8)]


def split(file: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The decoded graph and the constants."""
    import safetensors.numpy

    length = int.from_bytes(file[:8], "little")
    return json.loads(json.loads(file[8 : 8 + length])["__metadata__"]["intq"]), safetensors.numpy.load(file)


def seal(graph: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    import safetensors.numpy

    return bytes(safetensors.numpy.save(arrays, {"intq": json.dumps(graph)}))


def damage(file: bytes, rng: Rng) -> bytes:
    """Flip, cut, insert or repeat bytes."""
    b = bytearray(file)
    kind = int(rng.integers(9))
    at = int(rng.integers(len(b)))
    if kind == 0:
        return bytes(b[:at])
    if kind == 1:
        b[at:at] = rng.integers(0, 256, int(rng.integers(1, 64))).astype(np.uint8).tobytes()
    elif kind == 2:
        del b[at : at + int(rng.integers(1, 64))]
    elif kind == 3:
        b[:8] = int(rng.choice([0, 1, 7, len(b), len(b) - 8, 2**31, 2**40, 2**63 - 1])).to_bytes(8, "little")
    else:
        header = 8 + int.from_bytes(b[:8], "little")
        digits = [i for i in range(8, header) if chr(b[i]).isdigit()]
        for _ in range(int(rng.integers(1, 4))):
            if kind == 4:
                b[int(rng.integers(len(b)))] ^= 1 << int(rng.integers(8))
            elif kind == 5:
                b[digits[int(rng.integers(len(digits)))]] = int(rng.integers(48, 58))
            elif len(b) > header:  # the constants, which no container checks
                b[int(rng.integers(header, len(b)))] ^= 1 << int(rng.integers(8))
    return bytes(b)


def leaves(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values of a JSON document, containers included."""
    found = [path] if path else []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        found += leaves(value, (*path, key))
    return found


def changed_number(v: float, rng: Rng) -> Any:
    near = (v + 1, v - 1, v * 2, v // 2, -v, int(rng.integers(0, 10)), int(rng.integers(-300, 300)))
    far = (0, -1, 127, -129, 2**15, 2**24, 2**31 - 1, -(2**31), 2**31, 2**40, 2**63 - 1, 2**63, 1e-45, 1e308, 0.5, True, None, "7", [v])
    choices = near if rng.random() < 0.7 else far
    return choices[int(rng.integers(len(choices)))]


def edit_graph(graph: dict[str, Any], rng: Rng) -> None:
    paths = leaves(graph)
    if rng.random() < 0.5:  # rather what kernels depend on: attributes, scales, zero points, clamps
        paths = [p for p in paths if "attrs" in p or p[-1] in ("scale", "zero_point")] or paths
    path = paths[int(rng.integers(len(paths)))]
    parent: Any = graph
    for key in path[:-1]:
        parent = parent[key]
    value, kind = parent[path[-1]], rng.random()
    if isinstance(value, str):
        strings = [t["name"] for t in graph.get("tensors", [])] + ["", "int8", "uint8", "int16", "int32", "q15", "shift", "q31_double", *REGISTRY]
        parent[path[-1]] = strings[int(rng.integers(len(strings)))]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        parent[path[-1]] = changed_number(value, rng)
    elif isinstance(value, list) and value and kind < 0.8:
        i, j = (int(k) for k in rng.integers(0, len(value), 2))
        if kind < 0.2:
            del value[i]
        elif kind < 0.4:
            value.insert(i, copy.deepcopy(value[j]))
        else:
            value[i], value[j] = value[j], value[i]
    elif isinstance(parent, dict):
        if kind < 0.5:
            del parent[path[-1]]
        else:
            parent[path[-1]] = [None, {}, [], True, 0, "x"][int(rng.integers(6))]
    else:
        parent[path[-1]] = [None, {}, [], True, 0, "x"][int(rng.integers(6))]


def resize(graph: dict[str, Any], rng: Rng) -> None:
    """Give one dimension a new size wherever that size occurs, so that shapes still fit together."""
    shapes = [t["shape"] for t in graph["tensors"]] + [p["shape"] for p in graph["inputs"] + graph["outputs"]]
    sizes = sorted({d for s in shapes for d in s if d > 1}) or [1]
    old, new = sizes[int(rng.integers(len(sizes)))], int(rng.choice([1, 2, 3, 5, 31, 64, 1000, 2**16, 2**24]))
    for s in shapes:
        s[:] = [new if d == old else d for d in s]


def edit_constants(arrays: dict[str, np.ndarray], rng: Rng) -> None:
    names = sorted(n for n, a in arrays.items() if a.dtype.kind != "f")
    if not names:
        return
    name = names[int(rng.integers(len(names)))]
    a = arrays[name] = arrays[name].copy()
    info, kind = np.iinfo(a.dtype), int(rng.integers(16))
    if kind == 0:
        arrays[name] = a.reshape(-1)[: max(a.size - 1, 1)]
    elif kind == 1:
        arrays[name] = a.astype([np.int8, np.uint8, np.int16, np.int32, np.int64, np.float32][int(rng.integers(6))])
    elif kind == 2:
        del arrays[name]
    elif kind == 3:
        arrays[f"{name}?"] = a
    else:
        values = (0, 1, -1, 31, 32, -31, -32, 63, 127, -128, info.max, info.min, 2**15, 2**14, int(rng.integers(0, 20)))
        for _ in range(int(rng.integers(1, 4))):
            a.reshape(-1)[int(rng.integers(a.size))] = np.clip(values[int(rng.integers(len(values)))], info.min, info.max)


def mutant(seed: int, files: list[bytes]) -> bytes:
    rng = np.random.default_rng([seed, 77])
    file = files[int(rng.integers(len(files)))]
    if seed % 2:
        return damage(file, rng)
    graph, arrays = split(file)
    if rng.random() < 0.15:
        resize(graph, rng)
    for _ in range(int(rng.integers(1, 3))):
        if rng.random() < 0.6:
            edit_constants(arrays, rng)
        else:
            with contextlib.suppress(TypeError, KeyError, AttributeError):  # the first edit may have left nothing that the second knows
                edit_graph(graph, rng)
    return seal(graph, arrays) if rng.random() < 0.9 else damage(seal(graph, arrays), rng)


def use(file: bytes, seed: int) -> tuple[str, int]:
    """Load and run a file; ("ran" or the error's name, arena bytes). Small networks must give what the reference gives."""
    rng = np.random.default_rng(seed)
    arena = 0
    try:
        model = intq.Model.from_bytes(file, max_arena=MAX_ARENA, max_macs=MAX_MACS)
        session = intq.Session(model)
        kept = [p.tensor for p in (*model.inputs, *model.outputs)] + [s.read for s in model.graph.states]
        arena = session.arena_bytes + 2 * sum(model.graph.of(name).nbytes for name in kept)  # ports and our arrays; state and its next value
        x = {i.name: np.resize(data(rng, (4093,), i.dtype), i.shape) for i in session.inputs}
        y = session.run_quantized(x if len(x) > 1 else next(iter(x.values())))
        model.describe()
        if sum(t.size for t in model.graph.tensors.values()) < 200_000 and model.macs < 10_000_000:
            reference = intq.Session(model, backend="reference").run_quantized(x if len(x) > 1 else next(iter(x.values())))
            pairs = zip(y.values(), reference.values(), strict=True) if isinstance(y, dict) else [(y, reference)]
            if not all(np.array_equal(a, b) for a, b in pairs):
                return "DIFFERS", arena
            floats = {p.name: rng.standard_normal(p.shape).astype(np.float32) for p in model.inputs}
            session.run(floats)
        return "ran", arena
    except intq.Error as error:
        return type(error).__name__, arena


def memory(field: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def main(first: int, count: int) -> None:
    faulthandler.enable()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # kills the process even inside C
    files = originals()
    for file in files:
        assert use(file, 0)[0] == "ran"
    used = memory("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, used + 2**31))
    for seed in range(first, first + count):
        file = mutant(seed, files)
        print("start", seed, flush=True)
        Path("/proc/self/clear_refs").write_text("5")
        before, start = memory("VmRSS"), time.process_time()
        signal.alarm(HARD_SECONDS)
        try:
            outcome, arena = use(file, seed)
        except BaseException as error:
            outcome, arena = f"ESCAPED {type(error).__name__}: {str(error)[:200]}".replace("\n", " "), 0
        signal.alarm(0)
        seconds, grown = time.process_time() - start, memory("VmHWM") - before
        print("end", seed, f"{seconds:.3f}", grown - (64 * 2**20 + 8 * len(file) + arena), outcome, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
