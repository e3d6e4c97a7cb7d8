"""intq.kernels: the arithmetic (SPEC.md, ref.py) and the kernels that equal it. `table()` lists them."""

from .table import Row, isas, table

__all__ = ["Row", "isas", "table"]
