"""intq: integer-only neural-network inference. `load` a model, open a `Session`, `run` it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import BoundError, Error, FormatError, InputError, RecipeError, UnsupportedError
    from .model import Model, load
    from .session import Session

__all__ = ["BoundError", "Error", "FormatError", "InputError", "Model", "RecipeError", "Session", "UnsupportedError", "load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What `__all__` names, from its module: imported when asked for, so that the command line can answer Ctrl-C while NumPy is loaded."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = {"Model": "model", "load": "model", "Session": "session"}.get(name, "errors")
    value = globals()[name] = getattr(importlib.import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
