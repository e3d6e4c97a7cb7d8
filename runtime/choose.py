"""Forms of one node that give the same bytes: each is timed when the plan is built, and the fastest is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .kernel_api import ffi, lib
from .memory import SLACK, Pool, aligned
from .steps import Step, bind

if TYPE_CHECKING:
    from .build import Builder
    from .ops import View

Form = tuple[str, Callable[[], None]]  # a name, and what appends the form's steps
ROUNDS, IN_A_ROW = 8, 4  # tile units sleep while others work, and take microseconds to wake up
HOPELESS = 2  # times the least, after the first round: timed no further
CLEAR = 0.95  # another form than the first (the dense one) must take less than this share of its time
PREFER: list[str] = []  # a form whose name contains one of these is taken untimed: for benchmarks and tests


def fastest(b: Builder, v: View, forms: Sequence[Form], extra: Mapping[str, int] = {}) -> None:
    """Lower a node in the fastest of its forms, so that skipping work never makes a model slower. `Plan.choices` keeps what was taken and why.

    `extra`: nanoseconds by form that a run on its own does not show.
    """
    if len(forms) == 1:
        forms[0][1]()
        return
    preferred = next((lower for name, lower in forms if any(text in name for text in PREFER)), None)
    if preferred is not None:
        preferred()
        return
    start, first, pool, sizes, scratch = len(b.steps), len(b.alive), b.pool, dict(b.sizes), b.scratch_bytes
    b.pool = Pool()  # what loses leaves no holes between the weights of the network: those would cost a small one 4 % of its time
    lowered = []
    for _, lower in forms:
        lower()
        lowered.append(b.steps[start:])
        del b.steps[start:]
    names = [name for name, _ in forms]
    times = [ns + extra.get(name, 0) for ns, name in zip(clock(b, lowered), names, strict=True)]
    best = min(range(len(times)), key=lambda i: times[i] if i == 0 else times[i] / CLEAR)
    del b.alive[first:]
    b.pool, b.sizes, b.scratch_bytes = pool, sizes, scratch
    forms[best][1]()
    b.choices[v.node.name] = f"{names[best]}: " + "; ".join(f"{name} {ns / 1000:.1f} us" for name, ns in zip(names, times, strict=True))


def clock(b: Builder, forms: list[list[Step]]) -> list[int]:
    """Least nanoseconds that the steps of each form take on one thread, on buffers of zeros; the forms take turns, so that a busy machine
    or a change of its frequency meets all of them."""
    names = list(dict.fromkeys(name for steps in forms for s in steps for name in (*s.reads, *s.writes)))
    buffers = {name: aligned(b.sizes[name] + SLACK) for name in names}
    scratch = aligned(b.scratch_bytes + SLACK)
    pointers = {name: ffi.cast("char *", buffer.ctypes.data) for name, buffer in buffers.items()}
    bound = [(bind(steps, pointers.__getitem__), len(steps)) for steps in forms]
    best = [2**62] * len(forms)
    for turn in range(ROUNDS):
        for i, (c, count) in enumerate(bound):
            if turn and best[i] > HOPELESS * min(best):
                continue
            ns = ffi.new("int64_t[]", count)
            for _ in range(IN_A_ROW):
                lib.intq_run(c, count, ffi.NULL, ffi.cast("uint8_t *", scratch.ctypes.data), b.scratch_bytes, ns)
                best[i] = min(best[i], sum(ns))
    return best
