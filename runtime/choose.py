"""Forms of one node that give the same bytes: each is timed when the plan is built, and the fastest is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .kernel_api import ffi, lib
from .memory import aligned

if TYPE_CHECKING:
    from .build import Builder, Step
    from .ops import View

Form = tuple[str, Callable[[], None]]  # a name, and what appends the form's steps
ROUNDS = 5
PREFER: list[str] = []  # a form whose name contains one of these is taken untimed: for benchmarks and tests


def fastest(b: Builder, v: View, forms: list[Form]) -> None:
    """Lower a node in the fastest of its forms, so that skipping work never makes a model slower. `Plan.choices` keeps what was taken and why."""
    if len(forms) == 1:
        forms[0][1]()
        return
    preferred = next((lower for name, lower in forms if any(text in name for text in PREFER)), None)
    if preferred is not None:
        preferred()
        return
    start, found = len(b.steps), []
    for name, lower in forms:
        first = len(b.alive)
        lower()
        steps, held = b.steps[start:], b.alive[first:]
        del b.steps[start:], b.alive[first:]
        found.append((clock(b, steps), name, steps, held))
    _, taken, steps, held = min(found, key=lambda form: form[0])
    b.steps += steps
    b.alive += held
    b.choices[v.node.name] = f"{taken}: " + "; ".join(f"{name} {ns / 1000:.1f} us" for ns, name, _, _ in found)


def clock(b: Builder, steps: list[Step]) -> int:
    """Least nanoseconds that the steps take on one thread, on buffers of zeros."""
    names = list(dict.fromkeys(name for s in steps for name in (*s.reads, *s.writes)))
    buffers = {name: aligned(b.sizes[name] + 128) for name in names}
    c, ns, scratch = ffi.new("intq_step[]", len(steps)), ffi.new("int64_t[]", len(steps)), aligned(b.scratch_bytes + 128)
    for to, step in zip(c, steps, strict=True):
        to.fn = ffi.cast("intq_kernel_fn *", step.row.c.fn)
        to.params, to.units, to.min_units = step.params, step.units, step.min_units
        for i, name in enumerate((*step.reads, *step.writes)):
            to.io[i] = ffi.cast("void *", buffers[name].ctypes.data)
    best = 2**62
    for _ in range(ROUNDS):
        lib.intq_run(c, len(steps), ffi.NULL, ffi.cast("uint8_t *", scratch.ctypes.data), b.scratch_bytes, ns)
        best = min(best, sum(ns))
    return best
