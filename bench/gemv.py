"""A vector times a matrix whose weights come from memory: 8, 4, 2 and 1 bits a weight, beside onnxruntime's MatMulNBits.

Every call takes the next of enough copies that together they are COLD bytes.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import Model, Session, choose
from ..graph import Graph, Port
from ..kernels.fixed_point import requantize_params
from ..ops import REGISTRY
from .timing import interleave

COLD = 64 << 20
SIZE = 4096
GROUP = 64


def graph(k: int, n: int, bits: int) -> Graph:
    """int8 weights, 4-bit codes in groups of 64, or int8 weights of three or two values, which run as codes of 2 and 1 bits."""
    g, random = Graph("gemv"), np.random.default_rng(0)
    g.tensor("x", (1, k))
    g.tensor("y", (1, n))
    multiplier, shift = requantize_params(np.full(n, 1e-4), "q15")
    scales = [g.constant("bias", np.zeros(n, np.int32)), g.constant("multiplier", multiplier), g.constant("shift", shift)]
    if bits == 4:
        names = [g.constant("codes", random.integers(0, 256, (n, k // 2)).astype(np.uint8)), g.constant("table", np.arange(-8, 8).astype(np.int8)),
                 g.constant("groups", random.integers(1, 32, (n, k // GROUP)).astype(np.uint8))]  # fmt: skip
        g.node(REGISTRY["dense_codes"](group=GROUP), ["x", *names, *scales], ["y"])
    else:
        values = {8: np.arange(-127, 128), 2: np.array([-127, 0, 127]), 1: np.array([-127, 127])}[bits]
        g.node(REGISTRY["dense"](), ["x", g.constant("w", random.choice(values.astype(np.int8), (n, k))), *scales], ["y"])
    for ports, name in ((g.inputs, "x"), (g.outputs, "y")):
        ports.append(Port(name=name, tensor=name, shape=g.of(name).shape, perm=(0, 1)))
    return g


def ours(k: int, n: int, bits: int, isa: str) -> Callable[[], Any]:
    """One call of the next copy."""
    copies = -(-COLD * 8 // (k * n * bits))
    choose.PREFER[:] = ["-bit codes"] if bits < 4 else ["dense"]
    try:
        model = Model(graph(k, n, bits))
        sessions = [Session(model, isa=isa) for _ in range(copies)]  # each packs its own weights
    finally:
        choose.PREFER.clear()
    turn = itertools.cycle(sessions)
    return lambda: next(turn).invoke()


def peer(k: int, n: int) -> Callable[[], Any]:
    """The same with 4-bit weights, a scale for each group and int8 products (accuracy_level 4) in onnxruntime, one thread."""
    import onnx.helper as h
    import onnx.numpy_helper
    import onnxruntime

    turns = []
    for seed in range(-(-COLD * 2 // (k * n))):
        random = np.random.default_rng(seed)
        weights = [onnx.numpy_helper.from_array(random.integers(0, 256, (n, k // GROUP, GROUP // 2)).astype(np.uint8), "w"),
                   onnx.numpy_helper.from_array(random.random(n * k // GROUP).astype(np.float32), "s")]  # fmt: skip
        node = h.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=k, N=n, bits=4, block_size=GROUP, accuracy_level=4)
        ends = [h.make_tensor_value_info(name, 1, [1, size]) for name, size in (("x", k), ("y", n))]
        imports = [h.make_opsetid("", 17), h.make_opsetid("com.microsoft", 1)]
        model = h.make_model(h.make_graph([node], "peer", ends[:1], ends[1:], weights), opset_imports=imports, ir_version=8)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(random.normal(size=(1, k)).astype(np.float32)))
        binding.bind_ortvalue_output("y", onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((1, n), np.float32)))
        turns.append((session, binding))
    turn = itertools.cycle(turns)

    def call() -> None:
        session, binding = next(turn)
        session.run_with_iobinding(binding)

    return call


def measure(isa: str, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """One row per width: median milliseconds, and how many times as fast as int8 in the same rounds."""
    calls = {f"{bits} bits": ours(SIZE, SIZE, bits, isa) for bits in (8, 4, 2, 1)}
    if importlib.util.find_spec("onnxruntime"):
        calls["onnxruntime MatMulNBits, 4 bits"] = peer(SIZE, SIZE)
    samples = interleave(list(calls.values()), rounds, seconds)
    size = f"{SIZE}x{SIZE}"
    faster = [float(np.median(np.divide(samples[0].seconds, s.seconds))) for s in samples]
    rows = zip(calls, samples, faster, strict=True)
    return [{"vector times": size, "weights": name, "ms": s.median * 1e3, "ratio to int8": ratio} for name, s, ratio in rows]
