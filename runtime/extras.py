"""Optional packages: which extra of this package brings them, for the messages where one is not there."""

from __future__ import annotations

EXTRAS = {
    "onnx": "convert", "onnxscript": "convert", "onnxruntime": "convert", "scipy": "convert", "rich": "convert", "tomli": "convert",
    "numba": "jit", "tflite": "tflite", "flatbuffers": "tflite", "zstandard": "zstd",
    "matplotlib": "report", "jinja2": "report", "ai_edge_litert": "peers", "openvino": "peers",
    "torch": "torch", "PIL": "dev", "sklearn": "dev",
}  # fmt: skip


def missing(error: ImportError, package: str = "") -> str:
    """What is not there and how to get it, from the failure to import it (`package`, where the failure does not say)."""
    package = (error.name or "").partition(".")[0] or package
    extra = EXTRAS.get(package)
    how = f"the extra intq[{extra}] brings it (in a checkout: pip install '.[{extra}]')" if extra else f"pip install {package}"
    return f"the package {package!r} is missing; {how}" if package else str(error)
