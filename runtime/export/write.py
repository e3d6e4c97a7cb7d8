"""Renders the files of an export from a finished Source: source, header, test program, Makefile."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Graph, Port
from .source import CTYPES, Source, dims, identifier, readable, rows

MAKEFILE = "# make test: build the network with its test program and run it."  # its first line, by which an export knows its own
FEW = 4  # ports whose pointers are checked in one line
LAYOUT = {4: "NHWC", 3: "NLC", 2: "NC"}


def port_comment(graph: Graph, kind: str, i: int, port: Port) -> str:
    t = graph.tensors[port.tensor]
    shape = "x".join(map(str, t.shape))
    layout = LAYOUT.get(len(t.shape), "dense")
    scale = t.scale if isinstance(t.scale, float | int) else t.scale[0]
    return f' *   {kind}s[{i}]  "{readable(port.name)}": {CTYPES[t.dtype]} {shape} ({layout}); real = {scale:.9g} * (q - ({t.zero_point}))'


def header(s: Source, name: str, arena: int, bound: int) -> str:
    graph, upper = s.graph, identifier(name).upper()
    lines = [f"/* {readable(graph.name)}: integers only, no heap, no library but memcpy and memset.", " *"]
    lines += [port_comment(graph, "input", i, p) for i, p in enumerate(graph.inputs)]
    lines += [port_comment(graph, "output", i, p) for i, p in enumerate(graph.outputs)]
    lines += [
        " *",
        f" * {name}_run reads the inputs, writes the outputs and works in `arena`: {upper}_ARENA_BYTES bytes aligned to {upper}_ARENA_ALIGN,",
        *states_comment(s, name, upper),
        f" * With the macro {upper}_STATIC_ARENA defined, the file has an arena of its own and NULL is fine.",
        " * Returns 0, or -1 for a null pointer. Calls with different arenas and buffers may run at the same time. */",
        f"#ifndef {upper}_H",
        f"#define {upper}_H",
        "",
        f"#define {upper}_INPUTS {len(graph.inputs)}",
        f"#define {upper}_OUTPUTS {len(graph.outputs)}",
    ]
    for kind, ports in (("INPUT", graph.inputs), ("OUTPUT", graph.outputs)):
        for i, p in enumerate(ports):
            t = graph.tensors[p.tensor]
            lines.append(f"#define {upper}_{kind}_{i}_BYTES {t.nbytes}")
            lines.append(f"#define {upper}_{kind}_{i}_ZERO_POINT ({t.zero_point})")
    if s.kept:
        lines.append(f"#define {upper}_STATE_BYTES {s.kept_bytes}")
    lines += [
        f"#define {upper}_ARENA_BYTES {max(arena, 8)} /* the largest set of tensors alive at once takes {bound} */",
        f"#define {upper}_ARENA_ALIGN 8",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        *([f"int {name}_reset(void *arena);"] if s.kept else []),
        f"int {name}_run(const void *const inputs[], void *const outputs[], void *arena);",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def states_comment(s: Source, name: str, upper: str) -> list[str]:
    if not s.kept:
        return [" * free for other use between calls."]
    return [
        f" * whose first {upper}_STATE_BYTES bytes keep the state between calls; the rest is free for other use then. Call {name}_reset before the",
        " * first run, and to start again.",
    ]


def reset(s: Source, name: str) -> list[str]:
    """The function that sets every state to its zero point."""
    body = [f"int {name}_reset(void *arena) {{", f"#ifdef {identifier(name).upper()}_STATIC_ARENA", "    if (!arena) arena = own.bytes;", "#endif"]
    body += ["    if (!arena) return -1;", "    uint8_t *const memory = arena;"]
    for i, state in enumerate(s.graph.states):
        t = s.graph.tensors[state.read]
        at = f"memory + {s.kept[f'state_{i}']}"
        if t.zero_point == 0 or t.dtype == "int8":
            body.append(f"    memset({at}, {t.zero_point}, {t.nbytes});")
        else:
            body.append(f"    for (int32_t i = 0; i < {t.size}; i++) (({CTYPES[t.dtype]} *)({at}))[i] = {t.zero_point};")
    return [*body, "    return 0;", "}", ""]


def variables(s: Source, offsets: dict[str, int]) -> list[str]:
    """Declarations of the pointers that the calls use: ports first, then the arena's tensors in order of their first use."""
    graph, out = s.graph, []
    used = set(s.touched)
    for i, p in enumerate(graph.inputs):
        if p.tensor in used and s.names[p.tensor] == f"input_{i}":
            out.append(f"    const {CTYPES[graph.tensors[p.tensor].dtype]} *const input_{i} = inputs[{i}];")
    for i, p in enumerate(graph.outputs):
        if p.tensor in used and s.names[p.tensor] == f"output_{i}":
            out.append(f"    {CTYPES[graph.tensors[p.tensor].dtype]} *const output_{i} = outputs[{i}];")
    for name in s.touched:
        if s.names[name] in offsets:
            t = graph.tensors[name]
            place = f"({CTYPES[t.dtype]} *)(memory + {offsets[s.names[name]]})"
            out.append(f"    {CTYPES[t.dtype]} *const {s.names[name]} = {place}; /* {dims(t.shape)} */")
    for name, (size, _) in s.scratch.items():
        out.append(f"    int8_t *const {name} = (int8_t *)(memory + {offsets[name]}); /* {size} bytes of scratch */")
    return out


def nulls(ports: str, count: int) -> list[str]:
    """Conditions for a null pointer among a few ports; a loop checks many."""
    return [f"!{ports}[{i}]" for i in range(count)] if count <= FEW else []


def source(s: Source, name: str, offsets: dict[str, int], tail: list[str]) -> str:
    graph, upper = s.graph, identifier(name).upper()
    parts = [f'#include "{name}.h"\n\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n']
    if s.max_taps:
        parts.append(f"enum {{ MAX_TAPS = {s.max_taps} }}; /* of the largest depthwise kernel */\n")
    parts += ["/* ----- kernels ----- */\n", *s.kernels.values(), "/* ----- weights and layers ----- */\n", *(d + "\n" for d in s.data)]
    parts.append(
        f"#ifdef {upper}_STATIC_ARENA\nstatic union {{\n    uint8_t bytes[{upper}_ARENA_BYTES];\n    int64_t aligned;\n}} own;\n#endif\n"
    )
    body = reset(s, name) if s.kept else []
    body += [f"int {name}_run(const void *const inputs[], void *const outputs[], void *arena) {{"]
    body += [f"#ifdef {upper}_STATIC_ARENA", "    if (!arena) arena = own.bytes;", "#endif"]
    body += [f"    if ({' || '.join(['!arena', *nulls('inputs', len(graph.inputs)), *nulls('outputs', len(graph.outputs))])}) return -1;"]
    for ports, count in (("inputs", len(graph.inputs)), ("outputs", len(graph.outputs))):
        body += [f"    for (int i = 0; i < {count}; i++)", f"        if (!{ports}[i]) return -1;"] if count > FEW else []
    declared = variables(s, offsets)
    if offsets:
        body.append("    uint8_t *const memory = arena;")
    body += [*declared, ""]
    for layer in s.layers:
        body += [f"    /* {layer.comment} */", *("    " + c for c in layer.calls)]
    body += [*("    " + t for t in tail), "    return 0;", "}"]
    return "\n".join(parts) + "\n" + "\n".join(body) + "\n"


def test_program(s: Source, name: str, samples: list[tuple[list[Any], list[Any]]]) -> str:
    """A main() that runs the samples and compares every byte; prints one line, returns 0 where all agree."""
    graph, upper = s.graph, identifier(name).upper()
    parts = [
        f"/* Runs {name} on inputs whose outputs are known, and compares every byte. */",
        f'#include "{name}.h"\n\n#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\n',
    ]
    for n, (xs, ys) in enumerate(samples):
        for kind, arrays in (("input", xs), ("output", ys)):
            for i, a in enumerate(arrays):
                flat = np.ascontiguousarray(a).reshape(-1)
                ctype, text = CTYPES[str(flat.dtype)], rows(flat.tolist(), str(flat.dtype))
                parts.append(f"static const {ctype} sample_{n}_{kind}_{i}[{flat.size}] = {{\n{text}}};")
    for kind, ports in (("input", graph.inputs), ("output", graph.outputs)):
        for n in range(len(samples)):
            names = ", ".join(f"sample_{n}_{kind}_{i}" for i in range(len(ports)))
            parts.append(f"static const void *const sample_{n}_{kind}s[] = {{{names}}};")
    out = [f"static int64_t output_{i}[({upper}_OUTPUT_{i}_BYTES + 7) / 8];" for i in range(len(graph.outputs))]
    compare = " || ".join(f"memcmp(outputs[{i}], expected[{i}], {upper}_OUTPUT_{i}_BYTES)" for i in range(len(graph.outputs)))
    parts += [
        f"static int64_t arena[({upper}_ARENA_BYTES + 7) / 8];",
        *out,
        "",
        "static int check(const void *const *inputs, const void *const *expected) {",
        f"    void *const outputs[] = {{{', '.join(f'output_{i}' for i in range(len(graph.outputs)))}}};",
        f"    return {name}_run(inputs, outputs, arena) || {compare};",
        "}",
        "",
        "int main(void) {",
        f"    int wrong = {f'{name}_reset(arena)' if s.kept else 0};",
        *(f"    wrong += check(sample_{n}_inputs, sample_{n}_outputs);" for n in range(len(samples))),
        f'    puts(wrong ? "{name}: WRONG" : "{name}: {len(samples)} samples equal");',
        "    return wrong != 0;",
        "}",
    ]
    return "\n".join(parts) + "\n"


def makefile(name: str) -> str:
    return f"""{MAKEFILE}
CFLAGS ?= -O3
FLAGS := -std=c99 -Wall -Wextra -Werror -pedantic

{name}_test: {name}_test.c {name}.c {name}.h
\t$(CC) $(FLAGS) $(CFLAGS) -o $@ {name}_test.c {name}.c

.PHONY: test clean
test: {name}_test
\t./{name}_test
clean:
\trm -f {name}_test
"""
