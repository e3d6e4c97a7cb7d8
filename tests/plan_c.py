"""Writes native plans as C source, so that the kernels run where there is no Python: under emulation, on other architectures.

A plan is built for the scalar set without its preparation; the C program picks the rows of another set, prepares them, runs every step
and compares the outputs (tests/arm/runner.h).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from intq import Model
from intq.build import Builder, Plan
from intq.kernel_api import ffi
from intq.kernels.table import table
from intq.ops import View

Array = np.ndarray[Any, Any]
CTYPES = {"int8_t": np.int8, "uint8_t": np.uint8, "int16_t": np.int16, "int32_t": np.int32, "int64_t": np.int64}


class Unprepared(Builder):
    """A builder that remembers its constants and leaves preparation to the C program."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.graph, ("scalar",), 1)
        self.arrays: dict[int, Array] = {}
        self.prepared: list[Any] = []
        self.no_min: dict[int, bool] = {}

    def constant(self, array: Array, ctype: str) -> Any:
        pointer = super().constant(array, ctype)
        self.arrays[int(ffi.cast("uintptr_t", pointer))] = np.ascontiguousarray(array)
        return pointer

    def prepare(self, row: Any, p: Any) -> None:
        self.prepared.append(p)

    def product(self, v: View, op: Any, weights: Any, *more: Any) -> None:
        super().product(v, op, weights, *more)
        if self.steps[-1].row.op == "conv2d":  # of the forms of a product, the one over gemm rows
            self.no_min[len(self.steps) - 1] = bool((weights == -128).any())


def literal(values: Array) -> str:
    return ", ".join("INT64_MIN" if v == -(2**63) else "INT32_MIN" if v == -(2**31) else str(v) for v in values.reshape(-1).tolist())


class Case:
    """C source of one plan: static data, and a function that returns how many outputs differ."""

    def __init__(self, name: str, model: Model, samples: list[tuple[list[Array], list[Array]]]) -> None:
        self.name, self.model, self.lines = name, model, [""]
        self.builder = Unprepared(model)
        self.plan: Plan = self.builder.build()
        self.arrays: dict[int, str] = {}
        self.rows = {int(ffi.cast("uintptr_t", r.c.fn)): r for r in table() if r.isa == "scalar"}
        self.bindings: list[str] = []
        self.buffers()
        self.steps()
        self.function(samples)

    def data(self, address: int) -> str:
        """The C array of a constant that the builder placed at an address."""
        if address not in self.arrays:
            raw = np.frombuffer(self.builder.arrays[address].tobytes() + bytes(128), np.uint8)
            words = np.frombuffer(raw.tobytes() + bytes(-len(raw) % 8), np.int64)
            name = self.arrays[address] = f"{self.name}_a{len(self.arrays)}"
            self.lines.append(f"static int64_t {name}[] = {{{literal(words)}}};")
        return self.arrays[address]

    def value(self, p: Any, field: Any, name: str, path: str) -> str | None:
        """Initializer of one struct field; function pointers are bound while running."""
        kind, current = field.type.kind, getattr(p, name)
        if kind == "struct":
            return self.struct(current, field.type, f"{path}.{name}")
        if kind == "array":
            return "{" + ", ".join(str(current[i]) for i in range(len(current))) + "}"
        if kind == "function":
            row = self.rows.get(int(ffi.cast("uintptr_t", current)))
            if row is not None and row.op == "finish":
                self.bindings.append(f'{path}.{name} = (intq_finish_fn *)pick("finish", "{row.variant}", 0)->fn;')
            return None
        if kind != "pointer":
            return str(int(current)) if int(current) != -(2**31) else "INT32_MIN"
        address = int(ffi.cast("uintptr_t", current))
        if address == 0:
            return None
        if field.type.item.kind == "struct":
            count = int(p.n_divisors)
            items = ", ".join(self.struct(current[i], field.type.item, f"{path}.{name}[{i}]") for i in range(count))
            array = f"{self.name}_r{len(self.lines)}"
            self.lines.append(f"static {field.type.item.cname} {array}[] = {{{items}}};")
            return array
        return f"(void *){self.data(address)}"

    def struct(self, p: Any, ctype: Any, path: str) -> str:
        found = [(name, self.value(p, field, name, path)) for name, field in ctype.fields]
        return "{" + ", ".join(f".{name} = {text}" for name, text in found if text is not None) + "}"

    def buffers(self) -> None:
        self.lines.append(f"static int64_t {self.name}_arena[{self.plan.arena_bytes // 8 + 32}];")
        for i, name in enumerate(self.plan.kept):
            self.lines.append(f"static int64_t {self.name}_k{i}[{self.plan.sizes[name] // 8 + 32}];")

    def place(self, name: str) -> str:
        root = self.plan.root(name)
        if root in self.plan.constants:
            return self.data(int(ffi.cast("uintptr_t", self.plan.constants[root])))
        if root in self.plan.kept:
            return f"{self.name}_k{self.plan.kept.index(root)}"
        return f"(uint8_t *){self.name}_arena + {self.plan.offsets[root]}"

    def steps(self) -> None:
        self.bind, self.run = [], []
        for i, step in enumerate(self.plan.steps):
            p, ctype = f"{self.name}_p{i}", ffi.typeof(step.params).item
            text = self.struct(step.params[0], ctype, p)
            self.lines.append(f"static {ctype.cname} {p} = {text};")
            row = f'pick("{step.row.op}", "{step.row.variant}", 0)'
            self.bind += self.bindings
            self.bindings = []
            units = str(step.units)
            if any(step.params is q for q in self.builder.prepared):
                if i in self.builder.no_min:
                    self.bind.append(f"bind_gemm(&{p}, {int(self.builder.no_min[i])});")
                self.bind.append(f"prepare({row}, &{p});")
                units = f"{p}.units"
            io = ", ".join(self.place(n) for n in (*step.reads, *step.writes))
            self.run.append(f"{{ void *const io[] = {{{io}}}; run_step({row}, &{p}, io, {units}); }}")

    def function(self, samples: list[tuple[list[Array], list[Array]]]) -> None:
        graph, lines = self.model.graph, self.lines
        lines.append(f"static void {self.name}_prepare(void) {{ {' '.join(self.bind)} }}")
        lines.append(f"static void {self.name}_run(void) {{ {' '.join(self.run)} }}")
        body = [f"{self.name}_prepare();"]
        for n, (xs, ys) in enumerate(samples):
            for i, (port, x) in enumerate(zip(graph.inputs, xs, strict=True)):
                self.raw(f"{self.name}_x{n}_{i}", x)
                body.append(f"memcpy({self.place(port.tensor)}, {self.name}_x{n}_{i}, {x.nbytes});")
            body.append(f"{self.name}_run();")
            for i, (port, y) in enumerate(zip(graph.outputs, ys, strict=True)):
                self.raw(f"{self.name}_y{n}_{i}", y)
                body.append(f"wrong += memcmp({self.place(port.tensor)}, {self.name}_y{n}_{i}, {y.nbytes}) != 0;")
        lines.append(f"static int {self.name}(void) {{ int wrong = 0; {' '.join(body)} return wrong; }}")

    def raw(self, name: str, array: Array) -> None:
        raw = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.int8)
        self.lines.append(f"static const int8_t {name}[] = {{{literal(raw)}}};")


def program(cases: list[Case]) -> str:
    """main(cap): runs every case, names those that differ, returns their number."""
    text = ['#include "runner.h"', *(line for case in cases for line in case.lines)]
    checks = [f'    pool_used = 0; if ({c.name}()) {{ puts("{c.name} ({c.model.graph.nodes[0].op}) differs"); wrong++; }}' for c in cases]
    text += ["int main(int argc, char **argv) {", "    int wrong = 0;", "    if (argc > 1) cap = argv[1];"]
    text.append('    if (!allowed(cap)) { puts("absent"); return 77; }')
    text += [*checks, f'    puts(wrong ? "WRONG" : "{len(cases)} plans equal");', "    return wrong != 0;", "}"]
    return "\n".join(text) + "\n"
