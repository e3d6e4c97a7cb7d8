"""Rough time of a step: only to see whether a second thread is worth waking.

Handing a step to another core and getting it back costs about a microsecond, and its half of the output then lies in the other core's
cache. Measured on two cores: steps of less than about ten microseconds are faster on one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ops import Op

if TYPE_CHECKING:
    from .build import Builder
    from .ops import View

SHARED_NS = 10000
PRODUCTS_PER_NS = {"amx": 400, "avx512vnni": 250, "avx512bitalg": 250, "avxvnni": 120, "avx2": 50, "neon_i8mm": 100, "neon_dotprod": 50, "neon": 20}
OUTPUTS_PER_NS, BYTES_PER_NS, SCALAR = 6, 30, 1


def nanoseconds(isa: str, macs: int, outputs: int, constants: int) -> float:
    """Of `macs` multiply-accumulates with `constants` bytes of weights that give `outputs` elements, on one thread."""
    work = max(macs / PRODUCTS_PER_NS.get(isa, SCALAR), constants / BYTES_PER_NS)
    return work + outputs / (OUTPUTS_PER_NS if isa in PRODUCTS_PER_NS else SCALAR)


def min_units(b: Builder, v: View, isa: str, units: int, least: int) -> int:
    """Units below which a step of this node stays on one thread: all of them where the step is short, else `least`."""
    assert isinstance(v.node.attrs, Op)
    constants = sum(b.graph.constants[name].nbytes for name in v.node.inputs if name in b.graph.constants)
    short = nanoseconds(isa, v.node.attrs.macs(v) * b.batch, b.size(v.y()), constants) < SHARED_NS
    return units if short else least
