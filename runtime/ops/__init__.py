"""The operators of the integer graph, a file per family; importing this package registers them all."""

import importlib
import pkgutil

from .base import REGISTRY, Bound, Bounds, Op, View

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["REGISTRY", "Bound", "Bounds", "Op", "View"]
