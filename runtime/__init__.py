"""intq: integer-only neural-network inference. `load` a model, open a `Session`, `run` it."""

from .errors import BoundError, Error, FormatError, InputError, RecipeError, UnsupportedError

__all__ = ["BoundError", "Error", "FormatError", "InputError", "RecipeError", "UnsupportedError"]
__version__ = "0.1.0"
