"""NumPy files that anybody may have written: whatever is wrong with one is an InputError that names it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from .errors import Error, InputError
from .graph import Array


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], mapped: bool = False) -> Iterator[Array | NpzFile]:
    """The array of a .npy file, or the arrays of an .npz file, each read (within the `with`) when it is asked for; never pickles.

    mapped: the data of a .npy file stays on disk until it is used. Raises InputError.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: {'a folder, not a file' if Path(path).is_dir() else 'no such file'}")
    loaded: Any = None
    try:
        loaded = np.load(path, allow_pickle=False, mmap_mode="r" if mapped else None)
        yield loaded
    except (Error, MemoryError):
        raise
    except PermissionError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except Exception as error:  # zipfile, zlib, tokenize and NumPy each have their own kinds
        # NumPy takes what it does not know for a pickle, and advises to trust it
        why = "it is of another kind, or holds Python objects" if "pickle" in str(error) else error
        raise InputError(f"{path}: no readable .npy or .npz file ({why})") from None
    finally:
        if isinstance(loaded, NpzFile):
            loaded.close()
