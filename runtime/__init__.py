"""intq: integer-only neural-network inference. `load` a model, open a `Session`, `run` it."""

from .errors import BoundError, Error, FormatError, InputError, RecipeError, UnsupportedError
from .model import Model, load
from .session import Session

__all__ = ["BoundError", "Error", "FormatError", "InputError", "Model", "RecipeError", "Session", "UnsupportedError", "load"]
__version__ = "0.1.0"
