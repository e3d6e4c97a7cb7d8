"""The networks of the model benchmark: where their files are, what goes in.

The folder is named by `--models` or INTQ_SHARED (the folder itself, or one that holds `models/`). Speed does not depend on the
data, but a converter wants activations of a real kind, so real inputs are used where a `data/` folder lies beside `models/`,
and seeded noise in the range of the input elsewhere.
"""

from __future__ import annotations

import contextlib
import csv
import getpass
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError

Array = npt.NDArray[Any]
CALIBRATION = 32


def cache_dir() -> Path:
    """Where built and quantized models are kept between runs: INTQ_BENCH_CACHE, or a private folder of the temporary directory."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = str(os.getuid())
    path = Path(os.environ.get("INTQ_BENCH_CACHE") or Path(tempfile.gettempdir()) / f"intq-bench-{user}")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
        raise InputError(f"{path} belongs to somebody else; set INTQ_BENCH_CACHE to a folder of your own")
    return path


def models_folder(given: str | Path | None) -> Path | None:
    """The folder with the .onnx files, or None where none was named and INTQ_SHARED is not set. InputError if it does not exist."""
    named = given or os.environ.get("INTQ_SHARED")
    if not named:
        return None
    base = Path(named)
    for folder in (base / "models", base):
        if any(folder.glob("*.onnx")):
            return folder
    raise InputError(f"{base} holds no .onnx files, nor does {base / 'models'}")


@dataclass(frozen=True)
class Network:
    """One network of the benchmark. Paths are relative to the models folder; `tflite_*` are twins that LiteRT can run.

    `low` and `high` bound the float input; `real(data folder)` loads calibration inputs in the layout of the ONNX input.
    """

    name: str
    shape: tuple[int, ...]  # of one input, without the batch
    low: float
    high: float
    onnx: str | None  # None: built by the benchmark
    tflite_float: str | None = None
    tflite_int8: str | None = None
    real: Callable[[Path], Array] | None = None

    def path(self, folder: Path | None) -> Path:
        """The float ONNX file; InputError says what is missing."""
        if self.onnx is None:
            from . import resnet50

            return resnet50.write(cache_dir() / "resnet50-seed50.onnx")
        if Path(self.onnx).is_absolute():  # a file of the user's own
            return Path(self.onnx)
        if folder is None:
            raise InputError(f"{self.name} needs a models folder: --models FOLDER or INTQ_SHARED")
        if not (folder / self.onnx).exists():
            raise InputError(f"{folder / self.onnx} does not exist")
        return folder / self.onnx

    def twin(self, folder: Path | None, file: str | None) -> Path | None:
        """The .tflite file `file` in the folder, or None."""
        path = folder / file if folder is not None and file is not None else None
        return path if path is not None and path.exists() else None

    def calibration(self, folder: Path | None, count: int = CALIBRATION) -> Array:
        """(count or fewer, *shape) float32."""
        data = folder.parent / "data" if folder is not None else None
        if self.real is not None and data is not None:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # another `data` beside the models, or none
                return np.ascontiguousarray(self.real(data)[:count], dtype=np.float32)
        noise = np.random.default_rng(1).random((count, *self.shape), dtype=np.float32)
        return np.asarray(self.low + (self.high - self.low) * noise, dtype=np.float32)


def _jpegs(data: Path, size: int) -> Array:
    """(CALIBRATION, 3, size, size) pixels 0..255 of the calibration images."""
    from PIL import Image

    with open(data / "imagenet_500" / "labels.csv", newline="") as file:
        names = [row["file"] for row in csv.DictReader(file) if row["calib"] == "1"][:CALIBRATION]
    images = [Image.open(data / "imagenet_500" / name).convert("RGB").resize((size, size), Image.Resampling.BILINEAR) for name in names]
    return np.asarray(np.stack([np.asarray(image, np.float32) for image in images]).transpose(0, 3, 1, 2))


def _cifar(data: Path) -> Array:
    return np.asarray(np.load(data / "cifar10_calib.npz")["images"][:CALIBRATION].transpose(0, 3, 1, 2), np.float32)


def _kws(data: Path) -> Array:
    file = np.load(data / "kws_mfcc_calib.npz")
    mfcc = (file["features_int8"][:CALIBRATION].astype(np.float32) - file["zero_point"]) * file["scale"]
    return np.asarray(mfcc.transpose(0, 3, 1, 2), np.float32)


def _ad(data: Path) -> Array:
    return np.asarray(np.load(data / "ad_toycar_normal.npz")["windows"][:CALIBRATION], np.float32)


NETWORKS: tuple[Network, ...] = (
    Network(
        "mobilenet_v2_1.0_224", (3, 224, 224), -1.0, 1.008, "mobilenet_v2_1.0_224.onnx",
        tflite_int8="int8_tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite", real=lambda d: (_jpegs(d, 224) - 127.0) / 127.5,
    ),
    Network("resnet50", (3, 224, 224), -2.0, 2.0, None),
    Network(
        "resnet8_cifar10", (3, 32, 32), 0.0, 255.0, "resnet8_cifar10.onnx", "resnet8_cifar10.tflite",
        "int8_tflite/resnet8_cifar10_int8.tflite", _cifar,
    ),
    Network(
        "vww_mobilenetv1_025_96", (3, 96, 96), 0.0, 1.0, "vww_mobilenetv1_025_96.onnx", "vww_mobilenetv1_025_96.tflite",
        "int8_tflite/vww_96_int8.tflite", lambda d: _jpegs(d, 96) / 255.0,
    ),
    Network(
        "kws_dscnn", (1, 49, 10), -123.0, 25.0, "kws_dscnn.onnx", "kws_dscnn.tflite",
        "int8_tflite/kws_ref_model_int8.tflite", _kws,
    ),
    Network(
        "ad_autoencoder", (640,), -67.0, 2.0, "ad_autoencoder.onnx", "ad_autoencoder.tflite",
        "int8_tflite/ad01_int8.tflite", _ad,
    ),
)  # fmt: skip


def of_file(path: Path) -> Network:
    """A float ONNX network of the user's own, with noise in -2..2 for input: speed does not depend on it. The batch is 1.

    Raises InputError for a file that is not there or no ONNX network, for several inputs, and for a size that is not fixed.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except (OSError, DecodeError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    constants = {c.name for c in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    if len(inputs) != 1:
        raise InputError(f"{path}: {len(inputs)} inputs; networks of one input are compared")
    sizes = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim][1:]
    if not sizes or 0 in sizes:
        raise InputError(f"{path}: the shape of input {inputs[0].name!r} is not fixed; only its batch may be free")
    return Network(path.stem, tuple(sizes), -2.0, 2.0, str(path.resolve()))


def by_name(names: list[str] | None) -> list[Network]:
    """The networks whose name starts with one of `names` (all without names); InputError for a name that fits none."""
    if not names:
        return list(NETWORKS)
    for name in names:
        if not any(n.name.startswith(name) for n in NETWORKS):
            raise InputError(f"no network {name!r}; known: {', '.join(n.name for n in NETWORKS)}")
    return [n for n in NETWORKS if any(n.name.startswith(name) for name in names)]
