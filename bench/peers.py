"""One interface over the engines that are timed side by side: prepare a network, then call what comes back once per inference.

Each runner makes its engine as fast as its own documentation says: inputs bound beforehand, latency hints, the asked number of
threads. An engine that is not installed, or a network that it has no file for, raises Unavailable with the reason; the
benchmark reports that and goes on.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .networks import Array, Network, cache_dir

if TYPE_CHECKING:
    import onnx

Call = Callable[[], object]


class Unavailable(Exception):
    """The engine is not installed here, or cannot run this network."""


@dataclass(frozen=True)
class Job:
    """What a runner gets: the network, its files, one float input (1, *shape) and the number of threads."""

    network: Network
    folder: Path | None
    threads: int
    x: Array

    def qdq(self) -> Path:
        """The QDQ model that onnxruntime's own quantizer makes (per channel, u8s8, min-max), cached by content."""
        try:
            import onnxruntime
        except ImportError as error:
            raise Unavailable("onnxruntime is not installed") from error
        source = self.network.path(self.folder)
        digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
        target = cache_dir() / f"{self.network.name}-{digest}-ort{onnxruntime.__version__}-qdq.onnx"
        if not target.exists():
            _quantize(source, target, self.network.calibration(self.folder))
        return target


def _fold_gemm(model: onnx.ModelProto) -> None:
    """Fold BatchNormalization into the Gemm before it, in place: onnxruntime does so for convolutions only, and OpenVINO 2026.4 cannot
    compile the QDQ model that is left otherwise."""
    import onnx
    from onnx import numpy_helper

    graph = model.graph
    values = {i.name: i for i in graph.initializer}
    producer = {node.output[0]: node for node in graph.node}
    for bn in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        gemm = producer.get(bn.input[0])
        if gemm is None or gemm.op_type != "Gemm" or any(bn.input[0] in node.input for node in graph.node if node is not bn):
            continue
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in gemm.attribute}
        w, b, gamma, beta, mean, var = (numpy_helper.to_array(values[n]).astype(np.float64) for n in (*gemm.input[1:], *bn.input[1:]))
        epsilon = next((a.f for a in bn.attribute if a.name == "epsilon"), 1e-5)
        factor = gamma / np.sqrt(var + epsilon)
        w = w * (factor[:, None] if attributes.get("transB") else factor)
        for name, array in ((gemm.input[1], w), (gemm.input[2], (b - mean) * factor + beta)):
            values[name].CopyFrom(numpy_helper.from_array(array.astype(np.float32), name))
        gemm.output[0] = bn.output[0]
        graph.node.remove(bn)


def _quantize(source: Path, target: Path, calibration: Array) -> None:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows: Iterator[Array] = iter(calibration)

        def get_next(self) -> dict[str, Array] | None:
            row = next(self.rows, None)
            return None if row is None else {"input": row[None]}

    folded = target.with_suffix(".folded")
    partial = target.with_suffix(".partial")
    try:
        model = onnx.load(str(source))
        _fold_gemm(model)
        quant_pre_process(model, str(folded), skip_symbolic_shape=True)  # it would leave a file where it fails
        quantize_static(
            str(folded), str(partial), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
        )  # fmt: skip
        partial.replace(target)
    finally:
        folded.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)


def version(distribution: str) -> str:
    """Installed version of a distribution, or "" where it is absent."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


@dataclass(frozen=True)
class Runner:
    """An engine in one configuration. `prepare(job)` returns the call to time, or raises Unavailable."""

    name: str
    engine: str  # distribution whose version is reported
    precision: str  # "int8" or "float"
    prepare: Callable[[Job], Call]

    @property
    def version(self) -> str:
        return version(self.engine)


def _onnxruntime(path: Path, job: Job) -> Call:
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise Unavailable("onnxruntime is not installed") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_ortvalue_input(session.get_inputs()[0].name, ort.OrtValue.ortvalue_from_numpy(job.x))
    binding.bind_output(session.get_outputs()[0].name)

    def call() -> object:
        return session.run_with_iobinding(binding)

    return call


def _openvino(path: Path, job: Job, precision: str | None) -> Call:
    try:
        import openvino as ov
    except ImportError as error:
        raise Unavailable("openvino is not installed") from error
    core = ov.Core()
    model = core.read_model(str(path))
    port = model.input(0)
    wanted = ov.PartialShape([1, *(d.get_length() for d in list(port.partial_shape)[1:])])
    model.reshape({port: wanted})
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": job.threads}
    if precision:
        config["INFERENCE_PRECISION_HINT"] = precision
    request = core.compile_model(model, "CPU", config).create_infer_request()
    tensor = request.get_input_tensor(0)
    if tensor.data.shape == job.x.shape and tensor.data.dtype == job.x.dtype:
        tensor.data[...] = job.x
    else:  # a .tflite twin: integer NHWC input, whose values have no influence on the speed
        tensor.data[...] = 3
    infer: Call = request.infer
    return infer


def _litert(path: Path | None, job: Job) -> Call:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise Unavailable("ai-edge-litert is not installed") from error
    if path is None:
        raise Unavailable("there is no .tflite file of this network")
    interpreter = Interpreter(str(path), num_threads=job.threads)
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    interpreter.tensor(detail["index"])()[...] = 3
    invoke: Call = interpreter.invoke
    return invoke


def _twin(job: Job) -> Path:
    path = job.network.twin(job.folder, job.network.tflite_int8)
    if path is None:
        raise Unavailable("there is no .tflite file of this network")
    return path


PEERS: tuple[Runner, ...] = (
    Runner("onnxruntime", "onnxruntime", "int8", lambda j: _onnxruntime(j.qdq(), j)),
    Runner("openvino", "openvino", "int8", lambda j: _openvino(j.qdq(), j, None)),
    Runner("openvino-tflite", "openvino", "int8", lambda j: _openvino(_twin(j), j, None)),
    Runner("litert", "ai-edge-litert", "int8", lambda j: _litert(j.network.twin(j.folder, j.network.tflite_int8), j)),
    Runner("onnxruntime-fp32", "onnxruntime", "float", lambda j: _onnxruntime(j.network.path(j.folder), j)),
    Runner("openvino-fp32", "openvino", "float", lambda j: _openvino(j.network.path(j.folder), j, "f32")),
    Runner("litert-fp32", "ai-edge-litert", "float", lambda j: _litert(j.network.twin(j.folder, j.network.tflite_float), j)),
)


def quiet() -> None:
    """Keep the engines' banners out of the tables; call before the first engine is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("OPENVINO_LOG_LEVEL", "0")
