"""Emitters of C, a function per op, registered by `@emitter(op)`; adding an op is adding a file here and its kernel in text/."""

from __future__ import annotations

import importlib
import pkgutil

from .base import EMITTERS, emitter

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["EMITTERS", "emitter"]
