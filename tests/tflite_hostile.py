"""Hostile .tflite files, and the worker that loads and runs them: `python tflite_hostile.py FIRST COUNT` prints one line a file, as hostile.py does.

Half of the mutations damage bytes anywhere, half overwrite decoded fields of the flatbuffer: scalars of its tables (dimensions, indices, strides,
options, types, scales) and lengths of its vectors, found by walking the tables of the schema.
"""

from __future__ import annotations

import struct
import sys
import zlib
from typing import Any

import flatbuffers.number_types as n
import hostile
import intq
import numpy as np
import tflite
from intq.converter.tflite import load_tflite
from tflite_cases import FAMILIES
from tflite_cases_more import movement, recurrent

Rng = np.random.Generator
SIZES = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8, "d": 8}


def originals() -> list[bytes]:
    """Valid single-operator models of every family."""
    families = {**FAMILIES, "movement": movement, "recurrent": recurrent}
    made = [fn(np.random.default_rng([zlib.crc32(name.encode()), seed]))[0] for name, fn in families.items() for seed in range(12)]
    return [file for file in made if use(file, 0)[0] == "ran"]


def fields(file: bytes) -> dict[str, list[tuple[int, int]]]:
    """(position, size) of scalars in tables and of vector elements and lengths, by kind; constant data count as one kind."""
    model = tflite.Model.GetRootAs(file, 0)
    kinds: dict[str, list[tuple[int, int]]] = {"structure": [], "quantization": [], "options": [], "constants": []}
    found = kinds["structure"]

    def table(t: Any) -> None:
        tab = t._tab
        vtable = tab.Pos - tab.Get(n.SOffsetTFlags, tab.Pos)
        size, length = struct.unpack_from("<HH", tab.Bytes, vtable)
        slots = sorted({struct.unpack_from("<H", tab.Bytes, vtable + 4 + 2 * i)[0] for i in range((size - 4) // 2)} - {0})
        for at, after in zip(slots, [*slots[1:], length], strict=False):
            found.append((tab.Pos + at, min(after - at, 4)))

    def vector(t: Any, slot: int, width: int) -> None:
        o = t._tab.Offset(slot)
        if o:
            start, count = t._tab.Vector(o), t._tab.VectorLen(o)
            found.append((start - 4, 4))
            found.extend((start + width * i, width) for i in range(count))

    table(model)
    for i in range(model.OperatorCodesLength()):
        table(model.OperatorCodes(i))
    for k in range(model.SubgraphsLength()):
        g = model.Subgraphs(k)
        for slot in (4, 6, 8, 10):
            vector(g, slot, 4)
        for i in range(g.TensorsLength()):
            t = g.Tensors(i)
            table(t)
            vector(t, 4, 4)
            if t.Quantization() is not None:
                table(t.Quantization())
                found = kinds["quantization"]
                vector(t.Quantization(), 8, 4)
                vector(t.Quantization(), 10, 8)
                found = kinds["structure"]
        for i in range(g.OperatorsLength()):
            o = g.Operators(i)
            table(o)
            vector(o, 6, 4)
            vector(o, 8, 4)
            if o.BuiltinOptions() is not None:
                holder = tflite.Model()
                holder._tab = o.BuiltinOptions()
                found = kinds["options"]
                table(holder)
                found = kinds["structure"]
    found = kinds["constants"]
    for i in range(model.BuffersLength()):
        vector(model.Buffers(i), 4, 1)
    return {kind: places for kind, places in kinds.items() if places}


def edit(file: bytes, rng: Rng) -> bytes:
    """Overwrite one to three fields by near or far values."""
    b = bytearray(file)
    kinds = list(fields(file).values())
    for _ in range(int(rng.integers(1, 3))):
        places = kinds[int(rng.integers(len(kinds)))]
        at, size = places[int(rng.integers(len(places)))]
        size = {1: 1, 2: 2, 3: 2, 8: 8}.get(size, 4)
        if at + size > len(b):
            continue
        value = int.from_bytes(b[at : at + size], "little", signed=True)
        near = (value + 1, value - 1, value * 2, value // 2, -value, int(rng.integers(0, 12)))
        far = (
            0,
            -1,
            127,
            2**15,
            2**24,
            2**31 - 1,
            -(2**31),
            int.from_bytes(struct.pack("<f", float(rng.choice([1e-30, 1e30, -1, np.inf, np.nan]))), "little"),
        )
        choices = near if rng.random() < 0.75 else far
        b[at : at + size] = (choices[int(rng.integers(len(choices)))] % (1 << (8 * size))).to_bytes(size, "little")
    return bytes(b)


def damage(file: bytes, rng: Rng) -> bytes:
    b = bytearray(file)
    kind, at = int(rng.integers(9)), int(rng.integers(len(b)))
    if kind == 0:
        return bytes(b[:at])
    if kind == 1:
        b[at:at] = rng.integers(0, 256, int(rng.integers(1, 64))).astype(np.uint8).tobytes()
    elif kind == 2:
        del b[at : at + int(rng.integers(1, 64))]
    else:
        for _ in range(int(rng.integers(1, 5))):
            b[int(rng.integers(len(b)))] ^= 1 << int(rng.integers(8))
    return bytes(b)


def mutant(seed: int, files: list[bytes]) -> bytes:
    rng = np.random.default_rng([seed, 78])
    file = files[int(rng.integers(len(files)))]
    return damage(file, rng) if seed % 2 else edit(file, rng)


def use(file: bytes, seed: int) -> tuple[str, int]:
    """Import and run a file; ("ran" or the error's name, arena bytes). Small networks must give what the reference gives."""
    rng = np.random.default_rng(seed)
    arena = 0
    try:
        graph = load_tflite(file, "tflm" if seed % 5 == 0 else "litert")
        model = intq.Model(graph, max_arena=hostile.MAX_ARENA, max_macs=hostile.MAX_MACS)
        session = intq.Session(model)
        arena = session.arena_bytes + sum(model.graph.of(p.tensor).nbytes for p in model.outputs)
        feeds = {i.name: np.resize(hostile.data(rng, (4093,), i.dtype), i.shape) for i in session.inputs}
        arena += sum(a.nbytes for a in feeds.values())
        x = feeds if len(feeds) > 1 else next(iter(feeds.values()))
        y = session.run_quantized(x)
        if sum(t.size for t in graph.tensors.values()) < 200_000 and model.macs < 1_000_000:
            reference = intq.Session(model, backend="reference").run_quantized(x)
            pairs = zip(y.values(), reference.values(), strict=True) if isinstance(y, dict) else [(y, reference)]
            if not all(np.array_equal(a, b) for a, b in pairs):
                return "DIFFERS", arena
        return "ran", arena
    except intq.Error as error:
        return type(error).__name__, arena


if __name__ == "__main__":
    hostile.originals, hostile.mutant, hostile.use = originals, mutant, use
    hostile.main(int(sys.argv[1]), int(sys.argv[2]))
