"""The errors that intq raises; every one names the place, the reason and a way out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


class Error(Exception):
    """Base of all errors raised on purpose by intq."""


class FormatError(Error):
    """A model file, or a graph, breaks a rule of the format."""


class UnsupportedError(Error):
    """A source model holds operators or attributes that intq cannot run; lists every offender at once."""


class BoundError(Error):
    """An accumulator could leave int32: the channel, its bound and what to do are in the message."""


class InputError(Error):
    """An array or argument handed to intq has the wrong shape, dtype or value."""


class RecipeError(Error):
    """A recipe has an unknown key or an impossible value."""


@contextlib.contextmanager
def about(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors raised within say which file they are about."""
    try:
        yield
    except (FormatError, UnsupportedError, BoundError) as error:
        place = os.fspath(path)
        if str(error).startswith(place):
            raise
        raise type(error)(f"{place}: {error}") from None
