"""onnxruntime's own static quantization (QDQ, u8s8, per channel, min-max) of a float model: the standard that issue figures compare with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

F32 = npt.NDArray[np.float32]


def quantize_qdq(source: str | Path | onnx.ModelProto, calibration: dict[str, F32], folder: Path, **options: object) -> Path:
    """Path of the quantized model; `options` go to `quantize_static`. `calibration` maps input names to all samples."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows = iter(range(len(next(iter(calibration.values())))))

        def get_next(self) -> dict[str, F32] | None:
            row = next(self.rows, None)
            return None if row is None else {name: array[row : row + 1] for name, array in calibration.items()}

    ready, target = folder / "ready.onnx", folder / "qdq.onnx"
    given = source if isinstance(source, onnx.ModelProto) else onnx.load(str(source))
    quant_pre_process(given, str(ready), skip_symbolic_shape=True)
    settings: dict[str, object] = {
        "quant_format": QuantFormat.QDQ,
        "per_channel": True,
        "activation_type": QuantType.QUInt8,
        "weight_type": QuantType.QInt8,
    }
    quantize_static(str(ready), str(target), Reader(), **{**settings, **options})
    return target


def run(path: str | Path | onnx.ModelProto, feeds: dict[str, F32], batch: int = 32) -> list[npt.NDArray[np.generic]]:
    """All outputs for any number of samples."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    model = path.SerializeToString() if isinstance(path, onnx.ModelProto) else str(path)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    count = len(next(iter(feeds.values())))
    parts = [session.run(None, {name: array[i : i + batch] for name, array in feeds.items()}) for i in range(0, count, batch)]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def sqnr(reference: npt.NDArray[np.generic], given: npt.NDArray[np.generic]) -> float:
    """Signal to quantization noise in dB, each output's mean over the inputs removed from both."""
    a, b = reference.astype(np.float64), given.astype(np.float64)
    signal, noise = a - a.mean(axis=0), (a - a.mean(axis=0)) - (b - b.mean(axis=0))
    power = float((noise**2).sum())
    return float("inf") if power == 0 else 10 * float(np.log10((signal**2).sum() / power))
