"""Who is at fault where the import of an ONNX model fails in a way that nobody foresaw: the model, if onnxruntime cannot run it either."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from ...errors import Error, InputError
from .load import first_line


@contextlib.contextmanager
def blame_the_model(source: str | Path | onnx.ModelProto) -> Iterator[None]:
    """Turn an unforeseen failure into an InputError with onnxruntime's reason. What onnxruntime does run is left as it is: a fault of intq."""
    try:
        yield
    except (Error, MemoryError):
        raise
    except Exception as error:
        reason = not_text(error) or refusal(source)
        if not reason:
            raise
        raise InputError(f"the ONNX model is not sound: {reason}") from error


def not_text(error: BaseException | None) -> str:
    """The reason, where a name of the model is no text: onnxruntime takes any bytes."""
    while error is not None:
        if isinstance(error, UnicodeDecodeError):
            return f"a name in it is not UTF-8 ({error.object!r})"
        error = error.__cause__ or error.__context__
    return ""


def refusal(source: str | Path | onnx.ModelProto) -> str:
    """Why onnxruntime cannot load the model, or run it on zeros of the shapes that it declares; empty where it can."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        given = source.SerializeToString() if isinstance(source, onnx.ModelProto) else str(source)
        session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
        feeds = {}
        for port in session.get_inputs():
            shape = [d if isinstance(d, int) else 1 for d in port.shape]
            feeds[port.name] = np.zeros(shape, onnxruntime_dtype(port.type))
        session.run(None, feeds)
    except Exception as error:  # onnxruntime has a dozen exception classes without a common base
        return first_line(error)
    return ""


def onnxruntime_dtype(text: str) -> str:
    """NumPy's name of a type like tensor(float)."""
    name = text.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(name, name)
